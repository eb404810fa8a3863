"""Square-root Kalman filter: learn the noise of the Nile's flow, starting from a covariance of zero.

A hidden state wanders, x' = F x + w with w ~ N(0, Q), and is seen through noise, y = H x + v with v ~ N(0, r^2). With
P = C^T C the covariance of the predicted state, one QR decomposition makes a whole step of the filter, and only its
triangle is needed:

    [ r      0     ]         [ s   k  ]      s^2 = r^2 + H P H^T, the variance of y,
    [ C H^T  C F^T ]  =  Q   [ 0   C' ],     k^T / s the gain, C' the next factor of P.
    [ 0      Q^1/2 ]

No covariance is ever subtracted from another, so none loses its sign, and P = 0 is as good a start as any: the first
state is a column of unknowns b, the filter is linear in it, and integrating over b, of which nothing is known, leaves
the diffuse likelihood (de Jong 1991). Its gradient by both noises goes back through a hundred decompositions.

Data: the flow of the Nile at Aswan, 1871 to 1970, in 10^8 m^3 a year. Model: a level that is a random walk. Checked
against the density of the 99 differences between years as one Gaussian vector, which no filter has seen, maximized by
SciPy without derivatives, and against the variances of Durbin and Koopman (2012), section 2.10: 15099 and 1469.1.
"""

import os
import sys
from math import log, pi
from pathlib import Path

os.environ.setdefault("JAX_ENABLE_X64", "1")  # JAX computes in single precision otherwise

import numpy as np
from scipy.linalg import toeplitz
from scipy.optimize import minimize
from scipy.stats import multivariate_normal

import unifiedqr as uqr

FLOW = np.array("""
1120 1160 963 1210 1160 1160 813 1230 1370 1140 995 935 1110 994 1020 960 1180 799 958 1140 1100 1210 1150 1250 1260
1220 1030 1100 774 840 874 694 940 833 701 916 692 1020 1050 969 831 726 456 824 702 1120 1100 832 764 821 768 845 864
862 698 845 744 796 1040 759 781 865 845 944 984 897 822 1010 771 676 649 846 812 742 801 1040 860 874 848 890 744 749
838 1050 918 986 797 923 975 815 1020 906 901 1170 912 746 919 718 714 740
""".split(), dtype=float)  # fmt: skip
xp = uqr.namespace()
H, F = xp.ones((1, 1), dtype=xp.float64), xp.ones((1, 1), dtype=xp.float64)  # the state is the level alone
both = xp.concat([xp.matrix_transpose(H), xp.matrix_transpose(F)], axis=1)
data = xp.asarray(np.stack([FLOW, 0 * FLOW], axis=1)[:, None])  # beside each flow its share of b, which is none


def filtered(r, root_Q):
    """Return the innovations over s, a row [y | b] each, every s, the predicted states and the factors C."""
    n = F.shape[0]
    zeros = xp.zeros((1, n), dtype=xp.float64)
    top = xp.concat([xp.reshape(r, (1, 1)), zeros], axis=1)
    bottom = xp.concat([xp.matrix_transpose(zeros), root_Q], axis=1)
    x = xp.concat([xp.zeros((n, 1), dtype=xp.float64), xp.eye(n, dtype=xp.float64)], axis=1)  # x = 0 + I b
    C = xp.zeros((n, n), dtype=xp.float64)
    steps = []
    for flow in xp.unstack(data):
        R = uqr.qr(xp.concat([top, C @ both, bottom], axis=0), mode="r")
        s = R[:1, :1]
        e = (flow - H @ x) / s
        steps.append((e, s, x, C))
        x, C = F @ x + xp.matrix_transpose(R[:1, 1:]) @ e, R[1:, 1:]
    return steps


def least_squares(steps):
    """Return the best b and what it leaves of the innovations, with the triangle of the innovations of b."""
    e = xp.concat([e for e, *_ in steps], axis=0)
    b, rest, _ = uqr.lstsq(-e[:, 1:], e[:, 0])
    return b, rest, uqr.qr(e[:, 1:], mode="r")


def negative_log_likelihood(logarithms):
    """Return -log of the diffuse likelihood at log r and log Q^1/2."""
    r, root_q = xp.unstack(xp.exp(logarithms))
    steps = filtered(r, xp.reshape(root_q, (1, 1)))
    _, rest, triangle = least_squares(steps)
    determinants = xp.concat([s for _, s, *_ in steps], axis=0)
    constant = (len(FLOW) - F.shape[0]) * log(2 * pi) / 2
    return xp.sum(xp.log(determinants)) + uqr.slogdet(triangle).logabsdet + rest / 2 + constant


def density(logarithms):
    """Return the same for the differences of the flows, whose covariance is 2 r^2 + q beside -r^2."""
    r_squared, q = np.exp(2 * np.asarray(logarithms))
    covariance = toeplitz([2 * r_squared + q, -r_squared, *[0] * (len(FLOW) - 3)])
    return -multivariate_normal.logpdf(np.diff(FLOW), cov=covariance)


evaluate = uqr.value_and_grad(negative_log_likelihood)
start = np.log([FLOW.std(), FLOW.std() / 4])
found = minimize(lambda p: [*map(uqr.to_numpy, evaluate(xp.asarray(p)))], start, jac=True, tol=1e-3)
known = minimize(density, start, method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-9})
variances, expected = np.exp(2 * found.x), np.exp(2 * known.x)
print(f"log-likelihood       {-found.fun:.5f} after {found.nfev} gradients; {-known.fun:.5f} by SciPy")
print(f"variance of a flow   {variances[0]:.1f}; {expected[0]:.1f} by SciPy; 15099 published")
print(f"variance of a step   {variances[1]:.1f}; {expected[1]:.1f} by SciPy; 1469.1 published")
assert abs(found.fun - density(found.x)) < 1e-9 * known.fun
assert abs(found.fun - known.fun) < 1e-6
assert np.allclose(variances, [15099, 1469.1], rtol=5e-3)

if "--picture" in sys.argv:
    import matplotlib.pyplot as plt

    plt.style.use(Path(__file__).with_name("picture.mplstyle"))
    steps = filtered(*(xp.asarray([[deviation]]) for deviation in np.exp(found.x)))
    b = uqr.to_numpy(least_squares(steps)[0])
    level = np.array([uqr.to_numpy(x)[0] @ [1, *b] for _, _, x, _ in steps[1:]])
    deviation = np.array([abs(uqr.to_numpy(C)[0, 0]) for *_, C in steps[1:]])
    years, axes = np.arange(1871, 1971), plt.figure().gca()
    axes.plot(years, FLOW, ".", color="#808080", label="flow of the year")
    axes.plot(years[1:], level, label="level, predicted a year ahead")
    axes.fill_between(years[1:], level - 2 * deviation, level + 2 * deviation, alpha=0.25, label="± 2 deviations")
    axes.set(xlabel="year", ylabel="flow of the Nile, 10⁸ m³", ylim=(400, 1600))
    axes.legend(loc="upper right")
    plt.savefig(sys.argv[sys.argv.index("--picture") + 1])
