"""``python -m unifiedqr``."""

from unifiedqr.cli import main

if __name__ == "__main__":
    main()
