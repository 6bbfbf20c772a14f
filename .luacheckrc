std = "luajit"
max_line_length = 100
cache = false
codes = true
files["tests/lua"] = { std = "+busted" }
files["tests/wire"] = { std = "+busted" }
exclude_files = { "build*" }
files["apps/*.conf.lua"] = { allow_defined_top = true, ignore = { "111", "131" } }
-- Descriptions: parameters are names, and a type of resources may take a line of any length.
files["lua/moon2m/meta.lua"] = { ignore = { "212" } }
files["lua/moon2m/meta"] = { ignore = { "211", "212", "241", "631" } }
-- Built-in files that are written with what scripts have (tests/public.lua).
stds.script = { read_globals = { "assert", "error", "getmetatable", "ipairs", "next", "pairs", "pcall",
  "print", "rawequal", "rawget", "rawset", "require", "select", "setmetatable", "tonumber",
  "tostring", "type", "unpack", "xpcall", bit = { other_fields = true },
  coroutine = { other_fields = true }, math = { other_fields = true },
  os = { fields = { "clock", "date", "difftime", "time" } }, string = { other_fields = true },
  table = { other_fields = true } } }
for _, name in ipairs { "types", "privileges.lua", "context.lua", "standard.lua", "schedule.lua" } do
  files["lua/moon2m/" .. name] = { std = "script" }
end
files["lua/moon2m/types/init.lua"] = { std = "luajit" }
