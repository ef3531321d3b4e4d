# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# make demo   see background jobs at work on this machine, no root needed
# make check  run the linters, the unit tests, and the most important tests that need no test host, no root needed
# make test   run every check that a change has to pass
# make nightly  try what takes longer, or seldom changes: every ansible-core, and a bare Debian
# make parity  run modules of the package `ansible` in each way, and write what they returned into docs/compatibility.md
# make flaky  run the tests again and again on a busy machine, and count failures
# make bench  measure this collection against ansible-core's async, and write docs/performance.md
# make pictures  run the playbooks in docs/pictures, and write docs/callbacks.md, docs/live_output.md and the picture of the timeline
#
# Everything is made inside the checkout, in .venv, .build and collections. `make clean` removes it.

# Otherwise pytest compiles all files of tests anew in each process, where the environment says so.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= python3
CORES ?= 2.16 2.19 2.21
CORE ?= 2.21
# Those that run each integration test for every change: the oldest and the newest. The others run those marked `spine`, and
# the rest each night.
WHOLE_CORES ?= 2.16 2.21
# Those that are tried each night only, and the one that is not out yet: what fails with it is a warning.
NIGHTLY_CORES ?= 2.17 2.18 2.20
EARLY_CORE ?= 2.22
# Those whose package `ansible` is tried: the oldest and the newest.
PARITY_CORES ?= 2.16 2.21
CHECKS := pythons lint sanity-2.21 sanity-2.16 unit hosts integration molecule site galaxy-importer crowd

# The oldest and the newest Python of each virtual environment.
pythons/core-2.16 := 3.10 3.12
pythons/core-2.17 := 3.10 3.12
pythons/core-2.18 := 3.11 3.13
pythons/core-2.19 := 3.11 3.13
pythons/core-2.20 := 3.12 3.14
pythons/core-2.21 := 3.12 3.14
pythons/core-2.22 := 3.13 3.15
pythons/parity-2.16 := $(pythons/core-2.16)
pythons/parity-2.21 := $(pythons/core-2.21)
pythons/tools := $(pythons/core-2.21)
pythons/demo := 3.10 3.14
pythons/bench := $(pythons/core-2.21)
pythons/molecule := $(pythons/core-2.21)
pythons/site := $(pythons/core-2.21)
pythons/galaxy-importer := $(pythons/core-2.21)

# The Pythons that modules and module_utils are compiled and imported on.
TARGETS := 3.6 3.7 3.8 3.9 3.10 3.11 3.12 3.13

COLLECTION := collections/ansible_collections/background/jobs
LINTS := ruff vermin mypy ansible-lint docs changelog reuse shellcheck

.PHONY: demo check test nightly parity flaky bench pictures checks pythons lint $(LINTS) sanity unit hosts integration crowd bare molecule venvs \
  galaxy-importer site format build clean lane-tests lane-hosts lane-newest lane-others lane-lint lane-sanity check-unit check-local integration-nightly \
  sanity-nightly early
.DELETE_ON_ERROR:
.SECONDARY:

demo: .venv/demo/.made $(COLLECTION)
	ANSIBLE_COLLECTIONS_PATH="$(CURDIR)/collections" ANSIBLE_PYTHON_INTERPRETER="$(CURDIR)/.venv/demo/bin/python" \
	  ANSIBLE_CALLBACKS_ENABLED=background.jobs.progress \
	  .venv/demo/bin/ansible-playbook --inventory localhost, --connection local demo/playbook.yml

# Side by side, because a part of each waits: mypy for the processor, the tests for their jobs.
check:
	+@$(side_by_side) lint check-unit check-local

# Of the Pythons of targets, the newest.
check-unit: .venv/core-$(CORE)/.made $(COLLECTION)
	$(call in_venv,core-$(CORE)) python -m pytest tests/unit -m "not nightly and not long" --one-python $(six_tests)

# On this machine by the local connection, the spine only: all that is local takes more processor time than the whole check
# may. Its tests wait for their jobs a part of the time, so two files run at once.
check-local: .venv/core-$(CORE)/.made $(COLLECTION)
	$(call in_venv,core-$(CORE)) python -m pytest tests/integration -m "spine and not hosts" $(two_files)

