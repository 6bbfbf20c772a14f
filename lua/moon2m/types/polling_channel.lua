-- pollingChannel (TS-0001 9.6.21, TS-0004 7.4.21): how an AE without a server fetches what is for
-- it.  One per AE, made by that AE; its virtual child pcu is polling.lua's.

return {
  ty = 15, name = "polling_channel", short = "m2m:pch",
  parents = { "ae" }, children = {},
  virtual = { pcu = "polling_channel_uri" },
  attrs = {
    "rn", "ty", "ri", "pi", "ct", "lt", "et", "lbl",
    { "rqag", "bool", create = "O", update = "O" },
  },
}
