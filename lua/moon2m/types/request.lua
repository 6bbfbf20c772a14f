-- request (TS-0001 9.6.12, TS-0004 7.4.12): what became of a non-blocking request.  The CSE makes
-- it and writes it (nonblocking.lua); clients read it, subscribe to it and delete it.

local kinds = require "moon2m.kinds"

return {
  ty = 17, name = "request", short = "m2m:req",
  parents = { "cse_base" }, children = { "subscription" },
  attrs = {
    { "rn", create = "-" }, "ty", "ri", "pi", "ct", "lt", { "et", create = "-", update = "-" },
    { "lbl", create = "-", update = "-" }, { "acpi", create = "-" }, { "daci", create = "-" },
    "cstn",
    { "op", kinds.range("an operation", 1, 5), one = true },
    { "tg", "uri", one = true },
    { "org", "id", one = true },
    { "rid", "string", one = true },
    { "mi", "object", one = true },
    { "pc", "object" },
    { "rs", kinds.range("a request status", 1, 5), one = true },
    { "ors", "object", one = true },
  },
}
