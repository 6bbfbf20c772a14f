-- `make capabilities`: puts what `moon2m capabilities` found between its two marks in the README.

local function read(name)
  local f = assert(io.open(name))
  local text = f:read("*a")
  f:close()
  return text
end

local text = read(arg[1])
local _, from = text:find("<!-- tried by `make capabilities` -->\n", 1, true)
local to = text:find("<!-- end of what was tried -->", from, true)
local f = assert(io.open(arg[1], "w"))
f:write(text:sub(1, from), read(arg[2]), text:sub(to))
f:close()
