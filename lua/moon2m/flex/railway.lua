-- Classes of the domain "railway" (TS-0023).  How a row is written: init.lua.

return {
  { kind = "moduleclass" },
  { "baTMe", "baliseTransmissionModule",
    "dgt dataGenerationTime timestamp, baSId baliseSystemId nonNegativeInteger, "
    .. "telMe telegramMessage string" },
  { kind = "device" },
  { "dCRMe", "deviceCardRechargingMachine",
    "nodLk nodeLink string, flNLk flexNodeLink string",
    "cod:audVe cod:bilDt cod:bilWl cod:binSh cod:carSr cod:casDr cod:clock cod:coiDt "
    .. "cod:conny cod:eneCn cod:keypd cod:lock cod:pPCRr cod:pusBn cod:runSe" },
  { "dHPTT", "deviceHandheldPTTTerminal",
    "nodLk nodeLink string, flNLk flexNodeLink string",
    "cod:audVe cod:bat cod:binSh cod:clock cod:eneCn cod:keypd cod:opeMe cod:phoCl cod:pusBn "
    .. "cod:runSe cod:sigSh" },
  { "dSSDr", "deviceSmartScreenDoor",
    "nodLk nodeLink string, flNLk flexNodeLink string",
    "cod:audVe cod:binSh cod:brigs cod:colSn cod:color cod:conny cod:croBr cod:dooSs "
    .. "cod:heaSr cod:pusBn cod:runSe" },
  { "deSGe", "deviceSmartGate",
    "nodLk nodeLink string, flNLk flexNodeLink string",
    "cod:audVe cod:binSh cod:brigs cod:clock cod:colSn cod:color cod:conny cod:croBr "
    .. "cod:eneCn cod:heaSr cod:pPCRr cod:pusBn cod:runSe" },
  { "deTTl", "deviceTrainborneTerminal",
    "nodLk nodeLink string, flNLk flexNodeLink string",
    "cod:audVe cod:binSh cod:clock cod:conny cod:eneCn cod:keypd cod:opeMe cod:phoCl "
    .. "cod:pusBn cod:runSe cod:sigSh rad:baTMe" },
}
