# One command each, from a fresh clone; everything is set up in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
WORKERS ?= 2

.PHONY: help demo test test-all gpu lint types check clean

help:
	@echo "make demo      install, run the demo, print where its report is (some minutes after the installation)"
	@echo "make test      install for development, run the default tests"
	@echo "make test-all  the slow and data tests too"
	@echo "make gpu       tests and times on a CUDA device, with the Python at hand"
	@echo "make check     ruff, mypy and the tests"
	@echo "make clean     remove .venv"

$(BIN)/python:
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 10) and 'driftseg needs Python 3.10 or later; this is ' + sys.version.split()[0] + '. Name another with make PYTHON=python3.12 ...')"
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --quiet --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.developing: $(VENV)/.installed
	$(PIP) install --quiet --constraint constraints.txt --editable ".[dev,imagenet]"
	@touch $@

demo: $(VENV)/.installed
	$(BIN)/driftseg demo

test: $(VENV)/.developing
	$(BIN)/python -m pytest -n $(WORKERS)

test-all: $(VENV)/.developing
	$(BIN)/python -m pytest -n $(WORKERS) -m "not gpu"

# Takes whatever Python is at hand: on a machine with a GPU its own torch must stay.
gpu:
	PYTHONPATH=src $(PYTHON) -m benchmarks.gpu

lint: $(VENV)/.developing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.developing
	$(BIN)/mypy

check: lint types test

clean:
	rm -rf $(VENV)
