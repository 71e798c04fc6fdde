# One task list, the same for people and for CI.
# The first Python from 3.11 to 3.13 that really starts (a version manager's shim may not).
fits := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for p in python3.12 python3.13 python3.11 python3; do \
	$$p -c '$(fits)' >/dev/null 2>&1 && echo $$p && break; done)
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
.PHONY: help setup demo demo-live test test-fast verify check bench reference site lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

# uv comes from the lock file like the rest and installs it in seconds; where uv cannot reach an index that pip is
# configured for, pip installs the same files in minutes.
$(VENV)/.ready: requirements.lock pyproject.toml
	@$(or $(PYTHON),false) -c '$(fits)' || { echo "found no Python from 3.11 to 3.13 on the path; install one, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12" >&2; exit 2; }
	$(PYTHON) -m venv --clear $(VENV)
	awk '/^uv==/ {p = 1} p {print} p && !/\\$$/ {exit}' requirements.lock > $(VENV)/uv.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(VENV)/uv.txt
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip sync --quiet --require-hashes requirements.lock || \
		$(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	$(BIN)/python -m features
	touch $@

setup: $(VENV)/.ready ## build the environment in .venv from the lock file

demo: setup ## watch a simulated fleet: train, serve, drift, retrain, promote
	$(BIN)/forewarn demo

demo-live: setup ## watch machines at 100 Hz through a broker that fails, and one that wears out
	$(BIN)/forewarn demo --live

test: setup ## run the tests; long simulations and whole experiments are in `make verify`
	$(BIN)/pytest -n auto --dist loadfile

test-fast: setup ## run the tests that start no server and train no large model, and say what is left out
	$(BIN)/pytest -n auto --dist loadfile -m "not slow and not verify"
	@echo "Left out: tests marked slow (servers, flows, training, parity of every kernel), which make test runs, and make verify."

verify: setup ## simulate many histories, train the shipped experiments, kill and swap under load
	$(BIN)/pytest -n auto --dist worksteal -m verify

check: setup ## format, lint, types, import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup ## measure, beside the peers, what has to be fast
	$(BIN)/pytest benchmarks --benchmark-only

reference: setup ## write docs/reference/configuration.md from the models, and what is generated of the client
	$(BIN)/python docs/reference/configuration.py
	$(BIN)/python clients/python/generate.py

site: setup ## build the documentation as a site, in site/
	$(BIN)/zensical build --strict

lock: setup ## resolve the dependencies again
	$(BIN)/uv pip compile --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 pyproject.toml --group dev --extra dask --extra live --extra messages --extra otel --extra postgres --extra s3 --extra signing --extra survival --extra sweep --extra twins -o requirements.lock --upgrade

clean: ## remove the environment and every cache; a workspace stays
	rm -rf $(VENV) .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .benchmarks .cache site
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
