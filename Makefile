# The project's commands. `make` alone lists them.
BIN := build/release/bin
CONFIG ?= examples/local.yaml
COUNT ?= 100
export CMAKE_BUILD_PARALLEL_LEVEL ?= 2
SERVICES := cd tests && python3 -m services
PYTEST := scripts/test-python -m pytest -c tests/pytest.ini

.DEFAULT_GOAL := help
.PHONY: help
help:  ## this list
	@echo 'make TARGET, with TARGET one of:'
	@sed -n 's/^\([a-z][a-z -]*\):.*  ## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | awk -F '\t' '{ printf "  %-20s %s\n", $$1, $$2 }'

# --- Build and run

.PHONY: setup programs build demo dev
setup:  ## installs what building and testing need (Debian 12 or 13; as root when packages are missing)
	scripts/setup test

# The programs alone, which need no test library. A build folder that has the tests keeps them.
programs:
	scripts/setup build
	@test -f build/release/build.ninja || cmake --preset release -DPUSH_CACHE_TESTS=OFF
	cmake --build --preset release --target push-cache populate_kafka

build: programs  ## builds the programs into build/release/bin

demo: programs  ## a whole system in one process, filled with sample records: what to run first
	$(BIN)/push-cache demo

dev: programs  ## runs the service against local services, with CONFIG=examples/local.yaml
	CAPTURE_LOG=$${CAPTURE_LOG:-info} $(BIN)/push-cache start --config $(CONFIG)

# --- Tests

.PHONY: test build-tests asan tsan soak
build-tests:
	scripts/setup test
	cmake --preset release -DPUSH_CACHE_TESTS=ON
	cmake --build --preset release

test: build-tests  ## every test: unit, oracles, and end to end against a real broker and registry
	ctest --test-dir build/release -j2 --output-on-failure --no-tests=error
	$(PYTEST) $(wildcard tests/e2e tests/oracle)
	$(MAKE) --no-print-directory test-deploy

.PHONY: test-deploy
test-deploy:  ## the Debian package, the image's build steps, Compose files, the chart and the workflows
	scripts/setup test
	scripts/setup deploy
	@test -x $(BIN)/push-cache || $(MAKE) --no-print-directory programs
	PUSH_CACHE_REQUIREMENTS=tests/deploy/requirements.txt $(PYTEST) tests/deploy

.PHONY: test-bare-debian
test-bare-debian:  ## the image and the systemd unit in a bare Debian below a folder, as root, some minutes
	scripts/setup deploy
	scripts/setup bare
	PUSH_CACHE_BARE=1 PUSH_CACHE_REQUIREMENTS=tests/deploy/requirements.txt $(PYTEST) tests/deploy/test_bare_debian.py

soak: build-tests  ## the fault tests and the load with faults in their long form, about 40 minutes
	PUSH_CACHE_SOAK=1 $(PYTEST) -m faults --timeout 1800 --durations 0 $(wildcard tests/e2e)

asan tsan: setup  ## unit tests and the embedded end-to-end tests under address and undefined, or thread sanitizer
	cmake --preset $@
	cmake --build --preset $@
	ctest --test-dir build/$@ -j2 --output-on-failure --no-tests=error
	PUSH_CACHE_BIN=build/$@/bin $(PYTEST) tests/e2e/test_demo.py

.PHONY: fuzz
SECONDS ?= 60
fuzz:  ## the libFuzzer targets, SECONDS=60 each; TARGETS="http config" for some of them
	scripts/setup fuzz
	cmake --preset fuzz
	cmake --build --preset fuzz --target fuzzers
	scripts/fuzz $(SECONDS) $(TARGETS)

# --- Benchmarks

.PHONY: bench bench-quick build-bench
# Of a fresh build folder only what the benchmarks need is built: no tests.
build-bench:
	scripts/setup test
	@test -f build/release/build.ninja || cmake --preset release -DPUSH_CACHE_TESTS=OFF
	cmake --preset release -DPUSH_CACHE_BENCH=ON
	cmake --build --preset release --target benchmarks

