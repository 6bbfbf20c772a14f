-- cse.serial: a terminal device, lines and bytes, both ways; a device that vanishes and comes back.

local d = require "devices"
local h = require "harness"

describe("cse.serial", function()
  local dir
  setup(function() dir = h.directory() end)
  teardown(function()
    h.stop_all()
    d.stop_all()
    h.sh("rm -rf %s", dir)
  end)

  it("hands out lines, writes, keeps what is half read over a reload", function()
    local tty = d.terminal(dir)
    local text = ([[
      local meter = cse.serial(%q, { baud = 9600, parity = "even", line = true }, function(line)
        seen[#seen + 1] = "VERSION " .. line
      end)
      cse.on("create", "/cmd", function(ev) assert(meter:send(ev.res.con .. "\r\n")) end)
    ]]):format(tty.device)
    local s = d.start((text:gsub("VERSION", "v1")))
    d.logs(s, "serial " .. tty.device .. ": open")
    tty.write "one\r\ntwo\nthr"
    d.sees(s, "two lines", function(seen) return seen[2] == "v1 two" end)
    h.expect(2001, s:create("/moon", "CAdmin", 3, { rn = "cmd" }))
    s:add("/moon/cmd", "CAdmin", "read")
    assert.equal("read\r", tty.line())
    h.write_file(s.dir .. "/gw.lua", d.HEAD .. text:gsub("VERSION", "v2"))
    local out, rc = h.sh("%s reload --data %s gw", h.bin, s.data)
    assert.equal(0, rc, out)
    tty.write "ee\n"
    local seen = d.sees(s, "the third line", function(seen) return #seen == 3 end)
    assert.same({ "v1 one", "v1 two", "v2 three" }, seen)
    s:add("/moon/cmd", "CAdmin", "again")
    assert.equal("again\r", tty.line())
    assert.equal(1, select(2, s:text():gsub(": open", "")))
    assert.equal(13, s:metric("moon2m_gateway_sent_total", 'kind="serial"'))
  end)

  it("hands out bytes as they come; other settings open the device anew", function()
    local tty = d.terminal(dir)
    local text = ([[
      cse.serial(%q, { baud = BAUD, reconnect = 0.1 }, function(bytes)
        seen[1] = (seen[1] or "") .. bytes
      end)
    ]]):format(tty.device)
    local s = d.start((text:gsub("BAUD", "115200")))
    d.logs(s, "serial " .. tty.device .. ": open")
    tty.write "\0\1\255\r\n\17"
    d.sees(s, "six bytes", function(seen) return #(seen[1] or "") >= 6 end)
    h.write_file(s.dir .. "/gw.lua", d.HEAD .. text:gsub("BAUD", "57600"))
    local out, rc = h.sh("%s reload --data %s gw", h.bin, s.data)
    assert.equal(0, rc, out)
    h.wait("the device to be opened again", function()
      return select(2, s:text():gsub(": open", "")) == 2
    end)
    tty.write "!"
    d.sees(s, "the last byte", function(seen) return seen[1]:sub(-1) == "!" end)
  end)

  it("a device that is missing, or goes, is opened when it is there", function()
    local device = dir .. "/tty"
    h.sh("rm -f %s", device)
    local s = d.start(([[
      local meter = cse.serial(%q, { line = true, reconnect = 0.1 }, function(line)
        seen[#seen + 1] = line
      end)
      cse.virtual("/try", function()
        local ok, err = meter:write("x")
        return { con = ok and "written" or err.msg }
      end)
    ]]):format(device))
    d.logs(s, "serial " .. device .. ": " .. device .. ": No such file or directory")
    assert.equal("the device is not open", h.expect(2000, s:retrieve("/moon/try", "CAdmin")).con)
    for i = 1, 2 do
      local tty = d.terminal(dir)
      h.wait("the device to be open", function()
        return select(2, s:text():gsub(": open", "")) == i
      end)
      tty.write("line " .. i .. "\n")
      d.sees(s, "a line", function(seen) return seen[i] == "line " .. i end)
      tty.close()
      d.kill(tty.pid)
      h.wait("the loss", function()
        return select(2, s:text():gsub("the device is gone", "")) == i
      end)
      h.sh("rm -f %s", device)
    end
    assert.is_true(s:alive())
  end)

  it("what is no terminal is told", function()
    local s = d.start('cse.serial("/dev/null", { reconnect = false }, function() end)')
    s:logs "serial /dev/null: /dev/null: not a terminal"
  end)
end)
