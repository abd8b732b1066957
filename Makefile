# `make demo` and `make test` need git, make and Python >= 3.11; everything else is put into .venv.
PYTHON ?=
ARGS ?=
JOBS ?= 2
RUN = .venv/bin/python -m

export PYTHON

.PHONY: help demo test slow lint wheel clean

help:
	@echo "make demo    simulate a territory, fit, evaluate, recommend, commit; writes out/demo"
	@echo "make test    the quick tests (about two minutes)"
	@echo "make slow    the tests that take long; CI runs them"
	@echo "make lint    ruff, mypy --strict, and the floors of the house (import-linter)"
	@echo "make wheel   build dist/nba-*.whl"
	@echo "make clean   remove .venv, caches and what was built or written"
	@echo
	@echo "ARGS goes to the command: make demo ARGS='--hcps 300', make test ARGS='-k consent'"

# One stamp for each set of packages: the second run installs nothing until pyproject.toml changes.
.venv/.with-%: pyproject.toml .ci/environment
	@.ci/environment $*
	@touch $@

demo: .venv/.with-demo
	@$(RUN) training.train --out out/demo $(ARGS)

test: .venv/.with-test
	@$(RUN) pytest -n $(JOBS) $(ARGS)

slow: .venv/.with-test
	@$(RUN) pytest -n $(JOBS) --dist loadfile -m slow $(ARGS)

lint: .venv/.with-dev
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .
	@$(RUN) mypy
	@.venv/bin/lint-imports

wheel: .venv/.with-dev
	@rm -rf dist
	@$(RUN) hatchling build -t wheel

clean:
	rm -rf .venv build dist out .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find nba tests training examples benchmarks -name __pycache__ -prune -exec rm -rf {} +
