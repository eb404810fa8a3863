"""QR and LQ decompositions with correct derivatives, identical in PyTorch, TensorFlow, MXNet and JAX."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from unifiedqr import rules
from unifiedqr.arguments import to_numpy
from unifiedqr.autodiff import grad, hvp, jvp, value_and_grad, vjp
from unifiedqr.checks import set_checks
from unifiedqr.discovery import (
    BackendInfo,
    backends,
    get_backend,
    namespace,
    set_backend,
    use_backend,
)
from unifiedqr.errors import (
    BackendConflictError,
    BackendUnavailableError,
    CapabilityError,
    DtypeError,
    DurationError,
    ForeignArrayError,
    GaugeError,
    GaugeWarning,
    InputError,
    MissingExtraError,
    OptionError,
    ShapeError,
    ShardingError,
    ShardingWarning,
    SingularMatrixWarning,
    UnifiedQRError,
    UnknownBackendError,
)
from unifiedqr.functional import (
    LQFactor,
    QRFactor,
    interpolative,
    left_null_space,
    lq,
    lq_factor,
    lstsq,
    null_space,
    orth,
    ql,
    qr,
    qr_append_rows,
    qr_delete,
    qr_factor,
    qr_insert,
    qr_update,
    range_finder,
    rows_over,
    rq,
    slogdet,
)
from unifiedqr.results import (
    InterpolativeResult,
    LQResult,
    LstsqResult,
    PivotedLQResult,
    PivotedLResult,
    PivotedQRResult,
    PivotedRResult,
    QLResult,
    QRResult,
    RQResult,
    SlogdetResult,
)

if TYPE_CHECKING:
    from unifiedqr.diagnosis import Diagnosis, diagnose
    from unifiedqr.singular import SingularMatrixError
    from unifiedqr_lab.compare import compare

__version__ = "0.1.0"

__all__ = [
    "BackendConflictError",
    "BackendInfo",
    "BackendUnavailableError",
    "CapabilityError",
    "Diagnosis",
    "DtypeError",
    "DurationError",
    "ForeignArrayError",
    "GaugeError",
    "GaugeWarning",
    "InputError",
    "InterpolativeResult",
    "LQFactor",
    "LQResult",
    "LstsqResult",
    "MissingExtraError",
    "OptionError",
    "PivotedLQResult",
    "PivotedLResult",
    "PivotedQRResult",
    "PivotedRResult",
    "QLResult",
    "QRFactor",
    "QRResult",
    "RQResult",
    "ShapeError",
    "ShardingError",
    "ShardingWarning",
    "SingularMatrixError",
    "SingularMatrixWarning",
    "SlogdetResult",
    "UnifiedQRError",
    "UnknownBackendError",
    "backends",
    "compare",
    "diagnose",
    "get_backend",
    "grad",
    "hvp",
    "interpolative",
    "jvp",
    "left_null_space",
    "lq",
    "lq_factor",
    "lstsq",
    "namespace",
    "null_space",
    "orth",
    "ql",
    "qr",
    "qr_append_rows",
    "qr_delete",
    "qr_factor",
    "qr_insert",
    "qr_update",
    "range_finder",
    "rows_over",
    "rq",
    "rules",
    "set_backend",
    "set_checks",
    "slogdet",
    "to_numpy",
    "use_backend",
    "value_and_grad",
    "vjp",
]


_ON_DEMAND = {
    "Diagnosis": "unifiedqr.diagnosis",
    "SingularMatrixError": "unifiedqr.singular",
    "compare": "unifiedqr_lab.compare",
    "diagnose": "unifiedqr.diagnosis",
}
"""What importing unifiedqr does not import: NumPy, and the laboratory."""


def __getattr__(name: str) -> Any:
    if name in _ON_DEMAND:
        return getattr(import_module(_ON_DEMAND[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