# In lanes. What is in lane-tests waits a part of its time, for jobs and for hosts that boot: alone it would leave
# processors idle. What is in the other two needs nothing but the processor, and nobody waits for it: it has the lowest
# priority, so that no test that looks at the clock is slowed down by it. They are two, because each uses one processor,
# and much of it may be left when the tests have ended; ansible-test runs once at a time. The unit tests look closest at the
# clock, so they do not run beside the integration tests, which fill the machine. Two come last, and alone: galaxy-importer,
# which gives ansible-lint three minutes and no more, and the tests that find out how many hosts the machine can bear
# (`crowd`). The link to the checkout is made before the lanes begin: each of them needs it, and they would make it at once.
test:
	@rm -f .build/left-out
	+@status=0; \
	$(side_by_side) pythons venvs $(COLLECTION) || status=1; \
	$(side_by_side) lane-tests lane-lint lane-sanity || status=1; \
	$(one_by_one) galaxy-importer crowd || status=1; exit $$status
	@if [ -s .build/left-out ]; then echo; echo "Everything else passed. This machine left out:"; sort -u .build/left-out; fi

lane-tests:
	+@status=0; $(call lane,unit) || status=1; $(side_by_side) lane-hosts integration || status=1; exit $$status
lane-hosts:
	+@$(call lane,hosts molecule)
lane-lint:
	+@nice -n 19 $(call lane,lint site)
lane-sanity:
	+@nice -n 19 $(call lane,sanity-2.21 sanity-2.16)

side_by_side = $(MAKE) --no-print-directory --keep-going --jobs --output-sync=target
one_by_one = $(MAKE) --no-print-directory --keep-going
# In the order that they are given in, whatever --jobs says.
lane = sh -c 'status=0; for check; do $(MAKE) --no-print-directory --keep-going "$$check" || status=1; done; exit $$status' sh $(1)

checks:
	@echo $(CHECKS)

# --- Environments ---------------------------------------------------------------------------------------------------

# What a machine cannot do is said, and in CI it is a failure.
left_out = { mkdir -p .build; echo "LEFT OUT: $(1)" | tee -a .build/left-out; [ "$$CI" != true ]; }
# Runs a command with an environment in front of PATH, or nothing where that was left out.
in_venv = test ! -e $(CURDIR)/.venv/$(1)/.made || PATH="$(CURDIR)/.venv/$(1)/bin:$$PATH"

# Of the unit tests, six at once: most have a target of their own, and wait for it most of the time.
six_tests = --numprocesses 6 --dist worksteal
# Of the other tests, two files at once.
two_files = --numprocesses 2 --dist loadfile --no-loadscope-reorder

.venv/%/.made: requirements/%.txt requirements/tests.txt
	@rm -f $@
	@if python=$$($(PYTHON) tests/tools/pythons.py best $(pythons/$*) 2>&1); then \
	  echo "making .venv/$* with $$python" && \
	  "$$python" -m venv --clear .venv/$* && \
	  .venv/$*/bin/python -m pip install --quiet --quiet --requirement $< && \
	  touch $@; \
	else $(call left_out,$*: $$python); fi

.venv/tools/.made: requirements/core-2.21.txt
$(PARITY_CORES:%=.venv/parity-%/.made): .venv/parity-%/.made: requirements/core-%.txt

venvs: $(patsubst %,.venv/%/.made,tools molecule site galaxy-importer $(CORES:%=core-%))

# Ansible, pytest-ansible and mypy find the checkout by its real name here.
$(COLLECTION):
	mkdir -p $(@D)
	ln -s ../../.. $@

# --- Checks ---------------------------------------------------------------------------------------------------------

pythons:
	@found=$$($(PYTHON) tests/tools/pythons.py list); echo "$$found"; status=0; \
	for version in $(TARGETS); do \
	  echo "$$found" | grep -q "^$$version=" || $(call left_out,Python $$version for the target side: not found) || status=1; \
	done; exit $$status

# reuse comes last: it reads once what git ignores, and would then find the caches that others make meanwhile.
lint: $(filter-out reuse,$(LINTS))
	+@$(MAKE) --no-print-directory reuse

ruff: .venv/tools/.made
	$(call in_venv,tools) ruff check
	$(call in_venv,tools) ruff format --check

vermin: .venv/tools/.made
	$(call in_venv,tools) vermin --target=3.6- --violations --no-tips --eval-annotations plugins/modules plugins/module_utils

mypy: .venv/tools/.made $(COLLECTION)
	$(call in_venv,tools) mypy

ansible-lint: .venv/tools/.made $(COLLECTION)
	$(call in_venv,tools) env ANSIBLE_COLLECTIONS_PATH="$(CURDIR)/collections" ansible-lint

docs: .venv/tools/.made
	$(call in_venv,tools) antsibull-docs lint-collection-docs . --plugin-docs --validate-collection-refs=all

