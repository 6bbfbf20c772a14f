-- reboot (TS-0001 D.10, TS-0004 D.10): rbo true reboots the device, far true resets it to what it
-- left the factory with.

return {
  ty = 13, mgd = 1009, name = "mgmt_reboot", short = "m2m:rbo",
  triggers = { rbo = false, far = false },
  exclusive = { { "rbo", "far" } },
  attrs = {
    { "rbo", "bool", create = "O", update = "O", one = true, default = "false" },
    { "far", "bool", create = "O", update = "O", one = true, default = "false" },
  },
}
