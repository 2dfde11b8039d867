# Everything a contributor runs. It needs Python 3.11 to 3.13, git and make; the rest goes to .venv.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
LOG := $(VENV)/install.log
# More arguments for the command behind a target: make test ARGS="tests/unit -k schedule"
ARGS ?=
# The interpreter that .venv is made with; by default the first of these that is new enough.
PYTHON ?= $(shell for each in python3 python3.13 python3.12 python3.11 python; do \
	$$each -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' >/dev/null 2>&1 \
	&& { command -v $$each; break; }; done)

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1
# Packages come from the indexes that pip is set up with; nothing of a user's site leaks in.
export PYTHONNOUSERSITE := 1

.DEFAULT_GOAL := help
.PHONY: help setup demo test faults fuzz soak check mutants bench docs clean
# Seconds for each parser of outside texts.
FUZZ_SECONDS ?= 60

help: ## Show what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## Install into .venv what the other targets need

demo: $(STAMP) ## Sync a sample tenant with a Git server, all on this machine
	@$(BIN)/tenantsync demo $(ARGS)

test: $(STAMP) ## Run the tests; no network needed
	@$(BIN)/python -m pytest $(ARGS)

faults: $(STAMP) ## Strike with every fault at every named point (half an hour)
	@$(BIN)/python -m pytest tests/faults/test_matrix.py --all-faults $(ARGS)

fuzz: $(STAMP) ## Fuzz each parser of outside texts for a minute
	@$(BIN)/python -m pytest tests/fuzz --fuzz-seconds $(FUZZ_SECONDS) --timeout 1800 $(ARGS)

check: $(STAMP) ## Lint, formatting, types, and who may import whom
	@failed=0; \
	$(BIN)/ruff check . || failed=1; \
	$(BIN)/ruff format --check . || failed=1; \
	$(BIN)/mypy || failed=1; \
	$(BIN)/lint-imports --no-logo || failed=1; \
	exit $$failed

mutants: $(STAMP) ## Take lines away on which promises rest; tests must notice each
	@$(BIN)/python -m tests.mutants $(ARGS)

bench: $(STAMP) ## Measure against the bare calls, side by side
	@$(BIN)/python -m bench $(ARGS)

# How many runs it is long, and more: make soak LENGTH=500 ARGS="--seed 7 --faults 0"
LENGTH ?= 2000
soak: $(STAMP) ## Mix runs, people and faults at random, and judge the end
	@$(BIN)/python -m tests.soak --runs $(LENGTH) $(ARGS)

docs: $(STAMP) ## Write the tables of docs/ anew, from the models
	@$(BIN)/python -m docs.tables

clean: ## Remove .venv and what the tools keep
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

$(STAMP): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "No Python 3.11 to 3.13 found: install one or name it, make PYTHON=/path/to/python" >&2; exit 1; }
	@echo "Installing into $(VENV) with $$($(PYTHON) --version) (log: $(LOG))"
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "$(PYTHON) has no venv module: install it (Debian: python3-venv)" >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV)
	@{ $(BIN)/pip install --upgrade 'pip>=25.1' && \
	   $(BIN)/pip install --constraint constraints.txt --editable '.[postgresql,s3]' --group dev; \
	 } >$(LOG) 2>&1 || { tail -n 20 $(LOG) >&2; echo "Installing failed; the whole log is $(LOG)" >&2; exit 1; }
	@touch $@
