/*
 * The Lua state: allocator with a byte count and a cap, module search (core modules, the library,
 * then C modules such as cjson), protected calls that leave a traceback in the log.  Nothing read
 * from the network or from a user's script is ever loaded here: scripts go through guard.compile.
 */
#include "vm.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include <lauxlib.h>
#include <lualib.h>

#include "embed.h"
#include "log.h"
#include "vm_pool.h"

#define RESERVE_MAX ((size_t)8 << 20) /* bytes, or a sixteenth of a smaller cap */

static struct {
	lua_State *L;
	size_t used, cap;
	size_t limit; /* of the run in progress, in all; SIZE_MAX: none */
	bool (*over)(size_t wanted); /* asked beyond it */
	uint64_t allocated;
	bool collect; /* at the end of this turn */
	size_t relief; /* vm_relieve collects above this many bytes; 0: never */
	char *lua_dir; /* NULL: embedded library */
	int boot; /* registry reference of the boot module, LUA_NOREF */
	struct buf trace; /* traceback of the protected call that failed last */
} vm = { .boot = LUA_NOREF };

/* ---- allocator ------------------------------------------------------------------------------- */

#define SMALL 65536

static bool may_grow(size_t by)
{
	bool fits = !vm.cap || (by <= vm.cap && vm.used <= vm.cap - by);

	if (by <= vm.limit && vm.used <= vm.limit - by)
		return fits;
	return vm.over(by) && fits;
}

static void *vm_alloc(void *ud, void *p, size_t osize, size_t nsize)
{
	void *q;

	(void)ud;
	if (nsize == 0) {
		vm.used -= osize;
		return pool_realloc(p, osize, 0);
	}
	if (nsize > osize && !may_grow(nsize - osize))
		return NULL; /* Lua raises "not enough memory" */
	q = pool_realloc(p, osize, nsize);
	if (!q && nsize <= osize)
		return p;
	if (!q && nsize < SMALL) /* compiled code could not be left at such a place */
		out_of_memory(nsize);
	if (!q)
		return NULL;
	vm.used += nsize - osize;
	if (nsize > osize)
		vm.allocated += nsize - osize;
	return q;
}

size_t vm_memory(void)
{
	return vm.used;
}

uint64_t vm_allocated(void)
{
	return vm.allocated;
}

void vm_limit(size_t limit, bool (*over)(size_t wanted))
{
	vm.over = over;
	vm.limit = limit;
}

size_t vm_user_cap(void)
{
	size_t part = vm.cap / 16;

	return vm.cap ? vm.cap - (part < RESERVE_MAX ? part : RESERVE_MAX) : SIZE_MAX;
}

void vm_collect_soon(void)
{
	vm.collect = true;
}

void vm_set_cap(size_t bytes)
{
	vm.cap = bytes;
	vm.relief = bytes / 4 * 3;
}

void vm_relieve(void)
{
	if (!vm.collect && (!vm.relief || vm.used <= vm.relief))
		return;
	vm.collect = false;
	lua_gc(vm.L, LUA_GCCOLLECT, 0);
	vm.relief = vm.cap / 4 * 3;
	if (!vm.relief || vm.used <= vm.relief)
		return;
	log_warn("vm", "Lua memory is nearly used up bytes=%zu cap=%zu", vm.used, vm.cap);
	vm.relief = vm.used + (vm.cap - vm.used) / 2; /* what is live stays: not again each turn */
}

static int panic(lua_State *L)
{
	const char *msg = lua_tostring(L, -1);

	log_error("vm", "unprotected Lua error: %s", msg ? msg : "(not a string)");
	abort();
}

/* ---- module search --------------------------------------------------------------------------- */

/* Library names are "moon2m" and "moon2m.x.y": letters, digits, '_' between single dots. */
static bool is_library(const char *name)
{
	const char *p = name;

	if (strncmp(name, "moon2m", 6) != 0 || (name[6] && name[6] != '.'))
		return false;
	for (; *p; p++) {
		bool dot = *p == '.' && p[1] && p[1] != '.';

		if (!dot && *p != '_' && !(*p >= '0' && *p <= '9') &&
		    !((*p | 32) >= 'a' && (*p | 32) <= 'z'))
			return false;
	}
	return true;
}

