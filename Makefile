# Every target makes .venv and installs what it needs, again only when the pins change.
#
#   make demo     search, match and classify real footage, then a report to open (no torch)
#   make serve    the web interface and the HTTP API on http://127.0.0.1:8000 (no torch)
#   make test     the test suite
#   make lint     ruff, mypy and import-linter
#   make check    lint and test: what a change must pass
#
# PYTHON=python3.12 picks another interpreter, VENV=DIR another environment, and
# SERVE_ARGS, DEMO_ARGS and TEST_ARGS are passed on (make test TEST_ARGS="tests/index -x"). Tests
# run in TEST_JOBS processes of up to 1.5 GB each; TEST_JOBS=0 runs them in one, for a debugger.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV ?= .venv
TEST_JOBS ?= 2
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
PINS := constraints.txt pyproject.toml

# The first interpreter that runs and is new enough; pinned versions are resolved on 3.11.
FIND_PYTHON := for python in $(PYTHON) python3.11 python3.12 python3.13 python3; do \
	if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	echo "$$python"; exit; fi; done; \
	echo "make: needs Python 3.11 or newer; set PYTHON=/path/to/python" >&2; exit 1

.PHONY: help install demo serve test lint check clean

help:
	@sed -n 's/^#   //p' Makefile

$(BIN)/python:
	@python="$$($(FIND_PYTHON))"; echo "making $(VENV) with $$python"; "$$python" -m venv $(VENV)

# The base install and the footage of the demo: about 1 GB, no torch.
$(VENV)/.installed-demo: $(PINS) | $(BIN)/python
	$(PIP_INSTALL) -c constraints.txt -e '.[demo]'
	touch $@

# Everything, for developing: adds torch, open_clip and the checkers.
$(VENV)/.installed-dev: $(PINS) | $(BIN)/python
	$(PIP_INSTALL) -c constraints.txt -e '.[dev]'
	touch $(VENV)/.installed-demo $@

install: $(VENV)/.installed-dev

demo: $(VENV)/.installed-demo
	$(BIN)/sceneprint demo $(DEMO_ARGS)

serve: $(VENV)/.installed-demo
	$(BIN)/sceneprint serve $(SERVE_ARGS)

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n $(TEST_JOBS) --dist loadfile --max-worker-restart 0 $(TEST_ARGS)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
