-- moon2m test apps/hello_test.lua
local t = require "moon2m.test"

t.test("a reading every five seconds, a log line for each", function()
  local h = t.host { scripts = { "apps/hello.lua" } }
  t.equal(t.ok(h:retrieve("/hello")).mni, 100)
  h:advance(4.9)
  t.is_nil(h:latest("/hello"))
  h:advance(0.1)
  t.equal(h:latest("/hello"), os.date("%H:%M:%S", h:now()))
  h:advance(20)
  t.equal(#h:latest("/hello", 100), 5)
  t.equal(#h:logged("^hello, the time is %d%d:%d%d:%d%d$"), 5)
end)
