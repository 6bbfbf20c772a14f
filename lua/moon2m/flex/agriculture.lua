-- Classes of the domain "agriculture" (TS-0023).  How a row is written: init.lua.

return {
  { kind = "moduleclass" },
  { "coAMr", "cowActivityMonitor",
    "dgt dataGenerationTime timestamp, stPPd! stepsPerPeriod list, "
    .. "updTe updateTime timestamp, hiSCs! historyStepCounts list" },
  { kind = "device" },
  { "dCAMr", "deviceCowActivityMonitor",
    "nodLk nodeLink string, flNLk flexNodeLink string",
    "agd:coAMr cod:bat cod:conny cod:peRCg" },
}
