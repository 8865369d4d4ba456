# make reproduce   everything, from an empty folder to results/index.html; PROFILE=night trains longer
# make test        all tests, every notebook's committed output, every exercise's solution
# make test-browser   the pages, JupyterLab and voila in a headless Chromium (minutes)
# make check-data A2D_ROOT=<folder> JHMDB_ROOT=<folder>   what of the real data is there and sound
# make bench       how fast the library is beside the authors' form, and how equal (minutes)
# make lab         JupyterLab on the notebooks
# make weights     what PROFILE=paper reads: I3D, VGG-16, word vectors (2.4 GB)
PYTHON    ?= python3
PROFILE   ?= toy
DATASET   ?= toy
DATA_ROOT ?=
REFERIT_ROOT ?=
JHMDB_ROOT ?=
A2D_ROOT  ?=
SEEDS     ?= 1
PRECISION ?= profile
BIN       := .venv/bin

# What a user gives goes to the shell through the environment, as it is: make would take a "$" in it
# for a variable, and a shell quotes, ";" or "$(…)" for its own.
GIVEN := PROFILE DATASET DATA_ROOT REFERIT_ROOT JHMDB_ROOT A2D_ROOT SEEDS PRECISION
$(foreach name,$(GIVEN),$(eval override $(name) := $$(value $(name))))
export $(GIVEN)

# make itself would take a misspelt SEED=3 without a word.
OTHERS := PYTHON BIN DECODE VERBOSE SHELL MAKEFLAGS
$(foreach name,$(filter-out $(OTHERS),$(.VARIABLES)),$(if $(filter command,$(origin $(name))),$(error nothing here reads $(name); choose from: $(GIVEN) PYTHON DECODE VERBOSE)))

# A container often forbids bytecode; every job would then compile torch anew, seconds each.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup reproduce check-data weights test test-browser bench lab
setup: .venv/.installed

# torch first and alone, so that nothing else decides which build of it is installed.
.venv/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v < (3, 14) else f"Python 3.11 to 3.13 is needed, this is {v[0]}.{v[1]}: set PYTHON=python3.12 or similar")'
	@echo "Creating .venv: about 2 GB, one to three minutes on a fast line."
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt "$$(grep ^torch== constraints.txt)"
	$(BIN)/pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt -e '.[batch,test]'
	@touch $@

reproduce: setup
	@test -z "$$A2D_ROOT" || test -n "$$DATA_ROOT" || { echo "Here, A2D's folder is DATA_ROOT (with DATASET=a2d); A2D_ROOT is that of check-data" >&2; exit 2; }
	@$(BIN)/python -m acga_lib.jobs.reproduce --profile="$$PROFILE" --dataset="$$DATASET" --data-root="$$DATA_ROOT" --referit-root="$$REFERIT_ROOT" --jhmdb-root="$$JHMDB_ROOT" --seeds="$$SEEDS" --precision="$$PRECISION"

check-data: setup
	@$(BIN)/python -m acga_lib.datasets.check_data --a2d-root="$${A2D_ROOT:-$$DATA_ROOT}" --jhmdb-root="$$JHMDB_ROOT" --referit-root="$$REFERIT_ROOT" $(if $(DECODE),--decode) $(if $(VERBOSE),--verbose)

test: setup
	$(BIN)/ruff check && $(BIN)/ruff format --check acga_lib tests
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy acga_lib
	$(BIN)/python -m pytest -q -n 2 --dist loadfile tests --ignore tests/browser
	PYTHONPATH=tests $(BIN)/python -m helpers.exercises results/work/solved
	OMP_NUM_THREADS=1 PYTHONPATH=tests $(BIN)/python -m pytest -q -n 2 --dist loadfile -p helpers.patience --nbval results/work/solved

test-browser: .venv/.browser
	$(BIN)/python -m pytest -q tests/browser

# Playwright drives the system's Chromium; one of its own is not fetched.
.venv/.browser: .venv/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt -e '.[browser]'
	command -v chromium || { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; }
	@touch $@

# Ratios against the authors' form of the network, in one process: results/benchmarks/*.json.
bench: setup
	$(BIN)/python tests/bench.py
	$(BIN)/python tests/bench_cuda.py

lab: setup
	$(BIN)/jupyter lab notebooks/00_start_here.ipynb

weights: setup
	$(BIN)/python -m acga_lib.files.downloads
