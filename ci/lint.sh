#!/bin/sh
# Style, format, types, direction of imports.
set -eu
: "${VENV:=.venv}"

"$VENV/bin/ruff" check .
"$VENV/bin/ruff" format --check .
"$VENV/bin/pyright" --pythonpath "$VENV/bin/python"
"$VENV/bin/pyright" --pythonpath "$VENV/bin/python" --project backends
"$VENV/bin/mypy" --python-executable "$VENV/bin/python"
"$VENV/bin/lint-imports"
