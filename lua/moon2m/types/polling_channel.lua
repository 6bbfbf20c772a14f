-- pollingChannel (TS-0001 9.6.21, TS-0004 7.4.21): how an AE or a CSE without a server fetches what
-- is for it.  One each, made by that AE or CSE; its virtual child pcu is polling.lua's.

return {
  ty = 15, name = "polling_channel", short = "m2m:pch",
  parents = { "ae" }, children = {},
  virtual = { pcu = "polling_channel_uri" },
  attrs = {
    "rn", "ty", "ri", "pi", "ct", "lt", "et", "lbl",
    { "rqag", "bool", create = "O", update = "O" },
  },
}
