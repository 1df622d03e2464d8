# The front door. Meson and Ninja build, tools/stages runs the checks and counts them.
PREFIX_ARGS = $(if $(DESTDIR),--destdir $(abspath $(DESTDIR)))

.PHONY: all demo bench sim test test-quick test-long asan tsan fuzz lint fmt install clean

all: build/build.ninja
	@ninja -C build

build/build.ninja:
	@tools/deps --check --only build
	meson setup build

demo:
	@began=$$(date +%s); tools/deps --only build --only demo && \
	$(MAKE) --no-print-directory all && lab/demo --began $$began

# All tests that a change must pass; under half an hour.
test:
	@tools/deps
	@tools/stages build unit gates lab system differential rules apps

# The same without the real applications.
test-quick:
	@tools/deps --only build --only test
	@tools/stages build unit gates lab system differential rules

# What takes hours: more histories, longer fuzzing.
test-long:
	@tools/deps
	@FUZZ_SECONDS=$${FUZZ_SECONDS:-600} tools/stages build unit gates lab system differential rules apps long fuzz

# Replication over virtual time: SEEDS histories from FIRST on (docs/internals/repl.md).
sim: build/build.ninja
	@ninja -C build tests/sim/sim
	@build/tests/sim/sim $(or $(SEEDS),1000) $(or $(FIRST),1)

# The same load through nginx, HAProxy and Cheops: docs/performance.md. QUICK=1: counts only.
bench:
	@tools/deps --only build --only bench
	@$(MAKE) --no-print-directory all
	@bench/run $(if $(QUICK),--quick)

asan tsan fuzz:
	@tools/stages $@

lint:
	@tools/stages build gates tidy analyzer

fmt:
	@tools/check_format --fix

install: all
	meson install -C build --no-rebuild $(PREFIX_ARGS)

clean:
	rm -rf build build-asan build-tsan build-fuzz build-analyzer
