# Every target sets itself up: it needs Python (>= 3.10), make and git, no more.
# Linux and macOS; on Windows see CONTRIBUTING.md.

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
PYTEST := $(PY) -m pytest -q -n 2 --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help build demo test laws kills check bench sanitize clean

help:
	@echo 'make demo    train, explain and stream a small model'
	@echo 'make test    the tests, with a sample of the laws of time'
	@echo 'make laws    all laws of time, for every cell and engine'
	@echo 'make kills   trainings that are killed and go on, and damaged files; two minutes'
	@echo 'make check   format, lint, types, import law'
	@echo 'make bench   times against torch, and against JAX and ONNX Runtime where installed'
	@echo 'make sanitize   the native tests under the address and undefined-behaviour sanitizers (GCC, Linux)'
	@echo 'make build   install elman into $(VENV), with its native core'
	@echo 'make clean   remove what was built, $(VENV) too'
	@echo 'Python: $(PYTHON) (make PYTHON=python3.12 ...)'

build: $(READY)

demo: $(READY)
	@$(VENV)/bin/elman demo

# One thread a worker: the tests are many small unfolds, and two workers share the cores already.
test: export OMP_NUM_THREADS ?= 1
test: $(READY)
	@$(PYTEST)

laws: export OMP_NUM_THREADS ?= 1
laws: $(READY)
	@$(PYTEST) -m laws_full

kills: export OMP_NUM_THREADS ?= 1
kills: $(READY)
	@$(PY) -m pytest -q -s -m 'campaign or not campaign' tests/campaigns

check: $(READY)
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(PY) -m pytest -q tests/test_import_law.py

bench: $(READY)
	@$(VENV)/bin/elman bench --out bench/results

# One worker: the sanitizers take several times the memory. Python and torch keep memory to the end; that is no leak.
SANITIZED := build/sanitize
sanitize: export OMP_NUM_THREADS ?= 2
sanitize: $(READY)
	@$(PY) -m pip install -qq --disable-pip-version-check -c constraints.txt cmake ninja nanobind
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH" cmake -S . -B $(SANITIZED) -G Ninja -DCMAKE_BUILD_TYPE=Release \
	    -DELMAN_SANITIZE=ON -DPython_EXECUTABLE="$(CURDIR)/$(PY)" -DSKBUILD_SABI_COMPONENT= > /dev/null
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH" cmake --build $(SANITIZED)
	@LD_PRELOAD="$$(g++ -print-file-name=libasan.so) $$(g++ -print-file-name=libstdc++.so)" ASAN_OPTIONS=detect_leaks=0 \
	    ELMAN_NATIVE_FILE="$$(ls $(CURDIR)/$(SANITIZED)/_native*.so)" \
	    $(PY) -m pytest -q tests/native tests/laws/test_laws.py tests/unit/live -k 'not compiled and not fork and not environment'

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

# ---------------------------------------------------------------- set-up

# Sources under src/elman are used live; only these files call for a new installation. --no-compile: what is
# imported is compiled then, which is little of torch and saves half of the time here.
$(READY): pyproject.toml constraints.txt CMakeLists.txt $(wildcard csrc/*) | $(PY) README.md
	@echo 'Setting up $(VENV): a few minutes at first, mostly for torch ...'
	@$(find_compiler); \
	    $(PY) -m pip install -qq --no-compile --disable-pip-version-check -c constraints.txt torch -e '.[dev]'
	@ls $(VENV)/lib/python*/site-packages/elman/_native.* >/dev/null 2>&1 || { \
	    echo '*****************************************************************'; \
	    echo '** The native core was NOT built. elman runs without it, slower.'; \
	    echo '** Why: $(PY) -m pip install -v --no-deps -e .'; \
	    echo '*****************************************************************'; }
	@touch $@

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	    echo 'elman needs Python 3.10 or newer; name one: make PYTHON=python3.12' >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

# The packaging metadata names README.md; without it pip's own message is long.
README.md:
	@echo 'README.md is missing; the package cannot be built without it.' >&2; exit 1

# Leaves CXX as it is if set, or to CMake if the system has a compiler; else takes the one in the ziglang
# package. -mcpu=baseline: zig would otherwise compile for this very processor, other compilers do not.
# -I: pip hides the packages of $(VENV) from what runs inside a build, and that would hide ziglang.
# Without any compiler the build back end makes the package without the native core.
define find_compiler
if [ -z "$${CXX:-}" ] && ! { c++ --version || g++ --version || clang++ --version; } >/dev/null 2>&1; then \
    echo 'No C++ compiler here; taking the one in the ziglang package. Its first use takes minutes.'; \
    if $(PY) -m pip install -qq --no-compile --disable-pip-version-check -c constraints.txt ziglang; then \
        zig="$(CURDIR)/$(VENV)/bin/zig"; \
        for tool in c++ ar ranlib; do \
            flags=; test $$tool = c++ && flags='-mcpu=baseline'; \
            printf '#!/bin/sh\nexec "%s" -I -m ziglang %s %s "$$@"\n' "$(CURDIR)/$(PY)" "$$tool" "$$flags" > "$$zig-$$tool"; \
            chmod +x "$$zig-$$tool"; \
        done; \
        export CXX="$$zig-c++"; \
        export CMAKE_ARGS="$${CMAKE_ARGS:-} '-DCMAKE_AR=$$zig-ar' '-DCMAKE_RANLIB=$$zig-ranlib'"; \
    fi; \
fi
endef
