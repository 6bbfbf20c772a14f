-- `make doc`: the reference from the descriptions of the library, as reference.html and
-- reference.md in the folder that is given.

local here = arg[0]:gsub("[^/]*$", "")
package.path = here .. "?.lua;" .. package.path

local html = require "html"
local markdown = require "markdown"
local reference = require "moon2m.reference"

local function read(name)
  local f = assert(io.open(here .. name, "rb"))
  local text = f:read("*a")
  f:close()
  return text
end

local function write(name, text)
  local f = assert(io.open(name, "wb"))
  f:write(text)
  f:close()
end

local o = { title = "moon2m for scripts", style = read "style.css", script = read "find.js",
  intro = [[
A script is a Lua file that declares what it adds to the server, and acts in the functions that it
declares. `local cse = require "moon2m"` is its view of the server; `moon2m run NAME.lua` runs it,
`moon2m check NAME.lua` loads it without a server, `moon2m test` runs its tests, and
`moon2m help NAME` shows what stands here.

Functions that are marked "waits" look synchronous and let the server go on meanwhile. What may be
absent says "or nil"; `-> x | nil, err` means that an expected failure gives `nil` and an error
with `err.rsc` and `err.msg`.]] }

local folder, model = arg[1], reference.get()
write(folder .. "/reference.html", html.page(model, o))
write(folder .. "/reference.md", markdown.page(model, o))
