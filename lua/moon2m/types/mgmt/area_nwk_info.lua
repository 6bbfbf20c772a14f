-- areaNwkInfo (TS-0001 D.5, TS-0004 D.5): a network of devices behind the node.  ldv lists the
-- areaNwkDeviceInfo that name it (area_network.lua).

return {
  ty = 13, mgd = 1004, name = "mgmt_area_nwk_info", short = "m2m:ani",
  attrs = {
    { "ant", "string", create = "M", update = "O" },
    { "ldv", "uri", list = 1, create = "O", update = "O" },
  },
}
