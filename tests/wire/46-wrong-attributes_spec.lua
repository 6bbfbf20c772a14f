-- Bad input of every type: each attribute missing, not permitted, of a wrong type or value, null,
-- unknown, read-only; wrong parents, roots, types and originators.  The requests come from the
-- types' files (wrong_requests.lua).  Each is refused with the code that the rule says and a text
-- that names the attribute, and the whole tree is afterwards what it was, byte for byte.
-- BAD_INPUT=all: all classes of flexContainer, not a few of them.

local cjson = require "cjson"
local h = require "harness"
local raw = require "raw"

-- TS-0009 Table 6.3.2-1, as far as it is used here.
local HTTP = { [4000] = 400, [4005] = 405, [4103] = 403, [4106] = 403, [4107] = 403, [4108] = 403,
  [4125] = 501, [5001] = 501, [5203] = 403 }

local AT_ONCE = 50               -- requests under way
local LOOK = 100                 -- requests between two looks at the whole tree
local SHOWN = 40                 -- failures in a message

-- The lines of the generator.
local function generated()
  local out, rc = h.sh("%s lua --lua lua tests/wire/wrong_requests.lua %s", h.bin,
    os.getenv("BAD_INPUT") == "all" and "all" or "")
  assert(rc == 0, out:sub(-2000))
  local lines = {}
  for text in out:gmatch("[^\n]+") do lines[#lines + 1] = cjson.decode(text) end
  return lines
end

-- The answers to the texts of requests (no more than AT_ONCE), by request identifier, and what came
-- unasked: somebody is told of what should not have happened.
local function ask(c, texts)
  local frames = {}
  for i, text in ipairs(texts) do frames[i] = raw.frame(0x81, text) end
  c:write(table.concat(frames))
  local answers, missing, unasked = {}, #texts, nil
  while missing > 0 do
    local op, data = c:frame(10)
    assert(op == 1, "no answer, after " .. texts[1])
    local a = cjson.decode(data)
    if a.rsc then
      a.text, answers[a.rqi], missing = data, a, missing - 1
    else
      unasked = data
    end
  end
  return answers, unasked
end

-- The same request over HTTP, on a connection that stays: its answer.
local METHOD = { "POST", "GET", "PUT", "DELETE" }
local function over_http(c, text)
  local op, to, fr, rest = text:match('^{"op":(%d),"to":"([^"]+)","fr":"([^"]+)",(.*)}$')
  local ty, pc = rest:match '"ty":(%d+)', rest:match '"pc":(.*)$'
  local head = ("%s /%s HTTP/1.1\r\nHost: 127.0.0.1\r\nX-M2M-Origin: %s\r\nX-M2M-RI: h1\r\n" ..
    "X-M2M-RVI: 4\r\n"):format(METHOD[tonumber(op)], to, fr)
  if op == "1" or op == "3" then
    head = head .. ("Content-Type: application/json%s\r\nContent-Length: %d\r\n"):format(
      ty and ";ty=" .. ty or "", #(pc or ""))
  end
  c:write(head .. "\r\n" .. (pc or ""))
  local r = assert(c:response(), "no answer")
  local ok, body = pcall(cjson.decode, r.body)
  return { rsc = r.rsc, status = r.status, pc = ok and body or nil, text = r.body }
end

local function only(c, text)
  local _, a = next(ask(c, { text }))
  return a
end

local function complain(found)
  if not found[1] then return end
  error(("%d failures:\n%s"):format(#found,
    table.concat(found, "\n", 1, math.min(#found, SHOWN))), 0)
end

describe("wrong requests", function()
  local s, c, lines
  local count = 0

  -- All that is there, as its representation says; but for the current time.
  local function tree()
    local a = only(c, '{"op":2,"to":"moon","fr":"CAdmin","rqi":"tree","rvi":"4","rcn":4}')
    assert(a.rsc == 2000, a.text)
    return (a.text:gsub('"ctm":"[^"]*"', "", 1))
  end

  -- All that is stored.
  local function stored()
    return (h.sh("sqlite3 -readonly %s/data/*.db .dump | grep -vE 'INSERT INTO .?meta'", s.dir))
  end

  local function flaw(case, a)
    local dbg = type(a) == "table" and type(a.pc) == "table" and a.pc["m2m:dbg"]
    if not a then return "no answer" end
    if a.rsc ~= case.code then return ("expected %d, got %s"):format(case.code, a.text) end
    if type(dbg) ~= "string" or dbg:sub(1, #case.named) ~= case.named then
      return ("expected %q to be named first, got %s"):format(case.named, a.text)
    end
    if dbg:find("%.lua:%d") or dbg:find("traceback") then return "internal: " .. dbg end
  end

  -- Adds what went wrong in a group to `found`.
  local function play(cases, found, group)
    for first = 1, #cases, AT_ONCE do
      local texts = {}
      for i = first, math.min(first + AT_ONCE - 1, #cases) do texts[#texts + 1] = cases[i].text end
      local answers, unasked = ask(c, texts)
      if unasked then found[#found + 1] = group .. ": told of " .. unasked end
      for i, text in ipairs(texts) do
        local case = cases[first + i - 1]
        local why = flaw(case, answers[text:match('"rqi":"(%w+)"')])
        if why then
          found[#found + 1] = ("%s, %s: %s\n    %s"):format(group, case.what, why, text)
        end
      end
    end
    count = count + #cases
  end

  setup(function()
    local places = {}
    lines = generated()
    s = h.start()
    s:register("other")
    c = raw.websocket(s.ws_port)
    for _, line in ipairs(lines) do
      for _, case in ipairs(line.cases or {}) do case.text = case.text:gsub("@[%w_]+@", places) end
      if line.told then
        local a = only(c, line.told)
        if a.rsc ~= 2000 then error(a.text .. "\n" .. line.told, 0) end
      end
      if line.sample then
        local a = only(c, line.text)
        if a.rsc ~= 2001 then
          error(("a %s (type_samples.lua): %s\n%s"):format(line.sample, a.text, line.text), 0)
        end
        if line.name then places[line.name] = a.pc[line.sample].ri end
      end
    end
  end)
  teardown(function()
    if c then c:close() end
    h.stop_all()
  end)

  it("are refused as the rule says, and change nothing", function()
    local found, since, looked = {}, nil, 0
    local before, rows = tree(), stored()
    for i, line in ipairs(lines) do
      if line.group then
        since = since or line.group
        play(line.cases, found, line.group)
        if count - looked > LOOK or i == #lines then
          local after = tree()
          if after ~= before then
            found[#found + 1] = ("from %s to %s: the tree changed"):format(since, line.group)
          end
          before, since, looked = after, nil, count
        end
      end
    end
    if stored() ~= rows then found[#found + 1] = "what is stored changed" end
    complain(found)
    assert.is_true(count > 15000, tostring(count))
  end)

  it("have the HTTP status of their code: one of each attribute", function()
    local found, http, before = {}, raw.connect(s.port), tree()
    for _, line in ipairs(lines) do
      local case = line.group and line.cases[1]
      -- POST without a type is a NOTIFY
      local a = case and not case.what:find("^no ty") and over_http(http, case.text)
      local why = a and (flaw(case, a) or a.status ~= HTTP[case.code] and "status " .. a.status)
      if why then
        found[#found + 1] = ("%s, %s: %s\n    %s"):format(line.group, case.what, why, case.text)
      end
    end
    http:close()
    if tree() ~= before then found[#found + 1] = "the tree changed" end
    complain(found)
  end)

  it("leave no traceback in the log", function()
    assert.not_matches("stack traceback", s:text())
    assert.not_matches("\nerror ", s:text())
  end)
end)
