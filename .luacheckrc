std = "luajit"
max_line_length = 100
cache = false
codes = true
files["tests/lua"] = { std = "+busted" }
files["tests/wire"] = { std = "+busted" }
exclude_files = { "build*" }
files["apps/*.conf.lua"] = { allow_defined_top = true, ignore = { "111", "131" } }
