/*
 * lua_flame.h - a flame graph by lua/moon2m/flame.lua, for a process that has a VM of its own.
 */
#pragma once

#include "buf.h"
#include "err.h"

/* folded: lines "outermost;...;innermost samples".  The SVG is appended to out. */
bool lua_flame_svg(struct str folded, struct str title, struct buf *out, struct err *e) MUSTCHECK;
