"""The one error that is also NumPy's, apart from the others because importing unifiedqr does not import NumPy."""

import numpy as np

from unifiedqr.errors import UnifiedQRError


class SingularMatrixError(UnifiedQRError, np.linalg.LinAlgError):
    """A derivative was taken of a matrix whose leading columns (rows, for LQ) are numerically dependent."""