static bool read_file(const char *path, struct buf *out)
{
	FILE *f = fopen(path, "rbe");
	size_t n;

	if (!f)
		return false;
	while ((n = fread(buf_reserve(out, 16384), 1, 16384, f)) > 0)
		out->n += n;
	fclose(f);
	return true;
}

static int load_chunk(lua_State *L, const char *name, const char *text, size_t n, const char *chunk)
{
	if (luaL_loadbufferx(L, text, n, chunk, "bt") == 0)
		return 1;
	lua_pushfstring(L, "module '%s': %s", name, lua_tostring(L, -1));
	return lua_error(L);
}

/* Of DIR/moon2m/x, in this order. */
static const char *const suffix[] = { ".lua", "/init.lua" };

static int search_dir(lua_State *L, const char *name)
{
	const char *rel = luaL_gsub(L, name, ".", "/");
	struct buf text = BUF_INIT;
	int status;

	for (size_t i = 0; i < countof(suffix); i++) {
		const char *path = lua_pushfstring(L, "%s/%s%s", vm.lua_dir, rel, suffix[i]);
		const char *chunk = lua_pushfstring(L, "@lib/%s%s", rel, suffix[i]);

		if (!read_file(path, &text))
			continue;
		status = luaL_loadbufferx(L, text.p ? text.p : "", text.n, chunk, "t");
		buf_free(&text);
		if (status == 0)
			return 1;
		lua_pushfstring(L, "module '%s': %s", name, lua_tostring(L, -1));
		return lua_error(L);
	}
	lua_pushfstring(L, "\n\tno file '%s/%s.lua'", vm.lua_dir, rel);
	return 1;
}

static int search_library(lua_State *L)
{
	const char *name = luaL_checkstring(L, 1);

	if (!is_library(name)) {
		lua_pushliteral(L, "");
		return 1;
	}
	if (vm.lua_dir)
		return search_dir(L, name);
	for (const struct embed *m = embed_modules; m->name; m++)
		if (strcmp(m->name, name) == 0)
			return load_chunk(L, name, m->text, m->size, m->chunk);
	lua_pushfstring(L, "\n\tno embedded module '%s'", name);
	return 1;
}

/* Leaves the text on the stack, above two names. */
static bool push_file(lua_State *L, const char *name)
{
	const char *rel = luaL_gsub(L, name, ".", "/");
	struct buf text = BUF_INIT;

	for (size_t i = 0; i < countof(suffix); i++) {
		if (read_file(lua_pushfstring(L, "%s/%s%s", vm.lua_dir, rel, suffix[i]), &text)) {
			lua_pushlstring(L, text.p ? text.p : "", text.n);
			buf_free(&text);
			return true;
		}
	}
	return false;
}

static bool push_embedded(lua_State *L, const char *name)
{
	for (const struct embed *m = embed_modules; m->name; m++) {
		if (strcmp(m->name, name) == 0) {
			lua_pushlstring(L, m->text, m->size);
			return true;
		}
	}
	return false;
}

void vm_push_source(lua_State *L, const char *name)
{
	int top = lua_gettop(L);

	if (!is_library(name) || !(vm.lua_dir ? push_file(L, name) : push_embedded(L, name)))
		lua_pushnil(L);
	if (lua_gettop(L) > top + 1)
		lua_replace(L, top + 1);
	lua_settop(L, top + 1);
}

/* Puts the library's searcher behind package.preload and before everything that looks for files. */
static void install_searcher(lua_State *L)
{
	lua_getfield(L, -1, "loaders");
	for (int i = (int)lua_objlen(L, -1); i >= 2; i--) {
		lua_rawgeti(L, -1, i);
		lua_rawseti(L, -2, i + 1);
	}
	lua_pushcfunction(L, search_library);
	lua_rawseti(L, -2, 2);
	lua_pop(L, 1);
}

/*
 * COMPAT: LuaJIT 2.1.0~beta3+git20220320 (Debian 12) miscompiles loops over the built-in `pairs` and
 * `next`: now and then a trace leaves an iteration out, or half of a pointer.  A function in C is not
 * compiled into a trace, so both are such functions here.
 */
