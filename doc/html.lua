-- The reference as one HTML page that needs nothing else: contents at the side, an anchor for each
-- name, types that lead to what they are.

local lua_code = require "lua_code"
local reference = require "moon2m.reference"
local text = require "text"

local html = {}

local ENTITIES = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;" }

local function escaped(s)
  return (s:gsub('[&<>"]', ENTITIES))
end

-- "http://..." is no word of ours: only `code` is marked up.
local function inline(s, model)
  return (escaped(s):gsub("`([^`]+)`", function(code)
    local name = code:gsub("%(.*$", "")
    if model.names[name] then return ('<a href="#%s"><code>%s</code></a>'):format(name, code) end
    return "<code>" .. code .. "</code>"
  end))
end

local function description(out, s, model)
  for _, block in ipairs(text.blocks(s)) do
    if block.code then
      out[#out + 1] = "<pre>" .. lua_code.html(block.code, escaped) .. "</pre>"
    else
      out[#out + 1] = "<p>" .. inline(block.words, model) .. "</p>"
    end
  end
end

-- A type whose names lead to where they are described.
local function linked(one, model)
  local s = escaped(one.type):gsub("moon2m%.([%w_.]+)", function(name)
    if not model.types["moon2m." .. name] then return name end
    return ('<a href="#%s">%s</a>'):format(name, name)
  end)
  return "<code>" .. s .. "</code>"
end

local function rows(out, title, list, model)
  if not list[1] then return end
  out[#out + 1] = "<h4>" .. title .. "</h4><table>"
  for _, one in ipairs(list) do
    out[#out + 1] = ("<tr><td><code>%s</code></td><td>%s%s</td><td>%s</td></tr>"):format(
      escaped(one.name), linked(one, model), one.optional and ' <i>or nil</i>' or "",
      inline((one.text:gsub("\n", " ")), model))
  end
  out[#out + 1] = "</table>"
end

-- ---- entries ------------------------------------------------------------------------------------

local function of_class(out, entry, model)
  local parents = {}
  for i, name in ipairs(entry.parents) do
    parents[i] = linked({ type = name }, model)
  end
  if parents[1] then
    out[#out + 1] = "<p>What " .. table.concat(parents, ", ") .. " has, and:</p>"
  end
  rows(out, "Fields", entry.fields, model)
end

local function of_alias(out, entry, model)
  if entry.type then out[#out + 1] = "<p>" .. linked(entry, model) .. "</p>" end
  if not entry.variants[1] then return end
  out[#out + 1] = "<table>"
  for _, v in ipairs(entry.variants) do
    out[#out + 1] = ("<tr><td><code>%s</code></td><td>%s</td></tr>"):format(escaped(v.type),
      inline(v.text, model))
  end
  out[#out + 1] = "</table>"
end

local function heading(entry)
  if entry.kind ~= "function" then return escaped(reference.short(entry.name)) end
  local call, rest = reference.signature(entry):match("^(.-%))(.*)$")
  local name, arguments = call:match("^([^(]+)(.*)$")
  return ("%s<span>%s%s</span>"):format(name, escaped(arguments),
    escaped(rest):gsub("%-&gt;", "&rarr;"))
end

local function entry_html(out, entry, model)
  local id = reference.short(entry.name)
  out[#out + 1] = ('<section id="%s"><h3><a href="#%s"><code>%s</code></a>%s</h3>'):format(id, id,
    heading(entry), entry.async and ' <b title="looks synchronous, lets the server go on">waits</b>'
    or "")
  description(out, entry.text, model)
  if entry.kind == "function" then
    rows(out, "Parameters", entry.params, model)
    rows(out, "Returns", entry.returns, model)
  elseif entry.kind == "class" then
    of_class(out, entry, model)
  elseif entry.kind == "alias" then
    of_alias(out, entry, model)
  end
  out[#out + 1] = "</section>"
end

-- ---- page ---------------------------------------------------------------------------------------

local function anchor(title)
  return "-" .. title:lower():gsub("%W+", "-")
end

-- Classes that stand again in another file, only to be added to, are shown once.
local function shown(entry, seen)
  local again = seen[entry.name]
  seen[entry.name] = true
  return not again
end

local function contents(out, sections)
  out[#out + 1] = "<nav><input id=find type=search placeholder=\"Find a name\" autocomplete=off>"
  for _, section in ipairs(sections) do
    out[#out + 1] = ('<h2><a href="#%s">%s</a></h2><ul>'):format(anchor(section.title),
      section.title)
    for _, entry in ipairs(section.shown) do
      local id = reference.short(entry.name)
      local inner = id:match("^res%.[^.]+%.")        -- members of members are in the text
      if not inner then
        out[#out + 1] = ('<li><a href="#%s">%s</a></li>'):format(id, (id:gsub("^res%.", "")))
      end
    end
    out[#out + 1] = "</ul>"
  end
  out[#out + 1] = "</nav>"
end

--- The page.  o: { title, intro = description, style = CSS, script = JavaScript }.
function html.page(model, o)
  local out, seen = {}, {}
  for _, section in ipairs(model.sections) do
    section.shown = {}
    for _, entry in ipairs(section.entries) do
      if shown(entry, seen) then table.insert(section.shown, entry) end
    end
  end
  out[1] = ('<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>%s</title>' ..
    '<meta name="viewport" content="width=device-width, initial-scale=1">\n<style>\n%s</style>' ..
    "</head><body>"):format(o.title, o.style)
  contents(out, model.sections)
  out[#out + 1] = "<main><h1>" .. o.title .. "</h1>"
  description(out, o.intro, model)
  for _, section in ipairs(model.sections) do
    out[#out + 1] = ('<h2 id="%s">%s</h2>'):format(anchor(section.title), section.title)
    description(out, section.text, model)
    for _, entry in ipairs(section.shown) do entry_html(out, entry, model) end
  end
  out[#out + 1] = ("</main><script>\n%s</script></body></html>\n"):format(o.script)
  return table.concat(out, "\n")
end

return html
