-- Searches by place: the store keeps the box around each location (the table geo of
-- runtime/store_schema.c).  What a geo-query can mean has a box that meets the query's, so the
-- boxes lead a search when few do; sql_match.lua looks at the points, discovery.lua compares the
-- geometries.

local match = require "moon2m.sql_match"

local geo = { MOST = 2000 }      -- boxes that lead a search at most

-- Geometries are compared with a tolerance.
local MARGIN = 1e-6

--- The condition that fc cannot be met without, { least x, least y, greatest x, greatest y }; nil
-- when it has none.
function geo.box(fc)
  return match.all(fc) and fc.geo and fc.geo[1].box or nil
end

-- That a box (alias b, of geo) meets another.
local function meets(q, box)
  return ("b.x0<=%s AND b.x1>=%s AND b.y0<=%s AND b.y1>=%s"):format(
    match.bind(q, box[3] + MARGIN), match.bind(q, box[1] - MARGIN),
    match.bind(q, box[4] + MARGIN), match.bind(q, box[2] - MARGIN))
end

local function some(q, box, instances)
  return ("(SELECT count(*) FROM (SELECT 1 FROM geo b WHERE %s LIMIT %d))"):format(
    geo.leading(q, box, instances), geo.MOST + 1)
end

--- How many boxes meet this one (up to 2,001): a statement with the columns resources and
-- instances, and its parameters.
function geo.probe(box)
  local q = match.new_query(0)
  return "SELECT " .. some(q, box) .. " AS resources," .. some(q, box, true) .. " AS instances",
    q.params
end

--- What boxes lead to, from the probe's answer: { resources =, instances = booleans }.
function geo.choose(n)
  return { resources = n.resources <= geo.MOST, instances = n.instances <= geo.MOST }
end

--- Conditions on the boxes that lead, alias b: of the resources or of the instances.
function geo.leading(q, box, instances)
  return meets(q, box) .. " AND b.id%2=" .. (instances and 1 or 0)
end

return geo
