# rmap-diff. `make fuzz` and `make test` do all their set-up by themselves; a second call does none of it again.
#
#   make fuzz [TIME=60] [KERNEL=NAME] [TARGET=differential] [SANITIZER=address|none] [DRIVER=kernel|rust]
#   make test [PATCH=FILE] [REQUIRE=1]
#   make coverage
#   make cmin [KERNEL=NAME] [DRIVER=kernel|rust]
#   make corpus-import DIR=PATH [KERNEL=NAME] [DRIVER=kernel|rust]
#   make review BASE=6.12 PATCHES="series.mbox" | CHANGED=NAME [TIME=60] [DRIVER=kernel|rust] [NAME=BASE-changed]
#   make mutants [KERNEL="NAME NAME"] [TIME=SECONDS]
#   make port-mutants [SHARD=0/60]
#   make historical
#   make kernels [KERNELS="6.1 6.12 7.2 7"]
#   make kernel NAME=mine TREE=PATH|URL|ref:NAME [REV=v6.19] [PATCHES="a.mbox b.patch"]
#   make ground-truth [KERNEL=6.12] [TRACES=500] [SEED=1]

SHELL := /bin/bash

TIME ?= 60
TARGET ?= differential
SANITIZER ?= address
KERNEL ?=
# The kernel's own VMA code where the reference has it, unless said.
DRIVER ?=
# The references that are brought where none is asked for: before the series, and the newest after it.
KERNELS ?= 6.12 7
# The mail of the patch that the reference 6.12-fork-preallocates does without: with it, `make test` also compares the two.
PATCH ?=
# Whatever `make test` would name as not tested is an error.
REQUIRE ?=

kernels_tool := cargo run -q --release -p rmap-extract --bin kernels --

.PHONY: help setup setup-build kernels kernel test fuzz bench coverage cmin corpus-import review mutants port-mutants historical \
	ground-truth
.DEFAULT_GOAL := help

help:
	@sed -n 's/^#   //p' Makefile

setup:
	@scripts/setup

# Without the fuzzer.
setup-build:
	@scripts/setup --no-fuzz

kernels: setup-build
	@$(kernels_tool) fetch $(KERNELS)

kernel: setup-build
	@[ -n "$(NAME)" ] && [ -n "$(TREE)" ] || { echo 'make kernel: NAME= and TREE= are needed: make kernel NAME=mine TREE=~/linux [REV=v6.19] [PATCHES="a.mbox"]' >&2; exit 2; }
	@$(kernels_tool) add --name "$(NAME)" --tree "$(TREE)" $(if $(REV),--rev "$(REV)") $(foreach patch,$(PATCHES),--patch "$(patch)")

# A reference named by KERNEL that is not there is fetched if it is a version.
fuzz: setup kernels
	@[ -z "$(KERNEL)" ] || $(kernels_tool) ensure "$(KERNEL)"
	@$(if $(DRIVER),RMAP_DRIVER="$(DRIVER)") scripts/fuzz "$(TARGET)" "$(TIME)" "$(SANITIZER)" "$(KERNEL)"

# The patches make a reference of their own, of that name, each time anew.
review: changed := $(if $(CHANGED),$(CHANGED),$(or $(NAME),$(BASE)-changed))
review: setup-build
	@[ -n "$(BASE)" ] && [ -n "$(CHANGED)$(PATCHES)" ] || { echo 'make review: BASE= and PATCHES= (or CHANGED=) are needed: make review BASE=6.12 PATCHES=series.mbox [TIME=60] [DRIVER=rust]' >&2; exit 2; }
	@[ -z "$(CHANGED)" ] || [ -z "$(PATCHES)" ] || { echo 'make review: CHANGED= names a reference, PATCHES= makes one: give either' >&2; exit 2; }
	@$(kernels_tool) ensure "$(BASE)"
	@$(if $(CHANGED),$(kernels_tool) ensure "$(CHANGED)",$(kernels_tool) add --name "$(changed)" --tree "ref:$(BASE)" $(foreach patch,$(PATCHES),--patch "$(patch)"))
	@cargo build -q --release
	@target/release/rmap-diff review "$(BASE)" "$(changed)" --time "$(TIME)" $(if $(DRIVER),--driver "$(DRIVER)")

test:
	@scripts/setup --no-fuzz --browser
	@PATCH="$(PATCH)" REQUIRE="$(REQUIRE)" scripts/test

bench: kernels
	@cargo bench --bench lockstep

# What the seeds reach, by function of the kernel and of the port.
coverage: kernels
	@scripts/coverage

cmin: setup kernels
	@TARGET="$(TARGET)" KERNEL="$(KERNEL)" $(if $(DRIVER),RMAP_DRIVER="$(DRIVER)") scripts/corpus cmin

corpus-import: setup kernels
	@TARGET="$(TARGET)" KERNEL="$(KERNEL)" $(if $(DRIVER),RMAP_DRIVER="$(DRIVER)") scripts/corpus import "$(DIR)"

# A build of its own, whose kernel text holds every fault of the operator set. All of it takes long: TIME stops it, and the
# same command goes on.
mutants: kernels
	@scripts/mutants "$(if $(filter command environment,$(firstword $(origin TIME))),$(TIME),0)" $(KERNEL)

port-mutants: kernels
	@scripts/port-mutants $(SHARD)

historical: kernels
	@cargo bench -q --bench historical

ground-truth: TRACES ?= 500
ground-truth: SEED ?= 1
ground-truth: setup-build
	@scripts/ground-truth "$(or $(KERNEL),6.12)" "$(TRACES)" "$(SEED)" fuzz/seeds/*.trace
