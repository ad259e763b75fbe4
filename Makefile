SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

CONFIG ?= debug
SCRATCH ?= .build

build:
	swift build --scratch-path $(SCRATCH) -c $(CONFIG)

stage: build
	Sources/Distribution/install.sh $(SCRATCH)/$(CONFIG) .build-stage-$(CONFIG) /usr/local
