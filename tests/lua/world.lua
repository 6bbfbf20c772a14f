-- A CSE over the stand-ins of fake.lua, and requests to it as one line each.

local fake = require "fake"

local world = {}

local sys

--- A new CSE; AEs "Calice" (resource "alice") and "Cbob" ("bob") when registered is true.
function world.new(registered)
  fake.reset()
  sys = require "moon2m.core.sys"
  local w = setmetatable({ fake = fake, rqi = 0 }, { __index = world })
  local path = require "moon2m.path"
  path.configure { csi = "/moon", csn = "moon", spi = "//sp.example" }
  require("moon2m.access").configure { admin = "CAdmin", cse = "/moon", policies = "grant" }
  require("moon2m.request").configure { admin = "CAdmin", cse = "/moon",
    releases = { "2", "2a", "3", "4" } }
  require("moon2m.op_create").configure(365 * 86400)
  require("moon2m.register").configure { service = true,
    listen = { { host = "127.0.0.1", port = 8080, ws = true } } }
  local tree = require "moon2m.tree"
  tree.open()
  fake.task(function()
    require("moon2m.base").ensure { releases = { "3" }, poa = { "http://127.0.0.1:8080" } }
  end)
  fake.run()
  w.tree = tree
  if registered then
    assert(w:ae("Calice", "alice") == 2001)
    assert(w:ae("Cbob", "bob") == 2001)
  end
  return w
end

local function decode(text)
  return text and require("moon2m.json").decode(text)
end

--- Starts a request without running it to its end; returns the task's box.
function world:start(req)
  self.rqi = self.rqi + 1
  req.rqi, req.rvi = req.rqi or "r" .. self.rqi, req.rvi or "3"
  req.via = req.via or "http"
  if type(req.pc) == "table" then req.pc = require("moon2m.json").encode(req.pc) end
  return fake.task(require("moon2m.dispatch").perform, req)
end

--- Performs a request: rsc, decoded content, extra.
function world:request(req)
  local box = self:start(req)
  fake.run()
  while not box.done and fake.soon() do end
  assert(box.done, "the request did not end")
  return box[1], decode(box[2]), box[3]
end

--- The text of m2m:dbg, for error answers.
function world.dbg(pc)
  return pc and pc["m2m:dbg"] or ""
end

function world:ae(fr, rn, more)
  local attrs = { rn = rn, api = "Ntest", rr = true, srv = { "3" } }
  for k, v in pairs(more or {}) do attrs[k] = v end
  return self:request { op = 1, to = "moon", fr = fr, ty = 2, pc = { ["m2m:ae"] = attrs },
    host = "cse.example:8080" }
end

local ROOT = { [1] = "m2m:acp", [3] = "m2m:cnt", [4] = "m2m:cin", [14] = "m2m:nod",
  [15] = "m2m:pch", [16] = "m2m:csr", [17] = "m2m:req", [18] = "m2m:sch",
  [23] = "m2m:sub", [29] = "m2m:ts",
  [30] = "m2m:tsi", [60] = "m2m:tsb", [25] = "m2m:ntpr", [26] = "m2m:ntp", [27] = "m2m:pdr",
  [34] = "m2m:dac", [48] = "m2m:crs" }

function world:create(fr, to, ty, attrs, more)
  local req = { op = 1, to = to, fr = fr, ty = ty,
    pc = type(attrs) == "string" and attrs or { [ROOT[ty]] = attrs or {} } }
  if attrs == nil or type(attrs) == "table" and next(attrs) == nil then
    req.pc = '{"' .. ROOT[ty] .. '":{}}'
  end
  for k, v in pairs(more or {}) do req[k] = v end
  return self:request(req)
end

function world:retrieve(fr, to, query, more)
  local req = { op = 2, to = to, fr = fr, query = query }
  for k, v in pairs(more or {}) do req[k] = v end
  return self:request(req)
end

function world:update(fr, to, root, attrs, query)
  return self:request { op = 3, to = to, fr = fr, pc = { [root] = attrs }, query = query }
end

function world:delete(fr, to, query)
  return self:request { op = 4, to = to, fr = fr, query = query }
end

--- Moves both clocks by seconds.
function world.advance(seconds)
  local real = sys.real or { now = sys.now, mono = sys.mono }
  sys.real, sys.shift = real, (sys.shift or 0) + seconds * 1e6
  sys.ahead = sys.ahead or 0
  sys.mono = function() return real.mono() + sys.shift end
  sys.now = function() return real.now() + sys.shift + sys.ahead end
end

--- Sets the wall clock, by seconds more or less than it shows; the monotonic one goes on.
function world.set_clock(seconds)
  world.advance(0)
  sys.ahead = sys.ahead + seconds * 1e6
end

--- The clocks are the real ones again.
function world.real_time()
  if not sys or not sys.real then return end
  sys.now, sys.mono = sys.real.now, sys.real.mono
  sys.real, sys.shift, sys.ahead = nil, nil, nil
end

return world
