-- All rows of a statement, page by page: what modules read at the start.  One page is in memory at
-- a time; what is written meanwhile may be seen or not.

local store = require "moon2m.core.store"

local PAGE = 500

local rows = {}

--- An iterator over the rows of a statement in the order of one of its columns; `from` is the value
-- to start after, the statement's last parameter; the others are in front of it.  Yields.
function rows.each(statement, column, from, ...)
  local n = select("#", ...)
  local parameters = { ... }
  local page, i, more = {}, 0, true
  return function()
    i = i + 1
    if not page[i] and more then
      parameters[n + 1] = from
      page, more = store.find(statement, parameters, PAGE)
      i = 1
    end
    local row = page[i]
    if row then from = row[column] end
    return row
  end
end

return rows
