"""Products over the long side of tall tensors, in blocks that fit the cache and with few fresh blocks of memory.

On a CPU each large block that PyTorch asks the system for is mapped page by page when it is first written to, which
takes as long as a product. NumPy asks for huge pages, and is asked for the memory here.
"""

import numpy as np
import torch

from unifiedqr.arrays.operations import Term
from unifiedqr_torch.tensors import conj, is_plain

ROWS = 2048
"""Rows of a block."""

LARGE = 2**22
"""Bytes from which the system is asked for a block of its own."""

WIDE = 64
"""The number of columns from which sums of products gain by blocks of rows: the sum stays in the cache."""


def inner(X: torch.Tensor, Y: torch.Tensor, /) -> torch.Tensor:
    """Return X^H Y; of tall real matrices as a sum over blocks of rows."""
    if X.is_complex():
        return (X.mH if is_plain(X) else conj(X.mT)) @ Y  # forward mode rejects lazy conjugates
    m = X.shape[-2]
    if X.ndim > 2 or Y.ndim > 2 or type(m) is not int or m < 2 * ROWS:  # known to a trace of every size, too
        return X.mT @ Y
    whole = m // ROWS * ROWS
    X_blocks, Y_blocks = (Z[:whole].reshape(-1, ROWS, Z.shape[-1]) for Z in (X, Y))
    total = torch.bmm(X_blocks.mT, Y_blocks).sum(0)
    return total if whole == m else total.addmm(X[whole:].mT, Y[whole:])


def combination(first: Term, *others: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """Return the sum of the terms, in the memory of the first one where it is a tensor, nobody else's."""
    if others and isinstance(first, tuple) and first[1].shape[-1] >= WIDE and _are_long_and_plain(first, *others):
        total = _fresh(*first)
        for rows in zip(total.split(ROWS), *(X.split(ROWS) for X, _ in (first, *others)), strict=True):
            sum_of_rows, X, *more = rows
            torch.mm(X, first[1], out=sum_of_rows)
            for Z, (_, K) in zip(more, others, strict=True):
                sum_of_rows.addmm_(Z, K)
        return total
    total: torch.Tensor = _product(*first) if isinstance(first, tuple) else first
    for X, K in others:
        total = _plus_product(total, X, K)
    return total


def quotient_of_sum(U: torch.Tensor, Y: torch.Tensor, Q: torch.Tensor, K: torch.Tensor) -> torch.Tensor:
    """Return (Y + Q K) U^-H, in the memory of the sum where nobody watches it."""
    total = _product(Q, K)
    if not is_plain(total):
        return torch.linalg.solve_triangular(conj(U.mT), Y + total, upper=False, left=False)
    total += Y
    return torch.linalg.solve_triangular(U.mH, total, upper=False, left=False, out=total)


def _product(X: torch.Tensor, K: torch.Tensor) -> torch.Tensor:
    return torch.matmul(X, K, out=_fresh(X, K)) if _is_large_and_plain(X, K) else X @ K


def _plus_product(Y: torch.Tensor, X: torch.Tensor, K: torch.Tensor, /) -> torch.Tensor:
    """Return Y + X K, in the memory of Y where nobody watches it."""
    if is_plain(Y) and 2 <= Y.ndim == X.ndim == K.ndim <= 3 and Y.shape[:-2] == X.shape[:-2] == K.shape[:-2]:
        return Y.addmm_(X, K) if Y.ndim == 2 else Y.baddbmm_(X, K)
    return Y + X @ K


def turned(Q: torch.Tensor, R: torch.Tensor, D: torch.Tensor, /) -> tuple[torch.Tensor, torch.Tensor]:
    """Return Q D and the upper triangle D^H R, in the memory of Q and R where nobody watches it."""
    D_H = conj(D) if D.is_complex() else D
    if is_plain(Q):  # and so is R, of the same kernel
        R.mul_(D_H.unsqueeze(-1)).mT.tril_()  # in the order of its memory, a tenth of the time
        return Q.mul_(D.unsqueeze(-2)), R
    return Q * D.unsqueeze(-2), (R * D_H.unsqueeze(-1)).triu()


def _are_long_and_plain(*terms: tuple[torch.Tensor, torch.Tensor]) -> bool:
    return all(X.ndim == K.ndim == 2 and _is_large_and_plain(X, K) and X.shape[0] > ROWS for X, K in terms)


def _is_large_and_plain(X: torch.Tensor, K: torch.Tensor) -> bool:
    if not (X.is_cpu and is_plain(X)):  # a trace asks no sizes
        return False
    is_large = X.shape[:-1].numel() * K.shape[-1] * X.element_size() >= LARGE
    return is_large and is_plain(K) and (X.ndim == 2 or X.shape[:-2] == K.shape[:-2])


def _fresh(X: torch.Tensor, K: torch.Tensor) -> torch.Tensor:
    kind = np.dtype(str(X.dtype).removeprefix("torch."))
    return torch.from_numpy(np.empty((*X.shape[:-1], K.shape[-1]), kind))
