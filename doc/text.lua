-- Descriptions as blocks: paragraphs and code, for the writers of HTML and Markdown.

local text = {}

--- A list of { code = text } and { words = text } of a description.
function text.blocks(description)
  local list, words, code = {}, {}, nil
  local function flush()
    if words[1] then list[#list + 1] = { words = table.concat(words, " ") } end
    words = {}
  end
  for line in (description .. "\n"):gmatch("(.-)\n") do
    if line:find("^```") then
      flush()
      if code then list[#list + 1] = { code = table.concat(code, "\n") } end
      code = not code and {} or nil
    elseif code then
      code[#code + 1] = line
    elseif line == "" then
      flush()
    else
      words[#words + 1] = line
    end
  end
  flush()
  return list
end

return text
