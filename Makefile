# The front door. What is built and how is in CMakeLists.txt and
# CMakePresets.json; what these targets need they install and build.
.PHONY: all deps build demo check soak torture bench fuzz fmt clean

PACKAGES = $(shell cat packages.txt tests/packages.txt tests/cluster/packages.txt | sort -u)

PROGRAMS = kubetape kubetape-proxy kubetape-recorder

all: build

deps:
	@tests/deps $(PACKAGES)

build: deps
	cmake --preset release
	cmake --build --preset release --target $(PROGRAMS)

demo: build
	tests/demo

check: deps
	tests/check

SOAK_SESSIONS = 50000
SOAK_SECONDS = 600

soak: build
	tests/soak/soak.py --sessions $(SOAK_SESSIONS) --seconds $(SOAK_SECONDS)

torture: deps
	tests/torture/run

bench: build
	cmake --build --preset release --target exec_client journal_corpus
	tests/bench/run

fuzz: deps
	cmake --preset fuzz
	cmake --build --preset fuzz
	tests/fuzz/run

fmt: deps
	git ls-files -z '*.c' '*.h' | xargs -0 clang-format -i

clean:
	rm -rf build
