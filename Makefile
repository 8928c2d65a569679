# Every target sets up what it needs by itself, says what it does, and does again
# only what is stale: Go's own build cache decides for binaries, stamps for the rest.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
# The version is stamped above; Go's own stamp fails in a checkout that belongs to
# somebody else, as CI's often do.
BUILD := go build -buildvcs=false
# The broker answers HTTP/1 only (health, metrics), so that Go need not link HTTP/2.
SMALL := -trimpath -tags nethttpomithttp2
TOXIPROXY_SERVER := ./compat/toxiproxy

# confluent-kafka-go binds librdkafka, and the race detector its runtime, with a C
# compiler. Everything else here is pure Go and is compiled as that.
CC_FOUND := $(shell command -v $${CC:-gcc} 2>/dev/null)
CGO_DRIVER := ./compat/drivers/confluentgo
ifeq ($(CC_FOUND),)
export CGO_ENABLED := 0
endif
NO_CC := no C compiler (gcc) here

# What `go vet`, `go test` and staticcheck look at: every package that builds here.
# (java/ and the virtual environments hold no Go, but are large to walk.)
PACKAGES = $(shell go list ./broker/... ./compat/... 2>/dev/null $(if $(CC_FOUND),,| grep -v '/confluentgo$$'))

# Unit tests beside Go's, where there are some and the language is here. Python's
# need nothing but the standard library.
PYTHON ?= python3
PY_TESTS = $(if $(shell command -v $(PYTHON)),$(wildcard python/test_*.py python/*_test.py))
JAVA_TESTS = $(if $(shell command -v mvn),$(wildcard java/src/test))

FUZZTIME ?= 10s
COMPAT_TIMEOUT ?= 40m

say = @printf '==> %s\n'

##@ Build

.PHONY: build
build: go ## bin/lockstep, one static binary
	$(say) 'building bin/lockstep $(VERSION)'
	@CGO_ENABLED=0 $(BUILD) $(SMALL) -ldflags '$(LDFLAGS)' -o bin/lockstep ./broker

.PHONY: toxiproxy
toxiproxy: go
	$(say) 'building .build/toxiproxy-server'
	@CGO_ENABLED=0 $(BUILD) -trimpath -ldflags '-s -w' -o .build/toxiproxy-server $(TOXIPROXY_SERVER)

.PHONY: image
image: go ## the broker's and toxiproxy's Docker images, from binaries compiled here (no registry)
	@docker/images.sh '$(VERSION)'

##@ Check

.PHONY: test
test: go ## unit tests: Go, and Python's and Java's where there are any
	$(say) 'go test'
	@go test $(PACKAGES)
	@if [ -n "$(PY_TESTS)" ]; then echo '==> python unittest'; cd python && $(PYTHON) -m unittest discover -q -p '*test*.py'; fi
	@if [ -n "$(JAVA_TESTS)" ]; then echo '==> mvn test'; mvn -q -B -f java/pom.xml test; fi

.PHONY: race
race: go ## Go's unit tests under the race detector
	@[ -n "$(CC_FOUND)" ] || { echo 'error: the race detector needs a C compiler (Debian, Ubuntu: apt-get install gcc libc6-dev)' >&2; exit 1; }
	$(say) 'go test -race, one package after the other: elections time out where they starve each other'
	@CGO_ENABLED=1 go build -race $(PACKAGES)
	@CGO_ENABLED=1 go test -race -p 1 $(PACKAGES)

.PHONY: fuzz
fuzz: go ## every Fuzz function for FUZZTIME (10s)
	@.ci/fuzz.sh '$(FUZZTIME)' $(PACKAGES)

.PHONY: lint
lint: go ## gofmt, go vet, staticcheck; bash -n and shellcheck where it is installed
	$(say) 'gofmt'
	@bad=$$(gofmt -l broker compat); \
	  [ -z "$$bad" ] || { printf 'error: not formatted (gofmt -w):\n%s\n' "$$bad" >&2; exit 1; }
	$(say) 'go vet'
	@go vet $(PACKAGES)
	$(say) 'staticcheck'
	@go tool staticcheck $(PACKAGES)
	$(say) 'shell scripts'
	@for f in docker/*.sh .ci/*.sh .ci/run; do bash -n $$f; done
	@if command -v shellcheck >/dev/null; then shellcheck -x docker/*.sh .ci/*.sh .ci/run; fi

##@ Compatibility suite

# SCENARIO, CLIENT, RUNTIME, TARGET and SEED reach the suite as environment variables, and so do BOOTSTRAP,
# LOCAL_BOOTSTRAP, HTTP and TOXIPROXY, the addresses of a cluster for RUNTIME=external.
.PHONY: compat
compat: build toxiproxy drivers ## real clients, three nodes, cut links: SCENARIO= CLIENT= (regexps) RUNTIME=docker|process|external TARGET=lockstep|kafka SEED=
	@docker/suite-images.sh '$(VERSION)'
	$(say) 'running the suite'
	@# An ordinary Go test, but run by itself: `go test` holds the live lines back.
	@go test -c -o .build/compat.test ./compat
	@cd compat && LOCKSTEP_COMPAT=1 exec ../.build/compat.test -test.run '^TestCompat$$' -test.timeout $(COMPAT_TIMEOUT)

.PHONY: mutants
mutants: toxiproxy drivers ## check the checker: each planted bug must be caught: MUTANT= (regexp)
	$(say) 'building the broker with planted bugs'
	@CGO_ENABLED=0 $(BUILD) -trimpath -tags 'nethttpomithttp2 mutants' -o bin/lockstep-mutants ./broker
	@go test -c -o .build/compat.test ./compat
	@go build -o .build/mutants ./compat/mutants
	@exec .build/mutants -only '$(or $(MUTANT),.*)'

.PHONY: drivers
drivers: go
	$(say) 'building the Go drivers'
	@CGO_ENABLED=0 $(BUILD) -o .build/driver-franzgo ./compat/drivers/franzgo
	@if [ -n "$(CC_FOUND)" ]; then CGO_ENABLED=1 $(BUILD) -o .build/driver-confluentgo $(CGO_DRIVER); \
	  else rm -f .build/driver-confluentgo; echo '    $(NO_CC): confluent-kafka-go is left out'; fi
	@python/setup.sh
	@java/setup.sh
	@if [ "$(TARGET)" = kafka ]; then java/setup.sh kafka-server; fi

DIR ?= compat/out/latest
.PHONY: recheck
recheck: go ## judge a saved run again, without a cluster: DIR=compat/out/latest
	@go run ./compat/recheck '$(DIR)'

##@ Benchmarks

BENCH_FLAGS = $(if $(ROW),-row '$(ROW)') $(if $(QUICK),-quick) $(if $(PAIRS),-pairs '$(PAIRS)') $(if $(ADD),-add) $(if $(SYSTEM),-system '$(SYSTEM)')
.PHONY: bench
bench: build ## beside Apache Kafka, in turn: ROW= (regexp) QUICK=1 (five minutes) PAIRS=n ADD=1 (to what there is)
	@java/setup.sh driver kafka-server
	@$(BUILD) -o .build/bench ./compat/bench
	@exec .build/bench $(BENCH_FLAGS)

##@ Run

.PHONY: up
up: image ## three brokers and toxiproxy in containers, on localhost:9092-9094
	@docker/up.sh

.PHONY: down
down: ## stop what `make up` started (VOLUMES=1: and forget its data)
	@VOLUMES='$(VOLUMES)' docker/down.sh

.PHONY: cluster
cluster: build toxiproxy ## the same as four local processes, in the foreground; no Docker
	@exec docker/cluster.sh

##@ The rest

.PHONY: clean
clean: ## remove what was built; downloads, volumes and compat/out stay
	rm -rf bin .build java/target java/kafka-server/target

.PHONY: go
go:
	@command -v go >/dev/null || { echo 'error: there is no go command; Go 1.26 or newer: https://go.dev/dl/' >&2; exit 1; }

.PHONY: help
help: ## this text
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@ / { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile
	@echo
