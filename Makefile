# Everything runs from .venv, which these targets make and keep in step with requirements/*.lock.
# Needed: make and Python 3.11 or later. uv is used where there is one, and else fetched into .uv.

.DEFAULT_GOAL := help
.PHONY: help demo test fuzz check bench docs lock clean

ARGS ?=
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$python" && break; done)
UV ?= $(shell uv --version >/dev/null 2>&1 && echo uv || echo .uv/bin/uv)

# What the caller's shell may hold must not change what is installed or where.
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME UV_PROJECT_ENVIRONMENT UV_SYSTEM_PYTHON UV_PYTHON
export UV_PYTHON_DOWNLOADS := never
# Trust the authorities that the machine trusts: an organisation's proxy may sign with its own.
ifneq ($(wildcard /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem),)
export UV_SYSTEM_CERTS ?= 1
endif
export PIP_DISABLE_PIP_VERSION_CHECK := 1

help: ## Say what there is to make
	@sed -n 's/^\([a-z]*\):.* ## /\1\t/p' $(MAKEFILE_LIST)

demo: .venv/run.stamp ## Play a French territory from end to end, then keep serving (ARGS=--exit: stop and judge)
	.venv/bin/unisson demo $(ARGS)

test: .venv/dev.stamp ## Run the tests (ARGS="-k referral": some of them)
	.venv/bin/pytest --numprocesses auto --dist loadfile $(ARGS)

fuzz: .venv/dev.stamp ## Make up 20,000 requests under four identities; send every body that hurts everywhere
	.venv/bin/python -m tests.campaigns.http_fuzz $(ARGS)
	.venv/bin/python -m tests.campaigns.bombs

check: .venv/dev.stamp ## Style, types, layers; hashes, licences, known vulnerabilities, bill of materials
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/python -m tests.supply_chain

bench: .venv/dev.stamp ## Measure against peers in the same run, one JSON object a line
	@.venv/bin/python -m benchmarks $(ARGS)

docs: .venv/dev.stamp ## Write the OpenAPI and AsyncAPI documents that the documentation refers to
	.venv/bin/unisson openapi --output docs/reference/openapi.json
	.venv/bin/unisson asyncapi --output docs/reference/asyncapi.json

lock: $(UV) ## Resolve the dependencies again, with hashes and without any index address
	$(COMPILE) pyproject.toml --group dev --group bench -o requirements/dev.lock
	$(COMPILE) pyproject.toml --constraint requirements/dev.lock -o requirements/run.lock
	echo 'uv_build>=0.13,<0.14' | $(COMPILE) - -o requirements/build.lock
	echo 'uv' | $(COMPILE) - -o requirements/installer.lock

clean: ## Remove what was made here
	rm -rf .venv .uv .demo dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

COMPILE = $(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --no-annotate
# Compiled once here, a start takes half the time, also where nothing may be written next to the code.
SYNC = $(UV) pip sync --quiet --compile-bytecode --python .venv/bin/python --require-hashes requirements/build.lock
# The build back-end comes from the lock too, so it must not be fetched again in isolation.
INSTALL = $(UV) pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable .

.venv/run.stamp: requirements/run.lock requirements/build.lock pyproject.toml .venv/bin/python
	@rm -f .venv/dev.stamp
	$(SYNC) requirements/run.lock
	$(INSTALL)
	@touch $@

# The development environment holds all that the running one does.
.venv/dev.stamp: requirements/dev.lock requirements/build.lock pyproject.toml .venv/bin/python
	$(SYNC) requirements/dev.lock
	$(INSTALL)
	@touch .venv/run.stamp $@

.venv/bin/python: | $(UV) found-python
	@rm -rf .venv
	$(UV) venv --quiet --python "$(PYTHON)" .venv

.PHONY: found-python
found-python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed: install it, or name it (make PYTHON=/path/to/python3)."; exit 1; } >&2

.uv/bin/uv: requirements/installer.lock | found-python
	@rm -rf .uv
	@"$(PYTHON)" -m venv .uv >/dev/null || { echo "Python's venv module is incomplete here: install it (Debian: apt install python3-venv), or install uv." >&2; rm -rf .uv; exit 1; }
	.uv/bin/python -m pip install --quiet --require-hashes -r requirements/installer.lock
	@touch $@

# The machine's own uv: nothing to make.
.PHONY: uv
uv: ;
