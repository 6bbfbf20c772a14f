-- rcn 7 (TS-0004 7.3.3.6): a RETRIEVE of an announced resource that asks for its original, which is
-- retrieved where `lnk` says, in the name of whoever asks, whose rights that CSE decides.

local core = require "moon2m.core.json"
local access = require "moon2m.access"
local announced = require "moon2m.announced"
local json = require "moon2m.json"
local path = require "moon2m.path"
local result = require "moon2m.result"
local rsc = require "moon2m.rsc"
local transit = require "moon2m.transit"
local tree = require "moon2m.tree"

local RETRIEVE = 2

local original = {}

-- The text of an error that another CSE answered.
local function reason(pc)
  local ok, v = pcall(json.decode, pc or "{}")
  local text = ok and type(v) == "table" and v["m2m:dbg"]
  return type(text) == "string" and text or "no reason given"
end

local function elsewhere(req, lnk)
  local code, pc, extra = transit.perform { op = RETRIEVE, to = lnk, fr = req.who, who = req.who,
    ae = req.ae, via = "script", rqi = req.rqi, now = req.now, mono = req.mono, times = req.times,
    known = req.known, params = {} }
  if not code then return nil, pc end
  if code == rsc.OK then return pc, extra end
  return nil, rsc.err(code, "lnk: %s: %s", lnk, reason(pc))
end

local function here(req, lnk)
  local r = tree.resolve(lnk)
  if not r or r.virtual then
    return nil, rsc.err(rsc.NOT_FOUND, "lnk: there is no resource %s", lnk)
  end
  local ok, e = access.check(r, access.RETRIEVE, req)
  if not ok then return nil, e end
  return result.attributes(r)
end

--- The original's representation (JSON text), extra | nil, err; 4000 when r is not announced.
-- Yields.
function original.retrieve(req, r)
  if not announced.is(r.ty) then
    return nil, rsc.err(rsc.BAD_REQUEST, "rcn: 7 is for announced resources only")
  end
  local lnk = core.string(r.raw.lnk)
  if path.is_remote(lnk) then return elsewhere(req, lnk) end
  return here(req, lnk)
end

return original
