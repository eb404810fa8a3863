"""Changes of a matrix, the updates of its factors that follow, and what they are by definition."""

import numpy as np

import unifiedqr as uqr


def normal(*shape, complex_=False, seed=0):
    rng = np.random.default_rng([seed, *shape])
    return rng.standard_normal(shape) + (1j * rng.standard_normal(shape) if complex_ else 0)


def adjoint(X):
    return np.conj(np.swapaxes(X, -1, -2))


def inserted(xp, A, X, places, axis):
    """Return A with lines in their places, by one line after the other."""
    count, old, new = A.shape[axis] + len(places), 0, {}
    for i, place in enumerate(places):
        new[place] = X[i : i + 1] if axis == -2 else X[:, i : i + 1]
    parts = []
    for line in range(count):
        if line not in new:
            parts.append(A[old : old + 1] if axis == -2 else A[:, old : old + 1])
            old += 1
        else:
            parts.append(new[line])
    return xp.concat(parts, axis=axis)


def left(xp, A, places, axis):
    """Return A without lines."""
    kept = [line for line in range(A.shape[axis]) if line not in places]
    return xp.concat([A[i : i + 1] if axis == -2 else A[:, i : i + 1] for i in kept], axis=axis)


def herm(xp, X):
    X = xp.matrix_transpose(X)
    return xp.conj(X) if xp.isdtype(X.dtype, "complex floating") else X


def changes(m, n, complex_):
    """Return, by name, what is given besides A, the update of its factors, and the matrix that has the new ones."""
    drawn = {
        name: normal(*shape, complex_=complex_, seed=i)
        for i, (name, shape) in enumerate(
            {"u": (m,), "v": (n,), "U": (m, 2), "V": (n, 2), "row": (n,), "rows": (3, n), "columns": (m, 2)}.items()
        )
    }
    found = {
        "update": (("u", "v"), uqr.qr_update, lambda xp, A, u, v: A + u[:, None] @ herm(xp, v[:, None])),
        "update of rank 2": (("U", "V"), uqr.qr_update, lambda xp, A, U, V: A + U @ herm(xp, V)),
        "insert a row": (
            ("row",),
            lambda Q, R, x: uqr.qr_insert(Q, R, x, 1),
            lambda xp, A, x: inserted(xp, A, x[None], [1], -2),
        ),
        "insert rows": (
            ("rows",),
            lambda Q, R, X: uqr.qr_insert(Q, R, X, [m + 2, 0, 3], "rows"),
            lambda xp, A, X: inserted(xp, A, X, [m + 2, 0, 3], -2),
        ),
        "insert columns": (
            ("columns",),
            lambda Q, R, X: uqr.qr_insert(Q, R, X, n, "columns"),
            lambda xp, A, X: inserted(xp, A, X, [n, n + 1], -1),
        ),
        "insert scattered columns": (
            ("columns",),
            lambda Q, R, X: uqr.qr_insert(Q, R, X, [2, 0], "columns"),
            lambda xp, A, X: inserted(xp, A, X, [2, 0], -1),
        ),
        "delete a row": ((), lambda Q, R: uqr.qr_delete(Q, R, m - 1), lambda xp, A: left(xp, A, [m - 1], -2)),
        "delete rows": ((), lambda Q, R: uqr.qr_delete(Q, R, [2, 0], "rows"), lambda xp, A: left(xp, A, [0, 2], -2)),
        "delete a column": (
            (),
            lambda Q, R: uqr.qr_delete(Q, R, 0, "columns"),
            lambda xp, A: left(xp, A, [0], -1),
        ),
        "delete columns": (
            (),
            lambda Q, R: uqr.qr_delete(Q, R, (1, 3), "columns"),
            lambda xp, A: left(xp, A, [1, 3], -1),
        ),
    }
    return {name: (tuple(drawn[x] for x in names), update, afresh) for name, (names, update, afresh) in found.items()}


def bound(X, times=200):
    return times * np.finfo(X.dtype).eps


def loss_of(xp, factors):
    """Return a loss that every entry of both factors enters, phases included."""
    total = 0.0
    for i, X in enumerate(factors):
        wanted = xp.reshape(xp.asarray(np.cos(np.arange(X.shape[-2] * X.shape[-1]) + i)), X.shape[-2:])
        complex_ = xp.isdtype(X.dtype, "complex floating")
        total = total + xp.sum(xp.abs(X - xp.astype(wanted, X.dtype) * (1 + 0.5j if complex_ else 1)) ** 2)
    return total


HARD = {
    "in the range": lambda A: A @ normal(4, 2),
    "zero": lambda A: 0 * A[:, :2],
    "a column twice": lambda A: np.stack([A[:, 1], A[:, 1]], axis=-1),
    "nearly in the range": lambda A: A @ normal(4, 2) + 1e-14 * normal(len(A), 2),
    "dependent outside": lambda A: np.outer(normal(len(A), 1), [1, -2]),
    "huge": lambda A: 1e150 * normal(len(A), 2),
    "tiny": lambda A: 1e-150 * normal(len(A), 2),
}
