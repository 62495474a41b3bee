# The usual commands; `make` alone lists them. Each variable can be set on the command line:
#   make experiment STACK=native USERS=50 RUN_TIME=30s

STACK      ?= embedded
USERS      ?= 10
SPAWN_RATE ?= 10
RUN_TIME   ?= 10s
WARM_UP    ?= 2s
# Blocks of an experiment. If empty, it ends as soon as it is decided.
TRIALS     ?=
RESULTS    ?= results
ROUNDS     ?= 1
BROKERS    ?= 1
FLOOD_RECORDS ?= 50000
FUZZ_TIME  ?= 30
SOAK_TIME  ?= 1h
# The tag or commit with which `make semver` compares.
BASELINE   ?= HEAD~1
# Experiments of `make simulate STACK=...`: without a change, and with each change.
N          ?= 50
N_CHANGED  ?= 20
# Further flags of `harness simulate`, such as --only 3%,5%.
SIMULATE   ?=
# Further flags of `harness limits`, such as --rounds 3 --only bridge-tasks.
LIMITS     ?=

# Further flags of `harness experiment` in `make peers` and `make article`.
PEERS      ?=
ARTICLE    ?=

CARGO   ?= cargo
# How the programs are built: release, or dev for a quick look.
PROFILE ?= release
BUILT   := target/$(patsubst dev,debug,$(PROFILE))
HARNESS := $(BUILT)/harness
# The folder of `make install` for programs, man pages and completions.
PREFIX  ?= $(HOME)/.local
UP_PID  := target/up.pid
UP_ENV  := target/up.env
# TLS needs the system's OpenSSL; all other features need nothing.
WITH_TLS := $(shell pkg-config --exists openssl 2>/dev/null && echo yes)
FEATURES := $(if $(WITH_TLS),--all-features,--features kafka-bridge/axum,order-service/tasks,harness/stack-tests)
TLS := $(if $(WITH_TLS),$(addprefix --features ,$(addsuffix /tls,harness order-service load-client)))
# The packages that can be used alone.
PACKAGES := flags-and-variables kafka-cluster-url program-shell kafka-bridge order-service load-client
BLOCKS  := $(if $(TRIALS),--trials $(TRIALS))
LOAD    := --stack $(STACK) --users $(USERS) --spawn-rate $(SPAWN_RATE) --run-time $(RUN_TIME) --warm-up $(WARM_UP)

MSRV    := $(shell sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)

.DEFAULT_GOAL := help
# The targets of one command line run one after the other. Two benchmarks at the same time would disturb each other.
.NOTPARALLEL:
.PHONY: help suites faults soak experiment calibrate limits bench-baseline bench-tasks bench-client bench-compare bench-bridge budgets simulate peers article compare demo distributed-demo up down test fuzz screenshots lint \
  package semver deny check setup fmt build install test-quick try-readme dist msrv minimal-versions check-deploy

help: ## List the targets and variables
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  STACK=$(STACK) (embedded, native, docker)  USERS=$(USERS)  SPAWN_RATE=$(SPAWN_RATE)" \
	  " RUN_TIME=$(RUN_TIME)  WARM_UP=$(WARM_UP)  TRIALS=$(TRIALS)"
	@echo "  The article's experiment: make bench-baseline bench-tasks compare RUN_TIME=5m STACK=docker"

experiment: setup build ## Both variants, interleaved, until it is decided; verdict and results/latest/report.html
	$(HARNESS) experiment $(LOAD) $(BLOCKS) --results $(RESULTS)

calibrate: setup build ## The baseline against itself: shows how small a change this machine can detect
	$(HARNESS) experiment $(LOAD) $(BLOCKS) --results $(RESULTS) --calibrate=only

bench-baseline: setup build ## One run, one record at a time; results/baseline.csv
	$(HARNESS) bench --variant baseline --out $(RESULTS)/baseline.csv $(LOAD)

bench-tasks: setup build ## One run, one task per record; results/task_handler.csv
	$(HARNESS) bench --variant tasks --out $(RESULTS)/task_handler.csv $(LOAD)

