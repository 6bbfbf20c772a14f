-- Flame graphs: folded stacks become one SVG file that needs nothing else.  A box is a line of
-- code, as wide as its share of the samples; what it called stands on it.  A click on a box makes
-- it as wide as the picture, one on the lowest box shows all again; the tip of the mouse tells the
-- whole text.

local words = require "moon2m.words"

local flame = {}

local WIDTH, ROW = 1200, 18       -- pixels of the picture, of a row
local TOP, BOTTOM = 48, 12
local LEAST = 0.3                 -- pixels: narrower boxes are left out
local GLYPH = 6.6                 -- pixels of a letter

local SCRIPT = [[
(function () {
  var svg = document.documentElement, boxes = [].slice.call(svg.querySelectorAll("g.b"));
  function num(g, name) { return parseFloat(g.getAttribute(name)); }
  function show(x, w) {
    boxes.forEach(function (g) {
      var left = (num(g, "data-x") - x) / w, wide = num(g, "data-w") / w;
      var a = Math.max(0, left), b = Math.min(1, left + wide), r = g.children[1], t = g.children[2];
      g.style.display = b - a < 0.0003 ? "none" : "";
      r.setAttribute("x", a * WIDTH);
      r.setAttribute("width", Math.max(0, (b - a) * WIDTH - 0.5));
      t.setAttribute("x", a * WIDTH + 4);
      var room = Math.floor(((b - a) * WIDTH - 8) / GLYPH), s = g.getAttribute("data-s");
      t.textContent = room < 3 ? "" : s.length <= room ? s : s.slice(0, room - 2) + "..";
    });
  }
  boxes.forEach(function (g) {
    g.addEventListener("click", function () { show(num(g, "data-x"), num(g, "data-w")); });
  });
})();
]]

local HEAD = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d"'
  .. ' font-family="monospace" font-size="11">'
local STYLE = "<style>rect{stroke:none}g.b{cursor:pointer}g.b:hover rect{stroke:#000}"
  .. "text{pointer-events:none}</style>"
local CENTRED = '<text x="%d" y="%d" text-anchor="middle" font-size="%d">%s</text>'

local ENTITIES = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;" }

local function xml(s)
  return (s:gsub('[&<>"]', ENTITIES):gsub("[%z\1-\31\127-\255]", "?"))
end

-- ---- the tree -----------------------------------------------------------------------------------

local function child(at, name)
  local c = at.by[name]
  if not c then
    c = { name = name, n = 0, by = {}, list = {} }
    at.by[name] = c
    at.list[#at.list + 1] = c
  end
  return c
end

-- Folded text as a tree of { name, n, list of the same }, and its height.
local function parse(folded)
  local root, height = { name = "all", n = 0, by = {}, list = {} }, 1
  for stack, count in folded:gmatch("([^\n]+) (%d+)%f[\n%z]") do
    local at, level = root, 1
    local n = tonumber(count)
    root.n = root.n + n
    for frame in stack:gmatch("[^;]+") do
      at = child(at, frame)
      at.n, level = at.n + n, level + 1
    end
    height = math.max(height, level)
  end
  return root, height
end

-- ---- drawing ------------------------------------------------------------------------------------

-- Scripts are warm, the library is blue, C is grey.
local function colour(name)
  local h = 0
  for i = 1, #name do h = (h * 31 + name:byte(i)) % 997 end
  if name == "all" then return "#d8d8d8" end
  if name:find("^lib/") then return ("hsl(205,45%%,%d%%)"):format(66 + h % 14) end
  if not name:find(":%d+$") then return ("hsl(0,0%%,%d%%)"):format(70 + h % 12) end
  return ("hsl(%d,85%%,%d%%)"):format(18 + h % 30, 60 + h % 10)
end

local function label(text, width)
  local room = math.floor((width - 8) / GLYPH)
  if room < 3 then return "" end
  return xml(#text <= room and text or text:sub(1, room - 2) .. "..")
end

local BOX = '<g class="b" data-x="%.6f" data-w="%.6f" data-s="%s"><title>%s: %s, %.1f %%'
  .. '</title><rect x="%.2f" y="%d" width="%.2f" height="%d" rx="2" fill="%s"/>'
  .. '<text x="%.2f" y="%d">%s</text></g>'

local function draw(out, at, x, level, size)
  local width = at.n / size.n * WIDTH
  if width < LEAST then return end
  local y = size.height - BOTTOM - level * ROW
  local name = xml(at.name)
  out[#out + 1] = BOX:format(x / WIDTH, width / WIDTH, name, name, words.count(at.n, "sample"),
    100 * at.n / size.n, x, y, math.max(0, width - 0.5), ROW - 1, colour(at.name), x + 4,
    y + ROW - 5, label(at.name, width))
  table.sort(at.list, function(a, b) return a.name < b.name end)
  for _, c in ipairs(at.list) do
    draw(out, c, x, level + 1, size)
    x = x + c.n / size.n * WIDTH
  end
end

--- The picture of folded stacks (lines "outermost;...;innermost samples") as the text of an SVG
-- file. Without any sample: a picture that says so.
function flame.svg(folded, title)
  local root, height = parse(folded)
  local size = { n = math.max(1, root.n), height = TOP + height * ROW + BOTTOM }
  local out = { HEAD:format(WIDTH, size.height, WIDTH, size.height), STYLE,
    ('<rect width="%d" height="%d" fill="#fff"/>'):format(WIDTH, size.height),
    CENTRED:format(WIDTH / 2, 24, 14, xml(title)) }
  if root.n == 0 then
    out[#out + 1] = CENTRED:format(WIDTH / 2, 44, 11, "no Lua ran meanwhile")
  else
    draw(out, root, 0, 1, size)
  end
  out[#out + 1] = "<script><![CDATA[" ..
    SCRIPT:gsub("WIDTH", tostring(WIDTH)):gsub("GLYPH", tostring(GLYPH)) .. "]]></script></svg>\n"
  return table.concat(out, "\n")
end

return flame
