# Everything runs in .venv, which `make` builds from nothing but Python >= 3.11.
# Take another Python with: make test PYTHON=/path/to/python

SHELL := /bin/bash
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# The newest Python from 3.11 to 3.14 that can make an environment.
PYTHON ?= $(shell for python in python3.14 python3.13 python3.12 python3.11 python3; do \
	$$python -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' \
	2>/dev/null && echo $$python && break; done)
BIN := .venv/bin
RUN := $(BIN)/python -m
INSTALLED := .venv/.installed

.PHONY: help demo quick quick-tests test all-tests check slow integrations look example lowest docs notebooks changelog bench loopback lock clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-12s  %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(INSTALLED) ## train the digits, print a table, draw pictures
	$(BIN)/qrnn train digits

# A file of tests stays in one process, which builds its fixtures once, with one thread. Files go in
# the order of tests/conftest.py, those with long tests first. With more cores, and 2 GB for each of
# them: make test WORKERS=8
WORKERS ?= 2
PYTEST := OMP_NUM_THREADS=1 $(RUN) pytest --numprocesses=$(WORKERS) --dist=loadfile --no-loadscope-reorder

# The checks use one core for a minute, in which the tests have the other.
BESIDE := @$(MAKE) --no-print-directory --jobs=2 check

quick: $(INSTALLED) ## the checks and the fast tests (under 3 minutes), for every change
	$(BESIDE) quick-tests

QUICK := not (process or service or noisy or triton or notebook or training or slow or browser or integrations)
quick-tests: $(INSTALLED)
	$(PYTEST) -m "$(QUICK)" --limit-seconds=2

test: $(INSTALLED) ## the checks and all tests (about 12 minutes), before a merge
	$(BESIDE) all-tests

# A test that waits for ever ends after ten minutes with the stacks of its threads.
ENDLESS := -o faulthandler_timeout=600 -o faulthandler_exit_on_timeout=true
all-tests: $(INSTALLED)
	$(PYTEST) --durations=40 $(ENDLESS)

check: $(INSTALLED) ## style, types and import directions
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(RUN) mypy
	$(BIN)/lint-imports

slow: $(INSTALLED) ## the tests that take minutes, and the rest of the long sweeps
	$(RUN) pytest -m slow

integrations: $(INSTALLED) ## the model inside Lightning's Trainer and skorch
	$(RUN) pip install --quiet --require-hashes --no-deps -r requirements-integrations.lock
	$(RUN) pytest -m integrations

look: docs ## report and documentation in a headless Chromium (needs one, such as Debian's chromium)
	$(RUN) pytest -m browser

example: $(INSTALLED) ## train the run that ships with the package again
	rm -rf qrnn_qiskit/examples/digits
	OMP_NUM_THREADS=1 $(BIN)/qrnn train digits --out qrnn_qiskit/examples/digits
	rm -rf qrnn_qiskit/examples/digits/{evaluations,pictures}

lowest: ## the tests with the lowest versions of pyproject.toml (needs uv; 6 GB more in .venv-lowest)
	uv venv --quiet --allow-existing --python 3.11 .venv-lowest
	uv pip install --quiet --python .venv-lowest --resolution lowest-direct -e '.[dev]'
	.venv-lowest/bin/python -m pytest -W default  # old versions warn of newer ones

docs: $(INSTALLED) ## the documentation, warnings are errors (docs/_build/html/index.html)
	$(RUN) pip install --quiet --require-hashes -r requirements-docs.lock
	$(RUN) sphinx -W --keep-going --fresh-env docs docs/_build/html

notebooks: $(INSTALLED) ## run the notebooks and save them with their outputs
	$(RUN) pip install --quiet --require-hashes -r requirements-docs.lock
	$(BIN)/jupyter execute --NotebookClient.record_timing=False --inplace notebooks/*.ipynb

changelog: $(INSTALLED) ## print what has changed since the last release
	$(RUN) pip install --quiet --require-hashes -r requirements-docs.lock
	@$(BIN)/towncrier build --draft --version next

# 25 minutes; `make bench GRID=--quick` takes 5.
bench: $(INSTALLED) ## speed and memory beside other libraries: a table and a picture
	$(RUN) pip install --quiet --require-hashes -r requirements-bench.lock
	$(RUN) pip install --quiet --require-hashes --no-deps -r benchmarks/requirements-torchquantum.txt
	$(BIN)/python benchmarks/grid.py $(GRID)

# The client takes a URL with the word "experimental" as it is; without IAM_URL it would send the
# token to the real identity service.
PORT := 8787
SERVICE := http://127.0.0.1:$(PORT)
loopback: $(INSTALLED) ## a stand-in for IBM Quantum on this machine, and how to reach it
	@echo '# Paste this into another terminal; the service runs here until Ctrl-C.'
	@printf 'export %s\n' IAM_URL=$(SERVICE) GLOBAL_SEARCH_URL=$(SERVICE) GLOBAL_CATALOG_URL=$(SERVICE)/api/v1 \
		QISKIT_IBM_CHANNEL=ibm_quantum_platform QISKIT_IBM_URL=$(SERVICE)/experimental/../api/v1 \
		QISKIT_IBM_TOKEN=loopback \
		QISKIT_IBM_INSTANCE=crn:v1:bluemix:public:quantum-computing:us-east:a/localqpu::localqpu
	@$(BIN)/python tests/support/loopback_server.py $(PORT) ibm_kingston,ibm_fez,ibm_marrakesh

# Hashes only: a lock without URLs installs from whatever index pip is set up for.
LOCK := uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	--no-emit-index-url --no-emit-find-links --extra dev pyproject.toml

lock: ## resolve the dependencies again (needs uv)
	$(LOCK) -o requirements.lock
	$(LOCK) --extra bench -c requirements.lock -o requirements-bench.lock
	$(LOCK) --extra docs -c requirements.lock -o requirements-docs.lock
	@# Only what the packages of requirements.lock lack.
	$(LOCK) --extra integrations -c requirements.lock | awk 'NR == FNR { known[$$1]; next } \
		/^[a-z]/ { keep = !($$1 in known) } keep' requirements.lock - > requirements-integrations.lock

clean: ## remove the environment and the caches, never a run
	rm -rf .venv .venv-lowest docs/_build docs/notebooks .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find circuits qrnn_qiskit runtime_jobs tests -name __pycache__ -prune -exec rm -rf {} +

# The install is editable, and the cache of kernels is named after a hash of their sources: after an
# edit of one, this rule is not run again, and the first call compiles. Bytecode of all packages would
# take pip another minute; Python writes that of the modules it imports.
$(INSTALLED): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "error: no Python from 3.11 to 3.14 with the venv module was found" \
		"(python3 is: $$(python3 --version 2>&1)). Install one, or name it: make PYTHON=/path/to/python" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys, venv, ensurepip; v = sys.version_info; sys.exit(None if (3, 11) <= v[:2] <= (3, 14) \
		else f"error: {sys.executable} is Python {v[0]}.{v[1]}; required is 3.11 to 3.14. Name one: make PYTHON=/path/to/python")'
	test -x $(BIN)/python || "$(PYTHON)" -m venv .venv
	$(RUN) pip install --quiet --disable-pip-version-check --no-compile --require-hashes -r requirements.lock
	$(RUN) pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@echo "Compiling the kernels in both precisions, so that no first run waits (about a minute)" >&2
	@OMP_NUM_THREADS=1 $(RUN) qrnn_qiskit.engines.cpu.compile_kernels
	@touch $@
