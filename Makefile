# make serve: install into .venv and run a gateway for this computer, in ./local.  make test: install what the tests need and run them.
PYTHON ?= python3
VENV ?= .venv
DIR ?= local
BIN = $(VENV)/bin

.PHONY: help serve test lint bench conf.d api.md clean

help:
	@echo "make serve   install into $(VENV), make the folder $(DIR) when there is none, run a gateway"
	@echo "make test    install what the tests need, run all of them (ARGS='-k imap' for some)"
	@echo "make lint    ruff (rules and style), and mypy on all but the tests"
	@echo "make bench   measure this build: latency, throughput, CPU, memory"
	@echo "make conf.d  write conf.d/ anew from the defaults in the code"
	@echo "make api.md  write docs/api.md anew from the docstrings of what plugins may use"
	@echo "make clean   remove $(VENV) and caches; your $(DIR) stays"

# One line of ours for what takes its time; what pip says itself only when it fails.
PIP = $(BIN)/python -m pip -qq --disable-pip-version-check --no-input install --root-user-action=ignore

$(BIN)/python:
	@contrib/debian-packages $(PYTHON)
	@echo "Making $(VENV), a virtual environment ..."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --upgrade pip setuptools

$(VENV)/serve.stamp: setup.py plugins | $(BIN)/python
	@echo "Installing chatgate and what it needs into $(VENV) ..."
	@$(PIP) --editable .
	@touch $@

$(VENV)/test.stamp: setup.py plugins | $(BIN)/python
	@contrib/debian-packages $(PYTHON) --test
	@echo "Installing chatgate and what its tests need into $(VENV) ..."
	@$(PIP) --editable '.[test]'
	@touch $@ $(VENV)/serve.stamp

$(DIR)/conf.d: | $(VENV)/serve.stamp
	@$(BIN)/chatgate --dir $(DIR) init --domain 127.0.0.1 --local

serve: $(VENV)/serve.stamp | $(DIR)/conf.d
	@$(BIN)/chatgate --dir $(DIR) serve

test: $(VENV)/test.stamp
	$(BIN)/python tests/clients/fetch_cores.py
	$(BIN)/python tests/whole.py $(ARGS)

lint: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/serve.stamp
	$(BIN)/python -m contrib.bench run $(ARGS)

conf.d: $(VENV)/serve.stamp
	$(BIN)/python contrib/write-conf.d

api.md: $(VENV)/serve.stamp
	$(BIN)/python contrib/write-api

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
