# Everything a newcomer needs is `make demo`; everything a contributor needs is `make check` and `make test`.
# Python 3.11 or newer and make are enough: the environment, the locked packages, Java and Kafka come by themselves.

PYTHON ?= python3
VENV := .venv
BUILD := build
REPORTS := $(BUILD)/reports
WHEEL_VENV := $(BUILD)/wheel-venv
WHEEL_TESTS := $(BUILD)/wheel-tests
# Mail for `make bench`: the corpus beside the repository, unpacked; or name your own: make bench MAIL=~/Maildir
CORPUS := ../shared/corpus/spam-assassin.tar.xz
MAIL ?= $(BUILD)/corpus
# How often `make kill` kills each process in each phase.
KILLS ?= 3
# Which chaos `make chaos` makes, and for how long faults come.
SEED ?= 1
MINUTES ?= 8
# How many failovers and failbacks `make cycles` makes.
CYCLES ?= 50
# How many mailboxes `make failover` promotes at once; 1000 take a while to be copied first.
PROMOTED ?= 1 100
# Chosen tests: make test TESTS=tests/deploy/lab
TESTS ?= tests
# Tests mostly wait for servers: so many files at once, each worker with a Kafka of its own.
WORKERS ?= 4
# The image: any base with Python 3.11, and whatever builds and runs images here.
BASE ?= docker.io/library/python:3.11-slim
CONTAINER ?= $(shell command -v podman || command -v docker)
COMPOSE ?= $(if $(findstring podman,$(CONTAINER)),podman-compose,docker compose)
NETWORK ?= none
KAFKA_CACHE ?= $(HOME)/.cache/mailshadow
IMAGE := $(BUILD)/image
ARCHITECTURE ?= $(shell uname -m | sed s/arm64/aarch64/)
BUILD_IMAGE = $(CONTAINER) build --network=none --file deploy/Dockerfile --build-arg BASE=$(BASE) \
	--build-arg VERSION=$(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml) \
	--build-arg REVISION=$(shell git rev-parse --short HEAD 2>/dev/null || echo unknown) $(if $(findstring podman,$(CONTAINER)),--format docker)
COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	--no-emit-index-url --no-emit-find-links
INSTALL := -m pip --disable-pip-version-check --quiet install

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo test check bench kill crash-points chaos faults cycles sabotage fuzz failover observe scale wheel lock image lab-image \
	image-demo compose-lab audit acls corpus front-door way-back migration clean distclean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/installed ## the environment in .venv, with the locked packages

demo: $(VENV)/installed | $(REPORTS) ## real mail from one Exchange to another through a real Kafka, on this machine
	$(VENV)/bin/mailshadow lab --report $(REPORTS)/demo.json

check: $(VENV)/installed ## format, lint, types, import rules and the fast tests
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/pytest -n $(WORKERS) --dist loadfile -m "not slow" $(TESTS)

test: $(WHEEL_VENV)/installed wheel | $(REPORTS) ## every test, against the installed wheel
	$(call run_tests,$(WHEEL_VENV),test,-n $(WORKERS) --dist loadfile --no-loadscope-reorder $(TESTS))

kill: $(WHEEL_VENV)/installed wheel | $(REPORTS) ## the long form of the kill tests: KILLS rounds of each
	export MAILSHADOW_KILLS=$(KILLS); $(call run_tests,$(WHEEL_VENV),kill,tests/chaos/test_kills.py)

crash-points: $(WHEEL_VENV)/installed wheel | $(REPORTS) ## feed and replay die at every boundary between two calls
	export MAILSHADOW_CRASH_POINTS=1; $(call run_tests,$(WHEEL_VENV),crash-points,tests/chaos/crash_points)

corpus: $(VENV)/installed ## every message of the corpus through every generation of the simulated server
	MAILSHADOW_CORPUS=1 $(VENV)/bin/pytest tests/deploy/lab/exchange/test_corpus.py

front-door: $(VENV)/installed ## the front door with every way of leading exchangelib's own discovery
	MAILSHADOW_FRONT_DOOR=1 $(VENV)/bin/pytest tests/deploy/front_door tests/end_to_end/test_front_door.py

