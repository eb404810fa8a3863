"""Rules of decompositions that are another one's mirror image: all of LQ but the reduced one, RQ and QL, null spaces.

Each is the rule of the original between two reflections (LQ.1), (LQ.4), (LQ.5).
"""

from unifiedqr.arrays.reflections import ADJOINT, REVERSED_COLUMNS, REVERSED_ROWS
from unifiedqr.rules.complete import qr_complete_jvp, qr_complete_vjp
from unifiedqr.rules.lq import lq_jvp, lq_vjp
from unifiedqr.rules.mirroring import Mirror, mirrored_rule
from unifiedqr.rules.pivoted import qr_pivoted_jvp, qr_pivoted_vjp
from unifiedqr.rules.qr import qr_jvp, qr_vjp
from unifiedqr.rules.spaces import left_null_space_vjp
from unifiedqr.rules.triangle_only import qr_r_jvp, qr_r_vjp
from unifiedqr.rules.validation import check_complete_factors, check_factors, check_triangle

_LOWER = "Lower trapezoidal factor with real diagonal, of either sign"
_ROWS = "Factor with orthonormal rows."

LQ_L = Mirror(
    "L alone",
    "A",
    ADJOINT,
    {"A": "A", "L": "R"},
    {"A": ("(..., m, n)", "The matrix."), "L": ("(..., m, k)", f"{_LOWER}; k = min(m, n).")},
    check_triangle,
)
LQ_COMPLETE = Mirror(
    "the complete LQ factors",
    "A = L Q",
    ADJOINT,
    {"L": "R", "Q": "Q"},
    {
        "L": ("(..., m, n)", f"{_LOWER}; its last n - m columns are zero."),
        "Q": ("(..., n, n)", "Unitary factor of a wide or square matrix."),
    },
    check_complete_factors,
)
LQ_PIVOTED = Mirror(
    "row-pivoted LQ factors",
    "A",
    ADJOINT,
    {"L": "R", "Q": "Q", "P": "P"},
    {
        "L": ("(..., m, r)", f"{_LOWER}; r = min(m, n), or less if truncated."),
        "Q": ("(..., r, n)", _ROWS),
        "P": ("(..., m)", "Pivots, integers: ``A[..., P, :] = L Q`` per matrix, up to what was truncated."),
    },
    check_factors,
)
RQ = Mirror(
    "the reduced RQ factors",
    "A = R Q",
    REVERSED_ROWS,
    {"R": "L", "Q": "Q"},
    {
        "R": (
            "(..., m, k)",
            "Factor whose last k = min(m, n) rows are upper triangular, with real diagonal.",
        ),
        "Q": ("(..., k, n)", _ROWS),
    },
    check_factors,
)
QL = Mirror(
    "the reduced QL factors",
    "A = Q L",
    REVERSED_COLUMNS,
    {"Q": "Q", "L": "R"},
    {
        "Q": ("(..., m, k)", "Orthonormal factor, k = min(m, n)."),
        "L": ("(..., k, n)", "Factor whose last k columns are lower triangular, with real diagonal."),
    },
    check_factors,
    dependent="columns",
)
NULL_SPACE = Mirror(
    "an orthonormal basis of the null space",
    "A",
    ADJOINT,
    {"N": "N", "L": "R", "Q": "Q"},
    {
        "N": ("(..., n, n - m)", "Orthonormal basis of the kernel, of any origin."),
        "L": ("(..., m, m)", "Lower triangular factor of the wide matrix A = L Q."),
        "Q": ("(..., m, n)", _ROWS),
    },
    check_factors,
    source="G. H. Golub, V. Pereyra (1973).",
)

