-- timeSeriesInstance (TS-0001 9.6.37, TS-0004 7.4.39): one value and the time at which it came to
-- be; no two of a timeSeries have the same.  Written once, never changed; `con` stays the bytes
-- that were received.

return {
  ty = 30, name = "time_series_instance", short = "m2m:tsi", instance = true,
  children = {}, children_later = { semantic_descriptor = true },
  attrs = {
    "rn", "ty", "ri", "pi", "ct", "lt",
    { "et", update = "-" }, { "lbl", update = "-" },
    { "at", update = "-" }, { "aa", update = "-" }, { "ast", update = "-" },
    "cr", { "loc", update = "-" },
    { "dgt", "abs_rel_timestamp", create = "M", update = "-", announced = "OA" },
    { "con", "any", create = "M", update = "-", announced = "OA" },
    { "snr", "uint", create = "O", update = "-", announced = "OA" },
    { "cs", "uint", create = "-", update = "-" },
  },
}