static int safe_next(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 2);
	if (lua_next(L, 1))
		return 2;
	lua_pushnil(L);
	return 1;
}

static int safe_pairs(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_pushvalue(L, 1);
	lua_pushnil(L);
	return 3;
}

static int setup(lua_State *L)
{
	const struct vm_opts *o = lua_touserdata(L, 1);

	luaL_openlibs(L);
	lua_pushcfunction(L, safe_next);
	lua_pushvalue(L, -1);
	lua_setglobal(L, "next");
	lua_pushcclosure(L, safe_pairs, 1);
	lua_setglobal(L, "pairs");
	lua_getglobal(L, "package");
	install_searcher(L);
	if (!o->search_path) {
		lua_pushliteral(L, "");
		lua_setfield(L, -2, "path");
	}
	lua_getfield(L, -1, "cpath"); /* without the current folder's "./?.so;" */
	luaL_gsub(L, lua_tostring(L, -1), "./?.so;", "");
	lua_pushfstring(L, "%s/?.so;%s", LUA_CPATH_DIR, lua_tostring(L, -1));
	lua_setfield(L, -4, "cpath");
	return 0;
}

bool vm_open(const struct vm_opts *o, struct err *e)
{
	assert(!vm.L);
	vm.used = 0;
	vm.allocated = 0;
	vm.collect = false;
	vm_limit(SIZE_MAX, NULL);
	vm_set_cap(o->memory_cap);
	vm.L = lua_newstate(vm_alloc, NULL);
	if (!vm.L)
		return err_set(e,
			       "cannot make a Lua state: LuaJIT with GC64 is needed, and memory");
	lua_atpanic(vm.L, panic);
	vm.lua_dir = o->lua_dir ? xstrdup(o->lua_dir) : NULL;
	if (lua_cpcall(vm.L, setup, (void *)o) == 0)
		return true;
	err_set(e, "cannot start Lua: %s", lua_tostring(vm.L, -1));
	vm_close();
	return false;
}

void vm_close(void)
{
	if (vm.L)
		lua_close(vm.L);
	pool_close();
	vm.L = NULL;
	vm.boot = LUA_NOREF;
	free(vm.lua_dir);
	vm.lua_dir = NULL;
	buf_free(&vm.trace);
}

lua_State *vm_state(void)
{
	return vm.L;
}

void vm_module(const char *name, lua_CFunction open)
{
	lua_getglobal(vm.L, "package");
	lua_getfield(vm.L, -1, "preload");
	lua_pushfstring(vm.L, "moon2m.core.%s", name);
	lua_pushcfunction(vm.L, open);
	lua_rawset(vm.L, -3);
	lua_pop(vm.L, 2);
}

/* ---- protected calls ------------------------------------------------------------------------- */

/* Replaces the value at the top by its text. */
static void to_text(lua_State *L)
{
	if (lua_isstring(L, -1)) {
		lua_tostring(L, -1);
		return;
	}
	if (luaL_callmeta(L, -1, "__tostring") && lua_isstring(L, -1))
		lua_replace(L, -2);
	else
		lua_pushfstring(L, "(error object is a %s)", luaL_typename(L, -1));
}

static int on_error(lua_State *L)
{
	size_t n;
	const char *s;

	buf_clear(&vm.trace);
	luaL_traceback(L, L, NULL, 1);
	s = lua_tolstring(L, -1, &n);
	buf_add(&vm.trace, s, n);
	lua_pop(L, 1);
	to_text(L);
	return 1;
}

static struct str top_text(lua_State *L)
{
	struct str s;

	s.p = lua_tolstring(L, -1, &s.n);
	return s.p ? s : STR("(error object is no string)");
}

static bool protected(lua_State *L, int nargs, int nresults, struct err *e)
{
	int at = lua_gettop(L) - nargs, rc;
	struct str text;
	const char *nl;

	buf_clear(&vm.trace);
	lua_pushcfunction(L, on_error);
	lua_insert(L, at);
	rc = lua_pcall(L, nargs, nresults, at);
	lua_remove(L, at);
	if (rc == 0)
		return true;
	if (rc == LUA_ERRMEM)
		vm_relieve();
	text = top_text(L);
	nl = memchr(text.p, '\n', text.n);
	return err_set(e, "%.*s", (int)(nl ? nl - text.p : (ptrdiff_t)text.n), text.p);
}

