"""Matrices whose rows are spread over several shards, replicas or processes."""

from typing import Any

from unifiedqr._typing import Array, Arrays, Namespace
from unifiedqr.applications import row
from unifiedqr.arguments import resolve
from unifiedqr.arrays.holders import Holders, namespace_of_holders
from unifiedqr.backend import Backend
from unifiedqr.decomposition import Primitive, primitive
from unifiedqr.errors import CapabilityError, ShapeError
from unifiedqr.functional.inputs import chosen, run_resolved, sizes_of
from unifiedqr.functional.least_squares import solution
from unifiedqr.primitive import of_holders
from unifiedqr.results import LQResult, LstsqResult, QRResult


def rows_over(where: Any, /, *, rank: int | None = None, size: int | None = None) -> "RowsOver":
    """Return `qr`, `lq`, `lstsq` and `orth` of matrices whose rows are spread over several holders.

    Every holder calls the same function with its own rows, and gets its own rows of Q and all of R. No row is sent:
    holders sum n x n arrays, whatever the number of rows.

    Parameters
    ----------
    where : str, tuple of str, tf.distribute.Strategy or callable
        The name of the axis, or of several, of a `jax.shard_map`; the strategy in whose replicas TensorFlow runs; or,
        for arrays of any backend, a function that takes an array and returns the sum of those of all processes, such as
        ``comm.allreduce`` of mpi4py.
    rank, size : int, optional
        With a function: which of the processes this is, counted from 0, and how many there are.

    Returns
    -------
    RowsOver
        The functions.

    Raises
    ------
    CapabilityError
        The backend of an array does not know `where`.
    OptionError
        `rank` or `size` is missing, or out of range.

    Notes
    -----
    The derivative is that of the sum of all holders' losses: each may use its rows of Q and, with its share of the
    weight, its copy of R. Inside `jax.shard_map` the types of arrays say which are copies, and the loss is what the
    program says; its default ``check_vma=True`` is needed for derivatives. Kernels: (CH.1), (CH.2), (CH.3), and TSQR
    where these are rejected; rules: those of `qr` and the others, whose sums over rows are followed by sums over
    holders.

    References
    ----------
    J. Demmel, L. Grigori, M. Hoemmen, J. Langou (2012), Communication-optimal parallel and sequential QR and LU
    factorizations.

    Examples
    --------
    One process has all rows:

    >>> import numpy as np
    >>> import unifiedqr as uqr
    >>> uqr.rows_over(lambda X: X, rank=0, size=1).qr(np.array([[3.0], [4.0]])).R
    array([[5.]])
    """
    return RowsOver(where, rank, size)


