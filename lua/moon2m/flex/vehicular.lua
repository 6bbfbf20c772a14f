-- Devices of the domain "vehicular" (TS-0023).  How a row is written: init.lua.

return {
  { kind = "device" },
  { "dEVCr", "deviceElectricVehicleCharger",
    "nodLk nodeLink string, flNLk flexNodeLink string",
    "cod:bat cod:binSh cod:elVCr cod:fauDn cod:runSe" },
  { "deEMe", "deviceElectricMotorcycle",
    "nodLk nodeLink string, flNLk flexNodeLink string",
    "cod:bat cod:binSh cod:clock cod:conny cod:fauDn cod:geoLn cod:lock cod:runSe" },
}
