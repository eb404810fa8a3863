"""Complex arrays for a framework that has none: a pair of real MXNet arrays.

MXNet records the operations on the two parts, so gradients need nothing of their own: with the loss L real, the
gradient of a pair is dL/dRe + i dL/dIm, as the pairing <X_bar, dX> = Re tr(X_bar^H dX) (PR.1) has it.
"""

from collections.abc import Callable
from numbers import Complex, Real
from typing import Any

import numpy as np

from unifiedqr.errors import DtypeError, ForeignArrayError, ShapeError
from unifiedqr_mxnet.compat import mx

RealArray = Any  # mx.np.ndarray: MXNet has no type information

COMPLEX_OF = {"float32": np.complex64, "float64": np.complex128}
REAL_OF = {"complex64": np.float32, "complex128": np.float64}


class ComplexArray:
    """A complex array made of two real ones of one shape and dtype.

    Parameters
    ----------
    real, imag : mx.np.ndarray
        The parts, float32 or float64; they are kept, not copied. Symbols of them in a hybridized block.

    Raises
    ------
    ForeignArrayError
        A part is no array of MXNet's NumPy-like kind.
    ShapeError, DtypeError
        The parts do not fit each other, or are not floating.

    Examples
    --------
    >>> import unifiedqr as uqr
    >>> xp = uqr.namespace("mxnet")
    >>> z = xp.asarray([3.0 + 4.0j])
    >>> abs(z), z * 1j
    (array([5.]), ComplexArray([-4.+3.j]))
    """

    __slots__ = ("imag", "real")
    __array_ufunc__ = None  # NumPy would make an object array of it
    __hash__: Any = None  # compares elementwise, as arrays do

    def __init__(self, real: RealArray, imag: RealArray) -> None:
        if not isinstance(real, mx.sym.Symbol):  # a graph's node has no shape and dtype yet
            _check_parts(real, imag)
        self.real = real
        self.imag = imag

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return self.real.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.real.shape)

    @property
    def size(self) -> int:
        """Number of entries."""
        return self.real.size

    @property
    def dtype(self) -> Any:
        """``numpy.complex64`` or ``numpy.complex128``; MXNet's dtypes are NumPy's scalar types."""
        return COMPLEX_OF[np.dtype(self.real.dtype).name]

    @property
    def ctx(self) -> Any:
        """The device that holds the parts."""
        return self.real.ctx

    @property
    def grad(self) -> "ComplexArray | None":
        """dL/dRe + i dL/dIm after a backward pass; None if `attach_grad` was not called."""
        return None if self.real.grad is None else ComplexArray(self.real.grad, self.imag.grad)

    def attach_grad(self, grad_req: str = "write") -> None:
        """Make room for the gradient, as `mx.np.ndarray.attach_grad` does for a real array."""
        self.real.attach_grad(grad_req)
        self.imag.attach_grad(grad_req)

    def each(self, function: Callable[..., RealArray], *args: Any, **kwargs: Any) -> "ComplexArray":
        """Apply a real-linear function that does not mix the parts to each of them."""
        return ComplexArray(function(self.real, *args, **kwargs), function(self.imag, *args, **kwargs))

    def conj(self) -> "ComplexArray":
        """Return the complex conjugate."""
        return ComplexArray(self.real, -self.imag)

    def detach(self) -> "ComplexArray":
        """Return the same values outside any recorded computation."""
        return self.each(lambda part: part.detach())

    def copy(self) -> "ComplexArray":
        """Return a copy of the values."""
        return self.each(mx.np.copy)

    def wait_to_read(self) -> None:
        """Wait for the values; an error in their computation is raised here."""
        self.real.wait_to_read()
        self.imag.wait_to_read()

    def asnumpy(self) -> np.ndarray:
        """Return the values as a NumPy array."""
        values = np.empty(self.shape, dtype=self.dtype)
        values.real = self.real.asnumpy()
        values.imag = self.imag.asnumpy()
        return values

    def __repr__(self) -> str:
        return f"ComplexArray({np.array2string(self.asnumpy(), separator=', ', prefix='ComplexArray(')})"

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> "ComplexArray":
        return self.each(lambda part: part[key])

    def __setitem__(self, key: Any, value: Any) -> None:
        real, imag = parts(value)
        self.real[key] = real
        self.imag[key] = 0.0 if imag is None else imag

    def __complex__(self) -> complex:
        return complex(float(self.real), float(self.imag))

    def __abs__(self) -> RealArray:
        return modulus(self)

    def __pos__(self) -> "ComplexArray":
        return self

    def __neg__(self) -> "ComplexArray":
        return ComplexArray(-self.real, -self.imag)


def _check_parts(real: RealArray, imag: RealArray) -> None:
    for part in (real, imag):
        if not isinstance(part, mx.np.ndarray):
            raise ForeignArrayError(
                f"got {type(part).__name__} as a part of a ComplexArray; expected an array of mxnet.np. Make the pair "
                f"with unifiedqr.namespace('mxnet').asarray."
            )
    if real.shape != imag.shape:
        raise ShapeError(f"the parts have shapes {real.shape} and {imag.shape}; the parts of a ComplexArray are alike.")
    names = np.dtype(real.dtype).name, np.dtype(imag.dtype).name
    if names[0] != names[1] or names[0] not in COMPLEX_OF:
        raise DtypeError(
            f"the parts are {names[0]} and {names[1]}; both must be {' or both '.join(COMPLEX_OF)}. Convert them with "
            f".astype."
        )


def parts(x: Any) -> tuple[Any, Any]:
    """Return the real and the imaginary part of an array or number; None for the part that a real one does not have."""
    if isinstance(x, ComplexArray):
        return x.real, x.imag
    if isinstance(x, Complex) and not isinstance(x, Real):
        return complex(x).real, complex(x).imag
    return x, None


def cast(x: RealArray, name: str) -> RealArray:
    """Convert a real array to the dtype of a name; MXNet's `astype` loses ``grad_req="add"``."""
    return mx.nd.cast(x.as_nd_ndarray(), dtype=name).as_np_ndarray()


def modulus(z: ComplexArray) -> RealArray:
    """Return |z|, with gradient zero at zero as for a real array (select before the root: 0/0 is NaN in any case)."""
    nonzero = (z.real != 0) | (z.imag != 0)
    real = mx.np.where(nonzero, z.real, mx.np.ones_like(z.real))
    return mx.np.where(nonzero, mx.np.hypot(real, z.imag), mx.np.zeros_like(real))


def lifted(x: Any) -> ComplexArray:
    """Return a real array as a pair, and a pair as it is."""
    if isinstance(x, ComplexArray):
        return x
    x = x if np.dtype(x.dtype).name in COMPLEX_OF else x.astype("float64")
    return ComplexArray(x, mx.np.zeros_like(x))