bool vm_call(lua_State *L, int nargs, int nresults, struct err *e)
{
	if (protected(L, nargs, nresults, e))
		return true;
	vm_log_failure("lua", top_text(L), buf_view(&vm.trace));
	lua_pop(L, 1);
	return false;
}

bool vm_try(lua_State *L, int nargs, int nresults, struct err *e)
{
	if (protected(L, nargs, nresults, e))
		return true;
	if (log_enabled(LOG_DEBUG))
		vm_log_failure("lua", top_text(L), buf_view(&vm.trace));
	lua_pop(L, 1);
	return false;
}

bool vm_boot(const char *module, struct err *e)
{
	lua_State *L = vm.L;

	lua_getglobal(L, "require");
	lua_pushstring(L, module);
	if (!vm_call(L, 1, 1, e))
		return err_prefix(e, "%s", module);
	if (!lua_istable(L, -1)) {
		lua_pop(L, 1);
		return err_set(e, "%s: the module returned no table", module);
	}
	luaL_unref(L, LUA_REGISTRYINDEX, vm.boot);
	vm.boot = luaL_ref(L, LUA_REGISTRYINDEX);
	return true;
}

void vm_push_entry(lua_State *L, const char *name)
{
	if (vm.boot == LUA_NOREF) {
		lua_pushnil(L);
		return;
	}
	lua_rawgeti(L, LUA_REGISTRYINDEX, vm.boot);
	lua_getfield(L, -1, name);
	lua_remove(L, -2);
}

/* ---- failures -------------------------------------------------------------------------------- */

struct failure {
	lua_State *co;
	struct buf *text, *traceback;
};

static int read_failure(lua_State *L)
{
	struct failure *f = lua_touserdata(L, 1);
	struct str s;

	if (lua_checkstack(f->co, 1) && lua_gettop(f->co) > 0) {
		lua_pushvalue(f->co, -1);
		lua_xmove(f->co, L, 1);
	} else {
		lua_pushliteral(L, "(no error value)");
	}
	to_text(L);
	s = top_text(L);
	buf_str(f->text, s);
	luaL_traceback(L, f->co, NULL, 0);
	buf_str(f->traceback, top_text(L));
	return 0;
}

void vm_failure(lua_State *co, struct buf *text, struct buf *traceback)
{
	struct failure f = { co, text, traceback };
	size_t had = text->n;

	if (lua_cpcall(vm.L, read_failure, &f) == 0)
		return;
	if (text->n == had)
		buf_str(text, top_text(vm.L));
	lua_pop(vm.L, 1);
}

static void log_lines(enum log_level level, const char *module, struct str s)
{
	while (s.n) {
		const char *nl = memchr(s.p, '\n', s.n);
		size_t n = nl ? (size_t)(nl - s.p) : s.n;

		if (n)
			log_line(level, module, "%.*s", (int)(n > 1000 ? 1000 : n), s.p);
		s.p += nl ? n + 1 : n;
		s.n -= nl ? n + 1 : n;
	}
}

/* "file:12: ..." */
static bool has_place(struct str s)
{
	const char *space = memchr(s.p, ' ', s.n);

	return space && space - s.p >= 3 && space[-1] == ':' && space[-2] >= '0' &&
	       space[-2] <= '9';
}

void vm_log_failure(const char *module, struct str text, struct str traceback)
{
	if (!text.n)
		text = STR("(empty error message)");
	log_lines(LOG_ERROR, module, text);
	log_lines(has_place(text) ? LOG_ERROR : LOG_DEBUG, module, traceback);
}

/* ---- values ---------------------------------------------------------------------------------- */

void vm_push_str(lua_State *L, struct str s)
{
	if (s.p)
		lua_pushlstring(L, s.p, s.n);
	else
		lua_pushnil(L);
}

struct str vm_check_str(lua_State *L, int i)
{
	struct str s;

	s.p = luaL_checklstring(L, i, &s.n);
	return s;
}
