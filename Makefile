# Every target sets up what it needs: a virtual environment with all frameworks, in the versions ci/constraints.txt names.
PYTHON ?= python3.11
VENV ?= .venv
CONSTRAINTS ?= ci/constraints.txt
BIN := $(VENV)/bin
READY := $(VENV)/ready

.DEFAULT_GOAL := help
.PHONY: help setup compare test lint format support golden clean

help:  ## Show the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 12

setup: $(READY)  ## Make the virtual environment

$(READY): pyproject.toml $(CONSTRAINTS) ci/setup.sh
	PYTHON=$(PYTHON) VENV=$(VENV) CONSTRAINTS=$(CONSTRAINTS) sh ci/setup.sh
	@touch $@

compare: setup  ## Compare the gradients of a real matrix in every framework, and write report.html
	$(BIN)/unifiedqr compare --report report.html --json report.json

test: setup  ## Run every test
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: setup  ## Check style, types and the direction of imports
	VENV=$(VENV) sh ci/lint.sh

format: setup  ## Bring the code into the project's format
	$(BIN)/ruff check --fix --quiet . && $(BIN)/ruff format .

support: setup  ## Write the support table of the README from what the conformance suite sees
	$(BIN)/python ci/support.py README.md

golden: setup  ## Compute the golden vectors anew, in 100-digit arithmetic
	$(BIN)/python -m unifiedqr.conformance.golden

clean:  ## Remove the virtual environment and what the targets wrote
	rm -rf $(VENV) report.html report.json
