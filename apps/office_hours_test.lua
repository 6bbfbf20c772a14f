-- moon2m test apps/office_hours_test.lua
local t = require "moon2m.test"

local function at(hour)
  local h = t.host {
    scripts = { "apps/office_hours.lua" },
    tree = { ["/home"] = { ty = "ae" }, ["/home/temp"] = {}, ["/guest"] = { ty = "ae" } },
    now = os.time { year = 2026, month = 1, day = 5, hour = hour },
  }
  local owner, guest = h:as("Chome"), h:as("Cguest")
  t.ok(owner:create("/home/temp", "21"))
  return h, owner, guest
end

t.test("open from 08 to 18, for reading only", function()
  local _, _, guest = at(12)
  t.equal(guest:latest("/home/temp"), "21")
  t.ok(guest:retrieve("/home/temp"))
  t.refused(4103, guest:create("/home/temp", "1"))
  t.refused(4103, guest:delete("/home/temp"))
end)

t.test("closed at night with a reason, but not to who made the resource", function()
  local h, owner, guest = at(7)
  t.match(t.refused(4103, guest:retrieve("/home/temp/la")).msg, "readings are open from 08 to 18")
  t.equal(owner:latest("/home/temp"), "21")
  local ri = t.ok(owner:retrieve("/home/temp")).ri
  t.refused(4103, guest:retrieve(ri))
  h:advance(3600)
  t.ok(guest:retrieve(ri))
  t.refused(4103, (select(2, at(18))):as("Cguest"):retrieve("/home/temp"))
end)