bench-client: ## The cost of the load client itself: requests per CPU second, memory, schedule lag
	$(CARGO) bench --locked -p load-client --bench client

limits: setup build ## The bridge against a bare client loop, in turns; results/<time>-limits-<stack>/
	$(CARGO) build --release --locked -p harness --example echo --example no_op
	@# Without Go, or without its modules, the subject franz-go is left out.
	@if command -v go >/dev/null; then cd harness/examples/franz_go && go build -trimpath -o ../../../target/release/examples/franz_go . || \
	  echo "franz-go is left out: go cannot build its program"; else echo "franz-go is left out: Go is not installed"; fi
	$(HARNESS) limits --stack $(STACK) --results $(RESULTS) $(LIMITS)

compare: build ## Compare the two runs of bench-*; results/comparison.html
	$(BUILT)/load-client compare $(RESULTS)/baseline.csv --with $(RESULTS)/task_handler.csv \
	  --html $(RESULTS)/comparison.html

# The origin is `file` if the user has not chosen a stack.
ifeq ($(origin STACK),file)
simulate: ## Verdicts on 151,000 simulated experiments; with STACK=..., on N and 3 x N_CHANGED real ones
	$(CARGO) run --release --locked -p load-client --example null_experiments
else
simulate: setup build
	$(CARGO) build --release --locked -p harness --example slowed
	$(HARNESS) simulate --stack $(STACK) --experiments $(N) --changed $(N_CHANGED) --users $(USERS) --results $(RESULTS) $(SIMULATE)
endif

# The mock broker of the default stack does not describe groups. The harness needs that to see that a peer is ready.
peers article: STACK = native

peers: setup build ## One contract in six frameworks, at 1, 10, 100 and 1,000 users; peers/README.md describes them
	peers/build.sh
	$(CARGO) build --release --locked -p harness --example peer --example peers_table
	STACK=$(STACK) RESULTS=$(RESULTS) sh peers/run.sh $(PEERS)

article: setup build ## The article's service and ours, serial and tasks, with a store; then its Locust file as the client
	peers/build.sh python locust
	$(HARNESS) experiment --file peers/article.toml --stack $(STACK) --results $(RESULTS) --trials 5 --run-time 10s --warm-up 3s --rehearsal 8s $(ARTICLE)
	target/peers/locust/bin/python peers/locust/clients.py --stack $(STACK) --out $(RESULTS)/clients.md

bench-compare: ## Time and memory of comparing two files of a million requests, on one core
	$(CARGO) build --release --locked -p load-client --bin load-client --example bench_compare
	target/release/examples/bench_compare

bench-bridge: ## Time of one core per record in the bridge, step by step; no broker
	$(CARGO) bench --locked -p kafka-bridge

budgets: ## Allocations and instructions per record, compared with kafka-bridge/benches/budget.toml
	$(CARGO) bench --locked -p kafka-bridge --bench budgets

demo: setup build ## One order: request and reply as on the wire, and the order as stored
	$(HARNESS) demo --stack $(STACK)

distributed-demo: setup build ## Three load clients in one run; then runs that lose a worker, the coordinator, both
	$(HARNESS) distributed
	$(HARNESS) distributed --kill worker,coordinator,both

up: setup build ## Start broker and store in the background, print their URLs
	@sh harness/up.sh start $(HARNESS) $(STACK) $(UP_PID) $(UP_ENV)

down: ## Stop what `make up` started
	@sh harness/up.sh stop $(HARNESS) $(STACK) $(UP_PID) $(UP_ENV)

test: ## All tests, about 30 minutes once built; names those that it could not run, and why
	@bash harness/test.sh

test-quick: ## Unit and in-memory tests, and the basics on the embedded stack, under 3 minutes once built
	@bash harness/test.sh quick

try-readme: ## Run the README's commands in a new clone of HEAD, with times; a quarter of an hour
	@CARGO=$(CARGO) bash harness/try-readme.sh

