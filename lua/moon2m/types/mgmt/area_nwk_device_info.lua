-- areaNwkDeviceInfo (TS-0001 D.6, TS-0004 D.6): a device in an area network; awi is the areaNwkInfo
-- of the network, whose ldv has this device as long as it does (area_network.lua).  sli and sld in
-- seconds.

return {
  ty = 13, mgd = 1005, name = "mgmt_area_nwk_device_info", short = "m2m:andi",
  attrs = {
    { "dvd", "string", create = "M", update = "O" },
    { "dvt", "string", create = "M", update = "O" },
    { "awi", "uri", create = "M", update = "O" },
    { "sli", "uint", create = "O", update = "O" },
    { "sld", "uint", create = "O", update = "O" },
    { "ss", "string", create = "O", update = "O" },
    { "lnh", "uri", list = 1, create = "O", update = "O" },
  },
}
