PYTHON ?= python3
VENV := .venv
SCRIPTS := $(if $(filter Windows_NT,$(OS)),Scripts,bin)
BIN := $(VENV)/$(SCRIPTS)
INSTALLED := $(VENV)/.installed

.PHONY: compare test faults fuzz slow install lint bench docs docs-test test-opencv4 test-opencv5 test-backends

compare: $(INSTALLED)
	$(BIN)/python compare.py $(ARGS)

test: $(INSTALLED)
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow" $(ARGS)

# Faults made to happen in full counts: kills, signals, hangs, full disks, damaged files. About 5 minutes.
faults: $(INSTALLED)
	$(BIN)/python -m pytest -n 2 tests/faults $(ARGS)

# Spoiled files for everything that reads files: five minutes, a reader at a time; see docs/security.md.
fuzz: $(INSTALLED)
	$(BIN)/python -m tests.fuzz --seconds 300 --n 1000000 $(ARGS)

# What takes longer: trainings long enough to tell whether a network learns, whole runs that are cut off and go on.
slow: $(INSTALLED)
	$(BIN)/python -m pytest -n 2 --dist worksteal -m slow $(ARGS)

install: $(INSTALLED)

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# One stamp file for the whole environment: what changes the dependencies makes the next command install again.
$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[test]"
	$(BIN)/python -m cvclassic.features.compile
	touch $@

bench: $(INSTALLED)
	$(BIN)/python benchmarks/features.py
	$(BIN)/python benchmarks/svm.py
	$(BIN)/python benchmarks/solvers.py
	$(BIN)/python benchmarks/neural.py

# The site, in site/: any warning, a link to nothing among them, is an error.
docs: $(VENV)/.docs
	$(BIN)/python docs/draw_gallery.py
	NO_MKDOCS_2_WARNING=true $(BIN)/python -m mkdocs build --strict

$(VENV)/.docs: $(INSTALLED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[docs]"
	touch $@

# Every command and snippet of the tutorials, and what they print; some minutes.
docs-test: $(INSTALLED)
	$(BIN)/python -m pytest tests/docs $(ARGS)

# Extractors, SVMs and saved models in a second environment with OpenCV 5's plain wheel, which has no cv2.ml and no cv2.HOGDescriptor.
VENV5 := .venv-opencv5
test-opencv5: $(VENV5)/.installed
	$(VENV5)/$(SCRIPTS)/python -m pytest -n 2 tests/features tests/svm tests/test_images.py tests/model/test_fixtures.py $(ARGS)

$(VENV5)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV5)
	$(VENV5)/$(SCRIPTS)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[test]"
	$(VENV5)/$(SCRIPTS)/python -m pip uninstall --quiet --yes opencv-contrib-python-headless
	$(VENV5)/$(SCRIPTS)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt "opencv-python-headless>=5"
	touch $@

# The same with OpenCV 4's plain wheel; the constraints hold 5, and so are left out for OpenCV.
VENV4 := .venv-opencv4
test-opencv4: $(VENV4)/.installed
	$(VENV4)/$(SCRIPTS)/python -m pytest -n 2 tests/features tests/svm tests/test_images.py tests/model/test_fixtures.py $(ARGS)

$(VENV4)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV4)
	grep -v opencv constraints.txt > $(VENV4)/constraints.txt
	$(VENV4)/$(SCRIPTS)/python -m pip install --quiet --disable-pip-version-check --constraint $(VENV4)/constraints.txt --editable ".[test]"
	$(VENV4)/$(SCRIPTS)/python -m pip uninstall --quiet --yes opencv-contrib-python-headless
	$(VENV4)/$(SCRIPTS)/python -m pip install --quiet --disable-pip-version-check --constraint $(VENV4)/constraints.txt "opencv-python-headless<5"
	touch $@

# The neural tests on Keras's other backends. On Linux PyPI's torch brings the CUDA libraries, several GB.
VENVB := .venv-backends
test-backends: $(VENVB)/.installed
	KERAS_BACKEND=torch $(VENVB)/$(SCRIPTS)/python -m pytest -n 2 tests/neural $(ARGS)
	KERAS_BACKEND=jax $(VENVB)/$(SCRIPTS)/python -m pytest -n 2 tests/neural $(ARGS)

$(VENVB)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENVB)
	$(VENVB)/$(SCRIPTS)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[test]" torch jax
	touch $@
