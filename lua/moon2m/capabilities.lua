-- `moon2m capabilities`: what the server does, tried against scratch instances of it on free
-- loopback ports: nothing is claimed that was not answered.  Types and attributes are those of
-- lua/moon2m/types, so a new one is tried without being named here.
-- The result is a table (probe()), written as JSON and as Markdown.

local events = require "moon2m.capabilities.events"
local json = require "moon2m.json"
local kinds = require "moon2m.kind"
local scratch = require "moon2m.capabilities.scratch"
local types = require "moon2m.types"
local ways = require "moon2m.capabilities.ways"
local client = require "moon2m.core.client"

local capabilities = {}

local ask, unused = scratch.ask, scratch.unused
local FLEX = "cod:binSh"         -- one class of TS-0023 stands for all, they have one path
local COPIES = { "cod:binShA", "m2m:batA" }    -- as for the announced variants of specialisations

-- What attributes of every type mean: a CSE, an attribute.
local COMMON = { at = '["/probe"]', aa = '["lbl"]' }

-- Values to try, the first that an attribute's kind accepts; %d: a number that was not used.
local SAMPLES = { "1", "true", '"Nx"', '["x"]', '["3"]', '["json"]', '[1]', '"x%d"', '"x:y"', "{}",
  "[{}]", '"20990101T000000"', '"PT1H"', '["20990101T000000"]', '["PT1H"]', '"http://127.0.0.1/x"',
  '["http://127.0.0.1/x"]', '"text/plain:0"', "2", "3", "0", "100", '[[1,2]]', "1.5",
  '{"acr":[{"acor":["all"],"acop":63}]}', '{"sce":["* * * * * * *"]}', '{"typ":1,"crd":"[1,2]"}',
  '"123456789012345678"', "4", '[1,2]', '[true,false]',
  '{"min":1,"max":2}', '"/probe/x"' }
-- What a kind alone does not tell.
local GIVEN = {
  ["m2m:sub"] = { nu = '["http://127.0.0.1:1/x"]' }, ["m2m:grp"] = { mid = '["moon"]', mnm = "9" },
  ["m2m:ae"] = { api = '"Nx"', rr = "true", srv = '["3"]' }, ["m2m:tsi"] = { dgt = '"%d"' },
  ["m2m:tsb"] = { bcnu = '["http://127.0.0.1:1/x"]' },
  ["m2m:actr"] = { apv = '{"op":2,"to":"moon","fr":"CAdmin"}', sri = '"moon"', orc = '"moon"',
    evc = '{"sbjt":"cst","optr":1,"thld":1}' },
  ["m2m:depr"] = { rri = '"moon"', evc = '{"sbjt":"cst","optr":1,"thld":1}' },
  ["m2m:crs"] = { nu = '["http://127.0.0.1:1/x"]', rrat = '["moon"]', twt = "1",
    tws = '"PT1M"', encs = '[{"net":[3]}]' },
  ["m2m:lcp"] = { los = "2" },
  ["m2m:smd"] = { dcrp = "4", dsp = '"PHJkZjpSREYgeG1sbnM6cmRmPSJodHRwOi8vd3d3LnczLm9yZy8xOTk5LzAy'
    .. 'LzIyLXJkZi1zeW50YXgtbnMjIi8+"' },       -- an empty rdf:RDF
}
local FILTERS = { "lbl=x", "ty=3", "crb=20990101T000000", "cra=20000101T000000",
  "ms=20000101T000000", "us=20990101T000000", "sts=9", "stb=9", "exb=20990101T000000",
  "exa=20000101T000000", "sza=0", "szb=9", "cty=text/plain:0", "lim=1", "ofst=1", "lvl=1", "fo=1",
  "fo=2", "fo=3", "arp=x", "lbq=x", "pty=3", "palb=x", "chty=3", "clbl=x", "rn=x", "mni=1",
  "c.rn=x", "p.rn=x", "cfq=$.x&cfs=1", "smf=x", "gmty=1&geom=[1,2]&gsf=1" }

-- ---- values -------------------------------------------------------------------------------------

-- A check may need what only a running server has: then nothing is accepted here.
local function accepts(kind, text)
  local ok, v = pcall(kind.check, text)
  return ok and v ~= nil
end

