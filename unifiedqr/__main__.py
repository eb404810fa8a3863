"""``python -m unifiedqr``: the command line, which belongs to the laboratory."""

from importlib import import_module

if __name__ == "__main__":
    import_module("unifiedqr_lab.cli").main()
