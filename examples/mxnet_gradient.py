"""QR in MXNet: an ordinary differentiable function."""

import unifiedqr as uqr

uqr.get_backend("mxnet")  # imports MXNet, which by itself does not import beside NumPy 1.24 or later

import mxnet as mx  # noqa: E402

A = mx.np.array([[3.0, 1.0], [4.0, 2.0], [0.0, 2.0]], dtype="float64")
A.attach_grad()
with mx.autograd.record():
    Q, R = uqr.qr(A)
    loss = Q[0, 1] + R[0, 1] ** 2
loss.backward()
print(A.grad)
