-- What other CSEs are shown: the files that `outgoing.tokens` names, each a bearer token as
-- `moon2m credential add` prints it at that CSE.  Never: a token in a message or the log, one from
-- a file that others than its owner may read or write.

local sys = require "moon2m.core.sys"

local MAX_FILE = 4096

local peer_tokens = {}

--- files: { ["/other"] = path, ["*"] = path }.  The tokens by the same names; raises the text for
-- the user when one cannot be had.
function peer_tokens.read(files)
  local tokens = {}
  for name, file in pairs(files) do
    local text, why = sys.read(file, MAX_FILE, true)
    local token = text and text:match("^%s*([%w%-._~+/]+=*)%s*$")
    if not token then
      error(("outgoing.tokens.%s: %s"):format(name,
        text and file .. " holds no token" or tostring(why)), 0)
    end
    tokens[name] = token
  end
  return tokens
end

return peer_tokens
