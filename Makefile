# Every command is one short line: `make` prints them. Each sets up what it needs, and is quick when run again.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Two files of tests at a time, but for what a person does to the moment, and what takes both cores by itself.
TOGETHER := -n 2 --dist loadfile
ALONE := kernel or browser or model
APART := $(ALONE) or notebooks or referee or postgres
.DEFAULT_GOAL := help
.PHONY: help demo lab doctor docs test test-oldest lint types unit kernel browser notebooks postgres model referee serve bench bench-display record picture format clean

help: ## Print what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

demo: $(VENV)/.demo ## Set up, fetch the local model, and watch a notebook's conversation in the terminal
	@$(BIN)/nbassist model get
	@$(BIN)/python notebooks/play.py notebooks/quickstart.ipynb
	@echo 'Open the same notebook in JupyterLab:  make lab'

lab: $(VENV)/.demo ## Open the notebooks in JupyterLab
	@cd notebooks && ../$(BIN)/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root )--log-level=WARN --LabApp.default_url=/lab/tree/quickstart.ipynb

doctor: $(VENV)/.demo ## What is installed, what is reached, what is wrong, and what mends it
	@$(BIN)/nbassist doctor

docs: $(VENV)/.docs ## Build the documentation into site/; once set up, without a network
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict && echo 'open site/index.html'

test: lint types ## Everything, with the local model, PostgreSQL, browsers and the referees
	@.ci/debian chromium postgresql tmux
	@$(BIN)/nbassist model get
	@$(BIN)/pytest -q $(TOGETHER) -m 'not ($(ALONE))'
	@$(BIN)/pytest -q -m '$(ALONE)'

test-oldest: $(BIN)/python ## The unit and kernel tests with the oldest versions that pyproject.toml allows
	@$(BIN)/python -m venv --clear $(VENV)/beside/oldest
	@$(BIN)/python .ci/oldest > $(VENV)/beside/oldest.txt
	@echo "installing the oldest versions into $(VENV)/beside/oldest"
	@$(VENV)/beside/oldest/bin/python -m pip install -q --disable-pip-version-check -c $(VENV)/beside/oldest.txt -e '.[dev]'
	@.ci/debian tmux
	@$(VENV)/beside/oldest/bin/pytest -q $(TOGETHER) -m 'not ($(APART))'
	@$(VENV)/beside/oldest/bin/pytest -q -m 'kernel and not model'

lint: $(VENV)/.dev ## Check style and format
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(VENV)/.dev ## Check types
	@$(BIN)/mypy

unit: $(VENV)/.dev ## The tests that need nothing but Python
	@$(BIN)/pytest -q $(TOGETHER) -m 'not ($(APART))'

kernel: $(VENV)/.dev ## The tests in a real kernel and a real terminal
	@.ci/debian tmux
	@$(BIN)/pytest -q -m kernel

browser: $(VENV)/.dev ## The tests in JupyterLab and Chromium
	@.ci/debian chromium
	@$(BIN)/pytest -q -m browser

notebooks: $(VENV)/.dev ## Each notebook, every cell compared
	@$(BIN)/pytest -q $(TOGETHER) -m notebooks

postgres: $(VENV)/.dev ## The server's store on a real PostgreSQL
	@.ci/debian postgresql
	@$(BIN)/pytest -q -m postgres

model: $(VENV)/.dev ## The tests with the local model
	@$(BIN)/nbassist model get
	@$(BIN)/pytest -q -m model

referee: $(VENV)/.dev ## The servers of others, installed beside; aimock needs Node.js 20.15 or later
	@$(BIN)/nbassist model get
	@$(BIN)/pytest -q -m referee

serve: $(VENV)/.demo ## Run the Assistants server with the local model on port 8700
	@$(BIN)/nbassist serve --port 8700

bench: $(VENV)/.dev ## The benchmarks, in their quick mode
	@.ci/debian chromium
	@for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python $$script --quick || exit 1; done

bench-display: $(VENV)/.dev ## The live view beside display(Markdown) and chatlas; QUICK=1 for 2,000 tokens only
	@.ci/debian chromium
	@$(BIN)/python benchmarks/display.py $(if $(QUICK),--quick)

record: $(VENV)/.dev ## Render the notebooks anew from their kept replies; MODEL=1 asks the local model
	@$(BIN)/python tests/notebooks/record.py $(if $(MODEL),,--replay)

picture: $(VENV)/.dev ## Take the picture of JupyterLab that stands in the README
	@.ci/debian chromium
	@$(BIN)/python docs/picture.py

format: $(VENV)/.dev ## Format the code
	@$(BIN)/ruff check --fix -q . ; $(BIN)/ruff format .

clean: ## Remove the virtual environment and all caches
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis site dist

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "nbassist needs Python 3.11 or later: make PYTHON=python3.11 ...")'
	@echo "making a virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { .ci/debian python3-venv && rm -rf $(VENV) && $(PYTHON) -m venv $(VENV); }

$(VENV)/.demo: $(BIN)/python pyproject.toml
	@echo "installing nbassist, the local server and JupyterLab into $(VENV)"
	@$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[local,demo]'
	@touch $@

$(VENV)/.dev: $(BIN)/python pyproject.toml
	@echo "installing nbassist and what its tests need into $(VENV)"
	@$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[dev]'
	@touch $@ $(VENV)/.demo $(VENV)/.docs

$(VENV)/.docs: $(BIN)/python pyproject.toml
	@echo "installing nbassist and what its documentation needs into $(VENV)"
	@$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[docs]'
	@touch $@
