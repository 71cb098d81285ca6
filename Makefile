# Both commands make their own environment in .venv; nothing else is installed by hand.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test lint bench bench-fill randomness

demo: .venv/made
	@echo "Training 160 networks; a minute or two on two cores."
	$(BIN)/initium compare glorot_uniform "uniform(-0.1, 0.1)" he_normal lecun_uniform orthogonal \
		zeros "constant(0.1)" framework --model "mlp(64, 128, 64, 10)" --data digits --out compare.html

test: .venv/made
	$(BIN)/python -m pytest

lint: .venv/made
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright

bench: .venv/made
	$(BIN)/python bench/import_time.py

# Against torch.nn.init, NumPy, JAX and anyinit: the table that README quotes.
bench-fill: .venv/made
	$(PIP) jax anyinit
	$(BIN)/python bench/fill.py

# Minutes of statistics, then hours of dieharder, which is a Debian package.
randomness: .venv/made
	$(BIN)/python bench/randomness.py

# The native part is built again when its source changes, with the tools of the environment itself.
.venv/made: pyproject.toml constraints.txt CMakeLists.txt $(wildcard native/*)
	@echo "Setting up .venv and building the native part: a few minutes the first time."
	$(PYTHON) -m venv .venv
	$(PIP) scikit-build-core nanobind cmake ninja
	$(PIP) --no-build-isolation -e ".[dev]"
	touch $@
