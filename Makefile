PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
INSTALLED := $(VENV)/.installed

.PHONY: compare test install lint

compare: $(INSTALLED)
	$(BIN)/python compare.py $(ARGS)

test: $(INSTALLED)
	$(BIN)/python -m pytest -n 2 $(ARGS)

install: $(INSTALLED)

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# One stamp file for the whole environment: what changes the dependencies makes the next command install again.
$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[test]"
	touch $@
