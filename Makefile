# make study : from nothing to a report.   make test : from nothing to a tested checkout.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
LINKS  := $(VENV)/src/calque
PARTS  := data models phases scaling sweeps
OUT    ?= results/quick

.DEFAULT_GOAL := help
.PHONY: help study test lint docs generated wheel bench env browser clean

help:
	@echo "make study   run sweeps/quick.yaml, detect the transitions, forecast, write $(OUT)/report.html"
	@echo "make test    lint, types, import contract, tests"
	@echo "make lint    lint, types and import contract alone"
	@echo "make docs    the site of the documentation, build/site/index.html: warnings are errors, tutorials are executed"
	@echo "make generated  what is made from types and findings: docs/KEYS.md, the JSON Schema of study files, the table of docs/STUDY.md"
	@echo "make wheel   sdist and wheel in dist/, checked: installed without extras, the wheel runs what the README says it does"
	@echo "make bench   tables of tests/benchmarks beside their peers, hours; one of them: python -m tests.benchmarks NAME"
	@echo "make env     the environment in $(VENV), made when missing or out of date"
	@echo "make browser Chromium, for the tests in a browser: by apt-get, where there is none and one may"
	@echo "make clean   remove the environment and caches (results stay)"

# The links below are put on the import path: a checkout called calque is no empty package to whoever works in the folder above it.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "calque needs python >= 3.11, this is %d.%d; set PYTHON=..." % sys.version_info[:2])'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	$(BIN)/python -c "import pathlib, sysconfig; pathlib.Path(sysconfig.get_path('purelib'), 'calque-links.pth').write_text(str(pathlib.Path('$(VENV)/src').resolve()) + chr(10))"
	@touch $@

# calque.data is the folder data/ and so on: tools that read paths are shown them here as one package. The links are made anew
# when what they show differs from what stands there, and moved in place when complete.
SHOWN  := $(filter-out %/__pycache__,$(wildcard calque/*)) $(PARTS)
ifneq ($(sort $(notdir $(SHOWN))),$(sort $(notdir $(wildcard $(LINKS)/*))))
.PHONY: $(LINKS)
endif
$(LINKS): $(STAMP)
	rm -rf $@ $@.new && mkdir -p $@.new
	ln -s $(addprefix ../../../,$(SHOWN)) $@.new
	mv $@.new $@

env: $(STAMP) $(LINKS)

study: $(STAMP)
	$(BIN)/sweeps run sweeps/quick.yaml --results $(OUT)
	$(BIN)/scaling forecast $(OUT)/results.nc --size 1.7b --json $(OUT)/forecast.json
	$(BIN)/scaling power $(OUT)/results.nc --json $(OUT)/power.json
	$(BIN)/phases detect $(OUT)/results.nc --json $(OUT)/detect.json --forecast $(OUT)/forecast.json --power $(OUT)/power.json \
		--html $(OUT)/report.html
	$(BIN)/phases compare $(OUT)/detect.json docs/findings/quick.json
	@echo "to explore it: $(BIN)/phases explore $(OUT)/results.nc --detect $(OUT)/detect.json --forecast $(OUT)/forecast.json --power $(OUT)/power.json"

lint: $(STAMP) $(LINKS)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	cd $(VENV)/src && ../bin/mypy --config-file ../../pyproject.toml
	cd $(VENV)/src && ../bin/lint-imports --config ../../pyproject.toml

test: lint
	$(BIN)/python -m pytest -n 2 --dist loadgroup -q

browser:
	@for name in chromium chromium-browser google-chrome; do command -v $$name >/dev/null && exit 0; done; \
	if command -v apt-get >/dev/null && test "$$(id -u)" = 0 && apt-get update -qq && apt-get install -y -qq chromium; then :; \
	else echo "no Chromium here: the tests in a browser are left out; install the package 'chromium' to have them run"; fi

docs: $(STAMP)
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/sphinx-build -W --keep-going -q -b html -d build/doctrees docs build/site
	@echo "build/site/index.html"

generated: $(STAMP)
	$(BIN)/python -m calque.sweeps.study.keys > docs/KEYS.md.new && mv docs/KEYS.md.new docs/KEYS.md
	$(BIN)/python -m calque.sweeps.study.schema > sweeps/schema.new && mv sweeps/schema.new sweeps/study.schema.json
	$(BIN)/python docs/extensions/quick_table.py

wheel: $(STAMP)
	rm -rf dist
	$(BIN)/python -m build --no-isolation --outdir dist .
	$(BIN)/python -m tests.bare_install dist/*.whl

bench: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev,bench]"
	$(BIN)/python -m tests.benchmarks

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
