# hemo. Every target does its own set-up: on a fresh machine `make demo` or `make test` is enough.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

EXEC := env/exec
RANKS ?= 2
DEMO_CASE := cases/left_coronary/case.toml
DEMO_OUT := results/left_coronary

# The real data lie beside the checkout where they are at all; the tests that want them are skipped elsewhere.
HEMO_DATA ?= $(abspath $(wildcard ../shared/data))
ifneq ($(strip $(HEMO_DATA)),)
export HEMO_DATA
endif

.PHONY: help setup demo check format test test-slurm validate shell clean

help: ## these lines
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 18

setup: ## everything that a machine needs (idempotent)
	@env/setup

demo: setup ## the main job on the bundled case, both methods
	@if [ -f $(DEMO_OUT)/summary.json ]; then rm -rf -- $(DEMO_OUT); fi  # the demo's own, of last time
	$(EXEC) hemo run $(DEMO_CASE) --method both --out $(DEMO_OUT) --ranks $(RANKS) --fresh
	@echo "See $(DEMO_OUT)/report.html"

check: setup ## ruff, mypy, import-linter
	$(EXEC) ruff check .
	$(EXEC) ruff format --check .
	$(EXEC) mypy hemo
	$(EXEC) lint-imports

format: setup ## ruff, writing
	$(EXEC) ruff check --fix .
	$(EXEC) ruff format .

# The MPI tests come first, so that pytest's closing line over everything else is the last one.
test: setup ## every test, then those of several ranks
	@if [ -d tests/mpi ]; then \
	    for ranks in 2 3; do \
	        echo "tests/mpi on $$ranks ranks"; \
	        $(EXEC) mpirun -n $$ranks python3 -m pytest -q -p no:cacheprovider -p no:xdist tests/mpi; \
	    done; \
	fi
	$(EXEC) python3 -m pytest

test-slurm: setup ## cohorts on a Slurm that is started for it, killed in every way and stopped (as root)
	HEMO_SLURM_TESTS=1 $(EXEC) python3 -m pytest -rs tests/batch/test_slurm.py

validate: setup ## the benchmarks of validation/: tables, figures and docs/validation.md
	$(EXEC) python3 -m validation

shell: setup ## a shell inside the environment
	@$(EXEC) bash --noprofile --rcfile env/shellrc -i

clean: ## the results and caches of this checkout (not the environment)
	rm -rf results build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