-- A value that a kind accepts; nil: none is known.
local function of_kind(kind)
  local made
  if kind.values then
    made = json.encode(kind.values[1])
  elseif kind.of then
    local one = of_kind(kind.of)
    made = one and "[" .. one .. "]"
  elseif kind.members then
    local parts = {}
    for _, m in ipairs(kind.members) do
      local k = m.list and kinds.list(m[2], m.list) or kinds.of(m[2])
      local one = m.required and of_kind(k)
      if one then parts[#parts + 1] = ("%q:%s"):format(m[1], one) end
    end
    made = "{" .. table.concat(parts, ",") .. "}"
  end
  if made and accepts(kind, made) then return made end
  for _, text in ipairs(SAMPLES) do
    made = unused(text)
    if accepts(kind, made) then return made end
  end
end

-- The values for a type; for a copy that is announced, those of its original.
local function given_for(T)
  return GIVEN[T.root] or T.spec.announced and GIVEN[T.root:gsub("A$", "")] or {}
end

local function sample(T, A)
  local given = given_for(T)[A.name] or COMMON[A.name]
  if given then return unused(given) end
  local own = T.spec.cnd and A.name == "cnd" and T.spec.cnd or T.spec.mgd and A.name == "mgd"
    and T.spec.mgd
  if own then return json.encode(own) end
  return of_kind(A.kind)
end

-- A representation with what is mandatory and `more` (name -> text).
local function body_of(T, more)
  local parts, have = {}, {}
  local function add(name, text)
    if have[name] then return end
    have[name] = true
    parts[#parts + 1] = ("%q:%s"):format(name, text)
  end
  for name, text in pairs(more or {}) do add(name, text) end
  for name in pairs(given_for(T)) do
    if T.attr[name] then add(name, sample(T, T.attr[name])) end
  end
  for _, name in ipairs(T.mandatory) do
    local text = sample(T, T.attr[name])
    if text then add(name, text) end
  end
  return ('{"%s":{%s}}'):format(T.root, table.concat(parts, ","))
end

-- Who creates one below `at`, and what it then must say.
local function originator(T, at, more)
  if T.name == "ae" then return unused "Cprobe%d", more end
  if T.name == "polling_channel" then return at, more end
  if T.name ~= "remote_cse" then return nil, more end
  local csi, full = unused "/probe%d", {}
  for name, text in pairs(more or {}) do full[name] = text end
  full.cb = full.cb or json.encode(csi .. "/base")
  return csi, full
end

-- Creates one below `at`: rsc, its address.
local function create(T, at, more)
  local fr, full = originator(T, at, more)
  local code, body = ask("create", at, { ty = T.ty, pc = body_of(T, full), fr = fr })
  local r = code == 2001 and json.decode(body)
  local ri = type(r) == "table" and next(r) and select(2, next(r)).ri
  return code, ri, body
end

-- ---- types --------------------------------------------------------------------------------------

local function all_types()
  types.find(FLEX)
  for _, root in ipairs(COPIES) do types.find(root) end
  local list = {}
  for _, T in pairs(types.by_name) do
    if T.ty ~= 5 and not T.abstract then list[#list + 1] = T end
  end
  table.sort(list, function(a, b)
    if a.ty ~= b.ty then return a.ty < b.ty end
    return a.root < b.root
  end)
  return list
end

-- Somewhere that a T may be: the address of one, made when there is none.  places: root -> address.
local function place_for(T, places)
  local order = {}
  for name in pairs(types.by_name) do order[#order + 1] = name end
  table.sort(order, function(a, b)
    return types.by_name[a].ty == 5 or types.by_name[b].ty ~= 5 and a < b
  end)
  for _, name in ipairs(order) do
    local P = types.by_name[name]
    if places[P.root] and not types.child_error(P, T) then return places[P.root] end
  end
end

-- One of each type, parents first.
local function settle(list)
  local places = { [types.by_ty[5].root] = "moon" }
  for _ = 1, 4 do
    for _, T in ipairs(list) do
      local at = not places[T.root] and not T.instance and place_for(T, places)
      if at then
        local code, ri = create(T, at)
        if code == 2001 then places[T.root] = ri end
      end
    end
  end
  return places
end

-- An UPDATE of its labels, or of the first attribute that takes one.
local function update_one(T, ri, name)
  local A = T.attr[name]
  local text = A and A.update ~= "-" and sample(T, A)
  if not text then return nil end
  return (ask("update", ri, { pc = ('{"%s":{"%s":%s}}'):format(T.root, name, text) }))
end

local function operations(T, at)
  local code, ri, why = create(T, at)
  if code ~= 2001 then return { create = code, why = why } end
  local found = { create = code, retrieve = (ask("retrieve", ri)) }
  for _, name in ipairs(T.attr.lbl and { "lbl", unpack(T.order) } or T.order) do
    if found.update == 2004 then break end
    found.update = update_one(T, ri, name) or found.update
  end
  found.delete = (ask("delete", ri))
  return found
end

-- What was accepted of each attribute: "C", "U", "CU", "R" (the CSE writes it), "-" refused.
local function attributes(T, at)
  local found = {}
  for _, name in ipairs(T.order) do
    local A, took = T.attr[name], ""
    local text = A.create ~= "-" and (A.create == "null" and "null" or sample(T, A))
    if text then
      local code, made = create(T, at, { [name] = text })
      if code == 2001 then took = "C" end
      if made then ask("delete", made) end
    end
    found[name] = took
  end
  local _, ri = create(T, at)
  for _, name in ipairs(T.order) do
    if ri and update_one(T, ri, name) == 2004 then found[name] = found[name] .. "U" end
    if found[name] == "" then found[name] = T.attr[name].create == "-" and "R" or "-" end
  end
  if ri then ask("delete", ri) end
  return found
end

local function probe_types()
  local list, out = all_types(), {}
  local places = settle(list)
  for _, T in ipairs(list) do
    local at = place_for(T, places)
    local row = { ty = T.ty, type = T.root, name = T.name, operations = {}, attributes = {} }
    if at then
      row.operations = operations(T, at)
      if row.operations.create ~= 2001 and places[T.root] then     -- only one may be there
        ask("delete", places[T.root])
        row.operations = operations(T, at)
      end
      if row.operations.create == 2001 then row.attributes = attributes(T, at) end
    end
    out[#out + 1] = row
  end
  return out
end

-- ---- the rest -----------------------------------------------------------------------------------

-- An announced container whose original is cnt.
local function copy_of(cnt)
  types.find "m2m:cbA"
  local _, at = create(types.by_ty[10005], "moon", { lnk = '"/elsewhere/base"' })
  local _, ri = create(types.by_ty[10003], at, { lnk = json.encode("/moon/" .. cnt) })
  return ri
end

local function probe_rcn(cnt)
  local out = {}
  for _, op in ipairs { "create", "retrieve", "update", "delete" } do
    out[op] = {}
    for rcn = 0, 12 do
      local o, to = { query = "rcn=" .. rcn }, cnt
      if op == "create" then o.ty, o.pc = 3, '{"m2m:cnt":{}}' end
      if op == "update" then o.pc = '{"m2m:cnt":{"lbl":["x"]}}' end
      if op == "delete" then
        local _, ri = create(types.by_name.container, cnt)
        to = ri
      end
      out[op][tostring(rcn)] = ask(op, to, o)
    end
  end
  out.discovery = {}
  for rcn = 0, 12 do
    out.discovery[tostring(rcn)] = ask("retrieve", cnt, { query = "fu=1&rcn=" .. rcn })
  end
  out.retrieve["7"] = ask("retrieve", copy_of(cnt), { query = "rcn=7" })
  return out
end

local function probe_queries(list, before)
  local out = {}
  for _, q in ipairs(list) do out[q] = ask("retrieve", "moon", { query = before .. q }) end
  return out
end

local function probe_virtual(cnt)
  local group = [[{"m2m:grp":{"mnm":1,"mid":["%s"]}}]]
  local _, body = ask("create", "moon", { ty = 9, pc = group:format(cnt) })
  ask("create", cnt, { ty = 4, pc = '{"m2m:cin":{"con":"x"}}' })
  return { la = ask("retrieve", cnt .. "/la"), ol = ask("retrieve", cnt .. "/ol"),
    fopt = ask("retrieve", json.decode(body)["m2m:grp"].ri .. "/fopt") }
end

local function probe_serializations(cnt)
  local cbor = "\161\103m2m:cnt\160"
  return {
    json = ask("create", cnt, { ty = 3, pc = '{"m2m:cnt":{}}' }),
    cbor = ask("create", cnt, { ty = 3, pc = cbor, media = "application/cbor",
      accept = "application/cbor" }),
    xml = ask("create", cnt, { ty = 3, pc = "<m2m:cnt/>", media = "application/xml" }),
  }
end

local function probe_websocket()
  local number = client.dial(("ws://127.0.0.1:%d/"):format(scratch.port), "oneM2M.json")
  if not number then return nil end
  client.send(number, ('{"op":2,"to":"moon","fr":"%s","rqi":"w","rvi":"3"}'):format(
    scratch.ADMIN))
  for _ = 1, 250 do
    client.turn(0.02)
    for _, a in ipairs(client.take()) do
      local p = a.from == number and json.decode(a.body)
      if p then return p.rsc end
    end
  end
end

local function probe_others(cnt)
  local rvi = {}
  for _, v in ipairs { "1", "2", "2a", "3", "4", "5" } do
    rvi[v] = ask("retrieve", cnt, { rvi = v })
  end
  ask("retrieve", "moon/nothing")
  ask("create", cnt, { ty = 2, pc = body_of(types.by_name.ae), fr = "Cother" })
  ask("retrieve", cnt, { fr = "Cunknown" })
  ask("create", cnt, { ty = 3, pc = "{" })
  return rvi
end

-- Everything, against servers that run.
local function tried()
  local _, cnt = create(types.by_name.container, "moon")
  return { types = probe_types(), rcn = probe_rcn(cnt),
    filters = probe_queries(FILTERS, "fu=1&"),
    drt = probe_queries({ "drt=1", "drt=2" }, "fu=1&"),
    response_types = ways.response_types(), delayed = ways.delayed(),
    subscription = events.subscriptions(), serializations = probe_serializations(cnt),
    virtual = probe_virtual(cnt), releases = probe_others(cnt), passed_on = ways.passed_on(),
    bindings = { http = ask("retrieve", "moon"), websocket = probe_websocket() } }
end

--- Tries everything against servers of its own; the result as a table.
function capabilities.probe()
  scratch.open()
  local ok, out = pcall(tried)
  scratch.close()
  if not ok then error(out, 0) end
  out.virtual.ntsr, out.subscription.ntsr = out.subscription.ntsr, nil
  out.status_codes = json.array {}
  for code in pairs(scratch.seen) do table.insert(out.status_codes, code) end
  table.sort(out.status_codes)
  return out
end

-- ---- Markdown -----------------------------------------------------------------------------------

local DONE = { [1001] = true, [1002] = true, [2000] = true, [2001] = true, [2002] = true,
  [2004] = true }

local function accepted(t)
  local list = {}
  for name, code in pairs(t) do
    if DONE[code] then list[#list + 1] = name:gsub("=.*", function(v)
      return (name:find "^fo=" or name:find "rt=") and v or ""
    end) end
  end
  table.sort(list, function(a, b)
    local x, y = tonumber(a:match "%d+$"), tonumber(b:match "%d+$")
    if x and y and x ~= y then return x < y end
    return a < b
  end)
  return table.concat(list, ", ")
end

local LETTER = { { "create", "C" }, { "retrieve", "R" }, { "update", "U" }, { "delete", "D" } }

local function type_line(row)
  local ops, attrs = {}, { C = {}, U = {}, CU = {} }
  for _, l in ipairs(LETTER) do
    if DONE[row.operations[l[1]]] then ops[#ops + 1] = l[2] end
  end
  local names = {}
  for name in pairs(row.attributes) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do table.insert(attrs[row.attributes[name]] or {}, name) end
  local told = ops[1] and table.concat(ops, " ") or row.operations.create
    and ("- (%d)"):format(row.operations.create) or "-"
  return ("| `%s` | %d | %s | %s | %s | %s |"):format(row.type, row.ty, told,
    table.concat(attrs.CU, " "), table.concat(attrs.C, " "), table.concat(attrs.U, " "))
end

--- The result as Markdown: a table of types and one of the rest.
function capabilities.markdown(c)
  local out = {
    "| type | ty | operations | at CREATE and UPDATE | at CREATE only | at UPDATE only |",
    "|---|---|---|---|---|---|" }
  for _, row in ipairs(c.types) do out[#out + 1] = type_line(row) end
  local function add(what, text) out[#out + 1] = ("| %s | %s |"):format(what, text) end
  out[#out + 1] = "\n| | accepted |\n|---|---|"
  for _, l in ipairs(LETTER) do add("`rcn` of " .. l[1], accepted(c.rcn[l[1]])) end
  add("`rcn` of discovery", accepted(c.rcn.discovery))
  add("filters", accepted(c.filters))
  add("`drt`", accepted(c.drt))
  add("response types", accepted(c.response_types))
  add("delayed execution", accepted(c.delayed))
  add("passed on to another CSE", accepted(c.passed_on))
  add("virtual resources", accepted(c.virtual))
  add("`net`", accepted(c.subscription.net))
  add("`nct`", accepted(c.subscription.nct))
  add("`enc`", accepted(c.subscription.enc))
  add("serializations", accepted(c.serializations))
  add("bindings", accepted(c.bindings))
  add("releases", accepted(c.releases))
  local codes = {}
  for i, code in ipairs(c.status_codes) do codes[i] = ("%d"):format(code) end
  out[#out + 1] = ("| status codes met | %s |"):format(table.concat(codes, ", "))
  return table.concat(out, "\n") .. "\n"
end

local function write(name, text)
  local f, why = io.open(name, "w")
  if not f then error(why, 0) end
  f:write(text)
  f:close()
end

--- The command: the file for JSON, the file for Markdown ("": none; both: to standard output).
function capabilities.main(json_file, markdown_file)
  local ok, why = pcall(function()
    local c = capabilities.probe()
    if json_file ~= "" then write(json_file, json.encode(c) .. "\n") end
    if markdown_file ~= "" then write(markdown_file, capabilities.markdown(c)) end
    if json_file == "" and markdown_file == "" then io.stdout:write(capabilities.markdown(c)) end
  end)
  if ok then return 0 end
  io.stderr:write("moon2m: ", tostring(why), "\n")
  return 1
end

return capabilities
