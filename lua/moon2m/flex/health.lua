-- Classes of the domain "health" (TS-0023).  How a row is written: init.lua.

return {
  { kind = "subdevice" },
  { "suDCf", "subDeviceCuff",
    "",
    "cod:binSh cod:pulsr cod:sphyr" },
  { kind = "device" },
  { "dBPMr", "deviceBloodPressureMonitor",
    "nodLk nodeLink string, flNLk flexNodeLink string",
    "cod:bat cod:binSh hed:suDCf" },
  { "dHRMr", "deviceHeartRateMonitor",
    "nodLk nodeLink string, flNLk flexNodeLink string",
    "cod:bat cod:pulsr" },
  { "dWSAB", "deviceWeightScaleAndBodyCompositionAnalyser",
    "nodLk nodeLink string, flNLk flexNodeLink string",
    "cod:bEIAs cod:bat cod:boCAr cod:weigt" },
  { "dePOr", "devicePulseOximeter",
    "nodLk nodeLink string, flNLk flexNodeLink string",
    "cod:bat cod:oximr cod:pulsr" },
  { "devGr", "deviceGlucosemeter",
    "nodLk nodeLink string, flNLk flexNodeLink string",
    "cod:bat cod:glucr" },
}
