# Two commands: `make run` starts the hub, `make test` proves it. Everything they need they install here.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q
SERVERS := .servers
PYTEST := $(BIN)/python -m pytest

.PHONY: run test check lint types imports unit docs clean lock servers bench help

help: ## Show the targets
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

run: $(VENV)/.run servers ## Start the hub with the demo profile on http://127.0.0.1:8484
	@exec $(BIN)/hub serve --demo $(ARGS)

$(VENV)/bin/python:
	@sh tools/make_venv.sh $(PYTHON) $(VENV)

$(VENV)/.run: $(VENV)/bin/python requirements/run.txt requirements/build.txt pyproject.toml
	@echo "Installing the hub (hash-pinned) into $(VENV) ..."
	@$(PIP) install --require-hashes -r requirements/run.txt -r requirements/build.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.test: $(VENV)/.run requirements/test.txt
	@echo "Installing what the tests need ..."
	@$(PIP) install --require-hashes -r requirements/test.txt
	@touch $@

# Published MCP servers, one environment for each generation of the protocol's library that they need; and llama.cpp.
servers: $(SERVERS)/mcp1/.done $(SERVERS)/mcp2/.done $(SERVERS)/demo-repo/.done ## Install the demo's MCP servers

$(SERVERS)/%/.done: requirements/servers-%.txt
	@echo "Installing servers that run beside the hub ($*) ..."
	@sh tools/make_venv.sh $(PYTHON) $(SERVERS)/$*
	@$(SERVERS)/$*/bin/python -m pip --disable-pip-version-check -q install --require-hashes -r $<
	@touch $@

$(SERVERS)/demo-repo/.done: tools/make_demo_repo.sh
	@sh tools/make_demo_repo.sh $(SERVERS)/demo-repo
	@touch $@

lint: $(VENV)/.test ## Style and the project's rules
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(VENV)/.test ## Strict types
	@$(BIN)/pyright

imports: $(VENV)/.test ## Who may import whom
	@$(BIN)/lint-imports

unit: $(VENV)/.test
	@$(PYTEST) -q -n 2 -m "not slow and not clients" tests

check: lint types imports unit ## The inner loop, under three minutes

# A model server on the CPU, which only tests use.
test: $(VENV)/.test servers $(SERVERS)/model/.done ## Everything: all tests, with real databases, programs and browsers
	@sh tools/test_programs.sh
	@$(PYTEST) -n 2 tests

bench: $(VENV)/.test ## Measure the relay beside nginx and write the table of docs/performance.md
	@$(BIN)/python -m bench $(ARGS)

lock: ## Make the hash-pinned requirement files anew (needs uv)
	@sh tools/lock.sh

clean: ## Remove what `make` made; keeps the hub's data
	@rm -rf $(VENV) $(SERVERS) tests/clients/node/node_modules tests/clients/vscode .pytest_cache .ruff_cache .import_linter_cache
