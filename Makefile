# Two commands: `make demo` and `make test`. Both set up all they need below .venv and .lineside.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

$(VENV)/.ready: pyproject.toml setup.py $(shell find protocols edge hub -name '*.pyx' -o -name '*.pxd')
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --disable-pip-version-check -e '.[edge,hub,sim,dev]'
	touch $@

.PHONY: build
build: $(VENV)/.ready
