"""The command line: one file per verb, and one place where errors become a line and an exit status."""

import sys
import traceback

NOT_ESTABLISHED = 3


def main() -> None:
    """Run the command line.

    Exit status 0: agreement or success. 1: disagreement. 2: bad input, reported in one line. 3: it could not be
    established whether there is agreement. 128 + n: interrupted by signal n.
    """
    from unifiedqr.errors import DurationError, UnifiedQRError
    from unifiedqr_lab import check_installed
    from unifiedqr_lab.workers.interruption import Interrupted, catch_signals

    catch_signals()
    try:
        check_installed("the command line")
        from unifiedqr_lab.cli.application import application

        application(prog_name="unifiedqr")  # the name under which shells ask for completions
    except UnifiedQRError as error:
        told = " ".join(str(error).split())
        print(f"unifiedqr: error: {told}", file=sys.stderr)
        sys.exit(NOT_ESTABLISHED if isinstance(error, DurationError) else 2)
    except Interrupted as interruption:
        print("unifiedqr: interrupted", file=sys.stderr)
        sys.exit(128 + interruption.number)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output is gone: say nothing more
        sys.exit(141)
    except Exception:  # a fault of ours: Python's own exit status would say "disagreement"
        traceback.print_exc()
        sys.exit(NOT_ESTABLISHED)
