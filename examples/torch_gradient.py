"""QR in PyTorch: an ordinary differentiable function."""

import torch

import unifiedqr as uqr

A = torch.tensor([[3.0, 1.0], [4.0, 2.0], [0.0, 2.0]], dtype=torch.float64, requires_grad=True)
Q, R = uqr.qr(A)
loss = Q[0, 1] + R[0, 1] ** 2
loss.backward()
print(A.grad)
