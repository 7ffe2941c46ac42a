# The verbs of the project. All of them work in a fresh clone: what they need is installed first, into .venv.
.PHONY: setup demo test retest test-all check bench faults constraints
.DEFAULT_GOAL := help

PY := .venv/bin/python
# The environment knows the folder it was made in: one that was moved or copied is made again.
STAMP := .venv/setup-$(shell pwd | cksum | cut -d ' ' -f 1)

# Each test process has servers of its own; a file's tests stay together and share what they start.
# One process more than cores: many tests wait for others' processes.
PARALLEL := -n $(shell expr $$(nproc) + 1) --maxprocesses 4 --dist loadfile

help:
	@echo "make demo      a real training job through the real system, killed and resumed (under 3 minutes)"
	@echo "make test      the tests: real Postgres, Redis, Celery workers and HTTP"
	@echo "make check     ruff, mypy --strict, the import rules"
	@echo "make test-all  the tests with their big matrices    make faults  processes killed while jobs run"
	@echo "make bench     one script for each claim            make setup   .venv alone"

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@python=$$(for candidate in $(PYTHON) python3.11 python3.12 python3.13 python3; do \
		$$candidate -c 'import ensurepip, sys, venv; assert sys.version_info >= (3, 11)' 2>/dev/null && echo $$candidate && break; done); \
	if [ -z "$$python" ]; then echo "Python 3.11 or newer with venv is needed (Debian: apt install python3-venv)" >&2; exit 1; fi; \
	echo "Installing into .venv, once (torch is large) …"; \
	$(PY) -c '' 2>/dev/null || rm -rf .venv; \
	$$python -m venv .venv
	@$(PY) -m pip install -qq --disable-pip-version-check -c constraints.txt setuptools
	@$(PY) -m pip install -qq --disable-pip-version-check -c constraints.txt --no-build-isolation -e '.[dev]'
	@touch $(STAMP)

demo: setup
	@$(PY) examples/demo.py

test: setup
	@$(PY) -m pytest -q $(PARALLEL) -m 'not slow'

# Only what failed last time, one after the other.
retest: setup
	@$(PY) -m pytest -q -m 'not slow' --last-failed --last-failed-no-failures none

test-all: setup
	@$(PY) -m pytest -q $(PARALLEL)

check: setup
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	@$(PY) -m pytest -q tests/test_architecture.py

bench: setup
	@for script in benchmarks/*.py; do $(PY) "$$script" || exit 1; done

faults: setup
	@$(PY) -m pytest -q tests/system/test_kills.py tests/faults
	@$(PY) -m tests.faults.storm
	@$(PY) -m tests.faults.recovery

# What is installed now becomes what will be installed.
constraints: setup
	@sed -n '/^#/p' constraints.txt > constraints.new
	@{ $(PY) -m pip freeze --exclude-editable; $(PY) -m pip freeze --all | grep '^setuptools=='; } \
		| sed 's/+[a-z0-9.]*$$//' | sort -fu >> constraints.new
	@mv constraints.new constraints.txt
