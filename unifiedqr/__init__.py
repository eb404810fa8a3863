"""QR and LQ decompositions with correct derivatives, identical in PyTorch, TensorFlow, MXNet and JAX."""

from unifiedqr import rules
from unifiedqr.autodiff import grad, hvp, jvp, value_and_grad, vjp
from unifiedqr.compare import compare
from unifiedqr.decomposition import LQResult, QRResult
from unifiedqr.discovery import (
    BackendInfo,
    backends,
    get_backend,
    namespace,
    set_backend,
    to_numpy,
    use_backend,
)
from unifiedqr.errors import (
    BackendConflictError,
    BackendUnavailableError,
    CapabilityError,
    DtypeError,
    ForeignArrayError,
    InputError,
    OptionError,
    ShapeError,
    UnifiedQRError,
    UnknownBackendError,
)
from unifiedqr.functional import lq, qr

__version__ = "0.1.0"

__all__ = [
    "BackendConflictError",
    "BackendInfo",
    "BackendUnavailableError",
    "CapabilityError",
    "DtypeError",
    "ForeignArrayError",
    "InputError",
    "LQResult",
    "OptionError",
    "QRResult",
    "ShapeError",
    "UnifiedQRError",
    "UnknownBackendError",
    "backends",
    "compare",
    "get_backend",
    "grad",
    "hvp",
    "jvp",
    "lq",
    "namespace",
    "qr",
    "rules",
    "set_backend",
    "to_numpy",
    "use_backend",
    "value_and_grad",
    "vjp",
]
