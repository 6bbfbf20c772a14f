-- For the bench: scripts' worst, over and over: twice a second one of eight timers loops for ever,
-- floods memory, recurses or asks for a gigabyte.  Each rests after its fifth failure.

local cse = require "moon2m"

local WAYS = {
  function() while true do end end,
  function() while true do pcall(function() while true do end end) end end,
  function() local t = {} for i = 1, 1e9 do t[i] = { i } end return t end,
  function() local s = "x" while true do s = s .. s end end,
  function() return #("x"):rep(1e9) .. "" end,
  function() local function f() return 1 + f() end return f() end,
  function() coroutine.wrap(function() while true do end end)() end,
  function() table.sort({ 3, 2, 1 }, function() while true do end end) end,
}

for i, way in ipairs(WAYS) do
  cse.every(4, function()
    cse.sleep(i / 2)
    way()
  end)
end
