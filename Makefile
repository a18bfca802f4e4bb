# rmap-diff. `make fuzz` and `make test` do all their set-up by themselves; a second call does none of it again.
# VMA=pages is the default where the references have page-table code, else kernel, else model.
#
#   make fuzz [TIME=60] [KERNEL=NAME] [TARGET=differential] [SANITIZER=address|none] [VMA=kernel|pages|model] [TOGETHER=1]
#   make test [PATCH=FILE] [REQUIRE=1]
#   make counts [KERNEL="NAME NAME"] [WRITE=1]
#   make coverage
#   make cmin [KERNEL=NAME] [VMA=kernel|pages|model] [TOGETHER=1]
#   make corpus-import DIR=PATH [KERNEL=NAME] [VMA=kernel|pages|model] [TOGETHER=1]
#   make review BASE=6.12 PATCHES="series.mbox" | CHANGED=NAME [TIME=60] [VMA=kernel|pages|model] [NAME=BASE-changed]
#   make prove FIX="fix.mbox" BASE=7.3 [TIME=60] [VMA=kernel|pages|model] [NAME=BASE]
#   make fine [KERNEL=7.3]
#   make mutants [KERNEL="NAME NAME"] [TIME=SECONDS]
#   make port-mutants [SHARD=0/60]
#   make historical
#   make results [QUICK=1]
#   make trees [LIST=FILE] [REPO=URL TAGS="v6.6 v6.19"] [OPS=200000]
#   make kernels [KERNELS="6.1 6.12 7.2 7"]
#   make kernel NAME=mine TREE=PATH|URL|ref:NAME [REV=v6.19] [PATCHES="a.mbox b.patch"] [REVERT="fix.mbox"]
#   make ground-truth [KERNEL=6.12] [TRACES=500] [SEED=1] [VMA=kernel|pages]

SHELL := /bin/bash

TIME ?= 60
TARGET ?= differential
# Operations that run together, with VMA=pages.
TOGETHER ?=
SANITIZER ?= address
KERNEL ?=
# As much of the kernel's own code as the reference has, unless said.
VMA ?=
# The old name, with the old word for the model.
ifneq ($(DRIVER),)
ifeq ($(VMA),)
override VMA := $(patsubst rust,model,$(DRIVER))
endif
$(warning `DRIVER=$(DRIVER)` is now `VMA=$(VMA)`)
endif
# The references that are brought where none is asked for: before the series, and the newest after it.
KERNELS ?= 6.12 7
# The mail of the patch that the reference 6.12-fork-preallocates does without: with it, `make test` also compares the two.
PATCH ?=
# Whatever `make test` would name as not tested is an error.
REQUIRE ?=

rmap_diff := cargo run -q --release --bin rmap-diff --
rmap_kernels := cargo run -q --release -p rmap-extract --bin rmap-kernels --

# A variable that no target reads would be ignored: a misspelt one is an error.
variables := TIME TARGET SANITIZER KERNEL VMA TOGETHER DRIVER KERNELS PATCH REQUIRE NAME TREE REV PATCHES REVERT FIX LIST REPO TAGS OPS BASE CHANGED DIR SHARD QUICK TRACES SEED WRITE
given := $(foreach variable,$(filter-out .% -% MAKE% CURDIR,$(.VARIABLES)),$(if $(filter command line,$(origin $(variable))),$(variable)))
unknown := $(filter-out $(variables) RMAP_% CARGO_% RUST% XDG_% ASAN_% CC CI HOME PATH TMPDIR,$(given))
$(if $(unknown),$(error make: no target reads $(unknown): the variables are $(variables)))
number = $(if $(shell [[ "$(2)" =~ ^[0-9]+$$ ]] || echo no),$(error make: $(1)=$(2): a whole number is wanted))
$(call number,TIME,$(TIME))
$(if $(filter-out kernel pages model,$(VMA)),$(error make: VMA=$(VMA): kernel, pages or model is wanted))
$(if $(filter-out 1,$(TOGETHER)),$(error make: TOGETHER=$(TOGETHER): 1 is wanted, or nothing))

.PHONY: help setup setup-build kernels kernel test fuzz bench counts coverage cmin corpus-import review prove fine mutants port-mutants historical results trees \
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
	@$(rmap_kernels) fetch $(KERNELS)

kernel: setup-build
	@[ -n "$(NAME)" ] && [ -n "$(TREE)" ] || { echo 'make kernel: NAME= and TREE= are needed: make kernel NAME=mine TREE=~/linux [REV=v6.19] [PATCHES="a.mbox"]' >&2; exit 2; }
	@$(rmap_kernels) add --name "$(NAME)" --tree "$(TREE)" $(if $(REV),--rev "$(REV)") $(foreach patch,$(PATCHES),--patch "$(patch)") $(foreach patch,$(REVERT),--revert "$(patch)")

# A reference named by KERNEL that is not there is fetched if it is a version.
# KERNEL comes first: a name that nobody knows is told before minutes go into the rest.
fuzz: setup-build
	@[ -z "$(KERNEL)" ] || $(rmap_kernels) ensure "$(KERNEL)"
	@$(rmap_kernels) fetch $(KERNELS)
	@scripts/setup
	@$(if $(VMA),RMAP_VMA="$(VMA)") $(if $(TOGETHER),RMAP_TOGETHER=1) scripts/fuzz "$(TARGET)" "$(TIME)" "$(SANITIZER)" "$(KERNEL)"

