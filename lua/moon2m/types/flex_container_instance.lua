-- flexContainerInstance (TS-0001, release 4): what the attributes of a flexContainer were.  The CSE
-- makes them, nobody creates or updates one by request.  Its root is that of the flexContainer, its
-- attributes are these and those that the specialisation has by itself.

return {
  ty = 58, name = "flex_container_instance", short = "m2m:fci", instance = true, by_cse = true,
  children = {},
  attrs = {
    "rn", "ty", "ri", "pi", "ct",
    { "et", create = "-", update = "-" }, { "lbl", create = "-", update = "-" },
    "st",
    { "cs", "uint", create = "-", update = "-" },
    { "org", "id", create = "-", update = "-" },
    { "loc", create = "-", update = "-" },
  },
}