changelog: .venv/tools/.made
	$(call in_venv,tools) antsibull-changelog lint

reuse: .venv/tools/.made
	$(call in_venv,tools) reuse lint --lines

shellcheck:
	@if command -v $@ >/dev/null; then $@ .ci/run .ci/install; else $(call left_out,$@: not installed); fi

sanity: sanity-$(CORE)

# ansible-test wants a tree of its own below ansible_collections: what git has or would take, as it is now. It is a
# repository of its own too, or ansible-test would ask the one around it, which ignores it.
sanity-%: .venv/core-%/.made
	rm -rf .build/sanity-$*
	mkdir -p $(call sanity_tree,$*)
	{ git ls-files -co --exclude-standard; git ls-files --deleted; } | sort | uniq -u | tar -cT - | tar -xC $(call sanity_tree,$*)
	git init --quiet $(call sanity_tree,$*)
	cd $(call sanity_tree,$*) && PATH="$$($(PYTHON) $(CURDIR)/tests/tools/pythons.py path)" && \
	  $(call in_venv,core-$*) ansible-test sanity --local --requirements --color no

sanity_tree = .build/sanity-$(1)/ansible_collections/background/jobs

# One after the other, whatever --jobs says: each keeps two processors busy.
unit:
	+@$(call lane,$(CORES:%=unit-%))

# What no ansible-core makes a difference to runs once: the runtime, under every Python there is for targets, its loader,
# and what only writes tables.
unit-%: .venv/core-%/.made $(COLLECTION)
	$(call in_venv,core-$*) python -m pytest tests/unit -m "not nightly" $(six_tests) $(if $(filter-out $(CORE),$*),$(any_core_unit:%=--ignore tests/unit/%))
any_core_unit := plugins/module_utils plugins/plugin_utils/test_loader.py test_benchmarks.py test_parity_table.py

# The test hosts themselves, which no Ansible is needed for.
hosts: .venv/core-$(CORE)/.made
	$(call in_venv,core-$(CORE)) python -m pytest tests/hosts -m "not nightly"

# Two ansible-cores at the same time, two files of each, because a part of it is waiting for jobs. More at once end no
# earlier, and slow down what looks at the clock: two processors have work all the time with these.
integration:
	+@$(side_by_side) lane-newest lane-others
lane-newest:
	+@$(call lane,integration-$(CORE) integration-any)
lane-others:
	+@$(call lane,$(patsubst %,integration-%,$(filter-out $(CORE),$(WHOLE_CORES))) \
	  $(patsubst %,spine-%,$(filter-out $(WHOLE_CORES),$(CORES))))

crowd: crowd-$(CORE)

integration-%: .venv/core-%/.made $(COLLECTION)
	$(call in_venv,core-$*) python -m pytest tests/integration -m "not crowd and not any_core and not nightly" \
	  $(two_files)

# What no ansible-core makes a difference to runs once, and with the others at night: what the pages show, and what goes on
# at the target, be it that the host goes down, a job is killed, or somebody else has written where the runtime is.
integration-any: any-$(CORE)

any-%: .venv/core-%/.made $(COLLECTION)
	$(call in_venv,core-$*) python -m pytest tests/integration -m "any_core and not nightly" $(two_files)

crowd-%: .venv/core-%/.made $(COLLECTION)
	$(call in_venv,core-$*) python -m pytest tests/integration -m crowd

# The least that has to work with an ansible-core that is not tested whole.
spine-%: .venv/core-%/.made $(COLLECTION)
	$(call in_venv,core-$*) python -m pytest tests/integration -m spine $(two_files)

# The stories in extensions/molecule, on test hosts of this checkout's own. Removing what an earlier run has left of them
# tells whether this machine can have any. Molecule does not remove them when it is interrupted, so somebody watches.
molecule: export BACKGROUND_JOBS_HOSTS_STATE = /var/tmp/background-jobs-molecule-$(firstword $(shell echo "$(CURDIR)" | cksum))
molecule: .venv/molecule/.made $(COLLECTION)
	@if reason=$$($(call in_venv,molecule) python tests/hosts/hosts.py down 2>&1); then \
	  $(call in_venv,molecule) python tests/tools/guardian.py run molecule test --all; \
	else $(call left_out,molecule: $$reason); fi

# --- Nightly --------------------------------------------------------------------------------------------------------

