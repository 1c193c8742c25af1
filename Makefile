# The few commands of the house. `make` alone lists them.

VENV := .venv
export UV_SYSTEM_CERTS := true
BIN := $(VENV)/bin
UV := 0.13.9
# The interpreter for .venv: the newest tried one on the machine, or `make setup PYTHON=...`.
PYTHON ?= $(firstword $(foreach name,python3.13 python3.12 python3.11 python3,$(shell \
	$(name) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $(name))))
SOURCES := spotopt clients agents replicas pricing mlengine simulator agent_daemon
# What a production installation sets at the least, with a key that serves this one command.
PRODUCTION = DEBUG=false PUBLIC_URL=https://spotopt.example.com \
	SECRET_KEY="$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(50))')"

.PHONY: help setup demo serve test chaos bench-failover lint format constraints clean
.DEFAULT_GOAL := help

help: ## list these commands
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

setup: $(VENV)/.installed $(VENV)/.static ## make .venv, install everything into it, collect static files

demo: setup ## the whole product on this machine, against a simulated AWS
	$(BIN)/python manage.py demo $(ARGS)

serve: setup ## production-like use on this machine: database, web, guard and scheduled work
	$(BIN)/python manage.py serve $(ARGS)

test: setup ## all tests; ARGS="-k name" for some
	$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder $(ARGS)

chaos: setup ## failovers broken at every step, in every way; ARGS="--case ID" replays one
	$(BIN)/python manage.py chaos $(ARGS)

bench-failover: setup ## how long a failover takes in the server
	$(BIN)/python manage.py bench_failover $(ARGS)

lint: setup ## style, types, the ladder of imports, migrations, settings for production, templates
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(SOURCES) manage.py conftest.py
	$(BIN)/lint-imports
	@# No database is asked: its history is not what is checked here.
	$(BIN)/python -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run
	$(PRODUCTION) $(BIN)/python manage.py check --deploy --fail-level WARNING
	find templates $(SOURCES) -name '*.html' -not -path '*/node_modules/*' -print0 \
		| xargs -0 --no-run-if-empty $(BIN)/djade --check --target-version 5.2

format: setup ## mend what the linters can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	find templates $(SOURCES) -name '*.html' -print0 \
		| xargs -0 --no-run-if-empty $(BIN)/djade --target-version 5.2

constraints: ## pin anew what the requirements bring along (constraints.txt)
	$(BIN)/uv pip compile --universal --no-emit-index-url --python-version 3.11 --upgrade \
		--custom-compile-command 'make constraints' -o constraints.txt requirements-dev.txt

clean: ## remove what can be made again, but neither .venv nor the data under var/
	rm -rf staticfiles build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis \
		.import_linter_cache .coverage agent_daemon/build agent_daemon/dist $(VENV)/.static
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -exec rm -rf {} +

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or later with venv: install it (Debian:" \
		"apt-get install python3-venv), or name one: make setup PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# uv takes seconds where pip takes minutes, so it goes first. pip, which knows the machine's own
# configuration, mends whatever uv could not fetch.
$(VENV)/.installed: requirements.txt requirements-dev.txt constraints.txt agent_daemon/pyproject.toml \
		| $(BIN)/python
	@$(BIN)/uv --version >/dev/null 2>&1 || $(BIN)/python -m pip install -q uv==$(UV) || true
	@test -w "$$HOME" || export UV_CACHE_DIR=$(CURDIR)/$(VENV)/uv-cache; \
	$(BIN)/uv pip install -q --python $(BIN)/python -c constraints.txt \
		-r requirements-dev.txt -e agent_daemon \
	|| { echo "uv could not install everything; pip does it, slower"; \
		$(BIN)/python -m pip install -q -c constraints.txt -r requirements-dev.txt -e agent_daemon; }
	@touch $@

$(VENV)/.static: $(VENV)/.installed $(shell find static -type f 2>/dev/null)
	@$(PRODUCTION) $(BIN)/python manage.py collectstatic --noinput --verbosity 0
	@touch $@
