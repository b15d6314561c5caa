# The front door for people. Needs Python 3.11 or newer and nothing else of ours.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
SOURCES := app.py stacks local cli samples demo bench clients/python/entrepot_client layers/core/python/entrepot
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help setup demo up test test-slow faults check format bench chaos mutate fuzz synth mission lock clean
.DEFAULT_GOAL := help

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | expand -t 14

setup: $(STAMP) ## the environment in .venv

$(STAMP): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Entrepot needs Python 3.11 or newer; this is %d.%d. Use: make PYTHON=/path/to/python3.12 …" % sys.version_info[:2])'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep '^uv==' requirements.txt | cut -d';' -f1)"
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python -r requirements.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

demo: setup ## set everything up and show a real import end to end
	@$(BIN)/python -m demo

up: setup ## the one-machine cloud, until Ctrl-C
	@$(BIN)/entrepot up

test: setup ## every test that belongs to a landing
	@# Clouds put their backends in the place of moto's for good: tests of moto's own run in processes before them.
	@$(BIN)/python -m pytest -n 2 --dist loadgroup --ignore=tests/unit/local tests/unit tests/property tests/contract; \
	first=$$?; $(BIN)/python -m pytest -n 2 --dist loadgroup tests/unit/local tests/infrastructure tests/e2e && exit $$first

test-slow: setup ## the slow suites: real layers, large files
	@$(BIN)/python -m pytest -m slow -n 0

faults: setup ## clouds that are killed, interrupted, starved, limited or started again and again
	@$(BIN)/python -m pytest -m "faults and not slow" -n 0 tests/e2e

check: setup ## lint, types, import rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy $(SOURCES)
	@for step in functions/*/; do MYPYPATH=$$step:layers/core/python $(BIN)/mypy $$step*.py || exit 1; done
	@PYTHONPATH=layers/core/python:clients/python $(BIN)/lint-imports

format: setup ## lay the code out
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

bench: setup ## ratios against the named peers, in one run
	@$(BIN)/python -m bench

chaos: setup ## kills, again and again
	@$(BIN)/python -m pytest -m chaos -n 0 -s tests/chaos

mutate: setup ## change split, check and publish, and see whether a test notices
	@$(BIN)/python -m tests.mutation

fuzz: setup ## damaged and hostile files for every reader, ten minutes each
	@$(BIN)/python -m tests.fuzz

synth: setup ## the stack template, in cdk.out
	@$(BIN)/python app.py

mission: setup ## each capability with the tests that prove it
	@$(BIN)/python -m tests.mission

lock: setup ## requirements.txt anew from requirements.in
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --no-header --no-annotate requirements.in -o requirements.txt

clean: ## everything that can be made again
	rm -rf $(VENV) cdk.out build .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis
