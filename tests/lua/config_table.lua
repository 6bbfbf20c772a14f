-- `make config-table`: puts the reference table of the configuration, made from the schema that
-- files are read against, between its two marks in the README.

local name = arg[1]
local f = assert(io.open(name))
local text = f:read("*a")
f:close()
local _, from = text:find("<!%-%- made by.-%-%->\n")
local to = text:find("<!%-%- end %-%->", from)
f = assert(io.open(name, "w"))
f:write(text:sub(1, from), require("moon2m.config").reference(), text:sub(to))
f:close()
