"""The laboratory beside the library: comparison, conformance suite, benchmark, command line.

It uses the library as any user would; the library never imports it. What it needs beyond the library's own requirements
comes with the extra ``lab``.
"""

from importlib.util import find_spec

from unifiedqr.errors import MissingExtraError

REQUIRED = ("clevercsv", "cloudpickle", "jinja2", "mpmath", "rich", "safetensors", "typer")
"""What the extra ``lab`` installs."""


def check_installed(what: str) -> None:
    """Raise `MissingExtraError` unless everything that the laboratory needs is installed; `what` names the caller.

    Call it before the work starts: the report, which needs some of this, comes last.
    """
    missing = [name for name in REQUIRED if find_spec(name) is None]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise MissingExtraError(
            f"{what} needs {', '.join(missing)}, which {verb} not installed; pip install 'unifiedqr[lab]'"
        )
