-- What `moon2m capabilities` tries that is more than one request: the response types to their end,
-- delayed execution, and requests that a second server hosts the target of.
-- Each is told with the status code of what it led to; nil: it did not come.

local client = require "moon2m.core.client"
local json = require "moon2m.json"
local scratch = require "moon2m.capabilities.scratch"
local sys = require "moon2m.core.sys"

local ask = scratch.ask
local DELAY = 300                -- ms of a delayed execution
local DONE = 1                   -- requestStatus COMPLETED

local ways = {}

local function decoded(text)
  local ok, v = pcall(json.decode, text or "")
  return ok and type(v) == "table" and v or {}
end

-- nonBlockingRequestSynch: the result is in the <request>.
local function synch()
  local code, body = ask("retrieve", "moon", { query = "rt=1" })
  local address = decoded(body)["m2m:uri"]
  if code ~= 1001 or not address then return code end
  return scratch.wait(function()
    local _, text = ask("retrieve", address)
    local r = decoded(text)["m2m:req"] or {}
    return r.rs == DONE and r.ors and r.ors.rsc == 2000 and code
  end)
end

-- nonBlockingRequestAsynch: the result is a notification.
local function asynch()
  local code = ask("retrieve", "moon", { query = "rt=2",
    head = "X-M2M-RTU: " .. scratch.url "result" .. "\r\n" })
  if code ~= 1002 then return code end
  return scratch.wait(function()
    client.turn(0)
    for _, a in ipairs(client.take()) do
      local rsp = decoded(a.body)["m2m:rsp"]
      if rsp and rsp.rsc == 2000 then return code end
    end
  end)
end

-- noResponse: no status code, and done.
local function silent()
  local code = ask("create", "moon", { ty = 3, query = "rt=5", pc = '{"m2m:cnt":{"rn":"silent"}}' })
  if code then return code end
  return scratch.wait(function()
    return ask("retrieve", "moon/silent") == 2000 and 2000
  end)
end

--- The response types: "rt=1" .. "rt=5" -> status code.
function ways.response_types()
  return { ["rt=1"] = synch(), ["rt=2"] = asynch(),
    ["rt=3"] = ask("retrieve", "moon", { query = "rt=3" }),
    ["rt=4"] = ask("retrieve", "moon", { query = "rt=4" }), ["rt=5"] = silent() }
end

--- Delayed execution: a blocking request and one with rt=1 that are executed when they say.
function ways.delayed()
  local head, began = ("X-M2M-OET: %d\r\n"):format(DELAY), sys.mono()
  local code = ask("create", "moon", { ty = 3, head = head, pc = '{"m2m:cnt":{"rn":"late"}}' })
  if code == 2001 and sys.mono() - began < DELAY * 1000 then code = 2000 end
  local later = ask("create", "moon", { ty = 3, head = head, query = "rt=1",
    pc = '{"m2m:cnt":{"rn":"later"}}' })
  local early = ask("retrieve", "moon/later")
  local done = later == 1001 and early == 4004 and scratch.wait(function()
    return ask("retrieve", "moon/later") == 2000 and later
  end)
  return { ["oet"] = code == 2001 and code or nil, ["oet with rt=1"] = done or nil }
end

-- The two servers know each other, and the second has a container for the first's administrator.
local function acquaint(port)
  local function csr(csi, number)
    return ('{"m2m:csr":{"cb":"%s%s","rr":true,"srv":["3"],"poa":["http://127.0.0.1:%d"]}}')
      :format(csi, csi, number)
  end
  ask("create", "moon", { ty = 16, fr = "/peer", pc = csr("/peer", port) })
  ask("create", "peer", { port = port, ty = 16, fr = "/moon", pc = csr("/moon", scratch.port) })
  ask("create", "peer", { port = port, ty = 1, pc = '{"m2m:acp":{"rn":"acp","pv":{"acr":[{"acor":'
    .. '["/moon/CAdmin","CAdmin"],"acop":63}]},"pvs":{"acr":[{"acor":["CAdmin"],"acop":63}]}}}' })
  ask("create", "peer", { port = port, ty = 3, pc = '{"m2m:cnt":{"rn":"c",'
    .. '"acpi":["peer/acp"]}}' })
end

-- The status code of the second server's member of a fan-out.
local function fan_out()
  local made = ask("create", "moon", { ty = 9,
    pc = '{"m2m:grp":{"rn":"far","mnm":2,"mid":["/peer/peer/c"]}}' })
  if made ~= 2001 then return made end
  local code, body = ask("retrieve", "moon/far/fopt")
  local list = (decoded(body)["m2m:agr"] or {})["m2m:rsp"] or {}
  return list[1] and list[1].rsc or code
end

-- A container that is announced: 2001 once its answer names the copy at the second server.
local function announced()
  local code, body = ask("create", "moon", { ty = 3,
    pc = '{"m2m:cnt":{"rn":"told","at":["/peer"]}}' })
  local at = code == 2001 and (decoded(body)["m2m:cnt"] or {}).at
  return (not at or at[1]:find("^/peer/.")) and code or nil
end

-- The original, at the second server, of a copy here (rcn 7).
local function original()
  local function copy(to, ty, root, lnk)
    local code, body = ask("create", to, { ty = ty, fr = "/peer",
      pc = ('{"%s":{"lnk":"%s","et":"20990101T000000"}}'):format(root, lnk) })
    return code, (decoded(body)[root] or {}).ri
  end
  local code, base = copy("moon", 10005, "m2m:cbA", "/peer/peer")
  if code ~= 2001 then return code end
  local ri
  code, ri = copy(base, 10003, "m2m:cntA", "/peer/peer/c")
  if code ~= 2001 then return code end
  local body
  code, body = ask("retrieve", ri, { query = "rcn=7" })
  return (code ~= 2000 or decoded(body)["m2m:cnt"]) and code or nil
end

--- Requests to the first server for what the second hosts.
function ways.passed_on()
  acquaint(scratch.beside())
  local to, out = "~/peer/peer/c", {}
  out.create = ask("create", to, { ty = 4, pc = '{"m2m:cin":{"rn":"i","con":"x"}}' })
  out.retrieve = ask("retrieve", to .. "/la")
  out.update = ask("update", to, { pc = '{"m2m:cnt":{"lbl":["x"]}}' })
  out.discovery = ask("retrieve", to, { query = "fu=1&ty=4" })
  out["fan-out"] = fan_out()
  out["rt=1"] = ask("retrieve", to, { query = "rt=1" })
  out.original, out.announcement = original(), announced()
  out.delete = ask("delete", to .. "/i")
  return out
end

return ways
