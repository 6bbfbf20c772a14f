-- For tests of faults that compare: what is measured with and without a fault, by turns, so that
-- other work on the machine falls on both.  No program of its own.

local turns = {}

--- The value below which the part q (0 to 1) of a list lies; sorts the list.
function turns.quantile(list, q)
  table.sort(list)
  return list[math.max(1, math.ceil(#list * q))]
end

--- Calls without() and with() by turns, with() n times; both give { p99 =, p50 = } in ms.  Each
-- with is compared with those without before and after it: the medians of the ratios p99 and p50,
-- the extremes least99 and most99, and the medians of the p99 in ms, before99 (without) and
-- during99.  Where both also give cpu =, cpu is the ratio of the server's work.
function turns.compare(n, without, with)
  local r = { p99 = {}, p50 = {}, before99 = {}, during99 = {}, cpu = {} }
  local before = without()
  for i = 1, n do
    local during, after = with(), without()
    r.p99[i] = during.p99 / ((before.p99 + after.p99) / 2)
    r.p50[i] = during.p50 / ((before.p50 + after.p50) / 2)
    r.before99[i], r.during99[i] = before.p99, during.p99
    r.cpu[i] = during.cpu and during.cpu / ((before.cpu + after.cpu) / 2)
    before = after
  end
  table.sort(r.p99)
  r.least99, r.most99 = r.p99[1], r.p99[n]
  for _, k in ipairs { "p99", "p50", "before99", "during99", "cpu" } do
    r[k] = r[k][1] and turns.quantile(r[k], 0.5)
  end
  return r
end

return turns
