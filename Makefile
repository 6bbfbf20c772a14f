# moon2m: build, run, test.  `make help` lists the targets.
SHELL := /bin/bash
VERSION := 0.1.0
PREFIX ?= /usr/local
DESTDIR ?=
CC ?= gcc
B ?= build
PKG := luajit libwebsockets sqlite3 libcbor libcrypto
LLHTTP ?= /usr/share/llhttp
LLHTTP_INC ?= /usr/share/include/llhttp
MULTIARCH := $(shell $(CC) -print-multiarch 2>/dev/null)
OPT ?= -O2 -g
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wvla -Werror
CFLAGS_ALL = -std=gnu11 $(OPT) $(WARN) $(SAN) -Iruntime -I$(LLHTTP_INC) \
	-DMOON2M_VERSION='"$(VERSION)"' -DLUA_CPATH_DIR='"/usr/lib/$(MULTIARCH)/lua/5.1"' \
	$(shell pkg-config --cflags $(PKG)) -MMD -MP $(CFLAGS)
LIBS = $(shell pkg-config --libs $(PKG)) -lev -lpthread -ldl -lm $(LDFLAGS)

SRC := $(filter-out runtime/main.c,$(wildcard runtime/*.c))
OBJ := $(SRC:runtime/%.c=$(B)/%.o) $(B)/lua_embed.o
LLOBJ := $(B)/llhttp/llhttp.o $(B)/llhttp/api.o $(B)/llhttp/http.o
LUA_LIB := $(shell find lua -name '*.lua' 2>/dev/null | sort)

.PHONY: all
all: $(B)/moon2m

$(B)/moon2m: $(B)/main.o $(OBJ) $(LLOBJ)
	$(CC) $(SAN) -rdynamic -o $@ $^ $(LIBS)

$(B)/%.o: runtime/%.c | $(B)
	$(CC) $(CFLAGS_ALL) -c -o $@ $<

# llhttp is compiled from where Debian installs its source; it is not ours to warn about.
$(B)/llhttp/%.o: $(LLHTTP)/%.c | $(B)
	@mkdir -p $(@D)
	$(CC) -std=gnu11 $(OPT) $(SAN) -I$(LLHTTP_INC) -w -c -o $@ $<

# The Lua library, embedded as source text: chunk names stay "@lib/...".
$(B)/lua_embed.c: runtime/embed.lua $(LUA_LIB) | $(B)
	luajit runtime/embed.lua $(LUA_LIB) > $@.new && mv $@.new $@
$(B)/lua_embed.o: $(B)/lua_embed.c
	$(CC) $(CFLAGS_ALL) -c -o $@ $<

$(B):
	@mkdir -p $(B)

# ---- tests ---------------------------------------------------------------------------------------
# Unit tests: one program per module, linked with the objects it needs and no others.
GROUND := base err buf arena jscan jscan_find cbor cbor_write log clock metrics
UNIT := ground
UNIT_ground := $(GROUND)

define unit_rule
$(B)/unit/test_$(1): tests/unit/test_$(1).c $$(addprefix $(B)/,$$(addsuffix .o,$$(UNIT_$(1)))) $$(UNIT_EXTRA_$(1))
	@mkdir -p $$(@D)
	$$(CC) $$(CFLAGS_ALL) -o $$@ $$(filter-out %.h,$$^) -lcmocka $$(LIBS)
endef
$(foreach t,$(UNIT),$(eval $(call unit_rule,$(t))))

.PHONY: unit
unit: $(foreach t,$(UNIT),$(B)/unit/test_$(t))
	@set -e; for t in $^; do echo "== $$t"; $$t; done

.PHONY: clean
clean:
	rm -rf $(B)

-include $(wildcard $(B)/*.d $(B)/unit/*.d)