# Not for every change: each version costs an environment and some minutes.
nightly: bare integration-nightly nightly-unit $(NIGHTLY_CORES:%=unit-%) $(NIGHTLY_CORES:%=spine-%) sanity-nightly early parity

# One after the other, because ansible-test has one cache. `make test` has those of the other versions.
sanity-nightly:
	+@$(call lane,$(patsubst %,sanity-%,$(filter-out $(CHECKS:sanity-%=%),$(CORES) $(NIGHTLY_CORES))))

early:
	+@$(call lane,unit-$(EARLY_CORE) spine-$(EARLY_CORE) sanity-$(EARLY_CORE)) || echo "WARNING: this is what ansible-core $(EARLY_CORE) will break."

# What `make test` leaves out of the integration tests, one ansible-core after the other.
integration-nightly:
	+@$(call lane,$(patsubst %,integration-%,$(filter-out $(WHOLE_CORES),$(CORES))) \
	  $(patsubst %,any-%,$(filter-out $(CORE),$(CORES))) $(patsubst %,crowd-%,$(filter-out $(CORE),$(CORES))) \
	  $(CORES:%=nightly-%))

# The integration tests that take too long for every change.
nightly-%: .venv/core-%/.made $(COLLECTION)
	$(call in_venv,core-$*) python -m pytest tests/integration -m nightly

# The same of the unit tests.
nightly-unit: .venv/core-$(CORE)/.made $(COLLECTION)
	$(call in_venv,core-$(CORE)) python -m pytest tests/unit -m nightly

# Whether .ci/install finds all that the checks need, in a Debian with nothing on it.
bare: .venv/core-$(CORE)/.made
	$(call in_venv,core-$(CORE)) python -m pytest tests/hosts -m nightly

# What the modules of other people return, in each way to run them. The page says what was seen, also if a test has failed.
parity:
	+@status=0; $(call lane,$(PARITY_CORES:%=parity-%)) || status=1; \
	$(PYTHON) tests/tools/parity_table.py $(PARITY_CORES) || status=1; exit $$status

parity-%: .venv/parity-%/.made $(COLLECTION)
	$(call in_venv,parity-$*) python -m pytest tests/integration/modules_parity.py

# TIMES=3 FLAKY="tests/unit -k queue": how often, and what of it
TIMES ?= 10
FLAKY ?= -m "not crowd and not nightly"
flaky: .venv/core-$(CORE)/.made $(COLLECTION)
	$(call in_venv,core-$(CORE)) python tests/tools/flaky.py --times $(TIMES) $(FLAKY)

# --- Benchmark ------------------------------------------------------------------------------------------------------

# BENCH="--quick", BENCH="--rows start,status --repeats 3": benchmarks/README.md
bench: .venv/bench/.made $(COLLECTION)
	$(call in_venv,bench) python benchmarks/bench.py $(BENCH)

# --- Pictures -------------------------------------------------------------------------------------------------------

pictures: .venv/core-$(CORE)/.made $(COLLECTION)
	$(call in_venv,core-$(CORE)) python -m docs.pictures.make

# --- Publishing -----------------------------------------------------------------------------------------------------

# What Galaxy does with an archive that is uploaded.
galaxy-importer: .venv/galaxy-importer/.made
	$(call in_venv,galaxy-importer) python tests/tools/import_archive.py

# The pages where they lie in the checkout, and beside them the reference that is made of the plugins.
site: .venv/site/.made $(COLLECTION)
	rm -rf .build/site
	mkdir -p $(SITE)/reference
	chmod go-w $(SITE)/reference
	git ls-files -co --exclude-standard '*.md' '*.png' '*.svg' | tar -cT - | tar -xC $(SITE)
	cp docs/site/index.md $(SITE)
	$(call in_venv,site) env ANSIBLE_COLLECTIONS_PATH="$(CURDIR)/collections" antsibull-docs --config-file docs/site/antsibull-docs.cfg \
	  collection --use-current --squash-hierarchy --dest-dir $(SITE)/reference background.jobs
	$(call in_venv,site) sphinx-build --quiet --fail-on-warning --keep-going --conf-dir docs/site $(SITE) .build/site/html

SITE := .build/site/pages

# --- Others ---------------------------------------------------------------------------------------------------------

format: .venv/tools/.made
	$(call in_venv,tools) ruff check --fix
	$(call in_venv,tools) ruff format

build: .venv/tools/.made
	$(call in_venv,tools) ansible-galaxy collection build --force --output-path .build

clean:
	rm -rf .venv .build collections .ansible .hypothesis .mypy_cache .nox .pytest_cache .ruff_cache