bench: build-bench  ## every benchmark against its reference, many minutes; tables and pictures into docs/benchmarks
	scripts/bench full

bench-quick: build-bench  ## the same with smaller sizes and fewer rounds, some minutes; into build/release/benchmarks
	scripts/bench quick

# --- Sample records for the local services

.PHONY: populate-customers populate-bills populate-usage populate-tickets populate-help
populate-customers: programs  ## COUNT=100 customers into the topic customers
	MESSAGE_TYPE=customer COUNT=$(COUNT) CONFIG=$(CONFIG) scripts/populate-local.sh
populate-bills: programs  ## COUNT=100 bills into the topic bills
	MESSAGE_TYPE=bill COUNT=$(COUNT) CONFIG=$(CONFIG) scripts/populate-local.sh
populate-usage: programs  ## COUNT=100 usage records into the topic usage
	MESSAGE_TYPE=usage COUNT=$(COUNT) CONFIG=$(CONFIG) scripts/populate-local.sh
populate-tickets: programs  ## COUNT=100 support tickets into the topic tickets
	MESSAGE_TYPE=ticket COUNT=$(COUNT) CONFIG=$(CONFIG) scripts/populate-local.sh
populate-help: programs  ## what populate_kafka can do
	$(BIN)/populate_kafka --help

# --- Real services as processes on loopback, without containers

.PHONY: start-kafka start-schema start-zookeeper stop-services
start-kafka:  ## a Kafka broker (KRaft) on 127.0.0.1:9092, in the background
	scripts/setup test
	@$(SERVICES) start kafka
start-schema:  ## a schema registry on http://127.0.0.1:8081/apis/ccompat/v7, in the background
	scripts/setup test
	@$(SERVICES) start registry
start-zookeeper:  ## ZooKeeper on 127.0.0.1:2181, of the last Kafka line that has it (3.9)
	scripts/setup test
	@$(SERVICES) start zookeeper
stop-services:  ## ends what the start-* targets started; the records stay
	@$(SERVICES) stop

# --- Packages and containers

.PHONY: package
package:  ## a Debian package of this release, in build/package
	scripts/setup package
	scripts/package build/package

.PHONY: docker compose-redis compose-kafka-zk compose-kafka-kraft compose-monitoring compose-down
docker:  ## builds the container image
	docker build -t push-cache .
compose-kafka-kraft: COMPOSE_FILE = quickstart
compose-kafka-kraft:  ## the service with Kafka, a registry and sample records, in containers
compose-kafka-zk: COMPOSE_FILE = kafka-zk
compose-kafka-zk:  ## the same with a Kafka that has ZooKeeper
compose-monitoring: COMPOSE_FILE = monitoring
compose-monitoring:  ## the same as compose-kafka-kraft, with Prometheus and Grafana
compose-redis: COMPOSE_FILE = redis
compose-redis:  ## Kafka, a registry, Redis and the service with its records there, in containers
compose-kafka-kraft compose-kafka-zk compose-monitoring compose-redis:
	docker compose -f deploy/compose/$(COMPOSE_FILE).yaml up -d --build
compose-down:  ## ends the containers of the compose-* targets
	for project in push-cache push-cache-zk push-cache-redis; do docker compose -p $$project down; done

# --- Code

.PHONY: fmt lint
CXX_FILES = $(shell git ls-files 'src/*.h' 'src/*.cc')
fmt:  ## formats the C++ files
	clang-format-14 -i $(CXX_FILES)
lint:  ## format, layers, links of the documentation, and the syntax of scripts, pages and tests
	clang-format-14 --dry-run -Werror $(CXX_FILES)
	python3 tests/check_layers.py
	python3 tests/check_docs.py
	for script in scripts/setup scripts/fuzz scripts/package scripts/test-python scripts/*.sh .ci/run; do bash -n "$$script" || exit 1; done
	python3 -m compileall -q tests scripts
	! command -v node >/dev/null || for script in web/*.js tests/e2e/*.mjs; do node --check "$$script" || exit 1; done
