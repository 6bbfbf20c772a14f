-- Pages (cse.page) over a scope's life: served from the swap on, gone with the scope unless its
-- successor declares the same path.

local core = require "moon2m.core.cse"

local part = {}

local function by_path(scope)
  local set = {}
  for _, page in ipairs(scope and scope.pages or {}) do set[page.path] = page end
  return set
end

function part.check(scope, others)
  for _, other in ipairs(others) do
    local taken = by_path(other)
    for _, page in ipairs(scope.pages) do
      if taken[page.path] then
        return nil, ("%s: cse.page %s: %s has that page"):format(scope.file, page.path, other.file)
      end
    end
  end
  return true
end

function part.adopt(scope, previous, undo)
  local before = by_path(previous)
  for _, page in ipairs(scope.pages) do
    local ok, why = core.page(page.path, page.type, page.body)
    if not ok then error(("%s: cse.page %s: %s"):format(scope.file, page.path, why), 0) end
    local old = before[page.path]
    undo[#undo + 1] = function()
      if old then core.page(old.path, old.type, old.body) else core.page(page.path) end
    end
  end
end

function part.drop(scope, successor)
  local kept = by_path(successor)
  for _, page in ipairs(scope.pages) do
    if not kept[page.path] then core.page(page.path) end
  end
end

return part
