# Included by the Makefile: what looks for mistakes beside `make test`.  Everything is built in
# folders of its own (build-asan, build-tsan, build-fuzz, build-cover); what needs more than the
# tests do is installed by the target that uses it.

DEBS_CHECK := clang-format lua-check
DEBS_FUZZ := clang libclang-rt-14-dev
DEBS_ANALYZE := clang-tidy cppcheck

.PHONY: deps-check deps-fuzz deps-analyze
deps-check:
	$(call install_debs,$(DEBS_BUILD) $(DEBS_CHECK))
deps-fuzz:
	$(call install_debs,$(DEBS_BUILD) $(DEBS_FUZZ))
deps-analyze:
	$(call install_debs,$(DEBS_BUILD) $(DEBS_ANALYZE))

# ---- check: format, linters, layers, headers, docs -------------------------------------------------
C_FILES := $(wildcard runtime/*.[ch] tests/*/*.[ch])

.PHONY: check format-check format lint layers headers docs
check: deps-check
	@$(MAKE) --no-print-directory -k format-check lint layers headers docs

format-check:
	$(call say,FORMAT,runtime tests)
	$(Q)clang-format --dry-run -Werror $(C_FILES)

format:
	clang-format -i $(C_FILES)

lint:
	$(call say,LINT,lua apps tests doc)
	$(Q)luacheck -q lua apps tests doc

