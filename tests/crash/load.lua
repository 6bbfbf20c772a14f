-- A container under load: clients that create in it and remember what was answered, and the
-- judgement of what a server has of it.  For tests of faults.

local cqueues = require "cqueues"
local client = require "client"
local h = require "harness"
local ledger = require "ledger"

local load = {}
local sent = 0

--- An AE with a container, to create in.
function load.prepare(server)
  server:register("load")
  h.expect(2001, server:create("/moon/load", "Cload", 3, { rn = "c" }))
  return ledger.container("/moon/load/c")
end

-- Until o.seconds are over, o.count are asked for, the connection ends, or o.stop(rsc) is true;
-- other answers than 2001 are counted in o.refused by code.
local function create(server, c, o)
  local cl, stop = client.connect(server.port, "Cload"), cqueues.monotime() + o.seconds
  while cl and cqueues.monotime() < stop and o.asked < o.count do
    o.asked = o.asked + 1
    sent = sent + 1
    local con = ("%d."):format(sent) .. ("x"):rep(o.random and math.random(o.bytes) or o.bytes)
    c.sent[con] = true
    local began = cqueues.monotime()
    local rsc, body = cl:add(c.path, con)
    if not rsc then break end
    o.times[#o.times + 1] = cqueues.monotime() - began
    if rsc == 2001 then
      c.answered[con] = tonumber(body:match('"st":(%d+)'))
      o.created = o.created + 1
    else
      o.refused[rsc] = (o.refused[rsc] or 0) + 1
    end
    if o.stop and o.stop(rsc) then break end
  end
  if cl then cl:close() end
end

--- o.clients (8) create instances of o.bytes (100; o.random: of 1 to so many) side by side, o.count
-- of them at most; `beside` runs with them.  Gives { created =, refused = { rsc = n }, slowest =,
-- p99 = seconds of an answer }.
function load.run(server, c, o, beside)
  o.bytes, o.created, o.refused, o.times = o.bytes or 100, 0, {}, {}
  o.asked, o.count = 0, o.count or math.huge
  local cq = cqueues.new()
  for _ = 1, o.clients or 8 do cq:wrap(function() create(server, c, o) end) end
  if beside then cq:wrap(beside) end
  assert(cq:loop())
  table.sort(o.times)
  o.slowest, o.p99 = o.times[#o.times] or 0, o.times[math.ceil(#o.times * 0.99)] or 0
  return o
end

--- Raises the first promise that was broken; how many instances are there.
function load.judge(server, c)
  local list, offset = {}, nil
  repeat
    local a = server:retrieve(("%s?rcn=8&ty=4&lim=200%s"):format(c.path,
      offset and "&ofst=" .. offset or ""), "Cload")
    for _, cin in ipairs(h.expect(2000, a)["m2m:cin"] or {}) do list[#list + 1] = cin end
    offset = a.headers:get("x-m2m-cto")
  until not offset
  c:judge(list, h.expect(2000, server:retrieve(c.path, "Cload")))
  return #list
end

return load
