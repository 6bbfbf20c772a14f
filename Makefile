# moon2m: build, run, test.  `make help` lists the targets.
SHELL := /bin/bash
VERSION := 0.1.0
PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
DATADIR ?= $(PREFIX)/share/moon2m
DOCDIR ?= $(PREFIX)/share/doc/moon2m
MANDIR ?= $(PREFIX)/share/man
DESTDIR ?=
CC ?= gcc
B ?= build
PKG := luajit libwebsockets sqlite3 zlib libcbor libssl libcrypto libmosquitto libedit
LLHTTP ?= /usr/share/llhttp
LLHTTP_INC ?= /usr/share/include/llhttp
MULTIARCH := $(shell $(CC) -print-multiarch 2>/dev/null)
OPT ?= -O2 -g
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wvla -Werror
CFLAGS_BASE = -std=gnu11 $(OPT) $(WARN) $(SAN) -Iruntime -I$(LLHTTP_INC) \
	-DMOON2M_VERSION='"$(VERSION)"' -DLUA_CPATH_DIR='"/usr/lib/$(MULTIARCH)/lua/5.1"' \
	$(shell pkg-config --cflags $(PKG)) $(CFLAGS)
CFLAGS_ALL = $(CFLAGS_BASE) -MMD -MP
LIBS = $(shell pkg-config --libs $(PKG)) -lev -lpthread -ldl -lm $(LDFLAGS)

