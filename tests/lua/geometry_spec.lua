-- Geometries: what is one, and how two lie to each other.

local geometry = require "moon2m.geometry"
local t = require "moon2m.test"

local POINT, LINE, POLYGON, POINTS, LINES, POLYGONS = 1, 2, 3, 4, 5, 6
local SQUARE = "[[[0,0],[10,0],[10,10],[0,10],[0,0]]]"
local HOLED = "[[[0,0],[10,0],[10,10],[0,10],[0,0]],[[4,4],[6,4],[6,6],[4,6],[4,4]]]"

local function shape(typ, text) return assert(geometry.parse(typ, text)) end
local function refused(typ, text, pattern)
  local v, why = geometry.parse(typ, text)
  assert.is_nil(v)
  assert.matches(pattern, why)
end

local function contains(a, b, c, d) return geometry.contains(shape(a, b), shape(c, d)) end
local function intersects(a, b, c, d)
  local one, other = shape(a, b), shape(c, d)
  local is = geometry.intersects(one, other)
  t.equal(geometry.intersects(other, one), is)
  return is
end

describe("a geometry", function()
  it("is read from its type and coordinates", function()
    t.equal(shape(POINT, "[8.5,47.25,400]").points[1][2], 47.25)
    t.equal(#shape(LINE, "[[0,0],[1,1]]").lines[1], 2)
    t.equal(#shape(POLYGON, SQUARE).polygons[1], 1)
    t.equal(#shape(POLYGON, "[[0,0],[1,0],[1,1],[0,0]]").polygons[1][1], 4)
    t.equal(#shape(POINTS, "[[0,0],[1,1]]").points, 2)
    t.equal(#shape(LINES, "[[[0,0],[1,1]],[[2,2],[3,3]]]").lines, 2)
    t.equal(#shape(POLYGONS, "[" .. SQUARE .. "]").polygons, 1)
  end)

  it("is refused when it is none", function()
    refused(POINT, "here", "JSON")
    refused(POINT, "[1]", "coordinates")
    refused(POINT, "[1,2,3,4]", "coordinates")
    refused(POINT, '["1","2"]', "coordinates")
    refused(POINT, "[[1,2]]", "coordinates")
    refused(POINT, '{"x":1}', "coordinates")
    refused(LINE, "[[0,0]]", "two positions")
    refused(LINE, "[]", "coordinates")
    refused(POLYGON, "[[[0,0],[1,0],[1,1]]]", "four")
    refused(POLYGON, "[[[0,0],[1,0],[1,1],[2,2]]]", "four")
    refused(POINTS, "[" .. ("[1,2],"):rep(600) .. "[1,2]]", "more than")
  end)

  it("contains what is in it, its boundary included", function()
    t.equal(contains(POLYGON, SQUARE, POINT, "[5,5]"), true)
    t.equal(contains(POLYGON, SQUARE, POINT, "[10,5]"), true)
    t.equal(contains(POLYGON, SQUARE, POINT, "[10.1,5]"), false)
    t.equal(contains(POLYGON, HOLED, POINT, "[5,5]"), false)
    t.equal(contains(POLYGON, HOLED, POINT, "[4,5]"), true)
    t.equal(contains(POLYGON, SQUARE, LINE, "[[1,1],[9,9]]"), true)
    t.equal(contains(POLYGON, SQUARE, LINE, "[[0,0],[10,0],[10,10]]"), true)
    t.equal(contains(POLYGON, SQUARE, LINE, "[[1,1],[11,9]]"), false)
    t.equal(contains(POLYGON, HOLED, LINE, "[[1,5],[9,5]]"), false)
    t.equal(contains(POLYGON, SQUARE, POLYGON, "[[1,1],[9,1],[9,9],[1,1]]"), true)
    t.equal(contains(POLYGON, SQUARE, POLYGON, SQUARE), true)
    t.equal(contains(POLYGON, HOLED, POLYGON, SQUARE), false)
    t.equal(contains(POLYGON, SQUARE, POLYGON, HOLED), true)
    t.equal(contains(POLYGON, HOLED, POLYGON, "[[1,1],[9,1],[9,9],[1,9],[1,1]]"), false)
    t.equal(contains(LINE, "[[0,0],[10,10]]", POINT, "[3,3]"), true)
    t.equal(contains(LINE, "[[0,0],[5,5],[10,10]]", LINE, "[[2,2],[8,8]]"), true)
    t.equal(contains(LINE, "[[0,0],[10,10]]", LINE, "[[2,2],[8,9]]"), false)
    t.equal(contains(POINTS, "[[1,1],[2,2]]", POINT, "[2,2]"), true)
    t.equal(contains(POINT, "[2,2]", POINTS, "[[1,1],[2,2]]"), false)
    t.equal(contains(LINE, "[[0,0],[10,10]]", POLYGON, SQUARE), false)
    t.equal(contains(POLYGONS, "[" .. SQUARE .. ",[[[20,0],[30,0],[30,9],[20,0]]]]", POINTS,
      "[[5,5],[29,5]]"), true)
  end)

  it("contains no line that leaves a shape which is not convex", function()
    local horseshoe = "[[0,0],[10,0],[10,10],[7,10],[7,3],[3,3],[3,10],[0,10],[0,0]]"
    t.equal(contains(POLYGON, horseshoe, LINE, "[[1,9],[9,9]]"), false)
    t.equal(contains(POLYGON, horseshoe, LINE, "[[1,9],[1,1],[9,1],[9,9]]"), true)
  end)

  it("intersects what has a point in common with it", function()
    t.equal(intersects(POLYGON, SQUARE, POINT, "[10,10]"), true)
    t.equal(intersects(POLYGON, SQUARE, POINT, "[11,10]"), false)
    t.equal(intersects(POLYGON, SQUARE, LINE, "[[-1,5],[11,5]]"), true)
    t.equal(intersects(POLYGON, HOLED, LINE, "[[4.5,5],[5.5,5]]"), false)
    t.equal(intersects(POLYGON, SQUARE, POLYGON, "[[5,5],[15,5],[15,15],[5,5]]"), true)
    t.equal(intersects(POLYGON, SQUARE, POLYGON, "[[-5,-5],[15,-5],[15,15],[-5,15],[-5,-5]]"), true)
    t.equal(intersects(POLYGON, SQUARE, POLYGON, "[[-5,4],[15,4],[15,6],[-5,6],[-5,4]]"), true)
    t.equal(intersects(POLYGON, SQUARE, POLYGON, "[[11,0],[15,0],[15,6],[11,0]]"), false)
    t.equal(intersects(LINE, "[[0,0],[10,10]]", LINE, "[[0,10],[10,0]]"), true)
    t.equal(intersects(LINE, "[[0,0],[10,10]]", LINE, "[[0,1],[9,10]]"), false)
    t.equal(intersects(LINE, "[[0,0],[10,10]]", POINT, "[1,2]"), false)
  end)
end)
