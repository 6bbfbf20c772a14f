-- A store for the tests of discovery: the tables of runtime/store_schema.c in a file, searched by
-- the sqlite3 command.  moon2m.core.store has the same `find`.

local json = require "moon2m.json"

local sqlite = {}

local function quote(v)
  if v == nil then return "NULL" end
  if type(v) == "number" then return v % 1 == 0 and ("%.0f"):format(v) or tostring(v) end
  return "'" .. v:gsub("'", "''") .. "'"
end
sqlite.quote = quote

local function read(name)
  local f = assert(io.open(name))
  local text = f:read("*a")
  f:close()
  return text
end

-- The statements of the C source: the string literals of each step, joined.
local function schema(file)
  local out = {}
  for body in read(file):gmatch("static const char step%d+%[%] =%s*(.-);\n\n") do
    body = body:gsub("/%*.-%*/", "")
    for literal in body:gmatch('"([^"]*)"') do out[#out + 1] = literal end
  end
  assert(#out > 0, "no statements in " .. file)
  return table.concat(out)
end

--- Whether the sqlite3 command is here.
function sqlite.present()
  local p = io.popen("sqlite3 --version 2>/dev/null")
  local out = p:read("*a")
  p:close()
  return out ~= ""
end

local function run(self, script, mode)
  local name = os.tmpname()
  local f = assert(io.open(name, "w"))
  f:write(script)
  f:close()
  local p = io.popen(("sqlite3 -bail %s %s < %s 2>&1"):format(mode, self.file, name))
  local out = p:read("*a")
  p:close()
  os.remove(name)
  if out:find("[Ee]rror") then error(out .. "\n" .. script, 2) end
  return out
end

local db = {}
db.__index = db

--- An empty store.  root: the source tree.
function sqlite.new(root)
  local self = setmetatable({ file = os.tmpname(), pending = {} }, db)
  run(self, schema(root .. "/runtime/store_schema.c"), "-batch")
  return self
end

--- Queues an INSERT of a row (column -> value).
function db:insert(tab, row)
  local names, values = {}, {}
  for name, v in pairs(row) do
    names[#names + 1], values[#values + 1] = name, quote(v)
  end
  self.pending[#self.pending + 1] = ("INSERT INTO %s(%s) VALUES(%s);"):format(tab,
    table.concat(names, ","), table.concat(values, ","))
end

function db:flush()
  if not self.pending[1] then return end
  run(self, "BEGIN;" .. table.concat(self.pending, "\n") .. "COMMIT;", "-batch")
  self.pending = {}
end

--- As store.find: rows and whether the limit cut them.
function db:find(statement, params, limit)
  self:flush()
  local script = { ".parameter init\n" }
  for i, v in ipairs(params) do
    script[#script + 1] = ('.parameter set ?%d "%s"\n'):format(i, quote(v):gsub('"', '\\"'))
  end
  script[#script + 1] = statement .. (" LIMIT %d;\n"):format(limit + 1)
  local out = run(self, table.concat(script), "-json")
  local rows = out ~= "" and json.decode(out) or {}
  local more = #rows > limit
  if more then rows[#rows] = nil end
  for _, row in ipairs(rows) do
    for k, v in pairs(row) do
      if v == json.null then row[k] = nil end
    end
  end
  return rows, more
end

--- The query plan's lines.
function db:plan(statement, params)
  self:flush()
  local script = { ".parameter init\n" }
  for i, v in ipairs(params) do
    script[#script + 1] = ('.parameter set ?%d "%s"\n'):format(i, quote(v):gsub('"', '\\"'))
  end
  return run(self, table.concat(script) .. "EXPLAIN QUERY PLAN " .. statement .. ";\n", "-batch")
end

function db:close()
  os.remove(self.file)
end

return sqlite
