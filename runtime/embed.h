/*
 * embed.h - the Lua library inside the binary: what the generated lua_embed.c defines (embed.lua
 * writes it at build time).
 */
#pragma once

#include <stddef.h>

struct embed {
	const char *name; /* "moon2m.types" */
	const char *chunk; /* "@lib/moon2m/types/init.lua" */
	const char *text; /* bytecode or source, not NUL-terminated */
	size_t size;
};

extern const struct embed embed_modules[]; /* ended by a name of NULL */
