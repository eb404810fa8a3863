#!/bin/sh
# Make the virtual environment VENV from nothing but Python and a package index, in the versions CONSTRAINTS names.
set -eu
: "${PYTHON:=python3.11}" "${VENV:=.venv}" "${CONSTRAINTS:=ci/constraints.txt}"

[ -x "$VENV/bin/python" ] || "$PYTHON" -m venv "$VENV"
"$VENV/bin/python" -m pip install --quiet --constraint "$CONSTRAINTS" pip
"$VENV/bin/python" -m pip install --quiet --constraint "$CONSTRAINTS" --group test --group lint --editable ".[all]"
