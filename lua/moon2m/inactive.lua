-- AEs whose registration is inactive (regs 2, TS-0001 9.6.5): discovery leaves them and what is
-- below them out.  They are few; who they are is known from the start on.

local rows = require "moon2m.rows"
local sql_life = require "moon2m.sql_life"

local INACTIVE = "2"

local inactive = {}

local paths, path_of = {}, {}    -- path of an AE -> true; AE-ID -> its path

local function mark(key, path)
  if path_of[key] then paths[path_of[key]] = nil end
  path_of[key] = path
  if path then paths[path] = true end
end

--- Start only: those in the store.  Yields.
function inactive.open()
  paths, path_of = {}, {}
  for row in rows.each(sql_life.inactive, "path", "") do
    mark(row.aei, row.path)
  end
end

--- An AE was created or updated.
function inactive.set(ae)
  mark(ae.key, ae.raw.regs == INACTIVE and ae.path or nil)
end

--- The AE with this AE-ID is gone.
function inactive.forget(key)
  mark(key, nil)
end

--- Whether discovery leaves out what is at a path.  (An AE is right below the CSEBase.)
function inactive.hides(path)
  return next(paths) ~= nil and paths[path:match("^[^/]+") or ""] == true
end

return inactive
