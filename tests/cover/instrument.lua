-- Copies Lua files so that each notes which of its statements ran: luajit instrument.lua OUT
-- FILE... writes OUT/FILE for each and OUT/lua/moon2m/cover.lua, which they require.  No hooks
-- (the product uses the VM's only one), so coroutines and compiled traces count too; line numbers
-- stay. The first time a statement runs, "LINE FILE" is appended to the file that MOON2M_COVER
-- names, at once, so that a killed process loses nothing.  OUT/statements lists all statements the
-- same way.

local COVER = [[
-- Made by tests/cover/instrument.lua.
local name = os.getenv("MOON2M_COVER")
local out = name and assert(io.open(name, "ab"))
if out then out:setvbuf("no") end
return function(file)
  return setmetatable({}, { __newindex = function(t, line, v)
    rawset(t, line, v)
    if out then out:write(line .. " " .. file .. "\n") end
  end })
end
]]

-- ---- tokens: { kind = "name" | "number" | "string" | "op" | "eof", text, at, line } -------------

local OPERATORS = { "...", "..", "==", "~=", "<=", ">=", "::" }

local function long_bracket(text, at)
  local level = text:match("^%[(=*)%[", at)
  if not level then return nil end
  local _, last = text:find("]" .. level .. "]", at, true)
  return assert(last, "unfinished long bracket") + 1
end

local function quoted_string(text, at)
  local quote, i = text:sub(at, at), at + 1
  while text:sub(i, i) ~= quote do
    i = i + (text:sub(i, i) == "\\" and 2 or 1)
    assert(i <= #text, "unfinished string")
  end
  return i + 1
end

local function skip(text, at)
  while true do
    at = text:match("^%s*()", at)
    if text:sub(at, at + 1) ~= "--" then return at end
    at = long_bracket(text, at + 2) or text:find("\n", at, true) or #text + 1
  end
end

local function operator(text, at)
  for _, op in ipairs(OPERATORS) do
    if text:sub(at, at + #op - 1) == op then return at + #op end
  end
  return at + 1
end

local function scan(text, at)
  local c = text:sub(at, at)
  if c == "" then return "eof", at end
  if c:match("[%a_]") then return "name", text:match("^[%w_]+()", at) end
  if text:match("^%.?%d", at) then
    return "number", text:match("^0[xX]%x+[uUlL]*()", at)
      or text:match("^[%d.]+[eE][+-]?%d+()", at) or text:match("^[%d.]+()", at)
  end
  if c == '"' or c == "'" then return "string", quoted_string(text, at) end
  local last = long_bracket(text, at)
  if last then return "string", last end
  return "op", operator(text, at)
end

local function tokens_of(text)
  local list, at, line, seen = {}, 1, 1, 1
  repeat
    at = skip(text, at)
    local kind, last = scan(text, at)
    local _, ends = text:sub(seen, at - 1):gsub("\n", "")
    line, seen = line + ends, at
    list[#list + 1] = { kind = kind, text = text:sub(at, last - 1), at = at, line = line }
    at = last
  until kind == "eof"
  return list
end

-- ---- statements ---------------------------------------------------------------------------------

local BINARY = { ["+"] = 1, ["-"] = 1, ["*"] = 1, ["/"] = 1, ["%"] = 1, ["^"] = 1, [".."] = 1,
  ["<"] = 1, ["<="] = 1, [">"] = 1, [">="] = 1, ["=="] = 1, ["~="] = 1, ["and"] = 1, ["or"] = 1 }
local UNARY = { ["-"] = 1, ["not"] = 1, ["#"] = 1 }
local BLOCK_ENDS = { ["end"] = 1, ["else"] = 1, ["elseif"] = 1, ["until"] = 1, [""] = 1 }

local Parser = {}
Parser.__index = Parser

function Parser:peek() return self.list[self.i].text end
function Parser:next()
  self.i = self.i + 1
  return self.list[self.i - 1]
end
function Parser:is(text)
  local t = self.list[self.i]
  return t.text == text and t.kind ~= "string"
end
function Parser:accept(text) return self:is(text) and self:next() end
function Parser:expect(text)
  if not self:accept(text) then
    error(("%s:%d: expected %s near %s"):format(self.file, self.list[self.i].line, text,
      self:peek()), 0)
  end
end

function Parser:list_of(parse)
  repeat parse(self) until not self:accept(",")
end

function Parser:function_body()
  self:expect("(")
  while not self:accept(")") do self:next() end
  self:block()
  self:expect("end")
end

function Parser:table()
  self:expect("{")
  while not self:accept("}") do
    if self:accept("[") then
      self:expression()
      self:expect("]")
      self:expect("=")
    elseif self.list[self.i].kind == "name" and self.list[self.i + 1].text == "=" then
      self.i = self.i + 2
    end
    self:expression()
    if not self:accept(",") then self:accept(";") end
  end
end

function Parser:arguments()
  if self.list[self.i].kind == "string" then self:next() return true end
  if self:is("{") then self:table() return true end
  if not self:accept("(") then return false end
  if not self:is(")") then self:list_of(self.expression) end
  self:expect(")")
  return true
end

function Parser:suffixed()
  if self:accept("(") then
    self:expression()
    self:expect(")")
  else
    assert(self:next().kind == "name", self.file .. ": a name expected")
  end
  while true do
    if self:accept(".") then
      self:next()
    elseif self:accept("[") then
      self:expression()
      self:expect("]")
    elseif self:accept(":") then
      self:next()
      self:arguments()
    elseif not self:arguments() then
      return
    end
  end
end

function Parser:simple()
  local t = self.list[self.i]
  if t.kind == "number" or t.kind == "string" or t.text == "nil" or t.text == "true"
    or t.text == "false" or t.text == "..." then
    self:next()
  elseif t.text == "{" then
    self:table()
  elseif self:accept("function") then
    self:function_body()
  else
    self:suffixed()
  end
end

function Parser:expression()
  repeat
    while self.list[self.i].kind ~= "string" and UNARY[self:peek()] do self:next() end
    self:simple()
    local t = self.list[self.i]
    local more = t.kind ~= "string" and BINARY[t.text] and self:next()
  until not more
end

local STATEMENTS = {
  ["if"] = function(p)
    p:expression()
    p:expect("then")
    p:block()
    while p:accept("elseif") do
      p:expression()
      p:expect("then")
      p:block()
    end
    if p:accept("else") then p:block() end
    p:expect("end")
  end,
  ["while"] = function(p)
    p:expression()
    p:expect("do")
    p:block()
    p:expect("end")
  end,
  ["do"] = function(p)
    p:block()
    p:expect("end")
  end,
  ["for"] = function(p)
    p:list_of(p.next)
    if not p:accept("in") then p:expect("=") end
    p:list_of(p.expression)
    p:expect("do")
    p:block()
    p:expect("end")
  end,
  ["repeat"] = function(p)
    p:block()
    p:expect("until")
    p:expression()
  end,
  ["function"] = function(p)
    repeat p:next() until not (p:accept(".") or p:accept(":"))
    p:function_body()
  end,
  ["local"] = function(p)
    if p:accept("function") then
      p:next()
      return p:function_body()
    end
    p:list_of(p.next)
    if p:accept("=") then p:list_of(p.expression) end
  end,
  ["return"] = function(p)
    if not (BLOCK_ENDS[p:peek()] or p:is(";")) then p:list_of(p.expression) end
  end,
  ["break"] = function() end,
  ["goto"] = function(p) p:next() end,
}

function Parser:statement()
  local t = self.list[self.i]
  if self:accept("::") then
    self:next()
    return self:expect("::")
  end
  self.starts[#self.starts + 1] = { at = t.at, line = t.line }
  if STATEMENTS[t.text] then
    self:next()
    return STATEMENTS[t.text](self)
  end
  self:list_of(self.suffixed)
  if self:accept("=") then self:list_of(self.expression) end
end

function Parser:block()
  while self.list[self.i].kind ~= "eof" and not BLOCK_ENDS[self:peek()] do
    if not self:accept(";") then self:statement() end
  end
end

local function starts_of(file, text)
  local p = setmetatable({ file = file, list = tokens_of(text), i = 1, starts = {} }, Parser)
  p:block()
  assert(p.list[p.i].kind == "eof", file .. ": something is left over")
  return p.starts
end

-- ---- copying ------------------------------------------------------------------------------------

local function write(name, text)
  local f = assert(io.open(name, "wb"))
  f:write(text)
  f:close()
end

local function read(name)
  local f = assert(io.open(name, "rb"))
  local text = f:read("*a")
  f:close()
  return text
end

local out, listed = arg[1], {}
local function instrument(file)
  local text, from, parts = read(file), 1, {}
  parts[1] = ('local _cover = require "moon2m.cover"("%s"); '):format(file)
  for _, s in ipairs(starts_of(file, text)) do
    parts[#parts + 1] = text:sub(from, s.at - 1)
    parts[#parts + 1] = ("_cover[%d]=1; "):format(s.line)
    listed[#listed + 1] = s.line .. " " .. file .. "\n"
    from = s.at
  end
  parts[#parts + 1] = text:sub(from)
  local copy = table.concat(parts)
  assert(loadstring(copy, "@" .. file))
  write(out .. "/" .. file, copy)
end

for i = 2, #arg do
  assert(os.execute("mkdir -p " .. out .. "/" .. arg[i]:match("^(.*)/")) == 0)
  instrument(arg[i])
end
write(out .. "/lua/moon2m/cover.lua", COVER)
write(out .. "/statements", table.concat(listed))
