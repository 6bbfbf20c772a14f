-- Module classes of the domain "metadata" (TS-0023).  How a row is written: init.lua.

return {
  { kind = "moduleclass" },
  { "feats", "features",
    "dgt dataGenerationTime timestamp, metaa metadata list, precn precision integer, "
    .. "reliy reliability integer, weigt weight float, size - list" },
  { "loca0", "localization",
    "dgt dataGenerationTime timestamp, locae! locale string, friNe friendlyName string, "
    .. "dc description string, friLn friendlyLocation string" },
  { "locan", "location",
    "dgt dataGenerationTime timestamp, posAs postalAddress string, geoJN geoJSON string, "
    .. "friLn friendlyLocation string, room - string" },
  { "orign", "origin",
    "dgt dataGenerationTime timestamp, oriID originID string, datTe dataType string, "
    .. "daSID dataSourceID string" },
}