class RowsOver:
    """Functions of matrices whose rows are spread over several holders; made by `rows_over`."""

    def __init__(self, where: Any, rank: int | None, size: int | None) -> None:
        self.where, self.rank, self.size = where, rank, size
        self._made: dict[tuple[Any, ...], Primitive] = {}
        self._holders: dict[tuple[str, int | None], Holders] = {}

    def qr(self, A: Any, /, *, mode: str = "reduced", positive: bool = True, method: str = "auto") -> Any:
        """Decompose A = Q R, given and returning the rows of A and Q held here; R is the same everywhere.

        Parameters
        ----------
        A : array, shape (..., m_i, n)
            The rows, held here, of a matrix with at least as many rows as columns; dtypes as in `unifiedqr.qr`.
        mode : {"reduced", "r"}
            Both factors, or R alone.
        positive, method
            As in `unifiedqr.qr`.

        Returns
        -------
        QRResult or array
            ``Q`` (..., m_i, n) and ``R`` (..., n, n); ``R`` alone with ``mode="r"``.

        Raises
        ------
        ShapeError
            The matrix has fewer rows than columns, or A is not a matrix.
        DtypeError, OptionError, ForeignArrayError
            As in `unifiedqr.qr`.

        Notes
        -----
        Derivatives as in `unifiedqr.qr`.

        References
        ----------
        J. Demmel et al. (2012), Communication-optimal parallel and sequential QR and LU factorizations.

        Examples
        --------
        >>> import numpy as np
        >>> import unifiedqr as uqr
        >>> over = uqr.rows_over(lambda X: X, rank=0, size=1)
        >>> over.qr(np.array([[3.0], [4.0]]), mode="r")
        array([[5.]])
        """
        found = self._factors(A, chosen("mode", mode, ("reduced", "r")), positive=positive, method=method)
        return QRResult(*found) if mode == "reduced" else found[0]

    def lq(self, A: Any, /, *, mode: str = "reduced", positive: bool = True, method: str = "auto") -> Any:
        """Decompose A = L Q, given and returning the columns of A and Q held here; L is the same everywhere.

        Parameters
        ----------
        A : array, shape (..., m, n_i)
            The columns, held here, of a matrix with at least as many columns as rows; dtypes as in `unifiedqr.qr`.
        mode : {"reduced", "l"}
            Both factors, or L alone.
        positive, method
            As in `unifiedqr.lq`.

        Returns
        -------
        LQResult or array
            ``L`` (..., m, m) and ``Q`` (..., m, n_i); ``L`` alone with ``mode="l"``.

        Raises
        ------
        ShapeError
            The matrix has fewer columns than rows, or A is not a matrix.
        DtypeError, OptionError, ForeignArrayError
            As in `unifiedqr.lq`.

        Notes
        -----
        Derivatives as in `unifiedqr.qr`, of A^H (LQ.1).

        References
        ----------
        J. Demmel et al. (2012), Communication-optimal parallel and sequential QR and LU factorizations.

        Examples
        --------
        >>> import numpy as np
        >>> import unifiedqr as uqr
        >>> uqr.rows_over(lambda X: X, rank=0, size=1).lq(np.array([[3.0, 4.0]])).L
        array([[5.]])
        """
        found = self._factors(A, chosen("mode", mode, ("reduced", "l")), columns=True, positive=positive, method=method)
        return LQResult(*found) if mode == "reduced" else found[0]

    def orth(self, A: Any, /) -> Any:
        """Return the rows, held here, of an orthonormal basis of the range of A.

        Parameters
        ----------
        A : array, shape (..., m_i, n)
            As in `RowsOver.qr`.

        Returns
        -------
        array, shape (..., m_i, n)
            Rows of the basis.

        Raises
        ------
        ShapeError, DtypeError, ForeignArrayError
            As in `RowsOver.qr`.

        Notes
        -----
        Derivative as in `unifiedqr.orth`.

        References
        ----------
        G. H. Golub, V. Pereyra (1973), The differentiation of pseudo-inverses and nonlinear least squares problems
        whose variables separate.

        Examples
        --------
        >>> import numpy as np
        >>> import unifiedqr as uqr
        >>> uqr.rows_over(lambda X: X, rank=0, size=1).orth(np.array([[3.0], [4.0]]))
        array([[0.6],
               [0.8]])
        """
        return self._run(row("orth"), A)[0]

    def lstsq(self, A: Any, b: Any, /) -> LstsqResult[Any]:
        """Solve min |b - A x|, given the rows of A and b held here; x is the same everywhere.

        Parameters
        ----------
        A : array, shape (..., m_i, n)
            As in `RowsOver.qr`, of full rank.
        b : array, shape (..., m_i) or (..., m_i, s)
            The rows, held here, of the right-hand sides.

        Returns
        -------
        LstsqResult
            As in `unifiedqr.lstsq`, the same everywhere.

        Raises
        ------
        ShapeError, DtypeError, ForeignArrayError
            As in `unifiedqr.lstsq`, or the matrix has fewer rows than columns.

        Notes
        -----
        Derivative (LS.3). Where rows differ greatly in size the largest are taken first, here and then among all.

        References
        ----------
        G. H. Golub, V. Pereyra (1973), The differentiation of pseudo-inverses and nonlinear least squares problems
        whose variables separate.

        Examples
        --------
        >>> import numpy as np
        >>> import unifiedqr as uqr
        >>> uqr.rows_over(lambda X: X, rank=0, size=1).lstsq(np.array([[1.0], [1.0]]), np.array([1.0, 3.0])).x
        array([2.])
        """
        backend, (A, b) = resolve(A, b)
        made = self._over(backend, A, row("lstsq"), columns=False)
        if A.shape[-2] == 0:  # everybody takes part in the sums
            A, b = _with_a_row(backend, A), _with_a_row(backend, b, axis=-2 if len(b.shape) == len(A.shape) else -1)
        return solution(backend, A, b, None, made)

    def namespace(self, A: Any, /) -> Namespace:
        """Return the namespace in which the rules of `unifiedqr.rules` are those of the whole matrix, as their ``xp``.

        Parameters
        ----------
        A : array, shape (..., m_i, n)
            The rows held here. If `where` is a function all processes must call this, since they count the rows.

        Returns
        -------
        namespace

        Raises
        ------
        ShapeError, ForeignArrayError
            As in `RowsOver.qr`.

        Notes
        -----
        Rules take the rows, held here, of A, Q and their cotangents and tangents; R_bar and x_bar belong to what is the
        same everywhere, so every holder passes the same.

        References
        ----------
        J. Demmel et al. (2012), Communication-optimal parallel and sequential QR and LU factorizations.

        Examples
        --------
        >>> import numpy as np
        >>> import unifiedqr as uqr
        >>> over, A = uqr.rows_over(lambda X: X, rank=0, size=1), np.array([[3.0], [4.0]])
        >>> uqr.rules.qr_vjp(*over.qr(A), None, np.array([[1.0]]), xp=over.namespace(A))
        array([[0.6],
               [0.8]])
        """
        backend, (A,) = resolve(A)
        return namespace_of_holders(backend.xp, *self._holders_of(backend, A, -2))

    def _factors(self, A: Any, mode: str, *, columns: bool = False, **options: Any) -> Arrays:
        return self._run(primitive("qr" if mode == "reduced" else "qr-r", **options), A, columns=columns)

    def _run(self, original: Primitive, A: Any, *, columns: bool = False) -> Arrays:
        backend, (A,) = resolve(A)
        made, axis = self._over(backend, A, original, columns=columns), -1 if columns else -2
        is_empty = A.shape[axis] == 0
        found = run_resolved(backend, _with_a_row(backend, A, axis=axis) if is_empty else A, made)
        if is_empty:  # everybody takes part in the sums
            named = zip(made.outputs, found, strict=False)
            side = "n" if columns else "m"
            found = tuple(
                (X[..., :0] if columns else X[..., :0, :]) if side in made.sides[name] else X for name, X in named
            )
        return found

    def _over(self, backend: Backend, A: Array, original: Primitive, *, columns: bool) -> Primitive:
        sizes_of(backend, A, original.name)
        axis = -1 if columns else -2
        holders, m = self._holders_of(backend, A, axis)
        if "cholesky" in original.options and not holders.may_branch:
            raise CapabilityError(
                f"got method='cholesky' over {self.where!r}; expected 'auto' or 'householder': {backend.name} sums up "
                f"nothing inside of a branch that depends on values."
            )
        rows = m if m is not None else None if A.shape[axis] is None else A.shape[axis] * holders.count
        n = A.shape[-2 if columns else -1]
        if rows is None or n is None or rows < n:
            lines, others = ("columns", "rows") if columns else ("rows", "columns")
            raise ShapeError(
                f"{original.name} got a matrix of {rows} {lines} over {holders.count} holders and {n} {others}; "
                f"expected at least as many {lines} as {others}, which alone are spread."
            )
        key = backend.name, original, m, columns
        if key not in self._made:
            self._made[key] = of_holders(original, holders, m, columns=columns)
        return self._made[key]

    def _holders_of(self, backend: Backend, A: Array, axis: int) -> tuple[Holders, int | None]:
        """Return the holders and the number of all rows, None for equally many."""
        found = backend.holders(self.where, self.rank, self.size)
        holders = self._holders.setdefault((backend.name, found.count), found)
        if holders.are_even:
            return holders, None
        count = holders.total(backend.xp.full_like(backend.xp.ones((1, 1), dtype=A.dtype), A.shape[axis]))
        try:
            rows = int(backend.to_numpy(count).real.item())
        except Exception as error:  # each framework has its own
            raise CapabilityError(
                f"got an array without values, as in a function that {backend.name} compiles; expected one that has "
                f"them, since the number of all rows is a sum over the processes. Compile what surrounds it."
            ) from error
        return holders, rows


def _with_a_row(backend: Backend, X: Array, axis: int = -2) -> Array:
    """Return an empty X with a row of zeros, which changes nothing."""
    shape = [*X.shape]
    shape[axis] = 1
    return backend.xp.zeros(tuple(shape), dtype=X.dtype)
