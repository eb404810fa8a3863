"""The comparison: one function, every framework in its own process, against each other and against the truth."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from unifiedqr_lab import check_installed

if TYPE_CHECKING:
    from unifiedqr_lab.compare.comparison import Comparison

__all__ = ["Comparison", "compare"]


def compare(
    f: Callable[..., Any],
    *arrays: Any,
    backends: Sequence[str] | None = None,
    derivatives: Sequence[str] = ("value", "vjp", "jvp", "hvp"),
    reference: str = "exact",
    timeout: float = 600.0,
    progress: bool | None = None,
) -> "Comparison":
    """Run a function in every installed framework and compare its values and derivatives.

    Parameters
    ----------
    f : callable
        Takes the arrays, returns an array or nested tuples of arrays. It must run in every framework: written with
        unifiedqr's functions and ``xp = unifiedqr.namespace(array)``. It goes to other processes by cloudpickle.
    *arrays : array
        Arguments of f: arrays of any framework or sequences of numbers; integers are taken as float64.
    backends : sequence of str, optional
        Frameworks to run; by default all that are installed.
    derivatives : sequence of {"value", "vjp", "jvp", "hvp"}
        What to compare. The cotangents and tangents are fixed random numbers; hvp only for a real scalar f.
    reference : {"exact", "extended", "none"}
        What to measure errors against. "exact" is 100-digit arithmetic and falls back where that would take too long.
    timeout : float
        Seconds after which a framework, or the reference, is abandoned.
    progress : bool, optional
        Whether to show the progress of each framework; by default in a notebook.

    Returns
    -------
    Comparison
        Prints, and shows in a notebook, as a table. With ``passed``, ``status``, ``max_error``, ``table()``,
        ``to_json(path)``, ``to_html(path)`` and ``to_markdown(path)``.

    Raises
    ------
    OptionError
        A derivative or the reference is not among its choices.
    InputError
        An array is not numeric or not finite, or f raises in every framework.
    DurationError
        It is expected to take longer than `timeout`; nothing has been run.
    UnknownBackendError, BackendUnavailableError
        A framework named in `backends` does not exist, or is not installed.
    MissingExtraError
        The extra ``lab`` is not installed.

    Notes
    -----
    Every framework runs in its own process: one that crashes is reported, and the others go on.

    Examples
    --------
    >>> import unifiedqr as uqr
    >>> uqr.compare(uqr.qr, [[3.0, 1.0], [4.0, 2.0]], backends=["numpy"], derivatives=["value"]).passed
    True
    """
    check_installed("compare")
    # Importing unifiedqr must stay light, and this imports NumPy.
    from unifiedqr_lab.compare.api import compare_function

    return compare_function(
        f,
        arrays,
        backends=backends,
        derivatives=derivatives,
        reference=reference,
        timeout=timeout,
        progress=progress,
    )


def __getattr__(name: str) -> Any:
    if name == "Comparison":
        from unifiedqr_lab.compare.comparison import Comparison

        return Comparison
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
