-- memory (TS-0001 D.4, TS-0004 D.4): the memory of the device, in bytes.

return {
  ty = 13, mgd = 1003, name = "mgmt_memory", short = "m2m:mem",
  attrs = {
    { "mma", "uint", create = "M", update = "O" },
    { "mmt", "uint", create = "M", update = "O" },
  },
}
