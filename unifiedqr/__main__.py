"""``python -m unifiedqr``."""

from unifiedqr.cli import main

main()