# The patches make a reference of their own, of that name, made again each time.
review: changed := $(if $(CHANGED),$(CHANGED),$(or $(NAME),$(BASE)-changed))
review: setup-build
	@[ -n "$(BASE)" ] && [ -n "$(CHANGED)$(PATCHES)" ] || { echo 'make review: BASE= and PATCHES= (or CHANGED=) are needed: make review BASE=6.12 PATCHES=series.mbox [TIME=60] [VMA=model]' >&2; exit 2; }
	@[ -z "$(CHANGED)" ] || [ -z "$(PATCHES)" ] || { echo 'make review: CHANGED= names a reference, PATCHES= makes one: give either' >&2; exit 2; }
	@$(rmap_kernels) ensure "$(BASE)"
	@$(if $(CHANGED),$(rmap_kernels) ensure "$(CHANGED)",$(rmap_kernels) add --name "$(changed)" --tree "ref:$(BASE)" $(foreach patch,$(PATCHES),--patch "$(patch)"))
	@echo 'make review: building rmap-diff with both references: about 2 minutes if one of them is new' >&2
	@cargo build -q --release --bin rmap-diff
	@echo 'make review: reviewing: the small scopes take 1 to 3 minutes, then random traces run for $(TIME) seconds' >&2
	@$(rmap_diff) review "$(BASE)" "$(changed)" --time "$(TIME)" $(if $(VMA),--vma "$(VMA)") -o "target/review/$(changed)"

# Two references, NAME-without and NAME-with, made again each time.
prove: name := $(or $(NAME),$(BASE))
prove: setup-build
	@[ -n "$(BASE)" ] && [ -n "$(FIX)" ] || { echo 'make prove: BASE= and FIX= are needed: make prove BASE=7.3 FIX=fix.mbox [TIME=120] [VMA=model]' >&2; exit 2; }
	@$(rmap_kernels) ensure "$(BASE)"
	@$(rmap_kernels) fix --base "$(BASE)" --name "$(name)" $(foreach patch,$(FIX),"$(patch)")
	@echo 'make prove: building rmap-diff with both references: about 2 minutes if one of them is new' >&2
	@cargo build -q --release --bin rmap-diff
	@$(rmap_diff) prove "$(name)-without" "$(name)-with" --time "$(TIME)" $(if $(VMA),--vma "$(VMA)")

# A build of its own: loads and stores of the kernel's code are points. KERNEL is one reference; without, the newest.
fine: kernels := $(or $(KERNEL),7)
fine: setup
	@$(rmap_kernels) ensure "$(kernels)"
	@scripts/fine "$$($(rmap_kernels) resolve "$(kernels)")"

test:
	@scripts/setup --no-fuzz --browser
	@PATCH="$(PATCH)" REQUIRE="$(REQUIRE)" scripts/test

bench: kernels
	@cargo bench --bench lockstep

# How many instructions an operation takes, against the ratios that are committed. WRITE=1 writes those. They were measured
# without optimisation across units, and without debug information.
counts: kernels
	@scripts/setup --no-fuzz --valgrind
	@CARGO_BUILD_RUSTFLAGS=-Clto=off CARGO_PROFILE_RELEASE_DEBUG=0 CARGO_PROFILE_RELEASE_BUILD_OVERRIDE_DEBUG=0 \
		cargo bench -q --bench counts -- $(KERNEL) $(if $(WRITE),--write)

# What the seeds reach, by function of the kernel and of the port.
coverage: kernels
	@scripts/coverage

cmin: setup kernels
	@TARGET="$(TARGET)" KERNEL="$(KERNEL)" $(if $(VMA),RMAP_VMA="$(VMA)") $(if $(TOGETHER),RMAP_TOGETHER=1) scripts/corpus cmin

corpus-import: setup kernels
	@TARGET="$(TARGET)" KERNEL="$(KERNEL)" $(if $(VMA),RMAP_VMA="$(VMA)") $(if $(TOGETHER),RMAP_TOGETHER=1) scripts/corpus import "$(DIR)"

# A build of its own, whose kernel text holds every fault of the operator set. All of it takes long: TIME stops it, and the
# same command goes on.
mutants: kernels
	@scripts/mutants "$(if $(filter command environment,$(firstword $(origin TIME))),$(TIME),0)" $(KERNEL)

port-mutants: kernels
	@scripts/port-mutants $(SHARD)

historical: kernels
	@cargo bench -q --bench historical

# Writes docs/results.md. QUICK=1: smaller scopes, and no historical defects.
results: kernels
	@QUICK="$(QUICK)" cargo bench -q --bench results

# Writes docs/trees.md.
trees: setup-build
	@$(if $(OPS),OPS="$(OPS)") REPO="$(REPO)" TAGS="$(TAGS)" scripts/trees $(LIST)

ground-truth: TRACES ?= 500
ground-truth: SEED ?= 1
ground-truth: setup-build
	@$(if $(VMA),RMAP_VMA="$(VMA)") scripts/ground-truth "$(or $(KERNEL),6.12)" "$(TRACES)" "$(SEED)"
