# make run            starts a gateway on port 8787 that needs no account (PORT=, GATEHOUSE_CONFIG=, CONFIG=debug)
# make test           everything; parts: test-unit FILTER=, test-abi, test-plugins, test-install, test-blackbox ARGS=
# make stage          an installed tree in .build-stage-$(CONFIG)   (CONFIG=debug|release)
# make install        PREFIX=/usr/local DESTDIR=
# make dist           a tar.gz of an installed tree in dist/
# make bench          beside nginx (ARGS=--quick)
# make lint, make clean

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.NOTPARALLEL:
.DELETE_ON_ERROR:

VERSION := $(shell sed -n 's/.*let text = "\(.*\)"/\1/p' Sources/PluginHost/HostVersion.swift)
ARCH := $(shell uname -m)
PREFIX ?= /usr/local
DESTDIR ?=
PORT ?= 8787
SCRATCH ?= .build
# Users get an optimised gateway, tests one that checks more.
CONFIG ?= debug
run install dist bench: CONFIG = release

# Exclusive access is checked while tests run, and costs a tenth of a request where it is checked at run time.
FAST = $(if $(filter release,$(CONFIG)),-Xswiftc -enforce-exclusivity=unchecked)
BUILD = swift build --scratch-path $(SCRATCH) -c $(CONFIG) $(FAST)
LAY = Sources/Distribution/install.sh $(SCRATCH)/$(CONFIG)
STAGE = $(CURDIR)/.build-stage-$(CONFIG)
VENV = .build-venv
RUNTIME = $(STAGE)/lib/gatehouse/swift

.PHONY: build
build: deps
	$(BUILD)

# ---- what is missing ----------------------------------------------------------------------------------------------------