lq_l_vjp = mirrored_rule(
    "lq_l_vjp",
    LQ_L,
    qr_r_vjp,
    "(R.1), (R.2)",
    """
>>> from unifiedqr.rules import lq_l_vjp
>>> lq_l_vjp(np.array([[3.0, 4.0]]), np.array([[5.0]]), np.array([[1.0]]))  # gradient of the norm
array([[0.6, 0.8]])
""",
)
lq_l_jvp = mirrored_rule(
    "lq_l_jvp",
    LQ_L,
    qr_r_jvp,
    "(QR.2), (R.2)",
    """
>>> from unifiedqr.rules import lq_l_jvp
>>> A = np.array([[3.0, 4.0]])
>>> lq_l_jvp(A, np.array([[5.0]]), A)
array([[5.]])
""",
)
lq_complete_vjp = mirrored_rule(
    "lq_complete_vjp",
    LQ_COMPLETE,
    qr_complete_vjp,
    "(CQ.5)",
    """
>>> from unifiedqr.rules import lq_complete_vjp
>>> L, Q = np.array([[5.0, 0.0]]), np.array([[0.6, 0.8], [-0.8, 0.6]])  # A = [[3, 4]]
>>> lq_complete_vjp(L, Q, np.array([[1.0, 0.0]]), None)
array([[0.6, 0.8]])
""",
)
lq_complete_jvp = mirrored_rule(
    "lq_complete_jvp",
    LQ_COMPLETE,
    qr_complete_jvp,
    "(QR.1), (QR.2) and (CQ.5)",
    """
>>> from unifiedqr.rules import lq_complete_jvp
>>> L, Q = np.array([[5.0, 0.0]]), np.array([[0.6, 0.8], [-0.8, 0.6]])  # A = [[3, 4]]
>>> lq_complete_jvp(L, Q, np.array([[3.0, 4.0]]))[0]
array([[5., 0.]])
""",
)
lq_pivoted_vjp = mirrored_rule(
    "lq_pivoted_vjp",
    LQ_PIVOTED,
    qr_pivoted_vjp,
    "(PV.1) and (PV.2)",
    """
>>> from unifiedqr.rules import lq_pivoted_vjp
>>> L, Q, P = np.array([[2.0], [1.0]]), np.array([[1.0]]), np.array([1, 0])  # A = [[1], [2]]
>>> lq_pivoted_vjp(L, Q, P, np.array([[1.0], [0.0]]), None)
array([[0.],
       [1.]])
""",
)
lq_pivoted_jvp = mirrored_rule(
    "lq_pivoted_jvp",
    LQ_PIVOTED,
    qr_pivoted_jvp,
    "(PV.1)",
    """
>>> from unifiedqr.rules import lq_pivoted_jvp
>>> L, Q, P = np.array([[2.0], [1.0]]), np.array([[1.0]]), np.array([1, 0])  # A = [[1], [2]]
>>> lq_pivoted_jvp(L, Q, P, np.array([[5.0], [7.0]]))[0]
array([[7.],
       [5.]])
""",
)
rq_vjp = mirrored_rule(
    "rq_vjp",
    RQ,
    lq_vjp,
    "(LQ.2)",
    """
>>> from unifiedqr.rules import rq_vjp
>>> R, Q = np.array([[5.0]]), np.array([[0.6, 0.8]])  # A = [[3, 4]]
>>> rq_vjp(R, Q, np.array([[1.0]]), None)  # gradient of R_11, the norm of the row
array([[0.6, 0.8]])
""",
)
rq_jvp = mirrored_rule(
    "rq_jvp",
    RQ,
    lq_jvp,
    "(LQ.3)",
    """
>>> from unifiedqr.rules import rq_jvp
>>> R, Q = np.array([[5.0]]), np.array([[0.6, 0.8]])
>>> rq_jvp(R, Q, Q)  # lengthening the row leaves its direction
(array([[1.]]), array([[0., 0.]]))
""",
)
ql_vjp = mirrored_rule(
    "ql_vjp",
    QL,
    qr_vjp,
    "(QR.3), (QR.4)",
    """
>>> from unifiedqr.rules import ql_vjp
>>> Q, L = np.array([[0.6], [0.8]]), np.array([[5.0]])  # A = [[3], [4]]
>>> ql_vjp(Q, L, None, np.array([[1.0]]))  # gradient of L_11, the norm of the column
array([[0.6],
       [0.8]])
""",
)
ql_jvp = mirrored_rule(
    "ql_jvp",
    QL,
    qr_jvp,
    "(QR.1), (QR.2)",
    """
>>> from unifiedqr.rules import ql_jvp
>>> Q, L = np.array([[0.6], [0.8]]), np.array([[5.0]])
>>> ql_jvp(Q, L, Q)  # lengthening the column leaves its direction
(array([[0.],
       [0.]]), array([[1.]]))
""",
)
null_space_vjp = mirrored_rule(
    "null_space_vjp",
    NULL_SPACE,
    left_null_space_vjp,
    "(CQ.5) and (LS.2)",
    """
>>> from unifiedqr.rules import null_space_vjp
>>> N, L, Q = np.array([[-0.8], [0.6]]), np.array([[5.0]]), np.array([[0.6, 0.8]])  # A = [[3, 4]]
>>> null_space_vjp(N, L, Q, np.array([[1.0], [0.0]])).round(3)
array([[ 0.096, -0.072]])
""",
)
