# `make` alone lists the targets. Python 3.11 to 3.13 and Maven must be installed; Java and Go come as wheels.
# What is in web/ needs Node.js, and is left out where there is none.
PYTHON ?= python3
PY := .venv/bin/python
SEED ?= 1
SECONDS ?= 60
PIP := $(PY) -m pip install --quiet --disable-pip-version-check

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' Makefile | expand -t 12

setup: .venv/locked ## install the locked requirements and this checkout
	@[ .venv/checkout -nt pyproject.toml ] && grep -qxF '$(CURDIR)' .venv/checkout || { \
		$(PIP) --no-deps --no-build-isolation --no-index --editable . && echo '$(CURDIR)' > .venv/checkout; }

.venv/locked: requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=")'
	$(PYTHON) -m venv .venv
	$(PIP) --require-hashes -r requirements-dev.txt
	@rm -f .venv/checkout
	@touch $@

demo: setup ## play a live show on real Kafka, Postgres and LiveKit (ARGS=--http: through the gateway alone)
	@$(PY) -m demo $(ARGS)

web: ## build the TypeScript client, the demo and the console, where Node.js is found
	@.ci/web build

screenshots: setup ## draw the pages for browsers into docs/images, while a show is on
	@$(PY) -m tests.web.screenshots

test: setup ## run every test on the real stack
	@.ci/web test
	@$(PY) -m pytest -n 3 --dist loadfile --no-loadscope-reorder

test-pythons: setup ## run the tests without servers on the other Pythons, 3.11 to 3.14, that are installed
	@.ci/pythons

# Without the tests that kill servers, put a proxy in front of them or bring their own: they are processes in any case.
test-containers: setup ## run the tests of the services on Kafka, Postgres and LiveKit from testcontainers
	@TESTCONTAINERS_RYUK_DISABLED=$${TESTCONTAINERS_RYUK_DISABLED:-true} $(PY) -m pytest -n 3 --dist loadfile --no-loadscope-reorder --containers \
		--ignore-glob='*/test_kills_*' --ignore-glob='*/test_faults.py' --ignore-glob='*/test_slow_livekit.py' \
		--ignore-glob='*/test_slow_kafka.py' --ignore-glob='*/test_kafka_cluster.py' --ignore-glob='*/test_switch_over.py' \
		--ignore-glob='*/test_missing_markers.py' \
		tests/messaging tests/invitations tests/runtime tests/broadcast tests/cohost

compose-test: setup ## start docker-compose.yml on ports of its own, test it, stop it
	@$(PY) -m tests.compose

cost-check: setup ## fail if a command costs 15 % more processor time, as a multiple of a raw passthrough, than recorded
	@$(PY) -m bench cost --check

mutants: setup ## apply each small fault of tests/mutants to a copy, and say which test finds it
	@$(PY) -m tests.mutants

chaos: setup ## kill, pause and stop workers and servers at random for SECONDS, then audit (SEED=1 SECONDS=60)
	@$(PY) -m tests.chaos --seed $(SEED) --seconds $(SECONDS)

up: setup ## start the whole stack in the background and write .stack/env
	@$(PY) -m stack up

observe: setup ## the same with Prometheus, which scrapes all of it and evaluates the alerts
	@$(PY) -m stack up --observe

down: setup ## stop it
	@$(PY) -m stack down

status: setup ## show what is running, and where
	@$(PY) -m stack status

check: setup ## format, lint, names, types, import contracts, schemas, alert rules, dashboards, the code in web/
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) .ci/names.py
	$(PY) -m mypy
	$(PY) .venv/bin/lint-imports
	$(PY) -m cohost_schemas.export --check
	$(PY) -m services.gateway.openapi_file --check
	$(PY) -m stack promtool check config ops/prometheus/prometheus.yml
	$(PY) -m stack promtool test rules ops/prometheus/tests/*.yml
	$(PY) -m ops.grafana --check
	.ci/web check

fmt: setup ## format, and fix what the linter can
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .

bench: setup ## measure cost, drain, latency, grants, kills, the gateway, traces, peers
	@$(PY) -m bench

.PHONY: help setup demo web screenshots test test-pythons test-containers compose-test mutants chaos up observe down status check fmt bench
