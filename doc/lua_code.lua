-- Lua text with its keywords, strings, numbers and comments marked up.

local lua_code = {}

local KEYWORDS = {}
for word in ([[and break do else elseif end false for function goto if in local nil not or repeat
  return then true until while]]):gmatch("%l+") do KEYWORDS[word] = true end

-- Patterns in the order they are tried, with the class of what they find; false: none.
local TOKENS = {
  { "^%-%-[^\n]*", "c" }, { "^%[%[.-%]%]", "s" }, { '^"[^"\n]*"', "s" }, { "^'[^'\n]*'", "s" },
  { "^[%a_][%w_]*", false }, { "^%d[%w.]*", "n" }, { "^%s+", false }, { "^.", false },
}

local function token_at(s, i)
  for _, t in ipairs(TOKENS) do
    local from, to = s:find(t[1], i)
    if from then return s:sub(from, to), t[2] end
  end
end

--- s as HTML; escaped(text) makes text safe.
function lua_code.html(s, escaped)
  local out, i = {}, 1
  while i <= #s do
    local token, class = token_at(s, i)
    i = i + #token
    if KEYWORDS[token] then class = "k" end
    out[#out + 1] = class and ('<span class="%s">%s</span>'):format(class, escaped(token)) or
      escaped(token)
  end
  return table.concat(out)
end

return lua_code
