-- Classes of the domain "publicsafety" (TS-0023).  How a row is written: init.lua.

return {
  { kind = "moduleclass" },
  { "dissr", "disseminator",
    "dgt dataGenerationTime timestamp, idenr! identifier string, sendr! sender string, "
    .. "sent! - dateTime, sus! status nonNegativeInteger, msgTe! msgType nonNegativeInteger, "
    .. "refes references list, urgey! urgency nonNegativeInteger, "
    .. "sevey! severity nonNegativeInteger, certy! certainty nonNegativeInteger, "
    .. "eveCs! eventCodes list, effee effective dateTime, onset - dateTime, "
    .. "expis expires dateTime, areLe areaLatitude float, areL0 areaLongitude float, "
    .. "areRs areaRadius float, repPd! repetitionPeriod integer, repCt! repetitionCount integer",
    "psd:cancl" },
  { "emeHr", "emergencyHandler",
    "dgt dataGenerationTime timestamp, emeMe! emergencyMode boolean, "
    .. "idenr! identifier string, sendr! sender string, sent! - dateTime, "
    .. "sus! status nonNegativeInteger, msgTe! msgType nonNegativeInteger, "
    .. "refes references list, urgey! urgency nonNegativeInteger, "
    .. "sevey! severity nonNegativeInteger, certy! certainty nonNegativeInteger, "
    .. "eveCs! eventCodes list, effee effective dateTime, onset - dateTime, "
    .. "expis expires dateTime, areLe areaLatitude float, areL0 areaLongitude float, "
    .. "areRs areaRadius float" },
  { "setts", "settings", "dgt dataGenerationTime timestamp, optSs! optoutStatus boolean" },
  { kind = "action" },
  { "cancl", "cancel", "dgt dataGenerationTime timestamp, warIr! warningIdentifier string" },
  { kind = "device" },
  { "dPWSC", "devicePWSCenter",
    "nodLk nodeLink string, flNLk flexNodeLink string",
    "psd:dissr" },
  { "dPWSE", "devicePWSEquipment",
    "nodLk nodeLink string, flNLk flexNodeLink string",
    "psd:emeHr psd:setts" },
}
