---@meta moon2m.kinds
-- Kinds of attributes, beyond those that have a name.

-- ---- Kinds of attributes -----------------------------------------------------------------------

---`local kinds = require "moon2m.kinds"` makes kinds for the rows of `attrs` in `cse.type`, as the
---server's own types have them. What does not fit is refused with 4000, a text and what was
---expected.
---
---```lua
---local cse, kinds = require "moon2m", require "moon2m.kinds"
---cse.type { ty = 1001, name = "lamp", short = "my:lamp", parents = { "ae" }, attrs = {
---  "rn", "ty", "ri", "pi", "ct", "lt", "et", "lbl",
---  { "level", kinds.range("a level in per cent", 0, 100), create = "M", update = "O" },
---} }
---```

---Makes kinds.
---@class moon2m.kinds
local kinds = {}

---A kind that was made: for a row of `attrs`, or inside another kind.
---@class moon2m.kind

---An integer between two bounds.
---@param what string what it is, for errors: `"a level"` in "expected a level from 0 to 100"
---@param least number the lower bound, itself possible
---@param most number the upper bound, itself possible
---@return moon2m.kind kind
function kinds.range(what, least, most) end

---One of some numbers.
---@param what string what it is, for errors
---@param values integer[] all that are possible
---@return moon2m.kind kind
function kinds.enum(what, values) end

---An array. (`list = least` in a row says the same.)
---@param kind string | string[] | integer[] | moon2m.kind of each entry
---@param least? number so many entries at least, 1 by default
---@return moon2m.kind list
function kinds.list(kind, least) end

---An object; members that it does not have are refused.
---
---```lua
---kinds.object("a place (object)", { { "x", "number", required = true }, { "tags", "string", list = 1 } })
---```
---@param what string what it is, for errors
---@param members table[] rows: a name, a kind, `required = true`, `list = least`
---@return moon2m.kind kind
function kinds.object(what, members) end

return kinds
