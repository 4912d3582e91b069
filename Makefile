# `make demo` and `make test` set up all they need below .venv and .lineside; `make` lists the rest.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PYX    := $(shell find protocols edge hub -name '*.pyx' -o -name '*.pxd')

# The demo: cars to build, orders (a ROADEF instance folder or a CSV; generated if empty),
# seconds per car, broker (embedded or mosquitto), LINE=full for a line with thirteen stations,
# KEEP=1 to leave it running until Ctrl-C.
CARS   ?=
ORDERS ?=
TAKT   ?=
BROKER ?=
LINE   ?=
KEEP   ?=

.PHONY: help
help:
	@echo 'make demo    one plant, two suppliers, on this machine, in about two minutes'
	@echo '             CARS=60  ORDERS=folder or file  TAKT=seconds  BROKER=mosquitto  KEEP=1'
	@echo '             LINE=full: a line with thirteen stations, one of each kind, and the build record of a part'
	@echo 'make day     a day of a plant, three suppliers, all that goes wrong, at SPEED=100 times real time:'
	@echo '             CARS=1000  SEED=1  ORDERS=folder; its ledger of every call in .lineside/day-<time>'
	@echo 'make test    lint, types, layering and the whole test suite'
	@echo 'make lint    style, types and layering alone'
	@echo 'make bench   measure, against the bare thing in the same run'
	@echo 'make bench-edge   the gateway alone: cost of a value, journal, outage'
	@echo 'make bench-sources   sources beside the bare library, socket or file'
	@echo 'make bench-hub   ingest from the broker to committed rows, beside bare COPY: few gateways, 500, two workers'
	@echo 'make bench-hub-queries   last values, trends and build windows over 50 million samples'
	@echo 'make bench-calls  from control point to acknowledgement, at 10 and 200 calls a second, and at once'
	@echo 'make bench-sequencing   the sequencing engine on public instances, for three quarters of an hour'
	@echo 'make soak    faults on the whole stack for MINUTES=40 and at least FAULTS, by SEED, at RATE a second'
	@echo 'make fuzz    spoiled messages for every decoder, INPUTS=1000000 in all, by SEED'
	@echo 'make fuzz-calls  random plants, their calls over a channel that loses and doubles, EXAMPLES=100'
	@echo 'make fuzz-api   requests drawn from the description of the API, EXAMPLES=100 of each'
	@echo 'make peers   other makers'"'"' codecs, label printer, OPC UA server and PLCs, Helm, and a TimescaleDB, for the tests that want them'
	@echo 'make timescale SOURCE=folder   build TimescaleDB from its source into a copy of the embedded PostgreSQL'
	@echo 'make build   the environment and the compiled modules, no more'
	@echo 'make clean   remove all that was made, what demos left in .lineside too'

.PHONY: demo
demo: build
	@$(BIN)/python -m deploy.local $(if $(CARS),--cars $(CARS)) $(if $(ORDERS),--orders '$(ORDERS)') \
	  $(if $(TAKT),--takt $(TAKT)) $(if $(BROKER),--broker $(BROKER)) $(if $(LINE),--line $(LINE)) \
  $(if $(filter-out 0,$(KEEP)),--keep)

# A day of a plant over the wire: by default the largest that is handy, else one that is generated.
SPEED  ?= 100
SHARED_DAY := ../shared/data/roadef/B/029_EP_RAF_ENP_S21_J6
.PHONY: day
day: build
	@$(BIN)/python -m deploy.local.day --speed $(SPEED) $(if $(SEED),--seed $(SEED)) \
	  --cars $(or $(CARS),1000) --orders '$(or $(ORDERS),$(SHARED_DAY))' \
	  $(if $(BROKER),--broker $(BROKER))

# Shared out among so many processes, file by file: the tests wait more than they work.
TESTERS ?= 4
.PHONY: test
test: lint
	@$(BIN)/pytest -n $(TESTERS) --dist loadfile --no-loadscope-reorder $(ARGS)

.PHONY: lint
lint: build
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

# Each reports beside the bare thing in the same run; results go to bench-results/.
.PHONY: bench
bench: build
	@failed=; for each in $(basename $(notdir $(wildcard tests/benchmarks/bench_*.py))); do \
	  $(BIN)/python -m tests.benchmarks.$$each || failed="$$failed $$each"; \
	done; test -z "$$failed" || { echo "goals missed:$$failed"; exit 1; }

# What a value costs the gateway, what its journal takes, how it comes through an outage. With
# `make peers` before it another maker's OPC UA server gives the load, else the simulated PLC.
.PHONY: bench-edge
bench-edge: build
	@failed=; for each in edge journal outage; do \
	  $(BIN)/python -m tests.benchmarks.bench_$$each || failed="$$failed $$each"; \
	done; test -z "$$failed" || { echo "goals missed:$$failed"; exit 1; }