way-back: $(VENV)/installed ## the way back, with the owners of both directions killed in its middle, and with the target dead
	MAILSHADOW_WAY_BACK=1 $(VENV)/bin/pytest tests/end_to_end/test_failback.py tests/end_to_end/test_failback_lost.py

migration: $(VENV)/installed ## two waves, with a cut-over killed in its middle, and one led back while the other stays
	MAILSHADOW_MIGRATION=1 $(VENV)/bin/pytest tests/end_to_end/test_migration.py

acls: $(VENV)/installed ## every single right in Kafka taken away once: nothing may arrive without it
	MAILSHADOW_ALL_ACLS=1 $(VENV)/bin/pytest tests/end_to_end/test_secured_kafka.py

chaos: faults cycles ## every fault at random for MINUTES from SEED, then CYCLES failovers and failbacks, each under an independent check

faults: $(VENV)/installed | $(REPORTS) ## every fault at random for MINUTES from SEED, and an independent check of what was done
	rm -rf $(BUILD)/chaos
	$(VENV)/bin/mailshadow lab chaos --seed $(SEED) --minutes $(MINUTES) --target standby=2019 --target branch=2016 --keep $(BUILD)/chaos \
		--report $(REPORTS)/chaos.json

cycles: $(VENV)/installed | $(REPORTS) ## CYCLES failovers and failbacks from SEED, under load, with something killed in most
	rm -rf $(BUILD)/cycles
	$(VENV)/bin/mailshadow lab cycles --seed $(SEED) --cycles $(CYCLES) --keep $(BUILD)/cycles --report $(REPORTS)/cycles.json

sabotage: $(VENV)/installed | $(REPORTS) ## deliberate defects under chaos, each to be named by the checker; an hour at most
	$(VENV)/bin/python tests/chaos/sabotage --at-once 2 --budget-minutes 60 --report $(REPORTS)/sabotage.json

fuzz: $(VENV)/installed ## the long form of what chance decides: 100,000 mutated messages, 2,000 worlds, 5,000 failovers
	MAILSHADOW_FUZZ=1 $(VENV)/bin/pytest -n $(WORKERS) tests/fuzz tests/producers/test_bounded_transactions.py \
		tests/deploy/promotion/test_random_failovers.py

bench: $(VENV)/installed $(MAIL) | $(REPORTS) ## a full copy of real mail, measured
	$(VENV)/bin/mailshadow lab bench --mail $(MAIL) --report $(REPORTS)/bench.json

failover: $(VENV)/installed | $(REPORTS) ## how long a promotion takes: PROMOTED mailboxes, planned and with the source lost
	$(VENV)/bin/mailshadow lab promotion $(foreach n,$(PROMOTED),--mailboxes $(n)) --report $(REPORTS)/failover.json

scale: $(VENV)/installed | $(REPORTS) ## one, two and four replays on eight partitions, servers 20 ms away
	$(VENV)/bin/mailshadow lab scale --report $(REPORTS)/scale.json

lock: $(VENV)/installed ## requirements.lock from pyproject.toml, and those of the images from it (needs uv)
	$(COMPILE) --upgrade --all-extras --group dev pyproject.toml -o requirements.lock
	$(COMPILE) -c requirements.lock --extra registry pyproject.toml -o deploy/image.lock
	$(COMPILE) -c requirements.lock --extra registry --extra embedded --extra lab pyproject.toml -o deploy/lab-image.lock

image: $(IMAGE)/ready ## the container image of the services, with podman or docker (BASE=…)
	$(BUILD_IMAGE) --build-arg LOCK=image.lock --tag mailshadow:dev $(IMAGE)

lab-image: $(IMAGE)/ready ## the same with Java, for the lab: what `make image-demo` runs
	$(BUILD_IMAGE) --build-arg LOCK=lab-image.lock --tag mailshadow-lab:dev $(IMAGE)

image-demo: lab-image ## the demo inside the image: no rights, a read-only root file system
	mkdir -p $(KAFKA_CACHE)
	$(CONTAINER) run --rm --init --read-only --cap-drop=all --security-opt=no-new-privileges --network=$(NETWORK) \
		--tmpfs /tmp:rw,size=2g --volume $(KAFKA_CACHE):/var/lib/mailshadow/.cache/mailshadow:z mailshadow-lab:dev lab

