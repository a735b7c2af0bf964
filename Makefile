# The commands of the house. `make demo` and `make test` need nothing but Python 3.11+ (and, for Kafka, Java 17 and Maven).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MINUTES ?= 10
SEED ?= 1
export SENSORLINE_DATA ?= $(abspath ../shared/data)

.PHONY: help install demo test docs soak lint bench clean

help:
	@echo "make demo     the whole flow on the embedded log: readings to alerts, in about a minute"
	@echo "make test     all tests, those on a real Kafka too"
	@echo "make docs     the documentation as a site in docs/_build; begin at docs/_build/index.html"
	@echo "make soak     processes killed under load for MINUTES=10, by the plan of SEED=1"
	@echo "make install  $(BIN)/sensorline and the tools"
	@echo "make lint     ruff, mypy, import-linter"
	@echo "make bench    the benchmarks of the docs"

install: $(VENV)/installed

$(VENV)/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("sensorline needs Python 3.11 or newer; try make PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	@echo "installing into $(VENV); the first time takes a few minutes"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: install
	@$(BIN)/sensorline demo

test: install
	$(BIN)/pytest --numprocesses 2 --dist loadfile

docs: install
	$(BIN)/python -m sphinx -W --keep-going -n -E -q docs docs/_build

soak: install
	SENSORLINE_SOAK_MINUTES=$(MINUTES) SENSORLINE_SOAK_SEED=$(SEED) $(BIN)/pytest tests/soak

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: install
	$(BIN)/python -m tests.bench

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache docs/_build sensorline-demo
