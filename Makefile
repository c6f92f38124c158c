# `make run` serves Clearcast, `make test` tests it. Both set .venv/ up first, the first time; GPU=1 takes PyTorch's
# CUDA build, GPU=0 its processor build, otherwise an NVIDIA card decides.

PYTHON ?= python3.11
export GPU

BIN := .venv/bin
SETUP := $(PYTHON) tools/setup_environment.py
EXTRAS := test

.PHONY: run demo test check check-python check-page format lock setup environment clean help

help:
	@echo 'make run      set everything up and serve on http://127.0.0.1:8080'
	@echo 'make demo     serve, with a noisy talk on a channel to listen to'
	@echo 'make test     set everything up and run the tests but slow ones; SLOW=1 runs all, ARGS="-k ogg" chooses some'
	@echo 'make check    linters, types, layering, the page, the settings table, secrets, known weaknesses'
	@echo 'make format   format Python, sort imports, write the tables of settings and queues and docs/api.md'
	@echo 'make lock     write constraints.txt from what is installed in .venv/'
	@echo 'make clean    remove .venv/ and everything that was built; recordings in data/ stay'

.DEFAULT_GOAL := help

run: setup
	$(BIN)/clearcast serve

demo: setup
	$(BIN)/clearcast demo

setup:
	@$(SETUP)

environment:
	@$(SETUP) $(EXTRAS)

test:
	@$(SETUP) $(EXTRAS)
	$(BIN)/python -m tools.suite $(if $(SLOW),--slow) $(ARGS)

check: check-python check-page

check-python:
	@$(SETUP) $(EXTRAS)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m tools.settings_table --check
	$(BIN)/python -m tools.queues_table --check
	$(BIN)/python -m tools.security
	$(BIN)/python -m tools.access_table --check
	$(BIN)/pytest -q --durations=0 tests/test_layering.py

# Node.js checks the page's modules; nothing that it installs is served.
check-page:
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory node_modules/.package-lock.json && npm run --silent check; \
	elif [ -n "$(REQUIRE_NODE)" ]; then echo 'npm is missing: apt-get install nodejs npm' >&2; exit 1; \
	else echo 'The page was not checked: that needs Node.js 20 or newer (apt-get install nodejs npm).'; fi

node_modules/.package-lock.json: package.json package-lock.json
	npm ci --no-audit --no-fund
	@touch $@

format:
	@$(SETUP) $(EXTRAS)
	$(BIN)/ruff check --fix --select I .
	$(BIN)/ruff format .
	$(BIN)/python -m tools.settings_table --write
	$(BIN)/python -m tools.queues_table --write
	$(BIN)/python -m tools.access_table --write
	$(BIN)/python -m server.web.docs > docs/api.new && mv docs/api.new docs/api.md

lock:
	$(BIN)/python -m tools.lock

clean:
	rm -rf .venv node_modules build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage htmlcov