# apt-get, as root or by sudo.
define INSTALL_PACKAGES
install_packages() {
    local root=
    command -v apt-get >/dev/null || { echo "Please install: $$*" >&2; exit 1; }
    [ "$$(id -u)" = 0 ] || root=sudo
    [ -z "$$root" ] || command -v sudo >/dev/null || { echo "Please install: $$*" >&2; exit 1; }
    echo "Installing: $$*"
    $$root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$$@" >/dev/null ||
        { $$root apt-get update >/dev/null
          $$root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$$@" >/dev/null; }
}
endef
export INSTALL_PACKAGES

.PHONY: deps
deps:
	@eval "$$INSTALL_PACKAGES"
	command -v swift >/dev/null || { echo "Swift 6.3 is missing: https://www.swift.org/install/linux/" >&2; exit 1; }
	missing=()
	command -v cc >/dev/null || missing+=(gcc libc6-dev)
	command -v pkg-config >/dev/null || missing+=(pkg-config)
	for pair in libcurl:libcurl4-openssl-dev libpcre2-8:libpcre2-dev yaml-0.1:libyaml-dev libcrypto:libssl-dev sqlite3:libsqlite3-dev; do
	    pkg-config --exists "$${pair%:*}" 2>/dev/null || missing+=("$${pair#*:}")
	done
	[ $${#missing[@]} = 0 ] || install_packages "$${missing[@]}"

# The tests also want a second C compiler's opinion, curl, and Python with the client libraries.
.PHONY: deps-test
deps-test: deps $(VENV)/.done
	@eval "$$INSTALL_PACKAGES"
	missing=()
	command -v g++ >/dev/null || missing+=(g++)
	command -v curl >/dev/null || missing+=(curl)
	[ $${#missing[@]} = 0 ] || install_packages "$${missing[@]}"

# uv, because pip can take most of an hour to agree on versions.
$(VENV)/.done: Tests/requirements.txt
	@eval "$$INSTALL_PACKAGES"
	rm -rf $(VENV)
	command -v python3 >/dev/null || install_packages python3
	python3 -c 'import ensurepip, venv' 2>/dev/null || install_packages python3-venv
	python3 -m venv $(VENV)
	$(VENV)/bin/python -m pip --quiet --disable-pip-version-check install uv
	$(VENV)/bin/uv pip install --quiet --python $(VENV)/bin/python -r $<
	touch $@

# ---- an installed tree --------------------------------------------------------------------------------------------------

.PHONY: stage
stage: build
	@$(LAY) $(STAGE) $(PREFIX)
	echo "$(STAGE)"

.PHONY: install
install: build
	@$(LAY) $(DESTDIR)$(PREFIX) $(PREFIX)
	echo "Installed in $(DESTDIR)$(PREFIX). Begin with $(PREFIX)/share/gatehouse/gatehouse.example.yaml."

.PHONY: dist
dist: build
	@name=gatehouse-$(VERSION)-linux-$(ARCH)
	rm -rf dist/$$name && mkdir -p dist
	$(LAY) dist/$$name $(PREFIX)
	strip --strip-unneeded dist/$$name/bin/gatehouse dist/$$name/lib/gatehouse/plugins/*/*.so
	tar -C dist --owner=0 --group=0 --sort=name -czf dist/$$name.tar.gz $$name
	rm -rf dist/$$name
	ls -lh dist/$$name.tar.gz

# ---- run ----------------------------------------------------------------------------------------------------------------

GATEHOUSE_CONFIG ?= $(STAGE)/share/gatehouse/demo.yaml

define WELCOME

Gatehouse listens on http://127.0.0.1:$(PORT). Point a client at it:

  curl http://127.0.0.1:$(PORT)/v1/chat/completions -H 'content-type: application/json' \
    -d '{"model": "echo", "messages": [{"role": "user", "content": "Hello"}]}'

  OpenAI SDK      OpenAI(base_url="http://127.0.0.1:$(PORT)/v1", api_key="none")
  Anthropic SDK   Anthropic(base_url="http://127.0.0.1:$(PORT)", api_key="none")
  Portkey SDK     Portkey(base_url="http://127.0.0.1:$(PORT)/v1", api_key="none", provider="mock")

The mock provider answers. To reach a real one, send its name and your own key with the request:

  curl http://127.0.0.1:$(PORT)/v1/chat/completions -H 'content-type: application/json' \
    -H 'x-portkey-provider: openai' -H "authorization: Bearer $$OPENAI_API_KEY" \
    -d '{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}'

Ctrl-C stops it.

endef
export WELCOME

.PHONY: run
run: build
	@$(LAY) $(STAGE) $(PREFIX)
	! (exec 3<>/dev/tcp/127.0.0.1/$(PORT)) 2>/dev/null || { echo "Port $(PORT) is taken: make run PORT=…" >&2; exit 1; }
	$(STAGE)/bin/gatehouse serve --config $(GATEHOUSE_CONFIG) --listen $(PORT) &
	gateway=$$!
	trap 'kill -TERM $$gateway 2>/dev/null || true' INT TERM EXIT
	until (exec 3<>/dev/tcp/127.0.0.1/$(PORT)) 2>/dev/null; do
	    kill -0 $$gateway 2>/dev/null || { wait $$gateway; exit 1; }
	    sleep 0.1
	done
	echo "$$WELCOME"
	while kill -0 $$gateway 2>/dev/null; do wait $$gateway || true; done

# ---- tests --------------------------------------------------------------------------------------------------------------

.PHONY: test
test: test-abi test-plugins test-install test-unit test-blackbox

.PHONY: build-tests
build-tests: deps-test
	@$(BUILD) --build-tests
	$(LAY) $(STAGE) $(PREFIX)

.PHONY: test-unit
test-unit: build-tests
	run="swift test --scratch-path $(SCRATCH) -c $(CONFIG) --skip-build --disable-xctest"
	if [ -n '$(FILTER)' ]; then
	    $$run --no-parallel --filter '$(FILTER)'
	else
	    # Those of the plugin host compile plugins and block threads on purpose: side by side they would starve each other.
	    $$run --no-parallel --filter PluginHostTests
	    $$run --skip PluginHostTests
	fi

.PHONY: test-abi
test-abi: build-tests
	STAGE=$(STAGE) Tests/ABITests/run.sh
	GATEHOUSE_STAGE=$(STAGE) $(VENV)/bin/python -m pytest Tests/ABITests $(ARGS)

.PHONY: test-plugins
test-plugins: build-tests
	LD_LIBRARY_PATH=$(RUNTIME) Tests/PluginDriver/run.sh $(SCRATCH)/$(CONFIG)
	Tests/PluginDriver/fixtures.sh $(STAGE)
	LD_LIBRARY_PATH=$(RUNTIME) $(VENV)/bin/python Tests/ProviderDriver/run.py --build $(SCRATCH)/$(CONFIG)

.PHONY: test-install
test-install: build-tests
	CONFIG=$(CONFIG) SCRATCH=$(SCRATCH) Tests/InstallTests/run.sh

.PHONY: test-blackbox
test-blackbox: build-tests
	GATEHOUSE_STAGE=$(STAGE) $(VENV)/bin/python -m pytest Tests/BlackBox $(ARGS)

# ---- the rest -----------------------------------------------------------------------------------------------------------

.PHONY: bench
bench: build
	@$(LAY) $(STAGE) $(PREFIX)
	Tests/Benchmarks/run.sh --gatehouse $(STAGE)/bin/gatehouse --stage $(STAGE) $(ARGS)

.PHONY: lint
lint:
	swift format lint --strict --parallel --recursive Package.swift Sources Plugins Tests

.PHONY: clean
clean:
	rm -rf .build .build-* dist
