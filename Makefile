# One task list, the same for people and for CI.
PYTHON ?= $(firstword $(foreach v,3.12 3.13 3.11,$(shell command -v python$(v) 2>/dev/null)) python3)
VENV := .venv
BIN := $(VENV)/bin
# Writing no byte code makes every import two to three times slower.
unexport PYTHONDONTWRITEBYTECODE
# A plant's network has no way out: the platforms below must not call home.
export MLFLOW_DISABLE_TELEMETRY := true
export DO_NOT_TRACK := 1
export PREFECT_SERVER_ANALYTICS_ENABLED := false
export BENTOML_DO_NOT_TRACK := True
export GX_ANALYTICS_ENABLED := false

.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench lock clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

$(VENV)/.ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --no-deps --only-binary :all: -r <($(PYTHON) .ci/only uv requirements.lock)
	touch $@

setup: $(VENV)/.ready ## build the environment in .venv from the lock file

demo: setup ## watch a simulated fleet: train, serve, drift, retrain, promote
	$(BIN)/forewarn demo

test: setup ## run every test
	$(BIN)/pytest

check: setup ## format, lint, types, import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup ## measure, beside the peers, what has to be fast
	$(BIN)/pytest benchmarks --benchmark-only

lock: setup ## resolve the dependencies again
	$(BIN)/uv pip compile --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 pyproject.toml --group dev -o requirements.lock --upgrade

clean: ## remove the environment and every cache
	rm -rf $(VENV) .forewarn .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .benchmarks
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
