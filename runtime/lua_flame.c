/*
 * lua_flame.c - see lua_flame.h.
 */
#include "lua_flame.h"

#include "vm.h"

bool lua_flame_svg(struct str folded, struct str title, struct buf *out, struct err *e)
{
	lua_State *L = vm_state();
	struct str svg;

	if (!vm_boot("moon2m.flame", e))
		return false;
	vm_push_entry(L, "svg");
	vm_push_str(L, folded);
	vm_push_str(L, title);
	if (!vm_call(L, 2, 1, e))
		return false;
	svg.p = lua_tolstring(L, -1, &svg.n);
	if (svg.p)
		buf_str(out, svg);
	lua_pop(L, 1);
	return svg.p || err_set(e, "no picture came of it");
}
