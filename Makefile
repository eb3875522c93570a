# Every command is one short line: `make` prints them. Each sets up what it needs, and is quick when run again.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Two files of tests at a time, but for what takes both cores by itself.
TOGETHER := -n 2 --dist loadfile
ALONE := browser or model
# What fails on a busy machine is tried once more, and listed: see CONTRIBUTING.md.
ONCE_MORE := --reruns 1 -r aR --rerun-show-tracebacks
APART := $(ALONE) or kernel or notebooks or referee or postgres or proxy
# It is never compiled: that takes minutes, and then most often fails.
NO_ENGINE := "where it is xllamacpp that is not found: there is no package of the local model's engine for this system (musl, Windows on ARM, macOS before 13); go without it: $(BIN)/pip install -e '.[demo]' && NBASSIST_PROFILE=ollama $(BIN)/jupyter lab notebooks"
# What Jupyter's pages load is copied at the installation.
PAGES := $(wildcard nbassist/frontend/*/* nbassist/frontend/*/*/*)
.DEFAULT_GOAL := help
.PHONY: help demo lab doctor docs lite test test-oldest beside lint types unit kernel browser notebooks postgres model providers referee serve bench bench-display torture pages audit mutants record picture format clean

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

lite: $(VENV)/beside/.lite ## Build the tour for the browser into site/lite: Python, nbassist and its replies in static files
	@command -v npm >/dev/null || .ci/debian npm
	@$(VENV)/beside/lite/bin/python docs/lite.py site/lite && echo 'see it: $(BIN)/python -m http.server -b 127.0.0.1 -d site/lite 8000, then http://127.0.0.1:8000/lab/index.html?path=quickstart.ipynb'

test: lint types ## Everything, with the local model, PostgreSQL, browsers and the referees
	@.ci/debian chromium postgresql tmux nginx bubblewrap python3-ipykernel
	@$(BIN)/nbassist model get && $(BIN)/nbassist model get embeddings
	@$(BIN)/pytest -q $(TOGETHER) $(ONCE_MORE) -m 'not (kernel or $(ALONE))'
	@$(BIN)/pytest -q $(TOGETHER) $(ONCE_MORE) -m 'kernel and not ($(ALONE))'
	@$(BIN)/pytest -q $(ONCE_MORE) -m '$(ALONE)'

test-oldest: $(BIN)/python ## The unit and kernel tests with the oldest versions that pyproject.toml allows
	@$(BIN)/python -m venv --clear $(VENV)/beside/oldest
	@$(BIN)/python .ci/oldest > $(VENV)/beside/oldest.txt
	@echo "installing the oldest versions into $(VENV)/beside/oldest"
	@$(VENV)/beside/oldest/bin/python -m pip install -q --disable-pip-version-check -c $(VENV)/beside/oldest.txt -e '.[test]'
	@.ci/debian tmux
	@$(VENV)/beside/oldest/bin/pytest -q $(TOGETHER) -m 'not ($(APART))'
	@$(VENV)/beside/oldest/bin/pytest -q $(TOGETHER) -m 'kernel and not ($(ALONE))'

beside: $(BIN)/python ## Resolve packages of this field beside nbassist: none may be held back by us
	@test -x $(VENV)/beside/resolver/bin/uv || { $(BIN)/python -m venv --clear $(VENV)/beside/resolver && $(VENV)/beside/resolver/bin/python -m pip install -q --disable-pip-version-check uv; }
	@$(VENV)/beside/resolver/bin/python .ci/beside

lint: $(VENV)/.dev ## Check style and format
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(VENV)/.dev ## Check types
	@$(BIN)/mypy

unit: $(VENV)/.dev ## The tests that need nothing but Python
	@$(BIN)/pytest -q $(TOGETHER) -m 'not ($(APART))'

kernel: $(VENV)/.dev ## The tests in a real kernel and a real terminal
	@.ci/debian tmux chromium
	@$(BIN)/pytest -q $(TOGETHER) $(ONCE_MORE) -m kernel

browser: $(VENV)/.dev ## The tests in JupyterLab and Chromium
	@.ci/debian chromium
	@$(BIN)/pytest -q $(ONCE_MORE) -m browser

notebooks: $(VENV)/.dev ## Each notebook, every cell compared
	@$(BIN)/pytest -q $(TOGETHER) -m notebooks

postgres: $(VENV)/.dev ## The server's store on a real PostgreSQL
	@.ci/debian postgresql
	@$(BIN)/pytest -q -m postgres

proxy: $(VENV)/.dev ## Two servers behind nginx, killed and restarted
	@.ci/debian nginx
	@$(BIN)/pytest -q -m proxy

model: $(VENV)/.dev ## The tests with the local models
	@$(BIN)/nbassist model get && $(BIN)/nbassist model get embeddings
	@$(BIN)/pytest -q -m model

providers: $(VENV)/.dev ## One thread through fourteen providers, each with the rules of the real one, and llama.cpp itself
	@$(BIN)/python tests/providers/play.py

referee: $(VENV)/.dev ## The servers of others, installed beside; aimock needs Node.js 20.15 or later
	@$(BIN)/nbassist model get
	@NBASSIST_EVERY_PROGRAM=1 $(BIN)/pytest -q -m referee

serve: $(VENV)/.demo ## Run the Assistants server with the local model on port 8700
	@$(BIN)/nbassist serve --port 8700

bench: $(VENV)/.dev ## The benchmarks, in their quick mode
	@.ci/debian chromium
	@for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python $$script --quick || exit 1; done

torture: $(VENV)/.dev ## What must hold, many times over: up to an hour; the figures go into benchmarks/RESULTS.md
	@.ci/debian postgresql chromium
	@NBASSIST_TORTURE=1 $(BIN)/pytest -q $(TOGETHER) tests/faults tests/hostile tests/kernel/test_faults.py
	@NBASSIST_TORTURE=1 $(BIN)/pytest -q $(ONCE_MORE) -m torture tests/browser tests/server
	@NBASSIST_TORTURE=1 $(BIN)/pytest -q tests/server/test_limits.py
	@$(BIN)/python benchmarks/torture.py --keep
	@$(BIN)/python benchmarks/budget.py

pages: $(VENV)/.dev ## The saved reply on the pages of others: MkDocs, Sphinx, Jupyter Book, GitHub
	@.ci/debian chromium
	@test -x $(VENV)/beside/pages/bin/jupyter-book || { $(BIN)/python -m venv --clear $(VENV)/beside/pages && $(VENV)/beside/pages/bin/python -m pip install -q --disable-pip-version-check 'jupyter-book<2' nbsphinx sphinx-rtd-theme mkdocs-material mkdocs-jupyter; }
	@$(BIN)/pytest -q tests/browser/test_pages.py

audit: $(VENV)/.dev ## What is known of the weaknesses of all dependencies, and their licences
	@test -x $(VENV)/beside/audit/bin/pip-audit || { $(BIN)/python -m venv --clear $(VENV)/beside/audit && $(VENV)/beside/audit/bin/python -m pip install -q --disable-pip-version-check pip-audit; }
	@$(BIN)/python -m pip freeze --exclude-editable > $(VENV)/beside/audit/installed.txt
	@$(VENV)/beside/audit/bin/pip-audit --strict --disable-pip --no-deps --progress-spinner off -r $(VENV)/beside/audit/installed.txt
	@$(BIN)/python .ci/licences

bench-display: $(VENV)/.dev ## The live view beside display(Markdown) and chatlas; QUICK=1 for 2,000 tokens only
	@.ci/debian chromium
	@$(BIN)/python benchmarks/display.py $(if $(QUICK),--quick)

mutants: $(VENV)/.dev ## Change the code at random, and list what no test noticed; QUICK=1 for a dozen, ONLY=PART for some files
	@$(BIN)/python tests/mutants.py $(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY))

record: $(VENV)/.dev ## Render the notebooks anew from their kept replies; MODEL=1 asks the local model
	@$(BIN)/python tests/notebooks/record.py $(if $(MODEL),,--replay)

picture: $(VENV)/.dev ## Take the moving picture of JupyterLab that stands in the README
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

$(VENV)/.demo: $(BIN)/python pyproject.toml $(PAGES)
	@echo "installing nbassist, the local server and JupyterLab into $(VENV)"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --only-binary xllamacpp -e '.[local,demo]' || { echo $(NO_ENGINE); exit 1; }
	@touch $@

$(VENV)/.dev: $(BIN)/python pyproject.toml $(PAGES)
	@echo "installing nbassist and what its tests need into $(VENV)"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --only-binary xllamacpp -e '.[dev]' || { echo $(NO_ENGINE); exit 1; }
	@touch $@ $(VENV)/.demo $(VENV)/.docs

$(VENV)/.docs: $(BIN)/python pyproject.toml
	@echo "installing nbassist and what its documentation needs into $(VENV)"
	@$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[docs]'
	@touch $@

# What the page shows of nbassist and of widgets comes from what is installed beside JupyterLite.
$(VENV)/beside/.lite: $(BIN)/python pyproject.toml $(PAGES)
	@echo "installing JupyterLite into $(VENV)/beside/lite"
	@$(BIN)/python -m venv --clear $(VENV)/beside/lite
	@$(VENV)/beside/lite/bin/python -m pip install -q --disable-pip-version-check 'jupyterlite-core>=0.8' 'jupyterlite-pyodide-kernel>=0.8' jupyterlab-server packaging ipywidgets anywidget
	@$(VENV)/beside/lite/bin/python -m pip install -q --disable-pip-version-check --no-deps .
	@touch $@