suites: setup ## Rolling restarts, kill -9 and a flood, ROUNDS times; prints duplicates and memory
	$(CARGO) build --locked -p harness -p order-service --bins --example journal
	TEST_STACK=$(STACK) ROUNDS=$(ROUNDS) FLOOD_RECORDS=$(FLOOD_RECORDS) $(CARGO) test --locked -p harness --features stack-tests \
	  --no-fail-fast --test rolling_restart --test kill --test flood -- --nocapture

# These need a broker that can be killed, so the default is another stack.
faults soak: STACK = native

faults: setup build ## ROUNDS of faults under load, by SEED, on BROKERS (1 or 3); checks that nothing is lost
	$(HARNESS) faults --stack $(STACK) --brokers $(BROKERS) --rounds $(ROUNDS) $(if $(SEED),--seed $(SEED)) \
	  --logs $(RESULTS)/faults --json $(RESULTS)/faults.json

soak: setup build ## Half of the possible load for SOAK_TIME; fails if memory or latency grows
	$(HARNESS) soak --stack $(STACK) --time $(SOAK_TIME) --logs $(RESULTS)/soak --json $(RESULTS)/soak.json

fuzz: ## Fuzz how records are read, FUZZ_TIME seconds a target; needs nightly and cargo-fuzz
	@CARGO=$(CARGO) sh kafka-bridge/fuzz/run.sh $(FUZZ_TIME)

screenshots: setup build ## All pictures of README and pages, from real runs, into docs/images; needs chromium
	@CARGO=$(CARGO) sh docs/screenshots.sh

lint: ## Formatting, clippy, rustdoc, each package by itself; warnings are errors
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets $(FEATURES) -- -D warnings
	@# Each package by itself, as its users build it: the workspace hides a feature that a package forgot.
	for package in $(PACKAGES); do $(CARGO) check --quiet -p $$package || exit 1; done
	@# Tests over the ports in memory need no C compiler.
	$(CARGO) check --quiet -p kafka-bridge --no-default-features
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps

package: ## Pack and build what would be published; uploads nothing
	$(CARGO) publish --workspace --dry-run --locked

semver: ## Changes of the public interfaces since BASELINE that a minor version must not have
	@cargo-semver-checks --version >/dev/null 2>&1 || { echo "cargo-semver-checks is missing: cargo install cargo-semver-checks" >&2; exit 1; }
	$(CARGO) semver-checks --workspace --baseline-rev $(BASELINE)

deny: ## Licences, advisories and sources of all dependencies (deny.toml)
	@cargo-deny --version >/dev/null 2>&1 || { echo "cargo-deny is missing: cargo install cargo-deny" >&2; exit 1; }
	$(CARGO) deny --locked check

check: lint test ## All that CI runs, except the budgets

fmt: ## Format the sources
	$(CARGO) fmt --all

setup: ## Install redis-server if this machine has no store (STACK=docker needs none)
	@sh harness/setup.sh $(STACK)

install: build ## Programs, man pages and shell completions below PREFIX (~/.local)
	@sh harness/install.sh $(BUILT) "$(DESTDIR)$(PREFIX)"

dist: $(if $(WITH_TLS),build,no-tls) ## Archive of the programs, man pages and completions, with checksum and SBOM, in target/dist
	@CARGO=$(CARGO) sh harness/dist.sh $(BUILT)

no-tls:
	@echo "an archive without TLS would be of no use: install OpenSSL's headers and pkg-config" >&2; exit 1

msrv: ## Build with the oldest Rust that Cargo.toml promises; needs rustup
	rustup run --install $(MSRV) cargo check --locked --workspace

minimal-versions: ## Build with the oldest versions that the manifests allow; needs nightly and cargo-minimal-versions
	@cargo-minimal-versions --version >/dev/null 2>&1 || { echo "cargo-minimal-versions is missing: cargo install cargo-minimal-versions cargo-hack" >&2; exit 1; }
	$(CARGO) minimal-versions check --direct --workspace

check-deploy: ## Manifests, workflows and alert rules against their schemas and tools; no cluster
	@bash deploy/check.sh

build:
	$(CARGO) build --profile $(PROFILE) --locked -p harness -p order-service -p load-client $(TLS)
