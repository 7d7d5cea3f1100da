# make run      build, and serve the demo workspace of config/ on http://localhost:8080
# make test     every test: Rust, and the official Python clients against a running brickyard
# make lint     formatting and clippy, warnings are errors
# make bench    every figure against its bar, see tests/bench/README.md
# make load     the suites of isolation, reliability and hostile input at their full numbers (hours; BRICKYARD_SEED=n for other chances)
# make oracle   the rules of Unity Catalog against the same as Cedar policies, a million random cases (minutes; ORACLE_CASES=n)
# make slt      the sqllogictest files below a folder, asked over REST: SLT=folder, and SLT_SHOWN=n failures a file
# make check    parse config/, resolve every reference, bind nothing

TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))
BRICKYARD := $(TARGET)/debug/brickyard
PYTHON ?= python3
PYTHONS := $(TARGET)/python

.DEFAULT_GOAL := run
.PHONY: run test test-rust test-python load slt oracle lint check bench

# `exec`: Ctrl-C and SIGTERM reach brickyard itself, and the weather service sees its parent go.
run: $(BRICKYARD)
	@if command -v $(PYTHON) >/dev/null; then $(PYTHON) config/agents/weather_service.py & fi; \
	exec $(BRICKYARD) serve --config config

check: $(BRICKYARD)
	$(BRICKYARD) check --config config

.PHONY: $(BRICKYARD)
$(BRICKYARD):
	cargo build --locked --bin brickyard

test: test-rust test-python

test-rust: export BRICKYARD_TEST_PYTHON = $(PYTHONS)/newest/bin/python
test-rust: export BRICKYARD_BIN = $(BRICKYARD)
# Where nobody waits, statements are made up for a minute.
ifeq ($(CI),true)
test-rust: export BRICKYARD_FUZZ_SECONDS ?= 60
endif
test-rust: $(BRICKYARD) $(PYTHONS)/newest/.ready
	@if cargo nextest --version >/dev/null 2>&1; then set -x; cargo nextest run --locked --workspace --no-fail-fast; \
	else set -x; cargo test --locked --workspace; fi

# One virtual environment a set of clients. Agents of the tests run in it too, so none is installed twice.
test-python: export BRICKYARD_BIN = $(BRICKYARD)
test-python: $(BRICKYARD) $(PYTHONS)/sdk-0.94/.ready $(PYTHONS)/newest/.ready
	$(PYTHONS)/sdk-0.94/bin/python -m pytest tests/python
	$(PYTHONS)/newest/bin/python -m pytest tests/python

# One test at a time: each has the machine to itself, and prints what it did. Generated queries are planned twice each,
# which an engine without optimisation takes a second for.
load: export BRICKYARD_LOAD = full
load: export BRICKYARD_SQL_QUERIES ?= 10000
load: export BRICKYARD_FUZZ_SECONDS ?= 60
load: export BRICKYARD_TEST_PYTHON = $(PYTHONS)/newest/bin/python
load: export BRICKYARD_BIN = $(BRICKYARD)
load: $(BRICKYARD) $(PYTHONS)/newest/.ready
	cargo test --locked --workspace --test it -- --test-threads 1 --nocapture isolation:: reliability:: hostile::
	cargo test --locked --workspace --lib -- --test-threads 1 --nocapture hostile_statements::
	cargo test --locked --release -p brickyard-sql -p brickyard-tests --lib -- --nocapture a_generated_query

oracle: export BRICKYARD_CEDAR_CASES = $(or $(ORACLE_CASES),1000000)
oracle:
	cargo test --locked --release -p brickyard-catalog --features oracle --lib cedar -- --nocapture

slt: export BRICKYARD_SLT = $(abspath $(or $(SLT),tests/sql))
slt: export BRICKYARD_SLT_SHOWN = $(or $(SLT_SHOWN),3)
slt:
	cargo test --locked --workspace --test it -- --ignored --nocapture sql_logic::

UV = $(or $(shell command -v uv 2>/dev/null),$(PYTHONS)/uv/bin/uv)

$(PYTHONS)/%/.ready: tests/python/%.txt
	@test -x "$(UV)" || { $(PYTHON) -m venv $(PYTHONS)/uv && $(PYTHONS)/uv/bin/python -m pip install --quiet uv; }
	$(UV) venv --quiet --clear --python $(PYTHON) $(PYTHONS)/$*
	$(UV) pip install --quiet --python $(PYTHONS)/$*/bin/python -r $<
	@touch $@

lint:
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings

# brickyard as it is shipped, and then what it is measured with, on the same build of everything below them.
bench:
	cargo build --locked --release --bin brickyard
	cargo build --locked --release --package brickyard-tests --features bench --bin brickyard-bench
	$(PYTHON) tests/bench/run.py $(BENCH)
