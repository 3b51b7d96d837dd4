# Everything that a newcomer needs. `make` alone lists it.
PYTHON ?= python3
VENV = .venv
BIN = $(VENV)/bin

.PHONY: help run test soak bench words lock clean

help:  ## This list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

run: $(VENV)/run  ## Set everything up and serve; prints where to look
	@$(BIN)/python -m bot run

test: $(VENV)/test  ## The whole test run
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || \
		echo "No Chromium: the browser tests are skipped; install it with: apt-get install chromium"
	@$(BIN)/ruff check .
	@$(BIN)/lint-imports
	@# Three on two cores: half of a test is waiting.
	@$(BIN)/python -m pytest -n 3 --dist loadgroup

soak: $(VENV)/test  ## Kill the bot under load, KILLS times (5000; about half an hour)
	@$(BIN)/python -m pytest -n 2 --dist loadgroup tests/faults/test_kills.py --kills $(or $(KILLS),5000)

bench: $(VENV)/peers/done  ## What a turn costs us, our peers and the least that can be written by hand
	@$(BIN)/python -W ignore -m tests.benchmarks $(if $(OUT),--out $(OUT))

words: $(VENV)/test  ## Extract the texts and bring the catalogues up to date
	@$(BIN)/python -m locales.update

lock: $(VENV)/run  ## Pin the requirements anew, with hashes
	@$(BIN)/pip install --quiet uv
	@for set in run test peers; do $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --upgrade --generate-hashes \
		--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" requirements/$$set.in -o requirements/$$set.txt; done

clean:  ## Remove the virtual environment; the data stays
	rm -rf $(VENV)

$(VENV)/run: requirements/run.txt
	@test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	@echo "Installing what the bot needs (once) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt
	@touch $@

$(VENV)/peers/done: requirements/peers.txt $(VENV)/test
	@test -d $(VENV)/peers || $(PYTHON) -m venv $(VENV)/peers
	@echo "Installing what we are measured against (once) ..."
	@$(VENV)/peers/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/peers.txt
	@touch $@

$(VENV)/test: requirements/test.txt $(VENV)/run
	@echo "Installing what the tests need (once) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/test.txt
	@touch $@
