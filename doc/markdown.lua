-- The reference as Markdown, for readers of text.

local reference = require "moon2m.reference"
local text = require "text"

local markdown = {}

local function description(out, s)
  for _, block in ipairs(text.blocks(s)) do
    out[#out + 1] = (block.code and "```lua\n" .. block.code .. "\n```" or block.words) .. "\n"
  end
end

local function cell(s)
  return (s:gsub("\n", " "):gsub("|", "\\|"))
end

local function rows(out, title, list)
  if not list[1] then return end
  out[#out + 1] = ("| %s | | |\n|---|---|---|"):format(title)
  for _, one in ipairs(list) do
    out[#out + 1] = ("| `%s` | `%s`%s | %s |"):format(one.name or one.type,
      cell(reference.type_text(one)), one.optional and " or nil" or "", cell(one.text))
  end
  out[#out + 1] = ""
end

local function entry_text(out, entry)
  local title = entry.kind == "function" and reference.signature(entry) or
    reference.short(entry.name)
  out[#out + 1] = "### `" .. title .. "`\n"
  description(out, entry.text)
  rows(out, "parameter", entry.params or {})
  rows(out, "returns", entry.returns or {})
  rows(out, "field", entry.fields or {})
  for _, v in ipairs(entry.variants or {}) do
    out[#out + 1] = ("- `%s`: %s"):format(v.type, v.text)
  end
  if entry.variants then out[#out + 1] = "" end
end

--- The text.  o: { title, intro }.  After html.page, which says what is shown.
function markdown.page(model, o)
  local out = { "# " .. o.title .. "\n" }
  description(out, o.intro)
  for _, section in ipairs(model.sections) do
    out[#out + 1] = "## " .. section.title .. "\n"
    description(out, section.text)
    for _, entry in ipairs(section.shown) do entry_text(out, entry) end
  end
  return table.concat(out, "\n")
end

return markdown
