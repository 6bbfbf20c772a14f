-- The scratch servers of `moon2m capabilities`: one, and for what CSEs pass on to each other a
-- second one beside it; requests to them over HTTP.  Every status code that is answered is noted.

local client = require "moon2m.core.client"
local server = require "moon2m.test.server"

local scratch = { ADMIN = "CAdmin" }

local SECONDS = 30
local METHOD = { create = "POST", retrieve = "GET", update = "PUT", delete = "DELETE" }

local serial, one, peer = 0, nil, nil

--- Starts the first server, with nothing noted.
function scratch.open()
  serial, scratch.seen = 0, {}
  one = server.new {}
  scratch.port = one.port
end

--- The URL of a target here, and what came there: client.take().
function scratch.url(name)
  return one:url(name)
end

--- Waits until fn gives something true, and returns that; nil after SECONDS.
function scratch.wait(fn)
  return server.wait_for(SECONDS, fn)
end

--- The text with a number that was not used in the place of each %d.
function scratch.unused(text)
  serial = serial + 1
  return (text:gsub("%%d", ("%d"):format(serial)))
end

--- One request: rsc (nil: none), content, head.  o = { fr, rvi, accept, head, pc, media, ty, query,
-- port }.
function scratch.ask(op, to, o)
  o = o or {}
  serial = serial + 1
  local head = ("X-M2M-Origin: %s\r\nX-M2M-RI: c%d\r\nX-M2M-RVI: %s\r\nAccept: %s\r\n%s"):format(
    o.fr or scratch.ADMIN, serial, o.rvi or "4", o.accept or "application/json", o.head or "")
  if o.pc then
    head = ("%sContent-Type: %s%s\r\n"):format(head, o.media or "application/json",
      o.ty and ";ty=" .. o.ty or "")
  end
  local url = ("http://127.0.0.1:%d/%s%s"):format(o.port or scratch.port, to,
    o.query and "?" .. o.query or "")
  local status, answer, body = client.http(METHOD[op], url, head, o.pc or "", SECONDS)
  local code = status and tonumber(answer:match("[Xx]%-[Mm]2[Mm]%-[Rr][Ss][Cc]:%s*(%d+)"))
  if code then scratch.seen[code] = true end
  return code, body, answer
end

local function read(file)
  local f = io.open(file, "rb")
  local text = f and f:read("*a") or ""
  if f then f:close() end
  return text
end

--- Starts the second server, the CSE /peer with the base `peer`; its port.
function scratch.beside()
  local log = one.folder .. "/peer.log"
  peer = assert(client.spawn({ "run", "--data", one.folder .. "/peer", "--set", "cse.id=/peer",
    "--set", "cse.name=peer", "--set", "outgoing.loopback=true", "--listen", "127.0.0.1:0" }, log))
  local port = scratch.wait(function()
    local n = read(log):match("boot ready[^\n]* http=[^%s]-:(%d+)[^\n]*\n")
    return n and tonumber(n) or client.ended(peer) and 0
  end)
  if not port or port == 0 then error("the second server does not start:\n" .. read(log), 0) end
  return port
end

--- Ends what was started.
function scratch.close()
  if peer then
    client.signal(peer, "TERM")
    if not scratch.wait(function() return client.ended(peer) end) then
      client.signal(peer, "KILL")
      scratch.wait(function() return client.ended(peer) end)
    end
    peer = nil
  end
  server.finish()
end

return scratch
