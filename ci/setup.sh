#!/bin/sh
# Make the virtual environment VENV from nothing but Python and a package index, in the versions CONSTRAINTS names.
# EXTRAS are those of pyproject.toml to install; ALONE are requirements to install without their dependencies.
set -eu
: "${PYTHON:=python3.11}" "${VENV:=.venv}" "${CONSTRAINTS:=ci/constraints.txt}" "${EXTRAS:=all}" "${ALONE:=}"

[ -x "$VENV/bin/python" ] || "$PYTHON" -m venv "$VENV"
"$VENV/bin/python" -m pip install --quiet --constraint "$CONSTRAINTS" pip
"$VENV/bin/python" -m pip install --quiet --constraint "$CONSTRAINTS" --build-constraint "$CONSTRAINTS" \
  --group test --group lint --group docs --editable ".[$EXTRAS]"
[ -z "$ALONE" ] || "$VENV/bin/python" -m pip install --quiet --constraint "$CONSTRAINTS" --no-deps $ALONE
