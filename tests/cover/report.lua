-- Line coverage as text: luajit report.lua GCOV STATEMENTS HITS
-- GCOV: what `gcov -n` printed for the C core; STATEMENTS: instrument.lua's list of Lua statements;
-- HITS: what ran.  A C line counts when gcc gave it code, a Lua line when a statement starts there.

local function row(name, hit, all, missing)
  print(("%-36s %5d of %5d  %5.1f %%%s"):format(name, hit, all, all > 0 and hit / all * 100 or 100,
    missing and missing ~= "" and "   not: " .. missing or ""))
end

local function section(title, files)
  local names, hit, all = {}, 0, 0
  for name in pairs(files) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local f = files[name]
    row(name, f.hit, f.all, f.missing)
    hit, all = hit + f.hit, all + f.all
  end
  row(title, hit, all)
  print()
end

local function c_files(name)
  local files, file = {}, nil
  for line in io.lines(name) do
    file = line:match("^File '(.*)'$") or file
    local percent, all = line:match("^Lines executed:([%d.]+)%% of (%d+)")
    if percent and file then                         -- what has no file is a sum
      local hit = math.floor(percent * all / 100 + 0.5)
      local known = files[file]                      -- a header, seen from several places
      if file:match("^runtime/") and not (known and known.hit > hit) then
        files[file] = { all = tonumber(all), hit = hit }
      end
      file = nil
    end
  end
  return files
end

-- { file = { line = true } }
local function lines_of(name)
  local files = {}
  for entry in io.lines(name) do
    local line, file = entry:match("^(%d+) (.*)$")
    if line then                                    -- a process killed while it wrote leaves half
      files[file] = files[file] or {}
      files[file][tonumber(line)] = true
    end
  end
  return files
end

-- Line numbers, neighbours (but for lines without a statement) as ranges.
local function ranges(statements, hits)
  local order, out, from, to = {}, {}, nil, nil
  for line in pairs(statements) do order[#order + 1] = line end
  table.sort(order)
  local function close()
    if from then out[#out + 1] = from == to and from or from .. "-" .. to end
    from = nil
  end
  for _, line in ipairs(order) do
    if hits[line] then
      close()
    else
      from, to = from or line, line
    end
  end
  close()
  return table.concat(out, " ")
end

local function lua_files(statements, hits)
  local files = {}
  for file, lines in pairs(lines_of(statements)) do
    local ran = hits[file] or {}
    local f = { hit = 0, all = 0, missing = ranges(lines, ran) }
    for line in pairs(lines) do
      f.all = f.all + 1
      if ran[line] then f.hit = f.hit + 1 end
    end
    files[file] = f
  end
  return files
end

section("C", c_files(arg[1]))
section("Lua", lua_files(arg[2], lines_of(arg[3])))
