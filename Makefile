# make serve: install into .venv and run a gateway for this computer, in ./local.  make test: install what the tests need and run them.
PYTHON ?= python3
VENV ?= .venv
DIR ?= local
BIN = $(VENV)/bin

.PHONY: help serve test lint bench dist deb lock conf.d api.md locale man clean

help:
	@echo "make serve   install into $(VENV), make the folder $(DIR) when there is none, run a gateway"
	@echo "make test    install what the tests need, run all of them (ARGS='-k imap' for some)"
	@echo "make lint    ruff (rules and style), and mypy on all but the tests"
	@echo "make bench   measure this build: latency, throughput, CPU, memory"
	@echo "make dist    write into dist/ the sdist, the wheel, and one file that needs nothing but Python"
	@echo "make deb     write into dist/ a Debian package"
	@echo "make conf.d  write conf.d/ anew from the defaults in the code"
	@echo "make api.md  write docs/api.md anew from the docstrings of what plugins may use"
	@echo "make locale  bring the translations' catalogs up to date with the texts in the code, and compile them"
	@echo "make man     write chatgate.1, the man page, from the help of all commands"
	@echo "make lock    write requirements.lock anew, with the newest versions"
	@echo "make clean   remove $(VENV), those of .ci/matrix and caches; your $(DIR) stays"

# One line of ours for what takes its time; what pip says itself only when it fails.
PIP = $(BIN)/python -m pip -qq --disable-pip-version-check --no-input install --root-user-action=ignore

$(BIN)/python:
	@contrib/debian-packages $(PYTHON)
	@echo "Making $(VENV), a virtual environment ..."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --upgrade pip setuptools

# What it needs, in the versions of the lock, each file by its hash; the tests run with the same.
$(VENV)/serve.stamp: setup.py requirements.lock plugins | $(BIN)/python
	@echo "Installing chatgate and what it needs into $(VENV) ..."
	@$(PIP) --require-hashes --requirement requirements.lock
	@$(PIP) --no-deps --editable .
	@touch $@

$(VENV)/test.stamp: $(VENV)/serve.stamp
	@contrib/debian-packages $(PYTHON) --test
	@echo "Installing what the tests need into $(VENV) ..."
	@$(PIP) --editable '.[test]'
	@touch $@

$(DIR)/conf.d: | $(VENV)/serve.stamp
	@$(BIN)/chatgate --dir $(DIR) init --domain 127.0.0.1 --local

serve: $(VENV)/serve.stamp | $(DIR)/conf.d
	@$(BIN)/chatgate --dir $(DIR) serve

test: $(VENV)/test.stamp
	$(BIN)/python tests/clients/fetch_cores.py
	$(BIN)/python tests/federation/fetch_postfix.py
	$(BIN)/python tests/whole.py $(ARGS)

lint: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/serve.stamp
	$(BIN)/python -m contrib.bench run $(ARGS)

dist: $(VENV)/serve.stamp
	@contrib/dist/make $(BIN)/python dist

deb: $(VENV)/serve.stamp
	@contrib/dist/deb $(BIN)/python dist

conf.d: $(VENV)/serve.stamp
	$(BIN)/python contrib/write-conf.d

# The newest versions that setup.py allows, for each Python and system; uv finds them without installing any.
lock: $(BIN)/python
	@$(PIP) uv
	@echo "# Made by 'make lock': what 'make serve' installs. setup.py has the ranges for whoever takes chatgate as a library." >$(VENV)/lock
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-config setup.py >>$(VENV)/lock
	@mv $(VENV)/lock requirements.lock

api.md: $(VENV)/serve.stamp
	$(BIN)/python contrib/write-api

locale: $(VENV)/test.stamp
	$(BIN)/python contrib/write-locale

man: $(VENV)/serve.stamp
	$(BIN)/python contrib/write-man chatgate.1

clean:
	rm -rf $(VENV) .venv-* .coverage.txt chatgate.1 build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