# Resource types, the evaluation of access control rules, the standard notification.
BUILT_IN := $(filter-out %/init.lua,$(wildcard lua/moon2m/types/*.lua lua/moon2m/types/mgmt/*.lua)) \
	$(addprefix lua/moon2m/,privileges.lua context.lua standard.lua)
layers:
	$(call say,LAYERS,runtime)
	$(Q)luajit tests/layers.lua runtime/*.c runtime/*.h
	$(call say,PUBLIC,lua/moon2m/types)
	$(Q)luajit tests/public.lua $(BUILT_IN)

# Each header compiles alone, and twice.
headers:
	$(call say,HEADERS,runtime)
	$(Q)for h in runtime/*.h; do grep -q '^#pragma once$$' $$h || { echo "$$h: no #pragma once"; exit 1; }; \
		printf '#include "%s"\n#include "%s"\n' $${h##*/} $${h##*/} | \
		$(CC) $(CFLAGS_BASE) -fsyntax-only -x c - || exit 1; done

# Each name that scripts see has an entry in the reference, and each entry names something.
docs: $(B)/moon2m
	$(call say,DOCS,lua/moon2m/meta)
	$(Q)$(B)/moon2m lua --lua lua doc/check.lua

# ---- sanitizers ----------------------------------------------------------------------------------
SAN_ADDRESS := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
ASAN := B=build-asan OPT="-O1 -g" SAN="$(SAN_ADDRESS)"
# Servers that tests start are killed or stopped by others: what a sanitizer has to say is in files.
ASAN_LOG := $(CURDIR)/build-asan/report
ASAN_ENV := B=build-asan MOON2M=build-asan/moon2m \
	ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1:log_path=$(ASAN_LOG) \
	LSAN_OPTIONS=suppressions=$(CURDIR)/tests/lsan.supp:print_suppressions=0 \
	UBSAN_OPTIONS=print_stacktrace=1:log_path=$(ASAN_LOG)
asan_verdict = ! cat $(ASAN_LOG).* 2>/dev/null

.PHONY: asan asan-build tsan
asan-build:
	@$(MAKE) --no-print-directory $(ASAN) all unit-build
asan: deps-test
	@$(MAKE) --no-print-directory asan-build
	@rm -f $(ASAN_LOG).*; rc=0; \
	for group in unit lua apps wire; do $(ASAN_ENV) tests/run $$group || rc=1; done; \
	$(asan_verdict) && exit $$rc

# Whatever has a thread under ThreadSanitizer: the store, passwords being computed, names looked up.
TSAN_TESTS := store store_backup store_evict store_faults store_turns identity net_dns
tsan: deps-test
	@$(MAKE) --no-print-directory B=build-tsan OPT="-O1 -g" SAN="-fsanitize=thread" \
		$(TSAN_TESTS:%=build-tsan/unit/test_%)
	@set -e; for t in $(TSAN_TESTS); do build-tsan/unit/test_$$t; done

# ---- valgrind ------------------------------------------------------------------------------------
# A short life of the server under memcheck, with each object of Lua's in a place of malloc's own.
DEBS_VALGRIND := valgrind
.PHONY: valgrind
valgrind:
	$(call install_debs,$(DEBS_TEST) $(DEBS_VALGRIND))
	@$(MAKE) --no-print-directory B=build-valgrind OPT="-O1 -g" CFLAGS=-DPOOL_OFF all
	@MOON2M=build-valgrind/moon2m luajit tests/valgrind/smoke.lua

# ---- fuzz ----------------------------------------------------------------------------------------
# Each target runs FUZZ_RUNS inputs, for FUZZ_TIME seconds at most, from the seeds in
# tests/fuzz/corpus/TARGET; what it finds to be interesting stays in build-fuzz/corpus, what breaks it
# in build-fuzz/found.  Then as many broken texts for each reader in Lua, in a sanitized binary.
FUZZ_TIME ?= 600
FUZZ_RUNS ?= 1000000
FUZZ := jscan cbor clock http1 http_primitive ws_hello ws_read ws_primitive identity
FUZZ_identity := $(GROUND) $(IDENTITY)
FUZZ_jscan := $(GROUND)
FUZZ_cbor := $(GROUND)
FUZZ_clock := base clock
FUZZ_http1 := base buf err metrics limit $(HTTP1)
FUZZ_EXTRA_http1 := $(LLOBJ)
FUZZ_http_primitive := $(GROUND) bind_media bind_http_text
FUZZ_ws_hello := base buf err metrics limit $(HTTP1) ws_hello
FUZZ_EXTRA_ws_hello := $(LLOBJ)
FUZZ_ws_read := base buf ws_read
FUZZ_ws_primitive := $(GROUND) bind_ws_text

define fuzz_rule
$(B)/fuzz/$(1): tests/fuzz/fuzz_$(1).c $$(addprefix $(B)/,$$(addsuffix .o,$$(FUZZ_$(1)))) $$(FUZZ_EXTRA_$(1))
	$(call say,CC,$$@)
	@mkdir -p $$(@D)
	$(Q)$$(CC) $$(CFLAGS_ALL) -fsanitize=fuzzer -o $$@ $$(filter-out %.h,$$^) $$(LIBS)
endef
$(foreach t,$(FUZZ),$(eval $(call fuzz_rule,$(t))))

.PHONY: fuzz fuzz-build fuzz-sockets
fuzz-build: $(FUZZ:%=$(B)/fuzz/%)
fuzz: deps-fuzz
	@$(MAKE) --no-print-directory B=build-fuzz CC=clang OPT="-O1 -g" \
		SAN="-fsanitize=fuzzer-no-link $(SAN_ADDRESS)" fuzz-build
	@mkdir -p build-fuzz/found; rc=0; for t in $(FUZZ); do echo "== $$t"; \
		mkdir -p build-fuzz/corpus/$$t; \
		build-fuzz/fuzz/$$t -runs=$(FUZZ_RUNS) -max_total_time=$(FUZZ_TIME) -max_len=4096 -timeout=10 \
			-print_final_stats=1 -verbosity=0 -artifact_prefix=build-fuzz/found/$$t- \
			build-fuzz/corpus/$$t tests/fuzz/corpus/$$t || rc=1; done; exit $$rc
	@$(MAKE) --no-print-directory fuzz-rules

.PHONY: fuzz-rules
fuzz-rules: deps-test
	@$(MAKE) --no-print-directory $(ASAN) all
	@rm -f $(ASAN_LOG).*; $(ASAN_ENV) build-asan/moon2m lua tests/fuzz/rules.lua all $(FUZZ_RUNS) $(SEED); \
	rc=$$?; $(asan_verdict) && exit $$rc

# SOCKETS_COUNT broken messages, HTTP and WebSocket, against a sanitized server; SEED repeats a run.
SOCKETS_COUNT ?= 20000
fuzz-sockets: deps-test
	@$(MAKE) --no-print-directory $(ASAN) all
	@rm -f $(ASAN_LOG).*; $(ASAN_ENV) luajit tests/fuzz/sockets.lua $(SOCKETS_COUNT) $(SEED); rc=$$?; \
	$(asan_verdict) && exit $$rc

# ---- soak ----------------------------------------------------------------------------------------
# SOAK_TIME seconds of everything at once.
SOAK_TIME ?= 3600
.PHONY: soak
soak: deps-test
	@$(MAKE) --no-print-directory all
	@MOON2M=$(B)/moon2m luajit tests/soak/soak.lua $(SOAK_TIME)

# ---- cover ---------------------------------------------------------------------------------------
# Lines that the tests run, in out/cover/summary: C by gcov, Lua by instrumented copies.
COVER := B=build-cover OPT="-O0 -g --coverage" CFLAGS=-Wno-error LDFLAGS=--coverage
COVER_ENV := B=build-cover MOON2M=build-cover/moon2m-lua MOON2M_COVER=$(CURDIR)/build-cover/hits

.PHONY: cover
cover: deps-test
	@$(MAKE) --no-print-directory $(COVER) all unit-build
	@rm -f build-cover/*.gcda build-cover/hits; touch build-cover/hits; mkdir -p out/cover
	@luajit tests/cover/instrument.lua build-cover $(filter-out $(META)%,$(LUA_LIB))
	@cp -r $(META) $(META).lua build-cover/lua/moon2m/
	@install -m 755 tests/cover/moon2m-lua build-cover/
	@for group in unit lua apps wire; do $(COVER_ENV) tests/run $$group; done; true
	@gcov -n -o build-cover runtime/*.c 2>/dev/null > build-cover/gcov.txt
	@luajit tests/cover/report.lua build-cover/gcov.txt build-cover/statements build-cover/hits \
		> out/cover/summary
	@grep -E '^(C|Lua) ' out/cover/summary; echo "  files and lines: out/cover/summary"

# ---- the live page in a browser ------------------------------------------------------------------
# apps/live.html in headless Chromium: readings arrive, are drawn, come back after a lost connection
# and in every format.  Screenshots in out/browser/.
.PHONY: browser-test
browser-test:
	$(call install_debs,$(DEBS_RUN) chromium node-ws $(if $(shell command -v node),,$(DEBS_NODE)))
	@$(MAKE) --no-print-directory all
	@MOON2M=$(B)/moon2m tests/browser/run

# ---- faults --------------------------------------------------------------------------------------
# FAULTS="memory damage ..." names some; all of tests/faults without.
.PHONY: faults deps-faults
deps-faults:
	$(call install_debs,$(DEBS_TEST))
$(B)/faults/damage: tests/faults/damage.c $(addprefix $(B)/,$(GROUND:=.o) $(STORE:=.o))
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) -o $@ $(filter-out %.h,$^) $(LIBS)
faults: deps-faults
	@$(MAKE) --no-print-directory all $(B)/faults/damage $(B)/bench/load
	@B=$(B) tests/faults/run $(FAULTS)
