-- Classes of the domain "management" (TS-0023).  How a row is written: init.lua.

return {
  { kind = "moduleclass" },
  { "dANDo", "dmAreaNwkDeviceInfo",
    "dgt dataGenerationTime timestamp, devId! - string, devTe! devType nonNegativeInteger, "
    .. "sleIl sleepInterval integer, sleDn sleepDuration integer, sus status string" },
  { "dDMIO", "dmDataModelIO",
    "dgt dataGenerationTime timestamp, daMTe! dataModelType nonNegativeInteger",
    "mad:reaIO mad:wriIO" },
  { "dmAgt", "dmAgent",
    "dgt dataGenerationTime timestamp, state! - nonNegativeInteger, "
    .. "stoAe storageAvailable integer, stoTl storageTotal integer, ramAe ramAvailable integer, "
    .. "ramTl ramTotal integer, powSs powerStatus nonNegativeInteger, cpuUe cpuUsage integer, "
    .. "sysTe systemTime timestamp",
    "mad:depPe mad:rebot" },
  { "dmCay", "dmCapability",
    "dgt dataGenerationTime timestamp, name! - string, attad! attached boolean, "
    .. "curSe! currentState boolean",
    "mad:disae mad:enabe" },
  { "dmDIo", "dmDeviceInfo",
    "dgt dataGenerationTime timestamp, serNr serialNumber string, manur manufacturer string, "
    .. "maDLk manufacturerDetailsLink anyURI, manDe manufacturingDate timestamp, "
    .. "model - string, subMl subModel string, hweVn hwVersion string, oseVn osVersion string, "
    .. "couny country string, suURL supportURL anyURI, prURL presentationURL anyURI, "
    .. "friNe friendlyName string, dc description string" },
  { "dmELg", "dmEventLog",
    "dgt dataGenerationTime timestamp, type! - integer, data! - string, sus! status integer, "
    .. "enabd! enabled boolean",
    "mad:reLog" },
  { "dmFie", "dmFirmware",
    "dgt dataGenerationTime timestamp, mulFe! multiFirmware boolean, "
    .. "priSe! primaryState nonNegativeInteger, priNe! primaryName string, "
    .. "priVn! primaryVersion string, priUl primaryUrl anyURI, "
    .. "secSe secondaryState nonNegativeInteger, secNe secondaryName string, "
    .. "secVn secondaryVersion string, secUl secondaryUrl anyURI, compt component string",
    "mad:togge mad:updFe" },
  { "dmPae", "dmPackage",
    "dgt dataGenerationTime timestamp, type! - nonNegativeInteger, "
    .. "state! - nonNegativeInteger, name - string, versn version string, url - anyURI, "
    .. "softs softwares list",
    "mad:instl mad:uninl mad:updae" },
  { "dmSoe", "dmSoftware",
    "dgt dataGenerationTime timestamp, state! - nonNegativeInteger, name - string, "
    .. "versn version string",
    "mad:actie mad:deace" },
  { "dmSte", "dmStorage",
    "dgt dataGenerationTime timestamp, UUID - string, type - integer, name - string, "
    .. "wriSd writeSpeed integer, reaSd readSpeed integer, avaSe! availStorage integer, "
    .. "totSe! totalStorage integer, prese presence integer, sus status integer, "
    .. "mouns mounts integer, forUs forcedUnmounts integer, filSm fileSystem string, "
    .. "mouPt mountingPoint string, mouOs mountOptions string, write! writable boolean",
    "mad:formt mad:unmot" },
  { kind = "action" },
  { "actie", "activate", "dgt dataGenerationTime timestamp" },
  { "deace", "deactivate", "dgt dataGenerationTime timestamp" },
  { "depPe", "deployPackage",
    "dgt dataGenerationTime timestamp, name! - string, versn! version string, url! - anyURI" },
  { "disae", "disable", "dgt dataGenerationTime timestamp" },
  { "enabe", "enable", "dgt dataGenerationTime timestamp" },
  { "formt", "format", "dgt dataGenerationTime timestamp" },
  { "instl", "install", "dgt dataGenerationTime timestamp" },
  { "reLog", "retrieveLog",
    "dgt dataGenerationTime timestamp, start - timestamp, end - timestamp" },
  { "reaIO", "readIO", "dgt dataGenerationTime timestamp, addrs! address string" },
  { "rebot", "reboot", "dgt dataGenerationTime timestamp, rebTe! rebootType nonNegativeInteger" },
  { "togge", "toggle", "dgt dataGenerationTime timestamp" },
  { "uninl", "uninstall", "dgt dataGenerationTime timestamp" },
  { "unmot", "unmount", "dgt dataGenerationTime timestamp" },
  { "updFe", "updateFirmware",
    "dgt dataGenerationTime timestamp, url! - anyURI, versn! version string" },
  { "updae", "update", "dgt dataGenerationTime timestamp, versn! version string, url! - anyURI" },
  { "wriIO", "writeIO",
    "dgt dataGenerationTime timestamp, addrs! address string, payld! payload string" },
  { kind = "subdevice" },
  { "dANIo", "dmAreaNwkInfo",
    "",
    "mad:dANDo" },
  { kind = "device" },
  { "fleNe", "flexNode",
    "nodLk nodeLink string, flNLk flexNodeLink string",
    "cod:bat mad:dANIo mad:dDMIO mad:dmAgt mad:dmCay mad:dmDIo mad:dmELg mad:dmFie mad:dmPae "
    .. "mad:dmSoe mad:dmSte" },
}
