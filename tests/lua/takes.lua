-- What a type of the reference stands for, for specs that try values of other types.

local reference = require "moon2m.reference"

-- The parts of a union, at its outermost level.
local function parts(text)
  local list, depth, from, quoted = {}, 0, 1, false
  for i = 1, #text do
    local c = text:sub(i, i)
    if c == '"' then quoted = not quoted end
    if not quoted and c:find("[%(%[{<]") then depth = depth + 1 end
    if not quoted and c:find("[%)%]}>]") then depth = depth - 1 end
    if not quoted and depth == 0 and c == "|" then
      list[#list + 1] = text:sub(from, i - 1)
      from = i + 1
    end
  end
  list[#list + 1] = text:sub(from)
  return list
end

-- Adds the types of Lua that `text` takes to a set; basic: what names of the reference stand for.
local function takes(set, text, basic)
  for _, part in ipairs(parts(text)) do
    part = part:match("^%s*(.-)%s*$")
    local named = reference.get().types[part]
    if part == "any" then
      set.any = true
    elseif part:find('^"') then
      set.string = true
    elseif part:find("^fun%(") then
      set["function"] = true
    elseif basic[part] then
      set[basic[part]] = true
    elseif named and named.kind == "alias" then
      for _, v in ipairs(named.variants) do takes(set, v.type, basic) end
    else
      set.table = true
    end
  end
  return set
end

return takes
