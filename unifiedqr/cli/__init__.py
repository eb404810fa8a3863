"""The command line: one file per verb, and one place where errors become a line and an exit status."""

import sys


def main() -> None:
    """Run the command line.

    Exit status 0: agreement or success. 1: disagreement. 2: bad input, told in one line. 130: interrupted.
    """
    from unifiedqr.cli.application import application
    from unifiedqr.errors import UnifiedQRError

    try:
        application(prog_name="unifiedqr")  # by which shells ask for completions
    except UnifiedQRError as error:
        told = " ".join(str(error).split())
        print(f"unifiedqr: error: {told}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("unifiedqr: interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone: say nothing more
        sys.exit(141)
