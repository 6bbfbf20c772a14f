-- dynamicAuthorizationConsultation (TS-0001 9.6.40, TS-0004 7.4.36): whom to ask whether an
-- originator may do what the policies of a resource do not grant (daci of that resource).
-- consult.lua asks: the servers `dap`, while `dae` is true and `dal` is not over.

local kinds = require "moon2m.kinds"
local rsc = require "moon2m.rsc"

-- The answer is the body of an HTTP response, or what an AE that is registered here answers.
local server = kinds.text("a URL or an identifier (string)", function(s)
  if s == "" or s:find("[%z\1-\32\127]") then return false, "empty or with a space" end
  if s:find("^%a[%w+.-]*:") and not s:find("^%a[%w+.-]*://[^/]") then
    return false, "not a URL (scheme://host[:port][/path])"
  end
end)

local function check(values)
  for _, s in ipairs(type(values.dap) == "table" and values.dap or {}) do
    local scheme = s:match("^(%a[%w+.-]*)://")
    if scheme and scheme:lower() ~= "http" and scheme:lower() ~= "https" then
      return rsc.err(rsc.NOT_IMPLEMENTED,
        "dap: %s is not supported by this CSE, a server is asked over HTTP or is an AE", scheme)
    end
  end
end

return {
  ty = 34, name = "dynamic_authorization_consultation", short = "m2m:dac",
  parents = { "cse_base", "ae", "remote_cse" }, children = { "subscription" },
  check = check,
  attrs = {
    "rn", "ty", "ri", "pi", "ct", "lt", "et", "lbl", "acpi", "daci",
    { "dae", "bool", create = "M", update = "O" },
    { "dap", server, list = 1, create = "M", update = "O" },
    { "dal", "timestamp", create = "O", update = "O" },
  },
}
