-- Geometries of locations and of geo-queries (Release 4; as in RFC 7946): points, lines and
-- polygons in the plane of their coordinates, so no polygon reaches over a pole or the date line.
-- A boundary belongs to its polygon.  Pure functions; what a geometry may have is bounded.

local json = require "moon2m.json"

local huge, max, min = math.huge, math.max, math.min

local geometry = {}

local MAX_POINTS = 500
local LEVELS = { 1, 2, 3, 2, 3, 4 }      -- of arrays, by type: Point .. MultiPolygon
local POLYGON, MULTI_POLYGON = 3, 6

-- ---- reading ------------------------------------------------------------------------------------

local function position(v)
  if not json.is_array(v) or #v < 2 or #v > 3 then return nil end
  for i = 1, #v do
    if type(v[i]) ~= "number" or v[i] - v[i] ~= 0 then return nil end
  end
  return { v[1], v[2] }
end

-- The positions `levels` arrays deep; counts them in `sum`.
local function positions(v, levels, sum)
  if levels == 1 then
    sum.n = sum.n + 1
    return position(v)
  end
  if not json.is_array(v) or #v == 0 then return nil end
  local out = {}
  for i = 1, #v do
    out[i] = sum.n <= MAX_POINTS and positions(v[i], levels - 1, sum) or nil
    if not out[i] then return nil end
  end
  return out
end

local function bounds(shape)
  local box = { huge, huge, -huge, -huge }
  local function widen(list)
    for _, p in ipairs(list) do
      box[1], box[2] = min(box[1], p[1]), min(box[2], p[2])
      box[3], box[4] = max(box[3], p[1]), max(box[4], p[2])
    end
  end
  widen(shape.points)
  for _, line in ipairs(shape.lines) do widen(line) end
  for _, polygon in ipairs(shape.polygons) do
    for _, ring in ipairs(polygon) do widen(ring) end
  end
  return box
end

local function same(a, b) return a[1] == b[1] and a[2] == b[2] end

local function misshapen(shape)
  for _, line in ipairs(shape.lines) do
    if #line < 2 then return "a line has two positions at least" end
  end
  for _, polygon in ipairs(shape.polygons) do
    for _, ring in ipairs(polygon) do
      if #ring < 4 or not same(ring[1], ring[#ring]) then
        return "a ring of a polygon has four positions at least, the last is the first"
      end
    end
  end
end

-- The three lists of a shape.
local function shape_of(typ, v)
  local points = typ == 1 and { v } or typ == 4 and v or {}
  local lines = typ == 2 and { v } or typ == 5 and v or {}
  local polygons = typ == POLYGON and { v } or typ == MULTI_POLYGON and v or {}
  return { points = points, lines = lines, polygons = polygons }
end

--- A geometry: typ 1 Point, 2 LineString, 3 Polygon, 4 MultiPoint, 5 MultiLineString,
-- 6 MultiPolygon; text: its coordinates as JSON.  A polygon of one ring may leave out the outer
-- array. nil, reason when it is none.
function geometry.parse(typ, text)
  local ok, v = pcall(json.decode, text)
  if not ok or v == nil then return nil, "the coordinates are no JSON" end
  local sum = { n = 0 }
  local list = positions(v, LEVELS[typ], sum)
  if not list and typ == POLYGON and sum.n <= MAX_POINTS then
    list = positions(v, 2, { n = 0 })
    list = list and { list }
  end
  if sum.n > MAX_POINTS then
    return nil, ("more than %d positions"):format(MAX_POINTS)
  end
  if not list then return nil, "not the coordinates of a geometry of this type" end
  local shape = shape_of(typ, list)
  local why = misshapen(shape)
  if why then return nil, why end
  shape.box = bounds(shape)
  return shape
end

-- ---- points and segments ------------------------------------------------------------------------

local function cross(a, b, p)
  return (b[1] - a[1]) * (p[2] - a[2]) - (b[2] - a[2]) * (p[1] - a[1])
end

-- Whether p is on the segment a b: within what a double cannot tell apart.
local function on_segment(a, b, p)
  local scale = math.abs(b[1] - a[1]) + math.abs(b[2] - a[2]) + math.abs(p[1]) + math.abs(p[2])
  if math.abs(cross(a, b, p)) > 1e-14 * scale * scale then return false end
  local e = 1e-12 * scale
  return p[1] >= min(a[1], b[1]) - e and p[1] <= max(a[1], b[1]) + e
    and p[2] >= min(a[2], b[2]) - e and p[2] <= max(a[2], b[2]) + e
end

-- 1 inside a ring, 0 on it, -1 outside.
local function in_ring(ring, p)
  local inside = false
  for i = 1, #ring - 1 do
    local a, b = ring[i], ring[i + 1]
    if on_segment(a, b, p) then return 0 end
    if (a[2] > p[2]) ~= (b[2] > p[2])
      and p[1] < (b[1] - a[1]) * (p[2] - a[2]) / (b[2] - a[2]) + a[1] then
      inside = not inside
    end
  end
  return inside and 1 or -1
end

-- As in_ring, of a polygon with its holes.
local function in_polygon(polygon, p)
  local at = in_ring(polygon[1], p)
  if at <= 0 then return at end
  for i = 2, #polygon do
    local hole = in_ring(polygon[i], p)
    if hole == 0 then return 0 end
    if hole > 0 then return -1 end
  end
  return 1
