-- The commands `moon2m export` and `moon2m import`: ask a running server for slices of its tree, or
-- hand it slices of a file.  What a line means is dump.lua's and restore.lua's.
--
-- A file of another CSE has one representation a line; where each belongs is told by pi, the ri of
-- one that stands before it (the CSEBase: "" or the ri of an m2m:cb line, or none at all).
-- References to an ri of the file become structured addresses.

local core = require "moon2m.core.json"
local ask = require "moon2m.core.ask"
local json = require "moon2m.json"

local ROWS, BYTES = 256, 1048576     -- of one question
local SHOW = 0.2                 -- seconds between two looks at the progress

local transfer = {}

local function out(...)
  io.stderr:write(...)
end

-- One question: the lines of the answer, decoded; raises the reason.
local function question(data, q)
  local answer, why = ask.ask(data, json.encode(q))
  if not answer then error(why, 0) end
  local lines = {}
  for line in answer:gmatch("[^\n]+") do
    lines[#lines + 1] = line:byte() == 34 and core.string(line) or json.decode(line)
  end
  local verdict = table.remove(lines)
  if type(verdict) ~= "table" then error("the server ended before it had answered", 0) end
  if not verdict.ok then error(tostring(verdict.error), 0) end
  return lines
end

-- ---- progress -----------------------------------------------------------------------------------

local function left(seconds)
  if seconds < 60 then return ("%d s"):format(math.ceil(seconds)) end
  return ("%d min"):format(math.ceil(seconds / 60))
end

-- show(n, part): n lines are done, part (0 .. 1) of all; nothing when standard error is no
-- terminal.
local function progress(what)
  local sys = require "moon2m.core.sys"
  local terminal, start, last = ask.terminal(), sys.mono(), 0
  local function show(n, part)
    local now = sys.mono()
    if not terminal or now - last < SHOW * 1e6 then return end
    last = now
    local took = (now - start) / 1e6
    out(("\r%d %s, %.0f/s, %d %%"):format(n, what, n / took, math.min(100, part * 100)))
    if part > 0 and part < 1 then out(", ", left(took * (1 - part) / part), " left") end
    out("\27[K")
  end
  return show, function() if terminal then out("\r\27[K") end end
end

-- ---- export -------------------------------------------------------------------------------------

local function export(data, _, at)
  local show, clear = progress "lines"
  local lines = question(data, { cmd = "export", path = at })
  local head, n = lines[#lines], 0
  local count = math.max(1, head.count)
  io.stdout:write(json.encode { moon2m = 1, csi = head.csi, csn = head.csn, spi = head.spi }, "\n")
  while true do
    local state = table.remove(lines)
    n = n + #lines
    lines[#lines + 1] = ""
    if not io.stdout:write(table.concat(lines, "\n")) then error("cannot write", 0) end
    show(n, n / count)
    if not state.cursor then break end
    lines = question(data, { cmd = "export", cursor = state.cursor })
  end
  local last = json.encode { ["end"] = true, lines = n }
  if not (io.stdout:write(last, "\n") and io.stdout:flush()) then
    error("cannot write", 0)
  end
  clear()
  return 0
end

-- ---- a file -------------------------------------------------------------------------------------

local Source = {}
Source.__index = Source

local function refuse(s, n, why)
  error(("%s:%d: %s"):format(s.name, n, why), 0)
end

-- The members of a line, with its root or nil.
local function parsed(s, n, text)
  if not core.check(text) then refuse(s, n, "no JSON") end
  local line = core.members(text)
  if not line then refuse(s, n, "no JSON object") end
  for name in pairs(line) do
    if name:find(":", 1, true) then return line, name end
  end
  return line
end

local function string_of(t, name)
  return t[name] and core.string(t[name]) or nil
end

-- Where a resource of another CSE belongs; notes where it is.
local function home(s, n, rep, root)
  local pi, rn = string_of(rep, "pi"), string_of(rep, "rn")
  local to = (pi == nil or pi == "") and "" or s.where[pi]
  if not to then refuse(s, n, ("pi: no resource %s stands before it"):format(pi)) end
  if not rn then refuse(s, n, "rn: missing") end
  local ri = string_of(rep, "ri")
  if ri and root == "m2m:ae" then s.aes[ri] = true end     -- what it is called here too
  if ri then s.where[ri] = to == "" and rn or to .. "/" .. rn end
  return to
end

local function note_base(s, rep)
  s.from = { csi = string_of(rep, "csi"), csn = string_of(rep, "rn"), spi = s.from.spi }
  if rep.ri then s.where[string_of(rep, "ri")] = "" end
end

-- The first reading: is it whole, whose is it, where is what.
local function survey(s)
  local n, ended = 0, nil
  for text in io.lines(s.name) do
    n = n + 1
    if n == 1 and text:find '^{"csi"' and text:find '"moon2m":1' then
      local head = json.decode(text) or refuse(s, n, "no JSON")
      s.from = { csi = head.csi, csn = head.csn, spi = head.spi }
      s.own = true
    end
    ended = text
    if not s.own and text ~= "" then
      local line, root = parsed(s, n, text)
      if not root then refuse(s, n, 'no resource in the line (as "m2m:cnt")') end
      local rep = core.members(line[root]) or refuse(s, n, root .. ": no object")
      if root == "m2m:cb" then note_base(s, rep) else home(s, n, rep, root) end
    end
  end
  s.total = n
  if s.own and not (ended and ended:find '^{"end":true') then
    out(s.name, ": has no end, the export was cut off; what is there is imported\n")
  end
end

-- Texts of a line that are identifiers of the file, and the addresses that they get here.
local function references(s, csn, text)
  local refs = {}
  json.strings(text, function(word)
    local p = s.where[word] or s.where[word:match("([^/]+)$") or ""]
    local ours = s.where[word] or word:byte() == 47
    if p and ours and not s.aes[word:match("([^/]+)$")] then
      refs[word] = p == "" and csn or csn .. "/" .. p
    end
  end)
  return next(refs) and json.encode(refs)
end

-- The row that the server gets for a line of another CSE; nil for its CSEBase.
local function foreign_row(s, n, text)
  local line, root = parsed(s, n, text)
  if root == "m2m:cb" then return nil end
  local rep = core.members(line[root])
  local refs = references(s, s.csn, text)
  local to = core.quote(home(s, n, rep, root))
  return ('{"to":%s,%s:%s%s}'):format(to, core.quote(root), line[root],
    refs and ',"refs":' .. refs or "")
end

-- Marks what nothing in the file is above: it may be replaced.
local function marked(s, row)
  local line, rep = core.members(row), nil
  for name, text in pairs(line or {}) do
    if name:find(":", 1, true) then rep = core.members(text) end
  end
  local to, rn = line and string_of(line, "to"), rep and string_of(rep, "rn")
  if not to or not rn then return row end
  local p = to == "" and rn or to .. "/" .. rn
  local top = not s.tops[to]
  if top and row:find('"_":{', 1, true) ~= nil or top and not s.own then
    s.tops[p] = true
    return '{"replace":true,' .. row:sub(2)
  end
  s.tops[p] = s.tops[to]
  return row
end

-- ---- import -------------------------------------------------------------------------------------

-- Lines that the server was handed and did not answer for: nobody knows what became of them.
local function unanswered(s, at, why)
  refuse(s, at[1], ("%s; lines %d to %d may be stored or not, what is before them is: repeat the"
    .. " import"):format(tostring(why), at[1], at[#at]))
end

local function hand_over(s, rows, at)
  local ok, r = pcall(question, s.data, { cmd = "import", rows = json.array(rows), from = s.from })
  if not ok then unanswered(s, at, r) end
  r = r[1]
  for _, name in ipairs { "made", "there", "left", "new_ids" } do
    s[name] = s[name] + r[name]
  end
  if r.why then
    local beyond = r.beyond > 0
      and ("; %d of the lines behind it are stored already"):format(r.beyond) or ""
    refuse(s, at[r.done + 1] or at[#at], (r.attr and r.attr .. ": " or "") .. r.why .. beyond)
  end
end

local function is_frame(s, text)
  return text == "" or s.own and (text:find '^{"csi"' or text:find '^{"end":true') ~= nil
end

local function send(s)
  local show, clear = progress "lines"
  local rows, at, bytes, n = {}, {}, 0, 0
  local function flush()
    if rows[1] then hand_over(s, rows, at) end
    rows, at, bytes = {}, {}, 0
    show(n, n / math.max(1, s.total))
  end
  for text in io.lines(s.name) do
    n = n + 1
    if not is_frame(s, text) then
      if s.own and not core.check(text) then
        flush()
        refuse(s, n, "no JSON")
      end
      local row = s.own and text or foreign_row(s, n, text)
      if row then
        if s.replace then row = marked(s, row) end
        if bytes + #row > BYTES or #rows >= ROWS then flush() end
        rows[#rows + 1], at[#at + 1], bytes = row, n, bytes + #row
      end
    end
  end
  flush()
  clear()
end

local function import(data, replace, name)
  local f, why = io.open(name, "rb")
  if not f then error(why, 0) end
  f:close()
  local s = setmetatable({ name = name, data = data, replace = replace, where = {}, aes = {},
    from = {}, tops = {}, made = 0, there = 0, left = 0, new_ids = 0 }, Source)
  local head = question(data, { cmd = "export" })
  s.csn = head[#head].csn
  survey(s)
  local ok, e = pcall(send, s)
  local function also(n, text) return n > 0 and (", %d %s"):format(n, text) or "" end
  print(("%d made, %d there already%s%s"):format(s.made, s.there,
    also(s.left, "instances left out: their containers have gone on"),
    also(s.new_ids, "with new identifiers")))
  if not ok then error(e, 0) end
  return 0
end

--- The command: "export" or "import", the data folder, "replace" or "", then the path or file.
function transfer.main(command, data, replace, what)
  local run = command == "export" and export or import
  local ok, code = pcall(run, data, replace == "replace", what)
  if ok then return code end
  out("moon2m: ", tostring(code), "\n")
  return 1
end

return transfer