# What a value or a result costs, beside the bare library or socket reading the same device.
.PHONY: bench-sources
bench-sources: build
	@$(BIN)/python -m tests.benchmarks.bench_sources $(ARGS)

# Values a second from Mosquitto to committed rows, what each costs, how late it is.
.PHONY: bench-hub
bench-hub: build
	@$(BIN)/python -m tests.benchmarks.bench_ingest $(ARGS)

# The main questions over 50 million samples and what those take of the disk: some minutes, 8 GB of it.
.PHONY: bench-hub-queries
bench-hub-queries: build
	@$(BIN)/python -m tests.benchmarks.hub_queries $(ARGS)

# How long a call takes from its control point until the gateway has it, beside the bare thing.
.PHONY: bench-calls
bench-calls: build
	@$(BIN)/python -m tests.benchmarks.bench_calls $(ARGS)

# Marks and speed of the sequencing engine on the public instances, CP-SAT beside it: about three
# quarters of an hour on two cores. ARGS='--only csplib' measures a part.
.PHONY: bench-sequencing
bench-sequencing: build $(VENV)/.bench
	@$(BIN)/python -m tests.benchmarks.sequencing $(ARGS)

$(VENV)/.bench: $(VENV)/.ready
	@echo 'installing what is measured beside ours'
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -e '.[bench]'
	@touch $@

# Faults on the whole of Lineside for so long: killed and hung processes, broken links, full and
# damaged disks, stepped clocks, a hub put back from a backup. Nothing may be lost without a gap.
MINUTES ?= 40
SEED    ?=
RATE    ?=
.PHONY: soak
soak: build
	@JOURNAL_KILLS=100 $(BIN)/pytest -q tests/edge/journal/test_journal.py -k kill_9
	@$(BIN)/python -m tests.faults --minutes $(MINUTES) $(if $(SEED),--seed $(SEED)) \
	  $(if $(FAULTS),--faults $(FAULTS)) $(if $(RATE),--rate $(RATE)) \
	  --report bench-results/soak.json $(ARGS)

EXAMPLES ?= 100

# Random plants with hub and gateways on real database and files, between them a channel that loses,
# doubles, reorders and delays: both sides must end as over a perfect one.
.PHONY: fuzz-calls
fuzz-calls: build
	@FUZZ_CALLS_EXAMPLES=$(EXAMPLES) $(BIN)/pytest -q --timeout 0 --hypothesis-profile=search \
	  tests/e2e/calls

# Requests drawn from the API's own description, EXAMPLES of each operation and role.
.PHONY: fuzz-api
fuzz-api: build
	@FUZZ_EXAMPLES=$(EXAMPLES) $(BIN)/pytest -q --timeout 0 --hypothesis-profile=search \
	  tests/hub/api/test_fuzz.py

# Spoiled messages for every decoder of what comes over the network, INPUTS in all by SEED: each is
# read or refused. Every decoder has a process of its own, with 512 MiB and a time for each input.
INPUTS ?= 1000000
.PHONY: fuzz
fuzz: build
	@$(BIN)/python -m tests.fuzz --inputs $(INPUTS) $(if $(SEED),--seed $(SEED)) $(ARGS)

# No registry has TimescaleDB as a server: its source, checked out at a release in SOURCE, is built.
.PHONY: timescale
timescale: build
	@deploy/setup/build-timescale $(BIN)/python '$(SOURCE)' .lineside/timescale

.PHONY: peers
peers: build
	@$(BIN)/python -m tests.fixtures.peers
	@$(BIN)/python -m tests.fixtures.timescale
	@$(BIN)/python -m tests.fixtures.node_opcua
	@$(BIN)/python -m tests.fixtures.plc_peers
	@$(BIN)/python -m tests.fixtures.helm

.PHONY: build
build: $(VENV)/.built

# Each step leaves a stamp, so that nothing is done twice.
$(VENV)/.ready: pyproject.toml setup.py
	@sh deploy/setup/check-tools $(PYTHON)
	@test -x $(BIN)/python || { echo '[1/3] creating the Python environment in $(VENV)'; $(PYTHON) -m venv $(VENV); }
	@echo '[2/3] installing the Python packages (the first time this takes a minute or two)'
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -e '.[edge,hub,sim,dev]'
	@touch $@

$(VENV)/.built: $(VENV)/.ready $(PYX)
	@echo '[3/3] compiling the Cython modules'
	@$(BIN)/python setup.py -q build_ext --inplace >$(VENV)/build.log 2>&1 || { cat $(VENV)/build.log; exit 1; }
	@$(BIN)/python deploy/setup/check_built.py || { cat $(VENV)/build.log; exit 1; }
	@touch $@

.PHONY: clean
clean:
	rm -rf $(VENV) .lineside build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find protocols edge hub firmware_sim deploy tests -name __pycache__ -prune -exec rm -rf {} +
	find protocols edge hub -name '*.so' -delete
