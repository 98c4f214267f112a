# Everything runs in .venv, which the first target that needs it makes. Only Python 3.11 or newer is needed before.

PYTHON ?= python3
JOBS ?= 2

VENV := .venv
BIN := $(VENV)/bin
CREATED := $(VENV)/.created
INSTALLED := $(VENV)/.installed
INSTALLED_TEST := $(VENV)/.installed-test
PIP := $(BIN)/python -m pip --disable-pip-version-check

TESTS := $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

export TF_CPP_MIN_LOG_LEVEL ?= 2

# Data sets that lie beside the checkout, unless the environment names others.
ifeq ($(origin TFDS_DATA_DIR),undefined)
ifneq ($(wildcard ../shared/data/.),)
test slow chromium heavy: export TFDS_DATA_DIR := $(abspath ../shared/data)
endif
endif

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo browser test slow chromium lint heavy docs package clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' Makefile

demo: $(INSTALLED) ## Install, train and run a small routed network; results in runs/demo
	$(BIN)/tf-routing demo --output runs/demo

browser: $(INSTALLED) ## Write a page that runs networks in a browser, and serve it until Ctrl-C
	$(PIP) install --quiet --editable '.[onnx]'
	$(BIN)/tf-routing browser --serve --output runs/browser

test: lint ## Install with the test tools, check style and types, run the fast tests
	$(TESTS) -m 'not heavy and not slow'

slow: $(INSTALLED_TEST) ## Run the slower tests, which `make test` leaves out; with it they are what CI runs
	$(TESTS) -m 'slow and not heavy'

chromium: $(INSTALLED_TEST) ## Use the pages in a browser; skipped where Chromium is missing, which CI installs
	.ci/chromium
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m pytest -m heavy -rs tests/browser tests/report

lint: $(INSTALLED_TEST) ## Check style, types and which way imports run
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

heavy: $(INSTALLED_TEST) ## Run the longer checks, which `make test` leaves out
	$(BIN)/python -m pytest -m heavy

docs: $(INSTALLED_TEST) ## Build the site of the documentation in build/site, and check its links
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

package: $(INSTALLED_TEST) ## Build wheel and source archive in dist/, and check what an index would show of them
	rm -rf dist
	$(BIN)/python -m build --outdir dist
	$(BIN)/python -m twine check --strict dist/*

clean: ## Remove the environment and the caches; runs/ stays
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache

# A stamp is removed before its work starts and written after it ends: an interrupted install is done again.
$(CREATED):
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, for example: make PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv --clear $(VENV)
	$(PIP) install --quiet --upgrade pip
	@touch $@

$(INSTALLED): setup.cfg pyproject.toml $(CREATED)
	@rm -f $(INSTALLED) $(INSTALLED_TEST)
	$(PIP) install --editable '.[train]'
	@touch $@

$(INSTALLED_TEST): setup.cfg pyproject.toml $(CREATED)
	@rm -f $(INSTALLED) $(INSTALLED_TEST)
	$(PIP) install --editable '.[test]'
	@touch $(INSTALLED) $@
