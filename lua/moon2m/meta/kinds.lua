---@meta moon2m.kinds
-- Kinds of attributes, beyond those that have a name.

-- ---- Kinds of attributes -----------------------------------------------------------------------

---`local kinds = require "moon2m.kinds"` makes kinds for the rows of `attrs` in `cse.type`. The
---server's own types are made with them. What does not fit is refused with 4000, a text and what
---was expected.
---
---```lua
---local cse, kinds = require "moon2m", require "moon2m.kinds"
---cse.type { ty = 1001, name = "lamp", short = "my:lamp", parents = { "ae" }, attrs = {
---  "rn", "ty", "ri", "pi", "ct", "lt", "et", "lbl",
---  { "level", kinds.range("a level in per cent", 0, 100), create = "M", update = "O" },
---  { "serial", kinds.text("a serial number (string)", function(s)
---    if not s:find("^%u%u%d+$") then return false, "not two capital letters and digits" end
---  end), create = "M" },
---} }
---```
---
---A function `test(value)` of a kind says with `nil` or `true` that the value fits, with `false` and
---a reason that it does not; anything else that it returns is the value that the type's `check` is
---given instead. It has 20 ms and cannot use verbs; while it fails, requests with the attribute are
---refused with 5000 and nothing is stored.

---Makes kinds.
---@class moon2m.kinds
local kinds = {}

---A kind that was made: for a row of `attrs`, or inside another kind.
---@class moon2m.kind

---What stands for a kind: a name (see `moon2m.type.attribute`), the possible texts or numbers, or
---what was made here.
---@alias moon2m.kind.any string | string[] | integer[] | moon2m.kind

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

---A text, of a form that a function knows.
---@param what string what it is, for errors
---@param test? fun(text: string): any, string? see above
---@return moon2m.kind kind
function kinds.text(what, test) end

---An integer that a function knows.
---
---```lua
---kinds.integer("an even number", function(n) return n % 2 == 0 end)
---```
---@param what string what it is, for errors
---@param test fun(n: integer): any, string? see above
---@return moon2m.kind kind
function kinds.integer(what, test) end

---Any JSON value that a function knows; it gets what `cse.parse` makes of it.
---@param what string what it is, for errors
---@param test fun(value: any): any, string? see above
---@return moon2m.kind kind
function kinds.value(what, test) end

---A kind that takes less: a function looks at the value as that kind decodes it, a `"duration"` in
---microseconds, say.
---
---```lua
---kinds.where("duration", function(us) return us >= 1e6, "at least a second is needed" end)
---```
---@param of moon2m.kind.any
---@param test fun(value: any): any, string? see above
---@return moon2m.kind kind
function kinds.where(of, test) end

---An array. (`list = least` in a row says the same.)
---@param entry moon2m.kind.any of each entry
---@param least? number so many entries at least, 1 by default
---@param most? number so many at most; any number by default
---@return moon2m.kind list
function kinds.list(entry, least, most) end

---One value, or an array of them; `check` is given an array either way.
---@param entry moon2m.kind.any of each
---@param most? number so many at most; any number by default
---@return moon2m.kind list
function kinds.several(entry, most) end

---A value of one of several kinds, the first that takes it.
---
---```lua
---kinds.either("a number or \"off\"", { "uint", { "off" } })
---```
---@param what string what it is, for errors
---@param list moon2m.kind.any[] the possible ones
---@return moon2m.kind kind
function kinds.either(what, list) end

---An object; members that it does not have are refused.
---
---```lua
---kinds.object("a place (object)", { { "x", "number", required = true }, { "tags", "string", list = 1 } })
---```
---@param what string what it is, for errors
---@param members table[] rows: a name, a kind, `required = true`, `list = least`
---@param test? fun(object: table): any, string? members that must fit together, see above
---@return moon2m.kind kind
function kinds.object(what, members, test) end

---For the `check` of a type: what an attribute is after the request.
---
---```lua
---check = function(values, resource)
---  if kinds.after(values, resource, "low") > kinds.after(values, resource, "high") then
---    return false, "low: above high"
---  end
---end
---```
---@param values table<string, any> what `check` was given
---@param resource? table the same
---@param name string of the attribute
---@return any value `nil`: it is not there, or is removed
function kinds.after(values, resource, name) end

return kinds
