-- Pages that scripts declare with cse.page: a file of the script's own folder, or a text, served
-- on GET of a path of its own without any oneM2M header.  Read when the script loads, so what is
-- served is what was checked; nothing else of the folder can be reached.

local sys = require "moon2m.core.sys"
local path = require "moon2m.path"

local mistake = require "moon2m.mistake"
local options = require "moon2m.options"

local page = {}

local MAX = 1048576              -- bytes of a page, as in bind_page.h

local TYPES = { html = "text/html; charset=utf-8", js = "text/javascript; charset=utf-8",
  css = "text/css; charset=utf-8", json = "application/json", svg = "image/svg+xml",
  png = "image/png", txt = "text/plain; charset=utf-8" }

-- The address must not hide a resource: those begin with a digit, C, S, "-", "~", "_" or the name
-- of the CSEBase.  nil, or what is wrong.
local function path_error(where)
  local first = type(where) == "string" and (where == "/" and "" or where:match("^/(%l[%w._-]*)"))
  if not first or not where:match("^/[%w._/-]*$") or #where > 128 or where:match("./$") then
    mistake.argument("cse.page", "where", "a path like \"/live\" (a lower-case letter first)",
      where)
  end
  local _, base = path.configured()
  if first == base or first == "notify" or where == "/healthz" or where == "/metrics" then
    return where .. " is an address of the server itself"
  end
end

-- The file's text and the media type of its ending; nil, reason.
local function read(scope, file)
  if file:sub(1, 1) == "/" or file:find("..", 1, true) or file:find("%z") then
    return nil, ("%q: only files of the script's own folder can be served"):format(file)
  end
  local text, why = sys.read(scope.folder .. "/" .. file, MAX)
  if not text then return nil, why end
  return text, TYPES[file:match("%.(%w+)$")]
end

local TEXT = options.declare("moon2m.page.text", { text = { "string", required = true } })

local function take(scope, source)
  if type(source) == "string" then return read(scope, source) end
  if type(source) == "table" and next(source) ~= nil then
    return options.check("cse.page: source", source, TEXT).text, TYPES.html
  end
  mistake.argument("cse.page", "source", "a file's name or { text = \"...\" }", source)
end

--- Checks a declaration and reads the file.  source: the name of a file beside the script, or
-- { text = "..." }; kind: the media type, for known endings and texts with a default.
-- { path, type, body } | nil, reason.
function page.declare(scope, where, source, kind)
  local wrong = path_error(where)
  if wrong then return nil, wrong end
  local body, by_name = take(scope, source)
  if not body then return nil, by_name end
  if #body > MAX then
    return nil, ("%s has %d bytes, at most %d are possible"):format(where, #body, MAX)
  end
  kind = kind or by_name
  if type(kind) ~= "string" or not kind:match("^[%w.+-]+/[%w.+-]+[ -~]*$") then
    mistake.argument("cse.page", "kind", "a media type like \"text/html\"", kind)
  end
  return { path = where, type = kind, body = body }
end

return page
