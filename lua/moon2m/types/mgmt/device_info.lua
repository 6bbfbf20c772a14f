-- deviceInfo (TS-0001 D.8, TS-0004 D.8): what the device is.

return {
  ty = 13, mgd = 1007, name = "mgmt_device_info", short = "m2m:dvi",
  attrs = {
    { "dlb", "string", create = "M", update = "O" },
    { "man", "string", create = "M", update = "-" },
    { "mfdl", "string", create = "O", update = "O" },
    { "mfd", "timestamp", create = "O", update = "-" },
    { "mod", "string", create = "M", update = "-" },
    { "smod", "string", create = "O", update = "-" },
    { "dty", "string", create = "M", update = "O" },
    { "dvnm", "string", create = "O", update = "O" },
    { "fwv", "string", create = "O", update = "O" },
    { "swv", "string", create = "O", update = "O" },
    { "hwv", "string", create = "O", update = "-" },
    { "osv", "string", create = "O", update = "O" },
    { "cnty", "string", create = "O", update = "-" },
    { "loc", "string", create = "O", update = "O" },
    { "syst", "timestamp", create = "O", update = "O" },
    { "spur", "uri", create = "O", update = "O" },
    { "purl", "uri", create = "O", update = "O" },
    { "ptl", "string", list = 1, create = "O", update = "O" },
  },
}
