# Every target sets up what it needs: a virtual environment with all frameworks, in the versions ci/constraints.txt names;
# EXTRAS=torch,lab makes one with fewer.
PYTHON ?= python3.11
VENV ?= .venv
CONSTRAINTS ?= ci/constraints.txt
EXTRAS ?= all,mxnet,dask,gallery
ALONE ?=
BIN := $(VENV)/bin
READY := $(VENV)/ready

.DEFAULT_GOAL := help
.PHONY: help setup compare bench test test-all browser fuzz latest newer lint package format pictures support capabilities names gallery golden docs clean

help:  ## Show the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

setup: $(READY)  ## Make the virtual environment

$(READY): pyproject.toml $(CONSTRAINTS) ci/setup.sh
	PYTHON="$(PYTHON)" VENV="$(VENV)" CONSTRAINTS="$(CONSTRAINTS)" EXTRAS="$(EXTRAS)" ALONE="$(ALONE)" sh ci/setup.sh
	@touch $@

compare: setup  ## Compare the gradients of a real matrix in every framework, and write report.html
	$(BIN)/unifiedqr compare --report report.html --json report.json

bench: setup  ## Measure every framework's own functions and ours, and write bench.html (most of an hour; see benchmarks/)
	$(BIN)/unifiedqr bench --report bench.html --json bench.json

test: setup  ## Run the tests; with UNIFIEDQR_TEST_BACKENDS=torch those of one framework, which alone must be installed
	$(BIN)/python -m pytest -n 2 --dist loadscope -m "not exhaustive"

test-all: setup  ## Run every test, exhaustive repetitions too (an hour)
	UNIFIEDQR_EXAMPLES=$${UNIFIEDQR_EXAMPLES:-1000} $(BIN)/python -m pytest -n 2 --dist loadscope

browser: setup  ## Install what the tests of the reports need: a browser, if this is root on Debian, and axe-core
	VENV=$(VENV) sh ci/browser.sh

fuzz: setup  ## Search for counterexamples with new seeds, UNIFIEDQR_EXAMPLES of them (default 10000) a framework
	UNIFIEDQR_EXAMPLES=$${UNIFIEDQR_EXAMPLES:-10000} $(BIN)/python -m pytest -n 2 tests/test_random_search.py

latest:  ## Run every test in the second environment: the newest JAX and NumPy 2
	$(MAKE) test VENV=.venv-latest CONSTRAINTS=ci/constraints-latest.txt EXTRAS=all,dask,gallery \
	  ALONE="mxnet graphviz requests urllib3 idna certifi charset-normalizer"

newer:  ## Run the conformance suite and a comparison on a newer Python: make newer PYTHON=python3.13
	$(MAKE) setup VENV=.venv-newer CONSTRAINTS=ci/constraints-latest.txt EXTRAS=tensorflow,jax,lab
	.venv-newer/bin/unifiedqr conformance
	.venv-newer/bin/unifiedqr compare --dtype float64

pictures: setup  ## Draw the pictures of the documents: a comparison, and the benchmark in docs/benchmark.json
	$(BIN)/python ci/pictures.py docs

lint: setup  ## Check style, types and the direction of imports
	VENV=$(VENV) sh ci/lint.sh

package:  ## Build the sdist and the wheel, check them, and install and use them in clean environments
	$(PYTHON) ci/package.py build/package

format: setup  ## Bring the code into the project's format
	$(BIN)/ruff check --fix --quiet . && $(BIN)/ruff format .

support: setup  ## Write the table of support from what the conformance suite sees
	$(BIN)/python ci/support.py docs/support.md

capabilities: setup  ## Run the table of capabilities and write docs/capabilities.md
	$(BIN)/python ci/capabilities.py docs

names: setup  ## Run every name of the Array API standard in every namespace and write docs/namespace.md
	$(BIN)/python ci/names.py docs

gallery: setup  ## Run the programs of examples/gallery and write their pictures and pages
	$(BIN)/python ci/gallery.py docs/gallery

golden: setup  ## Compute the golden vectors anew, in 100-digit arithmetic
	$(BIN)/python -m unifiedqr_lab.conformance.golden

docs: setup  ## Build the documentation into build/site; a broken link or reference fails
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

clean:  ## Remove the virtual environment and what the targets wrote
	rm -rf $(VENV) .venv-latest .venv-newer build report.html report.json bench.html bench.json
