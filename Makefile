# Needs Python 3.11 to 3.13 with its venv module, and make. Everything else goes
# into .venv. Another interpreter: make PYTHON=python3.12 results. The ranges of
# pyproject.toml instead of the pinned versions: make PINS= results.

PYTHON ?= python3
PINS ?= requirements.txt

VENV_PYTHON := .venv/bin/python
STAMP := .venv/installed
PYTHON_FILES := fcnlib tests notebooks site
SOLUTIONS := $(wildcard notebooks/solutions/*.ipynb)
STUDENT_EDITIONS := $(wildcard notebooks/0[0-5]_*.ipynb)
LESSONS = $(or $(strip $(SOLUTIONS) $(STUDENT_EDITIONS)),$(error no lessons in notebooks/: run "make notebooks" first))

# Kernels start in the notebooks' folder, so the path must be absolute.
ifeq ($(strip $(FCNLIB_DATA)),)
FCNLIB_DATA := $(shell cd ../shared/data 2>/dev/null && pwd)
else ifeq ($(filter /%,$(firstword $(FCNLIB_DATA))),)
override FCNLIB_DATA := $(CURDIR)/$(FCNLIB_DATA)
endif
ifneq ($(FCNLIB_DATA),)
export FCNLIB_DATA
endif
export TF_CPP_MIN_LOG_LEVEL := 3

# The package is installed by its path: a moved checkout must install again.
INSTALLATION := $(CURDIR):$(PINS)
ifneq ($(shell cat $(STAMP) 2>/dev/null),$(INSTALLATION))
.PHONY: $(STAMP)
endif

.PHONY: help results test test-class test-scale lab notebooks assignments student-release bench doctor site test-site test-colab test-links clean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1|\2/p' Makefile | \
		while IFS='|' read -r name text; do printf '%-20s %s\n' "$$name" "$$text"; done

results: $(STAMP) ## install, then draw, segment and score unseen scenes
	$(VENV_PYTHON) -m fcnlib results

test: $(STAMP) ## install, then run every check
	$(VENV_PYTHON) -m ruff check $(PYTHON_FILES)
	$(VENV_PYTHON) -m ruff format --check $(PYTHON_FILES)
	$(VENV_PYTHON) -m pytest -n 2 --dist loadfile
	$(VENV_PYTHON) -m pytest --nbval --nbval-current-env --nbval-cell-timeout=240 $(LESSONS)

test-class: $(STAMP) ## grade a simulated class in all lessons
	$(VENV_PYTHON) -m pytest -n 2 -m whole_class -rP

test-scale: $(STAMP) ## run the slow checks of large trainings
	$(VENV_PYTHON) -m pytest -m scale

lab: $(STAMP) ## copy the lessons to work/ once, open JupyterLab there
	$(VENV_PYTHON) notebooks/lab.py

notebooks: $(STAMP) ## build both editions of the lessons from their sources
	$(VENV_PYTHON) notebooks/diagrams.py
	$(VENV_PYTHON) notebooks/build.py
	$(VENV_PYTHON) notebooks/glossary.py

assignments: $(STAMP) ## write the lessons for nbgrader to nbgrader/
	$(VENV_PYTHON) notebooks/assignments.py $(if $(SEED),--seed "$(SEED)")

student-release: $(STAMP) ## pack what students get into dist/
	$(VENV_PYTHON) notebooks/release.py

bench: $(STAMP) ## run the benchmarks
	$(VENV_PYTHON) tests/bench.py

doctor: $(STAMP) ## report the machine and the versions
	$(VENV_PYTHON) -m fcnlib doctor

site: $(STAMP) ## build the course as a site in site/_build/html
	@command -v npm >/dev/null || \
		{ echo 'error: "npm" was not found: install Node.js, which brings it' >&2; exit 2; }
	$(VENV_PYTHON) -m pip install --quiet $(if $(PINS),-r requirements-site.txt,-e '.[site]')
	npm install --prefix site --loglevel=error --no-package-lock --ignore-scripts --no-audit --no-fund
	$(VENV_PYTHON) site/build.py

test-site: site ## build the site, then try it in a browser
	$(VENV_PYTHON) -m pytest -m site tests/site

test-colab: $(STAMP) ## install the course into packages like those of Colab
	$(VENV_PYTHON) -m pytest -m colab tests/site

test-links: site ## ask whether every address that the site names is there
	$(VENV_PYTHON) -m sphinx -q -b linkcheck -c site site/_build/pages site/_build/links

clean: ## remove what make installed; keep work/, data/ and results/
	rm -rf .venv fcnlib.egg-info

$(STAMP): pyproject.toml $(PINS)
	@command -v "$(PYTHON)" >/dev/null || \
		{ echo 'error: "$(PYTHON)" was not found: install Python 3.11, 3.12 or 3.13, or name one: make PYTHON=/path/to/python3.12' >&2; exit 2; }
	@"$(PYTHON)" -c 'import sys; found = sys.version_info[:2]; sys.exit(None if (3, 11) <= found < (3, 14) else "error: Python 3.11, 3.12 or 3.13 is needed, and $(PYTHON) is %d.%d: name another: make PYTHON=/path/to/python3.12" % found)'
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo 'error: "$(PYTHON)" has no venv module: install it (Debian: apt install python3-venv)' >&2; exit 2; }
	@echo 'Installing into .venv: about 3 GB, once, in one to five minutes.'
	"$(PYTHON)" -m venv .venv
ifeq ($(PINS),)
	$(VENV_PYTHON) -m pip install -e '.[notebooks,tests]'
else
	$(VENV_PYTHON) -m pip install -r "$(PINS)"
	$(VENV_PYTHON) -m pip install --no-deps --no-build-isolation -e .
endif
	@printf '%s\n' "$(INSTALLATION)" > $(STAMP)
