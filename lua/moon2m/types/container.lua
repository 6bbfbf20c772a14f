-- container (TS-0001 9.6.6, TS-0004 7.4.6): holds instances, the newest reached as "la", the
-- oldest as "ol".  mni, mbs and mia bound it; the store evicts the oldest in the transaction of
-- each create.

return {
  ty = 3, name = "container", short = "m2m:cnt",
  instances = "content_instance",
  children = { "content_instance", "subscription", "container" },
  virtual = { la = "latest", ol = "oldest" },
  attrs = {
    "rn", "ty", "ri", "pi", "ct", "lt", "et", "lbl", "acpi", "daci", "at", "aa", "ast",
    "st", "cr", "cstn", "loc",
    { "mni", "uint", create = "O", update = "O", announced = "OA" },
    { "mbs", "uint", create = "O", update = "O", announced = "OA" },
    { "mia", "uint", create = "O", update = "O", announced = "OA" },
    { "cni", "uint", create = "-", update = "-" },
    { "cbs", "uint", create = "-", update = "-" },
    { "li", "uri", create = "-", update = "-", announced = "OA" },
    { "or", "uri", create = "O", update = "O", announced = "OA" },
    { "disr", "bool", create = "O", update = "O", announced = "OA" },
  },
}