end

local function on_line(line, p)
  for i = 1, #line - 1 do
    if on_segment(line[i], line[i + 1], p) then return true end
  end
  return false
end

-- Whether a point belongs to a shape.
local function has_point(shape, p)
  for _, q in ipairs(shape.points) do
    if same(q, p) then return true end
  end
  for _, line in ipairs(shape.lines) do
    if on_line(line, p) then return true end
  end
  for _, polygon in ipairs(shape.polygons) do
    if in_polygon(polygon, p) >= 0 then return true end
  end
  return false
end

-- Calls fn(a, b) for each segment of lines and rings until it returns a value.
local function segments(shape, fn)
  local function along(line)
    for i = 1, #line - 1 do
      local v = fn(line[i], line[i + 1])
      if v ~= nil then return v end
    end
  end
  for _, line in ipairs(shape.lines) do
    local v = along(line)
    if v ~= nil then return v end
  end
  for _, polygon in ipairs(shape.polygons) do
    for _, ring in ipairs(polygon) do
      local v = along(ring)
      if v ~= nil then return v end
    end
  end
end

-- Where a b meets c d, as the fraction of a b; nil when they are parallel or do not meet.
local function meeting(a, b, c, d)
  local rx, ry, sx, sy = b[1] - a[1], b[2] - a[2], d[1] - c[1], d[2] - c[2]
  local det = rx * sy - ry * sx
  if det == 0 then return nil end
  local t = ((c[1] - a[1]) * sy - (c[2] - a[2]) * sx) / det
  local u = ((c[1] - a[1]) * ry - (c[2] - a[2]) * rx) / det
  return t >= 0 and t <= 1 and u >= 0 and u <= 1 and t or nil
end

-- The fraction of a b at which p, a point of it, is.
local function fraction(a, b, p)
  local dx, dy = b[1] - a[1], b[2] - a[2]
  if math.abs(dx) > math.abs(dy) then return (p[1] - a[1]) / dx end
  return dy ~= 0 and (p[2] - a[2]) / dy or 0
end

-- ---- covering -----------------------------------------------------------------------------------

-- Whether the segment a b is in a shape: it is cut where it meets the shape's segments, then the
-- middle of each piece tells.
local function has_segment(shape, a, b)
  if not has_point(shape, a) or not has_point(shape, b) then return false end
  local cuts = { 0, 1 }
  segments(shape, function(c, d)
    local t = meeting(a, b, c, d)
    if t then cuts[#cuts + 1] = t end
    if on_segment(a, b, c) then cuts[#cuts + 1] = fraction(a, b, c) end
    if on_segment(a, b, d) then cuts[#cuts + 1] = fraction(a, b, d) end
  end)
  table.sort(cuts)
  for i = 1, #cuts - 1 do
    local t = (cuts[i] + cuts[i + 1]) / 2
    if cuts[i + 1] - cuts[i] > 1e-9
      and not has_point(shape, { a[1] + (b[1] - a[1]) * t, a[2] + (b[2] - a[2]) * t }) then
      return false
    end
  end
  return true
end

local function middle(a, b) return { (a[1] + b[1]) / 2, (a[2] + b[2]) / 2 } end

-- Whether one polygon is in another: its rings are, and no hole of the other is in it.
local function polygon_in(outer, inner)
  local shape = { points = {}, lines = {}, polygons = { outer } }
  local out = segments({ lines = {}, polygons = { inner } }, function(a, b)
    if not has_segment(shape, a, b) then return true end
  end)
  if out then return false end
  for i = 2, #outer do
    local hole = outer[i]
    for k = 1, #hole - 1 do
      if in_polygon(inner, hole[k]) > 0 or in_polygon(inner, middle(hole[k], hole[k + 1])) > 0 then
        return false
      end
    end
  end
  return true
end

local function apart(a, b)
  return a[1] > b[3] or b[1] > a[3] or a[2] > b[4] or b[2] > a[4]
end

--- Whether all of `inner` belongs to `outer`; both as of geometry.parse.
function geometry.contains(outer, inner)
  if apart(outer.box, inner.box) then return false end
  for _, p in ipairs(inner.points) do
    if not has_point(outer, p) then return false end
  end
  for _, line in ipairs(inner.lines) do
    for i = 1, #line - 1 do
      if not has_segment(outer, line[i], line[i + 1]) then return false end
    end
  end
  for _, polygon in ipairs(inner.polygons) do
    local found = false
    for _, of in ipairs(outer.polygons) do found = found or polygon_in(of, polygon) end
    if not found then return false end
  end
  return true
end

-- Whether some position of `one` belongs to `other`.
local function touches(one, other)
  for _, p in ipairs(one.points) do
    if has_point(other, p) then return true end
  end
  return segments(one, function(a, b)
    if has_point(other, a) or has_point(other, b) then return true end
  end) or false
end

--- Whether two shapes have a point in common.
function geometry.intersects(one, other)
  if apart(one.box, other.box) then return false end
  if touches(one, other) or touches(other, one) then return true end
  return segments(one, function(a, b)
    return segments(other, function(c, d)
      if meeting(a, b, c, d) then return true end
    end)
  end) or false
end

--- The geospatial functions of TS-0004 by number, each of a location and the query's geometry.
geometry.functions = {
  function(location, of) return geometry.contains(of, location) end,
  geometry.contains,
  geometry.intersects,
}

return geometry
