# `make demo` and `make test` set up all they need in $(VENV); see README.md.

VENV ?= .venv
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := $(VENV)/bin
WORKERS ?= 2
DEMO ?=
TEST ?=

.PHONY: demo test test-all lint docs site examples smoke clean help

help:
	@echo "make demo   benchmark the optimizers on real data, open the report (DEMO='--fresh' starts over)"
	@echo "make test   run the tests (TEST='-k name' for some of them)"
	@echo "make test-all  run the slow tests too: kills by the hundred, every layout"
	@echo "make lint   ruff and mypy"
	@echo "make docs   build the documentation, every page executed, into docs/_build/html"
	@echo "make site   build the pages without running them, and open some in a browser"
	@echo "make examples  run every example and compare its figures"
	@echo "make smoke  import and run on the newest JAX, where a newer Python is on the machine"

demo: $(VENV)/bench.stamp
	$(BIN)/paramjax bench --out paramjax-bench --open $(DEMO)

test: $(VENV)/dev.stamp
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(TEST)

test-all: $(VENV)/dev.stamp
	$(BIN)/python -m pytest -m "" -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(TEST)

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/dev.stamp
	$(BIN)/sphinx-build -W --keep-going -b html docs docs/_build/html

site: $(VENV)/dev.stamp
	$(BIN)/python -m pytest -m "" tests/docs/test_site.py -k "not every_page"

examples: $(VENV)/bench.stamp
	$(BIN)/paramjax example --all --check --out build/examples

smoke:
	sh tests/smoke/newest.sh

$(VENV)/bench.stamp: pyproject.toml
	$(call set_up,bench)

$(VENV)/dev.stamp: pyproject.toml
	$(call set_up,dev$(comma)docs)

comma := ,

define set_up
@test -n "$(PYTHON)" || { echo "paramjax needs Python 3.11 or newer, and found none; name one: make PYTHON=/path/to/python3"; exit 1; }
test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check --editable ".[$(1)]"
touch $@
endef

clean:
	rm -rf $(VENV) .cache .pytest_cache .mypy_cache .ruff_cache docs/_build build paramjax-bench