compose-lab: lab-image ## the services as containers, from a message to its copy, ended by SIGTERM (COMPOSE=…)
	KAFKA_CACHE=$(KAFKA_CACHE) bash deploy/compose/try.sh "$(COMPOSE)" $(CONTAINER)

audit: $(VENV)/installed ## known weaknesses of what is locked; needs an advisory service, and says so without one
	bash .ci/audit $(VENV) $(BUILD)

observe: $(VENV)/installed | $(REPORTS) ## metrics, dashboards and alerts against a real Prometheus and Alertmanager
	mkdir -p $(BUILD)/grafana && cp tests/observation/types/* $(BUILD)/grafana/
	$(VENV)/bin/python -m deploy.grafana.build $(BUILD)/grafana/dashboards.ts
	cd $(BUILD)/grafana && npm install --silent --no-audit --no-fund && npx tsc
	MAILSHADOW_OBSERVE=1 $(VENV)/bin/python -m pytest -s tests/observation tests/deploy/observation tests/deploy/test_metrics_table.py

clean: ## what was built, reports and caches of the tools
	rm -rf $(BUILD) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

distclean: clean ## the same, and the environment
	rm -rf $(VENV)

# The tests are copied away from the checkout, so that they can import nothing but what is installed.
define run_tests
	rm -rf $(WHEEL_TESTS) && mkdir -p $(WHEEL_TESTS) && cp -R tests pyproject.toml $(WHEEL_TESTS)/ && \
	cd $(WHEEL_TESTS) && \
	env -u PYTHONPATH MAILSHADOW_REPOSITORY=$(CURDIR) MAILSHADOW_TEST_REPORT=$(CURDIR)/$(REPORTS)/$(2).json \
		$(CURDIR)/$(1)/bin/pytest $(3)
endef

# Runs the interpreter that `make` was told to use, or says what is wrong with it.
define make_environment
	@command -v $(PYTHON) >/dev/null || { echo "make: $(PYTHON) not found." \
		"Install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: $$($(PYTHON) --version)" \
		"is too old, 3.11 or newer is needed. Name another: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "make: $(PYTHON) lacks the venv module." \
		"On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@$(1)/bin/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(1)
	@echo "Installing the locked packages into $(1)"
	@$(1)/bin/python $(INSTALL) --require-hashes -r requirements.lock
endef

# Wheels for the image's Python and system, not for those of this machine; their hashes are checked here and again there.
$(IMAGE)/ready: deploy/image.lock deploy/lab-image.lock wheel
	rm -rf $(IMAGE) && mkdir -p $(IMAGE)/wheels && cp deploy/*.lock $(IMAGE)/ && cp $(BUILD)/dist/*.whl $(IMAGE)/wheels/
	$(VENV)/bin/python -m pip --disable-pip-version-check --quiet download --require-hashes --only-binary :all: \
		--python-version 3.11 $(foreach tag,manylinux_2_28 manylinux_2_17 manylinux2014,--platform $(tag)_$(ARCHITECTURE)) \
		--platform any --dest $(IMAGE)/wheels --requirement deploy/lab-image.lock
	@touch $@

$(VENV)/installed: requirements.lock pyproject.toml
	$(call make_environment,$(VENV))
	@$(VENV)/bin/python $(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

$(WHEEL_VENV)/installed: requirements.lock
	$(call make_environment,$(WHEEL_VENV))
	@touch $@

wheel: $(WHEEL_VENV)/installed ## the wheel, built and installed into an environment of its own
	rm -rf $(BUILD)/dist
	$(WHEEL_VENV)/bin/python -m build --wheel --no-isolation --outdir $(BUILD)/dist
	$(WHEEL_VENV)/bin/python $(INSTALL) --no-deps --force-reinstall $(BUILD)/dist/*.whl

$(BUILD)/corpus: $(CORPUS)
	@mkdir -p $@.new && $(VENV)/bin/python -m tarfile -e $(CORPUS) $@.new && rm -rf $@ && mv $@.new $@

$(CORPUS):
	@echo "make: there is no $(CORPUS); name a mailbox of your own: make bench MAIL=/path/to/mbox-or-folder" >&2; exit 1

$(REPORTS):
	@mkdir -p $@
