"""The errors unifiedqr raises: each says what was given, what was expected, what to do.

Every class derives from `UnifiedQRError` and from the built-in a caller would expect. `SingularMatrixError`, which also
derives from NumPy's error, is in `unifiedqr.singular`.
"""


class UnifiedQRError(Exception):
    """Base class of every error raised by unifiedqr."""


class ShapeError(UnifiedQRError, ValueError):
    """An array has the wrong number of dimensions or the wrong shape."""


class UndecidedShapeError(ShapeError):
    """The graph being traced depends on which of m and n is larger, which is not known before it runs."""

    def __init__(self) -> None:
        super().__init__(
            "got a matrix whose sizes are not known while a graph is traced; the computation depends on which of m and "
            "n is larger. Give both sizes in the signature of the graph."
        )


class DtypeError(UnifiedQRError, TypeError):
    """An array has a dtype for which no decomposition is defined."""


class OptionError(UnifiedQRError, ValueError):
    """An option has a value that is not among its choices."""


class InputError(UnifiedQRError, ValueError):
    """A file or a command-line value cannot be used."""


class DurationError(UnifiedQRError, TimeoutError):
    """The work takes, or is estimated to take, longer than allowed."""


class UnknownBackendError(UnifiedQRError, ValueError):
    """No installed distribution registers a backend under this name."""


class BackendUnavailableError(UnifiedQRError, ImportError):
    """A backend is registered but its framework cannot be imported."""


class BackendConflictError(UnifiedQRError, ValueError):
    """Two distributions register a backend under the same name."""


class MissingExtraError(UnifiedQRError, ImportError):
    """An extra that the called function needs is not installed."""


class ForeignArrayError(UnifiedQRError, TypeError):
    """An argument is not an array of any backend, or the arguments belong to two backends."""


class CapabilityError(UnifiedQRError, NotImplementedError):
    """The framework cannot do what was asked, whatever the library does."""


class SingularMatrixWarning(UserWarning):
    """A derivative was taken of a matrix whose leading columns (rows, for LQ) are dependent, and is NaN."""


class ShardingError(UnifiedQRError, ValueError):
    """An array is spread over devices in a way that cannot be decomposed without gathering it."""


class ShardingWarning(UserWarning):
    """The whole matrix moves between devices."""


class GaugeError(UnifiedQRError, ValueError):
    """A loss depends on which orthonormal basis of a space was chosen, which the derivative does not determine."""


class GaugeWarning(UserWarning):
    """A loss depends on which orthonormal basis of a space was chosen; its gradient is that of the space alone."""


def in_one_line(error: Exception) -> str:
    """Return the type and the message of an error in one line, without the full stop at its end."""
    return " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".")