SRC := $(filter-out runtime/main.c,$(wildcard runtime/*.c))
LUA_LIB := $(shell find lua -name '*.lua' 2>/dev/null | sort)
OBJ := $(SRC:runtime/%.c=$(B)/%.o) $(B)/lua_embed.o
LLOBJ := $(B)/llhttp/llhttp.o $(B)/llhttp/api.o $(B)/llhttp/http.o

.PHONY: all
all: $(B)/moon2m

.PHONY: help
help:
	@sed -n 's/^#: //p' Makefile

#: make            release build: build/moon2m
#: make run        installs what is missing, builds, shows the main job on this host's figures
#: make test       installs what is missing, builds, runs every test
#: make debug      assertions, -O1 -g, in build-debug/
#: make check      format, linters, layers, headers, names without an entry in the reference
#: make asan       every test under AddressSanitizer and UBSan (in build-asan/); make tsan: threads
#: make valgrind   a short life of the server under memcheck
#: make fuzz       FUZZ_RUNS inputs (1,000,000) for each fuzz target; make fuzz-sockets: a live server
#: make faults     what must hold when memory, disk, descriptors, peers fail; FAULTS="memory": some
#: make soak       SOAK_TIME seconds (3600) of everything at once: memory, descriptors, notices
#: make bench      figures beside baselines, a table and plots in out/bench/ (QUICK=1: a minute)
#: make model      the model test of notifications, 200 seeds; SEEDS=5000: more
#: make browser-test  the live page in headless Chromium; screenshots in out/browser/
#: make cover      line coverage of C and Lua, in out/cover/
#: make doc        the reference for scripts, in out/doc/ (make meta: what it says of resource types)
#: make install    PREFIX (/usr/local) and DESTDIR; make uninstall; make rock: with luarocks
#: make install-service  the systemd unit and /etc/moon2m; make deb: a package; make deb-test: try it
#: make systemd-test     the package and its unit under a systemd in a container (root)

# ---- what is needed ------------------------------------------------------------------------------
DEBS_BUILD := gcc libc6-dev make pkg-config luajit libluajit-5.1-dev libwebsockets-dev \
	libwebsockets-evlib-ev libev-dev libssl-dev libsqlite3-dev zlib1g-dev libcbor-dev libedit-dev libmosquitto-dev \
	node-llhttp
DEBS_RUN := $(DEBS_BUILD) curl ca-certificates
DEBS_TEST := $(DEBS_RUN) libcmocka-dev lua-busted lua-http lua-check lua-cjson luarocks node-ws sqlite3 \
	procps util-linux mosquitto mosquitto-clients socat openssl sslscan strace libfaketime systemd
DEBS_NODE := nodejs

# Installs the Debian packages of a list that are missing, as root or through sudo.
define install_debs
@missing=$$(for p in $(1); do dpkg-query -W -f='$${Status}' $$p 2>/dev/null | \
	grep -q 'ok installed' || echo $$p; done); \
if [ -n "$$missing" ]; then \
	as=$$([ $$(id -u) = 0 ] || echo sudo); echo "  APT	$$missing" | tr '\n' ' '; echo; \
	$$as env DEBIAN_FRONTEND=noninteractive apt-get update -qq && \
	$$as env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing \
		>/dev/null; \
fi
endef

.PHONY: deps-run deps-test
deps-run:
	$(call install_debs,$(DEBS_RUN))
deps-test:
	$(call install_debs,$(DEBS_TEST) $(if $(shell command -v node),,$(DEBS_NODE)))

.PHONY: run test
run: deps-run
	@$(MAKE) --no-print-directory all
	@apps/demo.sh $(PORT)

test: deps-test
	@$(MAKE) --no-print-directory all unit-build
	@tests/run

.PHONY: debug
debug:
	@$(MAKE) --no-print-directory B=build-debug OPT="-O1 -g" all

# `make V=1` shows the commands.
Q := $(if $(V),,@)
say = $(if $(V),,@echo "  $(1)	$(2)")

$(B)/moon2m: $(B)/main.o $(OBJ) $(LLOBJ)
	$(call say,LINK,$@)
	$(Q)$(CC) $(SAN) -rdynamic -o $@ $^ $(LIBS)

$(B)/%.o: runtime/%.c | $(B)
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS_ALL) -c -o $@ $<

# llhttp is compiled from where Debian installs its source; it is not ours to warn about.
$(B)/llhttp/%.o: $(LLHTTP)/%.c | $(B)
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 $(OPT) $(SAN) -I$(LLHTTP_INC) -w -c -o $@ $<

# The Lua library, embedded as bytecode: chunk names stay "@lib/...".
$(B)/lua_embed.c: runtime/embed.lua $(LUA_LIB) | $(B)
	$(call say,LUA,$@)
	$(Q)luajit runtime/embed.lua $(LUA_LIB) > $@.new && mv $@.new $@
$(B)/lua_embed.o: $(B)/lua_embed.c
	$(Q)$(CC) $(CFLAGS_ALL) -c -o $@ $<

$(B):
	@mkdir -p $(B)

# ---- tests ---------------------------------------------------------------------------------------
# Unit tests: one program per module, linked with the objects it needs and no others.
GROUND := base owner err buf arena jscan jscan_find cbor cbor_write log clock metrics limit
UNIT := ground json cbor clock metrics
UNIT_ground := $(GROUND)
UNIT_json := $(GROUND)
UNIT_cbor := $(GROUND)
UNIT_clock := $(GROUND)
UNIT_metrics := $(GROUND)
LUA_CORE := vm vm_pool blame guard guard_stuck guard_lua
UNIT += vm vm_pool blame guard task sys
UNIT_blame := $(GROUND) blame
UNIT_vm := $(GROUND) vm vm_pool
UNIT_vm_pool := $(GROUND) vm_pool
UNIT_guard := $(GROUND) $(LUA_CORE)
UNIT_task := $(GROUND) $(LUA_CORE) task
UNIT_sys := $(GROUND) $(LUA_CORE) task lua_sys
IDENTITY := identity identity_name identity_secret identity_file identity_brake identity_compute
UNIT += identity session bind bind_ws lua_cse
UNIT_identity := $(GROUND) $(IDENTITY)
UNIT += bind_identity
UNIT_bind_identity := $(GROUND) $(IDENTITY) session bind_identity
UNIT_session := $(GROUND) session
UNIT_bind := $(GROUND) $(IDENTITY) primitive session bind_identity bind_media bind_http_text bind_page bind_http
UNIT_bind_ws := $(GROUND) $(IDENTITY) primitive session bind_identity bind_ws_text bind_ws
UNIT_lua_cse := $(GROUND) $(IDENTITY) $(LUA_CORE) task primitive session bind_identity bind_media bind_http_text bind_page bind_http \
	bind_ws_text bind_ws lua_cse lua_notify lua_field
STORE := store store_start store_tx store_read store_sql store_schema store_sqlite store_sqlite_cs \
	store_sqlite_gc store_sqlite_geo store_sqlite_ops store_sqlite_read store_sqlite_backup store_sqlite_verify store_sqlite_sums store_sqlite_whole
UNIT += store store_step store_evict store_faults store_turns store_backup store_verify store_sums lua_store
UNIT_store := $(GROUND) $(STORE)
UNIT_store_step := $(GROUND) $(STORE)
UNIT_store_evict := $(GROUND) $(STORE)
UNIT_store_faults := $(GROUND) $(STORE)
UNIT_store_turns := $(GROUND) $(STORE)
UNIT_store_backup := $(GROUND) $(STORE)
UNIT_store_verify := $(GROUND) $(STORE)
UNIT_store_sums := $(GROUND) $(STORE)
UNIT_lua_store := $(GROUND) $(STORE) $(LUA_CORE) task lua_store lua_store_ops

NOTIFY := session notify notify_tool notify_life notify_event notify_audience notify_target notify_books notify_gap notify_drop \
	notify_lane notify_send notify_answer notify_keep notify_parked notify_list notify_restore notify_url notify_dial notify_ask \
	notify_poll notify_remote
NOTIFY_TESTS := notify notify_away notify_ways notify_lane notify_parked notify_books \
	notify_model notify_poll notify_remote
UNIT += $(NOTIFY_TESTS)
$(foreach t,$(NOTIFY_TESTS),$(eval UNIT_$(t) := $(GROUND) $(NOTIFY)) \
	$(eval UNIT_EXTRA_$(t) := tests/unit/fake_net.c tests/unit/fake_store.c))
UNIT += notify_check
UNIT_notify_check := $(GROUND) $(NOTIFY) notify_check
UNIT_EXTRA_notify_check := tests/unit/fake_net.c tests/unit/fake_store.c
UNIT += lua_notices
UNIT_lua_notices := $(GROUND) $(NOTIFY) $(LUA_CORE) task lua_field lua_notify lua_notices lua_store_ops
UNIT_EXTRA_lua_notices := tests/unit/fake_net.c tests/unit/fake_store.c

HTTP1 := http1 http1_body http1_msg
NET := $(HTTP1) net_loop net_listen net_http net_hconn ws_read ws_hello net_ws net_ws_serve net_frame net_url net_dns net_allow net_dial \
	net_out net_link net_tls net_tls_serve net_raw_addr net_udp net_stream net_serial net_tcp net_mqtt
UNIT += http1 ws_read net net_dns net_ws net_tls net_ws_tls tls_serve net_raw
UNIT_http1 := base buf err metrics limit $(HTTP1)
UNIT_ws_read := base buf ws_read
UNIT_net := $(GROUND) $(NET)
UNIT_net_dns := $(GROUND) $(NET)
UNIT_net_ws := $(GROUND) $(NET)
UNIT_net_tls := $(GROUND) $(NET)
UNIT_net_ws_tls := $(GROUND) $(NET)
UNIT_tls_serve := $(GROUND) $(NET)
UNIT_net_raw := $(GROUND) $(NET)
UNIT_EXTRA_http1 := $(LLOBJ)
UNIT_EXTRA_net := $(LLOBJ)
UNIT_EXTRA_net_dns := $(LLOBJ)
UNIT_EXTRA_net_ws := $(LLOBJ)
UNIT_EXTRA_net_tls := $(LLOBJ)
UNIT_EXTRA_net_ws_tls := $(LLOBJ)
UNIT_EXTRA_tls_serve := $(LLOBJ)
UNIT_EXTRA_net_raw := $(LLOBJ)

UNIT += lua_gateway
UNIT_lua_gateway := $(GROUND) $(LUA_CORE) task lua_field lua_gateway

UNIT += profile console_link progress lua_child lua_ask
UNIT_lua_child := $(GROUND) $(LUA_CORE) task lua_child
UNIT_lua_ask := $(GROUND) $(LUA_CORE) cmd_ask lua_ask
UNIT_progress := $(GROUND) progress
UNIT_profile := $(GROUND) $(LUA_CORE) task lua_profile
UNIT_console_link := $(GROUND) console_link cmd_ask

UNIT += net_unix admin
UNIT_net_unix := $(GROUND) $(NET) net_unix
UNIT_EXTRA_net_unix := $(LLOBJ)
UNIT += net_watch net_child
UNIT_net_watch := $(GROUND) $(NET) net_watch
UNIT_EXTRA_net_watch := $(LLOBJ)
UNIT_net_child := $(GROUND) $(NET) net_child
UNIT_EXTRA_net_child := $(LLOBJ)
UNIT_admin := $(GROUND) $(NOTIFY) admin
UNIT_EXTRA_admin := tests/unit/fake_net.c tests/unit/fake_store.c

define unit_rule
$(B)/unit/test_$(1): tests/unit/test_$(1).c $$(addprefix $(B)/,$$(addsuffix .o,$$(UNIT_$(1)))) $$(UNIT_EXTRA_$(1))
	$(call say,CC,$$@)
	@mkdir -p $$(@D)
	$(Q)$$(CC) $$(CFLAGS_ALL) -o $$@ tests/unit/test_$(1).c $$(filter-out %.h tests/unit/test_%.c,$$^) \
		-lcmocka $$(LIBS)
endef
$(foreach t,$(UNIT),$(eval $(call unit_rule,$(t))))

.PHONY: unit unit-build
unit-build: $(foreach t,$(UNIT),$(B)/unit/test_$(t)) $(B)/faults/damage $(B)/bench/load
unit: $(foreach t,$(UNIT),$(B)/unit/test_$(t))
	@set -e; for t in $^; do echo "== $$t"; $$t; done

# Lua unit tests: busted inside `moon2m lua`, the library read from lua/.  T=path runs some of them.
.PHONY: lua-test
lua-test: $(B)/moon2m
	@$(B)/moon2m lua --lua lua tests/lua/run.lua $(T)

# Random subscriptions, connections, restarts and crashes against a plain model; SEEDS=n
.PHONY: model
model: $(B)/moon2m
	@MOON2M=$(B)/moon2m tests/model/run $(or $(SEEDS),200)

# The README's configuration table, from the schema that the server reads files against.
.PHONY: config-table
config-table: $(B)/moon2m
	@$(B)/moon2m lua tests/lua/config_table.lua README.md

# What the README says is supported, between its marks: tried against the server.
.PHONY: capabilities
capabilities: $(B)/moon2m
	@mkdir -p out && $(B)/moon2m capabilities --md out/capabilities.md --json out/capabilities.json
	@$(B)/moon2m lua tests/lua/capabilities_table.lua README.md out/capabilities.md

# ---- the reference -------------------------------------------------------------------------------
# Made from lua/moon2m/meta.lua and lua/moon2m/meta/, which editors read too.
META := lua/moon2m/meta
DOC := out/doc

.PHONY: doc meta
doc: $(B)/moon2m
	@mkdir -p $(DOC)
	@$(B)/moon2m lua --lua lua doc/make.lua $(DOC) && echo "  $(DOC)/reference.html  $(DOC)/reference.md"

# The descriptions of resource types, from the types' files.
meta: $(B)/moon2m
	@mkdir -p $(META)/resources && rm -f $(META)/resources/*.lua
	@$(B)/moon2m lua --lua lua doc/write_meta.lua $(META)/resources

include tests/quality.mk

# ---- bench ---------------------------------------------------------------------------------------
# Figures beside baselines, about ten minutes; QUICK=1: one short run each, a minute.
# FIGURES="fanout notify create read latency memory" runs some of them.
BENCH := load raw_fanout bare_sqlite
$(B)/bench/load: $(addprefix tests/bench/,load.c load_http.c load_ws.c load_away.c client.c load.h client.h)
$(B)/bench/raw_fanout: tests/bench/raw_fanout.c
$(B)/bench/bare_sqlite: tests/bench/bare_sqlite.c
$(B)/bench/store_inst: tests/bench/store_inst.c $(addprefix $(B)/,$(GROUND:=.o) $(STORE:=.o))
$(addprefix $(B)/bench/,$(BENCH) store_inst):
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) -o $@ $(filter-out %.h,$^) $(LIBS)

.PHONY: bench deps-bench
deps-bench:
	$(call install_debs,$(DEBS_RUN) lua-cjson gnuplot-nox util-linux)
bench: deps-bench $(B)/moon2m $(addprefix $(B)/bench/,$(BENCH))
	@BUILD=$(B) tests/bench/run $(FIGURES)

include packaging/package.mk

# ---- installing ----------------------------------------------------------------------------------
.PHONY: install uninstall rock
install: $(B)/moon2m doc
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(DATADIR)/apps $(DESTDIR)$(DOCDIR) \
		$(DESTDIR)$(DATADIR)/$(META)/resources $(DESTDIR)$(MANDIR)/man1
	install -m 755 $(B)/moon2m $(DESTDIR)$(BINDIR)/moon2m
	install -m 644 $(filter-out %_test.lua,$(wildcard apps/*.lua)) $(wildcard apps/*.html) apps/try.sh $(DESTDIR)$(DATADIR)/apps
	install -d $(DESTDIR)$(DATADIR)/apps/modbus_tcp
	install -m 644 $(wildcard apps/modbus_tcp/*.lua) $(DESTDIR)$(DATADIR)/apps/modbus_tcp
	install -m 644 $(META).lua $(DESTDIR)$(DATADIR)/lua/moon2m
	install -m 644 $(wildcard $(META)/*.lua) $(DESTDIR)$(DATADIR)/$(META)
	install -m 644 $(wildcard $(META)/resources/*.lua) $(DESTDIR)$(DATADIR)/$(META)/resources
	install -m 644 $(DOC)/reference.html $(DOC)/reference.md README.md $(wildcard SECURITY.md) \
		$(DESTDIR)$(DOCDIR)
	$(FILL) packaging/moon2m.1 > $(DESTDIR)$(MANDIR)/man1/moon2m.1

uninstall:
	rm -f $(DESTDIR)$(BINDIR)/moon2m $(DESTDIR)$(MANDIR)/man1/moon2m.1 \
		$(DESTDIR)$(UNITDIR)/moon2m.service
	rm -rf $(DESTDIR)$(DATADIR) $(DESTDIR)$(DOCDIR)

# Into a tree of its own.
ROCK_TREE ?= out/rock
rock:
	luarocks make --deps-mode none --tree $(ROCK_TREE) rockspec/moon2m-scm-1.rockspec

.PHONY: clean
clean:
	rm -rf $(B)

-include $(wildcard $(B)/*.d $(B)/unit/*.d)
