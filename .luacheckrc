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
