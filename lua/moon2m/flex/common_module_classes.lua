-- Module classes of the domain "common" (TS-0023).  How a row is written: init.lua.

return {
  { kind = "moduleclass" },
  { "aCJMe", "airConJobMode",
    "dgt dataGenerationTime timestamp, cuJMe! currentJobMode nonNegativeInteger, "
    .. "cJMNe currentJobModeName string, jobMs! jobModes list" },
  { "aPJMe", "airPurifierJobMode",
    "dgt dataGenerationTime timestamp, cuJMe! currentJobMode nonNegativeInteger, "
    .. "cJMNe currentJobModeName string, jobMs! jobModes list" },
  { "acoSr", "acousticSensor",
    "dgt dataGenerationTime timestamp, louds! loudness float, acoSs acousticStatus integer" },
  { "aiQSr", "airQualitySensor",
    "dgt dataGenerationTime timestamp, monEd monitoringEnabled boolean, pm1 - integer, "
    .. "pm25 - integer, pm10 - integer, tsp - float, odor - integer, humiy humidity float, "
    .. "tempe temperature float, airPe airPressure float, co - float, co2 - float, "
    .. "ch2o - float, voc - float, no2 - float, so2 - float, o3 - float, noise - float, "
    .. "winDn windDirection float, winSd windSpeed float" },
  { "airFw", "airFlow",
    "dgt dataGenerationTime timestamp, speed! - integer, minSd minSpeed integer, "
    .. "maxSd maxSpeed integer, verDn verticalDirection nonNegativeInteger, "
    .. "suVDn supportedVerticalDirection list, horDn horizontalDirection nonNegativeInteger, "
    .. "suHDn supportedHorizontalDirection list, autoe automode boolean" },
  { "alaSr", "alarmSpeaker",
    "dgt dataGenerationTime timestamp, tone - nonNegativeInteger, "
    .. "light - nonNegativeInteger, alaSs! alarmStatus boolean" },
  { "anemr", "anemometer", "dgt dataGenerationTime timestamp, winSd! windSpeed float" },
  { "auDFr", "autoDocumentFeeder",
    "dgt dataGenerationTime timestamp, cuASe! currentAdfState nonNegativeInteger, "
    .. "adfSs! adfStates list" },
  { "audVe", "audioVolume",
    "dgt dataGenerationTime timestamp, volVe! volumeValue integer, steVe stepValue integer, "
    .. "maxVe maxValue integer, mutEd! muteEnabled boolean, saAVe! saveAudioVolume boolean",
    "cod:dowVe cod:muAVe cod:upoVe" },
  { "bEIAs", "bioElectricalImpedanceAnalysis",
    "dgt dataGenerationTime timestamp, water! - float, fat! - float, musce! muscle float, "
    .. "bone! - float, visFt! visceraFat float, kcal! - float, resie! resistance float" },
  { "baror", "barometer",
    "dgt dataGenerationTime timestamp, alarm - boolean, atmPe! atmosphericPressure float, "
    .. "miPTd minPressureThreshold integer, maPTd maxPressureThreshold integer" },
  { "bat", "battery",
    "dgt dataGenerationTime timestamp, lvl! level integer, capay capacity integer, "
    .. "reche rechargeable boolean, charg charging boolean, discg discharging boolean, "
    .. "lowBy lowBattery boolean, batTd batteryThreshold integer, chaVe chargingVoltage float, "
    .. "chaAe chargingAmpere float, disVe dischargingVoltage float, "
    .. "disAe dischargingAmpere float, batMl batteryMaterial nonNegativeInteger, "
    .. "batSe batteryShape nonNegativeInteger" },
  { "bilDt", "billDeposit",
    "dgt dataGenerationTime timestamp, depSs! depositStatus boolean, balae! balance float, "
    .. "count! - integer, curry currency string, fakSs! fakeStatus boolean" },
  { "bilWl", "billWithdrawal",
    "dgt dataGenerationTime timestamp, witSs! withdrawalStatus boolean, "
    .. "balae! balance float, count! - integer" },
  { "binOt", "binaryObject",
    "dgt dataGenerationTime timestamp, objet! object string, objTe! objectType string, "
    .. "size - integer, hash - string" },
  { "binSh", "binarySwitch",
    "dgt dataGenerationTime timestamp, state! - boolean",
    "cod:togge" },
  { "blenr", "blender",
    "dgt dataGenerationTime timestamp, useBr! useBlender boolean, "
    .. "spiSd spinSpeed nonNegativeInteger" },
  { "boCAr", "bodyCompositionAnalyser",
    "dgt dataGenerationTime timestamp, bodLh bodyLength float, bmi - float, "
    .. "faFMs fatFreeMass float, soLMs softLeanMass float, musMs muscleMass float, "
    .. "basMm basalMetabolism float, impee impedance float, mass - float, "
    .. "boWMs bodyWaterMass float, inSMs inorganicSaltMass float, somae somatotype float" },
  { "boilr", "boiler", "dgt dataGenerationTime timestamp, sus! status boolean" },
  { "brewg", "brewing",
    "dgt dataGenerationTime timestamp, cupNr! cupsNumber integer, "
    .. "streh strength nonNegativeInteger" },
  { "brigs", "brightness", "dgt dataGenerationTime timestamp, brigs! brightness integer" },
  { "cDJMe", "clothesDryerJobMode",
    "dgt dataGenerationTime timestamp, cuJMe! currentJobMode nonNegativeInteger, "
    .. "cJMNe currentJobModeName string, jobMs! jobModes list" },
  { "cHJMe", "cookerHoodJobMode",
    "dgt dataGenerationTime timestamp, cuJMe! currentJobMode nonNegativeInteger, "
    .. "cJMNe currentJobModeName string, jobMs! jobModes list" },
  { "cWDJM", "clothesWasherDryerJobMode",
    "dgt dataGenerationTime timestamp, cuJMe currentJobMode nonNegativeInteger, "
    .. "cJMNe currentJobModeName string, jobMs! jobModes list" },
  { "cWJMO", "clothesWasherJobModeOption",
    "dgt dataGenerationTime timestamp, wasTp washTemp nonNegativeInteger, "
    .. "soiLl soilLevel nonNegativeInteger, spiSd spinSpeed nonNegativeInteger, "
    .. "preWh preWash boolean, speWh speedWash boolean, steTt steamTreat boolean, "
    .. "colWh coldWash boolean, extRe extraRinse boolean" },
  { "cWJMe", "clothesWasherJobMode",
    "dgt dataGenerationTime timestamp, cuJMe! currentJobMode nonNegativeInteger, "
    .. "cJMNe currentJobModeName string, jobMs! jobModes list" },
  { "carSr", "cardScanner",
    "dgt dataGenerationTime timestamp, scaSs! scanStatus boolean, carIo! cardInfo string" },
  { "casDr", "cashDispenser",
    "dgt dataGenerationTime timestamp, disSs! dispenseStatus boolean, balae! balance float, "
    .. "count! - integer, curry currency string" },
  { "clock", "clock",
    "dgt dataGenerationTime timestamp, curTe! currentTime time, curDe! currentDate date, "
    .. "cuTZe currentTimeZone string" },
  { "coiDt", "coinDeposit",
    "dgt dataGenerationTime timestamp, depSs! depositStatus boolean, balae! balance float, "
    .. "count! - integer, curry currency string, fakSs! fakeStatus boolean" },
  { "colSn", "colourSaturation",
    "dgt dataGenerationTime timestamp, colSn! colourSaturation integer" },
  { "color", "colour",
    "dgt dataGenerationTime timestamp, red! - integer, green! - integer, blue! - integer" },
  { "conny", "connectivity",
    "dgt dataGenerationTime timestamp, rsrp! - integer, rsrq - integer, "
    .. "celID cellID integer, rssi - integer, siECL signalECL integer, sinr - integer, "
    .. "pci - string, daATe dailyActivityTime integer, dNOCs dailyNumberOfConnections integer, "
    .. "coFVe commFreqValue integer, cuCBn currentCycleBeginn timestamp, "
    .. "cuCVe currentCycleVolume integer, cCTEs currentCycleTransmissionErrors integer, "
    .. "miCLy minimumCommunicationLatency integer" },
  { "creds", "credentials",
    "dgt dataGenerationTime timestamp, logNe loginName string, pwd password string, "
    .. "tk token string" },
  { "croBr", "crossingBarrier",
    "dgt dataGenerationTime timestamp, barDt barrierDefault boolean, "
    .. "barSs! barrierStatus boolean, timer - time" },
  { "dWJMe", "dishWasherJobMode",
    "dgt dataGenerationTime timestamp, cuJMe! currentJobMode nonNegativeInteger, "
    .. "cJMNe currentJobModeName string, jobMs! jobModes list" },
  { "deJMe", "dehumidifierJobMode",
    "dgt dataGenerationTime timestamp, cuJMe! currentJobMode nonNegativeInteger, "
    .. "cJMNe currentJobModeName string, jobMs! jobModes list" },
  { "displ", "disposal", "dgt dataGenerationTime timestamp, disS0! disposalStatus boolean" },
  { "dooSs", "doorStatus",
    "dgt dataGenerationTime timestamp, dooSe! doorState nonNegativeInteger, "
    .. "opeDn openDuration timestamp, opeAm openAlarm boolean" },
  { "elVCr", "electricVehicleConnector",
    "dgt dataGenerationTime timestamp, sus! status boolean, chaCy chargingCapacity integer, "
    .. "disCy dischargingCapacity integer" },
  { "eneCn", "energyConsumption",
    "dgt dataGenerationTime timestamp, power - float, "
    .. "abECn! absoluteEnergyConsumption float, roECn roundingEnergyConsumption integer, "
    .. "sigDs significantDigits integer, mulFs multiplyingFactors integer, volte voltage float, "
    .. "currt current float, freqy frequency float, meaSe measuringScope string" },
  { "eneGn", "energyGeneration",
    "dgt dataGenerationTime timestamp, poGDa powerGenerationData float, "
    .. "roEGn roundingEnergyGeneration integer, sigDs significantDigits integer, "
    .. "mulFs multiplyingFactors integer, genSe! generationSource string" },
  { "fauDn", "faultDetection",
    "dgt dataGenerationTime timestamp, sus! status boolean, code - integer, "
    .. "dc description string" },
  { "filIo", "filterInfo",
    "dgt dataGenerationTime timestamp, useTe! usedTime integer, "
    .. "neeRt needsReplacement boolean, filLe filterLifetime integer" },
  { "foamg", "foaming",
    "dgt dataGenerationTime timestamp, foaSh! foamingStrength nonNegativeInteger" },
  { "gMRIo", "gasMeterReportInfo",
    "dgt dataGenerationTime timestamp, toUVe! totalUseValue float, valSs valveStatus boolean" },
  { "gaCCl", "gasChargingControl",
    "dgt dataGenerationTime timestamp, bilNr billingNumber string, "
    .. "recCt rechargeCredit float, surCt surplusCredit float, recGs rechargeGas float, "
    .. "surGs surplusGas float" },
  { "gaMAm", "gasMeterAlarm",
    "dgt dataGenerationTime timestamp, loGAm lowGasAlarm boolean, "
    .. "loCAm lowCreditAlarm boolean, leaAm leakageAlarm boolean, "
    .. "loDAm lockedDownAlarm boolean, laFAm largeFlowAlarm boolean, "
    .. "magDb magneticDisturb boolean, siCAm singleCountAlarm boolean" },
  { "galMe", "galleryMode",
    "dgt dataGenerationTime timestamp, disOn! displayOrientation nonNegativeInteger, "
    .. "disIl displayInterval integer, disOr displayOrder nonNegativeInteger" },
  { "geoLn", "geoLocation",
    "dgt dataGenerationTime timestamp, latie! latitude float, longe! longitude float, "
    .. "altie altitude float, headg heading float, horAy horizontalAccuracy float, "
    .. "verAy verticalAccuracy float, heaAy headingAccuracy float, tarLe targetLatitude float, "
    .. "tarL0 targetLongitude float, tarAe targetAltitude float" },
  { "glucr", "glucometer",
    "dgt dataGenerationTime timestamp, concn! concentration float, hba1c - float, "
    .. "conEe contextExercise float, conMn contextMedication float, "
    .. "coCAt contextCarbohydratesAmount float, coCSe contextCarbohydratesSource string, "
    .. "conMl contextMeal string, conLn contextLocation string, conTr contextTester string, "
    .. "conHh contextHealth string" },
  { "grinr", "grinder",
    "dgt dataGenerationTime timestamp, useGr! useGrinder boolean, "
    .. "coars coarseness nonNegativeInteger, graRg grainsRemaining nonNegativeInteger" },
  { "heaSr", "headingSensor",
    "dgt dataGenerationTime timestamp, headg! heading float, heaAy headingAccuracy float" },
  { "heaZe", "heatingZone",
    "dgt dataGenerationTime timestamp, heaLl! heatingLevel integer, "
    .. "maHLl! maxHeatingLevel integer" },
  { "heigt", "height", "dgt dataGenerationTime timestamp, heigt! height float" },
  { "hoWSy", "hotWaterSupply", "dgt dataGenerationTime timestamp, bath - boolean" },
  { "impSr", "impactSensor",
    "dgt dataGenerationTime timestamp, impSs! impactStatus boolean, impLl impactLevel float, "
    .. "imDHl impactDirectionHorizontal float, imDVl impactDirectionVertical float" },
  { "infSr", "infraredSensor",
    "dgt dataGenerationTime timestamp, detVe! detectedValue boolean, "
    .. "detTe! detectedTime timestamp" },
  { "keeWm", "keepWarm",
    "dgt dataGenerationTime timestamp, time - integer, tarTe targetTemperature float" },
  { "keypd", "keypad", "dgt dataGenerationTime timestamp, keyNr! keyNumber integer" },
  { "liqLl", "liquidLevel",
    "dgt dataGenerationTime timestamp, liqLl! liquidLevel nonNegativeInteger" },
  { "liqRg", "liquidRemaining",
    "dgt dataGenerationTime timestamp, liqRg! liquidRemaining nonNegativeInteger" },
  { "lock", "lock", "dgt dataGenerationTime timestamp, lock! - boolean" },
  { "maSPs", "magneticSensorParameters",
    "dgt dataGenerationTime timestamp, detIl! detectionInterval float, "
    .. "iniMc initialMagnetic float, maSLl magneticSensitivityLevel integer, "
    .. "hiMAm! highMagneticAlarm boolean" },
  { "medSt", "mediaSelect",
    "dgt dataGenerationTime timestamp, medID! mediaID integer, "
    .. "suMSs! supportedMediaSources list, medNe mediaName string, sus status boolean, "
    .. "medTe mediaType nonNegativeInteger" },
  { "motSr", "motionSensor",
    "dgt dataGenerationTime timestamp, alarm! - boolean, silTe silentTime integer, "
    .. "sensy sensitivity integer" },
  { "numVe", "numberValue",
    "dgt dataGenerationTime timestamp, numVe! numberValue float, minVe minValue float, "
    .. "maxVe maxValue float, defVe defaultValue float, step - float",
    "cod:deNVe cod:inNVe cod:reNVe" },
  { "opeLl", "openLevel",
    "dgt dataGenerationTime timestamp, opeLl! openLevel integer, steVe stepValue integer, "
    .. "minLl minLevel integer, maxLl maxLevel integer",
    "cod:close cod:open" },
  { "opeMe", "operationMode", "dgt dataGenerationTime timestamp, staPe! startPause boolean" },
  { "oveSr", "overcurrentSensor",
    "dgt dataGenerationTime timestamp, oveSs! overcurrentStatus boolean, "
    .. "detTe! detectedTime timestamp, dur! duration float" },
  { "oximr", "oximeter", "dgt dataGenerationTime timestamp, oxySn! oxygenSaturation integer" },
  { "ozoMr", "ozoneMeter",
    "dgt dataGenerationTime timestamp, oVPPM! ozoneValuePPM float, ozVMG ozoneValueMG float, "
    .. "ozoSs ozoneStatus nonNegativeInteger, maxVe maxValue float" },
  { "pPCRr", "prePaidCardReader",
    "dgt dataGenerationTime timestamp, reaSs! readStatus boolean, carIo! cardInfo integer, "
    .. "balae! balance float, curry currency string" },
  { "parSs", "parkingStatus", "dgt dataGenerationTime timestamp, parSs! parkingStatus boolean" },
  { "peRCg", "periodicalReportConfig",
    "dgt dataGenerationTime timestamp, bacTe! backoffTime integer, perid period integer, "
    .. "retTs retryTimes integer, retIl retryInterval integer" },
  { "phoCl", "phoneCall",
    "dgt dataGenerationTime timestamp, calID! callerID string, recID! recipientID string, "
    .. "calSe callState nonNegativeInteger",
    "cod:answr cod:call cod:hangp" },
  { "plaCl", "playerControl",
    "dgt dataGenerationTime timestamp, cuPMe! currentPlayerMode nonNegativeInteger, "
    .. "cPMNe currentPlayerModeName string, suPMs! supportedPlayerModes list, "
    .. "speFr speedFactor float",
    "cod:nexTk cod:preTk" },
  { "powS0", "powerSave", "dgt dataGenerationTime timestamp, poSEd! powerSaveEnabled boolean" },
  { "priQe", "printQueue",
    "dgt dataGenerationTime timestamp, ur0! uri list, priS0! printingState list" },
  { "pulsr", "pulsemeter",
    "dgt dataGenerationTime timestamp, pulRe! pulseRate float, r0 rr float, "
    .. "enery energy float, moday modality string" },
  { "pusBn", "pushButton", "dgt dataGenerationTime timestamp, pushd! pushed boolean" },
  { "rCJMe", "robotCleanerJobMode",
    "dgt dataGenerationTime timestamp, cuJMe! currentJobMode nonNegativeInteger, "
    .. "cJMNe currentJobModeName string, jobMs! jobModes list" },
  { "raiGe", "rainGauge",
    "dgt dataGenerationTime timestamp, gauHt! gaugeHeight integer",
    "cod:resGe" },
  { "reCEe", "remoteControlEnable",
    "dgt dataGenerationTime timestamp, reCEd! remoteControlEnabled boolean" },
  { "recor", "recorder", "dgt dataGenerationTime timestamp, dur! duration integer" },
  { "refrn", "refrigeration",
    "dgt dataGenerationTime timestamp, rapFe rapidFreeze boolean, rapCl rapidCool boolean, "
    .. "defrt! defrost boolean, deode! deodorize boolean, degem! degerm boolean" },
  { "relHy", "relativeHumidity",
    "dgt dataGenerationTime timestamp, relHy! relativeHumidity float, "
    .. "desHy desiredHumidity float" },
  { "runSe", "runState",
    "dgt dataGenerationTime timestamp, cuMSe! currentMachineState nonNegativeInteger, "
    .. "macSs! machineStates list, cuJSe! currentJobState nonNegativeInteger, "
    .. "jobSs! jobStates list, proPe! progressPercentage float" },
  { "sCJMe", "steamClosetJobMode",
    "dgt dataGenerationTime timestamp, cuJMe! currentJobMode nonNegativeInteger, "
    .. "cJMNe currentJobModeName string, jobMs! jobModes list" },
  { "sWJMe", "shoesWasherJobMode",
    "dgt dataGenerationTime timestamp, cuJMe! currentJobMode nonNegativeInteger, "
    .. "cJMNe currentJobModeName string, jobMs! jobModes list" },
  { "secMe", "securityMode",
    "dgt dataGenerationTime timestamp, cuSMe! currentSecurityMode nonNegativeInteger, "
    .. "secMs! securityModes list" },
  { "sesDn", "sessionDescription",
    "dgt dataGenerationTime timestamp, ur0 uri anyURI, sdp - string" },
  { "sigPl", "signalPanel", "dgt dataGenerationTime timestamp, signl! signal boolean" },
  { "sigSh", "signalStrength", "dgt dataGenerationTime timestamp, lqi! - integer, rssi - float" },
  { "slPSg", "slcParameterSetting",
    "dgt dataGenerationTime timestamp, ligCt lightCount integer, "
    .. "tiPSs timePlanStatus boolean, tiRCt timeRangeCount integer, timRe timeRange list, "
    .. "tRLDV timeRangeLightDimmingValue list" },
  { "slRIo", "slcReportInfo",
    "dgt dataGenerationTime timestamp, volFy voltageFrequency integer, "
    .. "swiSs! switchStatus boolean, onlSs onlineStatus boolean, ligVe! lightVoltage float, "
    .. "ligC0! lightCurrent float, liDVe! lightDimmingValue integer, "
    .. "liPFr! lightPowerFactor float, liAPr lightActivePower float, "
    .. "liRPr lightReactivePower float, liAP0 lightApparentPower float, "
    .. "liPAs lightPolarizationAxis float, colTe colourTemperature integer, "
    .. "lamTy lampTechnology string" },
  { "slcAm", "slcAlarm",
    "dgt dataGenerationTime timestamp, ovCTd overCurrentThreshold float, "
    .. "ovCDn overCurrentDuration integer, unCTd underCurrentThreshold float, "
    .. "unCDn underCurrentDuration integer, ovVTd overVoltageThreshold float, "
    .. "ovVDn overVoltageDuration integer, unVTd underVoltageThreshold float, "
    .. "unVDn underVoltageDuration integer, ovVPt overVoltagePercent integer, "
    .. "unVPt underVoltagePercent integer, staVe standardreferenceVoltage integer, "
    .. "ovCAm overCurrentAlarm boolean, unCAm underCurrentAlarm boolean, "
    .. "ovVAm overVoltageAlarm boolean, unVAm underVoltageAlarm boolean" },
  { "smoSr", "smokeSensor",
    "dgt dataGenerationTime timestamp, alarm! - boolean, detTe detectedTime timestamp, "
    .. "smoTd smokeThreshold integer, crv currentValue integer, senFt sensorFault boolean, "
    .. "lowVe lowVoltage boolean, dismd dismantled boolean, powOn powerOn boolean",
    "cod:muSSr cod:test" },
  { "sphyr", "sphygmomanometer",
    "dgt dataGenerationTime timestamp, diaPe! diastolicPressure float, "
    .. "sysPe! systolicPressure float, meaPe! meanPressure float" },
  { "spiLl", "spinLevel",
    "dgt dataGenerationTime timestamp, spLSh! spinLevelStrength nonNegativeInteger" },
  { "telCl", "televisionChannel",
    "dgt dataGenerationTime timestamp, chaNr! channelNumber integer, "
    .. "avaCs availableChannels list, preCl previousChannel integer, chaNe channelName string",
    "cod:dowCl cod:uphCl" },
  { "temAm", "temperatureAlarm",
    "dgt dataGenerationTime timestamp, unit - nonNegativeInteger, tempe temperature float, "
    .. "hiTAm! highTemperatureAlarm boolean, hTATd highTemperatureAlarmThreshold float, "
    .. "loTAm! lowTemperatureAlarm boolean, lTATd lowTemperatureAlarmThreshold float, "
    .. "alaTp alarmTimestamp timestamp" },
  { "tempe", "temperature",
    "dgt dataGenerationTime timestamp, curT0! currentTemperature float, "
    .. "tarTe targetTemperature float, unit - nonNegativeInteger, minVe minValue float, "
    .. "maxVe maxValue float, steVe stepValue float" },
  { "texMe", "textMessage",
    "dgt dataGenerationTime timestamp, texMe! textMessage string, "
    .. "suMVs supportedMessageValues list, minLh minLength integer, maxLh maxLength integer, "
    .. "mesEg messageEncoding string, defVe defaultValue string",
    "cod:reTMe" },
  { "thDDy", "threeDDisplay",
    "dgt dataGenerationTime timestamp, tDDTe! threeDDisplayType nonNegativeInteger, "
    .. "tDDVe threeDDisplayViewAngle integer, tDDRX threeDDisplayResolutionX integer, "
    .. "tDDRY threeDDisplayResolutionY integer, thDGs threeDGlasses boolean" },
  { "thDPr", "threeDPrinter",
    "dgt dataGenerationTime timestamp, priTe! printType nonNegativeInteger, "
    .. "priSX! printSizeX float, priSY! printSizeY float, priSZ! printSizeZ float, "
    .. "netwk! network boolean, memSe! memorySize float",
    "cod:staDt cod:stoDt" },
  { "thDSr", "threeDScanner",
    "dgt dataGenerationTime timestamp, tDSTe! threeDScannerType nonNegativeInteger, "
    .. "tDSRn threeDScanResolution integer, maxSX maxSizeX float, maxSY maxSizeY float, "
    .. "maxSZ maxSizeZ float" },
  { "timer", "timer",
    "dgt dataGenerationTime timestamp, refTr referenceTimer integer, "
    .. "tTTSt targetTimeToStart integer, tTTSp targetTimeToStop integer, "
    .. "eTTEd estimatedTimeToEnd integer, runTe runningTime integer, "
    .. "tarDn targetDuration integer, abSTe absoluteStartTime timestamp, "
    .. "abST0 absoluteStopTime timestamp",
    "cod:acCTr cod:deCTr" },
  { "touSn", "touchScreen",
    "dgt dataGenerationTime timestamp, pushd! pushed boolean, posiX! positionX integer, "
    .. "posiY! positionY integer" },
  { "turbo", "turbo", "dgt dataGenerationTime timestamp, turEd! turboEnabled boolean" },
  { "uveSr", "uvSensor",
    "dgt dataGenerationTime timestamp, uvaVe! uvValue float, "
    .. "uvtSs uvStatus nonNegativeInteger" },
  { "wMRIo", "waterMeterReportInfo",
    "dgt dataGenerationTime timestamp, dUWTe dailyUseWaterTime integer, "
    .. "cumFw! cumulativeFlow float, cuFDy cumulativeFlowDaily float, "
    .. "poCFw positiveCumulativeFlow float, neCFw negativeCumulativeFlow float, "
    .. "peFRe peakFlowRate float, pFRTe peakFlowRateTime timestamp, loFRe lowestFlowRate float, "
    .. "lFRTe lowestFlowRateTime timestamp, pRFRe peakReverseFlowRate float, "
    .. "pRFR0 peakReverseFlowRateTime timestamp, lRFRe lowestReverseFlowRate float, "
    .. "lRFR0 lowestReverseFlowRateTime timestamp, intFw intervalFlow list, "
    .. "reIFw reverseIntervalFlow list, waITe waterIntervalTemperature list, "
    .. "waIPe waterIntervalPressure list" },
  { "waFTe", "waterFilterType",
    "dgt dataGenerationTime timestamp, filTe! filterType nonNegativeInteger" },
  { "waMAm", "waterMeterAlarm",
    "dgt dataGenerationTime timestamp, hFATd! highFlowAlarmThreshold float, "
    .. "hiFDn highFlowDuration integer, hiFAm! highFlowAlarm boolean, "
    .. "lFATd lowFlowAlarmThreshold float, loFDn lowFlowDuration integer, "
    .. "loFAm lowFlowAlarm boolean, rFATd reverseFlowAlarmThreshold float, "
    .. "reFDn reverseFlowDuration integer, reFAm! reverseFlowAlarm boolean, "
    .. "hPATd! highPressureAlarmThreshold float, hiPAm! highPressureAlarm boolean, "
    .. "lPATd! lowPressureAlarmThreshold float, loPAm! lowPressureAlarm boolean, "
    .. "hTATd! highTemperatureAlarmThreshold float, hiTAm! highTemperatureAlarm boolean, "
    .. "lTATd! lowTemperatureAlarmThreshold float, loTAm! lowTemperatureAlarm boolean, "
    .. "hTIAT highTemperatureInnerAlarmThreshold float, "
    .. "iHITm innerHighInternalTemperatureAlarm boolean, inEAm innerErrorAlarm boolean, "
    .. "iTSFt innerTemperatureSensorFault boolean, tamAm tamperAlarm boolean, "
    .. "wTSFt! waterTemperatureSensorFault boolean, prSFt pressureSensorFault boolean, "
    .. "comAm communicationAlarm boolean, magIe magneticInterference boolean, "
    .. "stoFt storageFault boolean, urBPh urgencyButtonPush boolean, butFt buttonFault boolean, "
    .. "demAm demolitionAlarm boolean, impFt impulseFault boolean, "
    .. "viSFt vibrationSensorFault boolean" },
  { "waMSg", "waterMeterSetting",
    "dgt dataGenerationTime timestamp, floIl! flowInterval integer, "
    .. "reFIl! reverseFlowInterval integer, waTIl waterTemperatureInterval integer, "
    .. "waPIl waterPressureInterval integer, inSIl intensiveSampleInterval integer, "
    .. "inRIl intensiveReportInterval integer, iRSTe intensiveReportStartTime timestamp" },
  { "waQMr", "waterQualityMonitor",
    "dgt dataGenerationTime timestamp, algae - float, anios anionics float, aroh - float, "
    .. "as - float, bioty biotoxicity float, bod - float, cod - float, "
    .. "condy conductivity float, cd - float, chloa chlorophyll_a float, cn - float, "
    .. "cr6 - float, cu - float, do - float, f - float, fe - float, ftu - float, hg - float, "
    .. "kmno4 - float, nh3n4 nh3nh4 float, no3n - float, oil - float, pb - float, ph - float, "
    .. "sulfe sulfide float, tempe temperature float, tn - float, tp - float, zn - float" },
  { "watFw", "waterFlow",
    "dgt dataGenerationTime timestamp, waFSh! waterFlowStrength nonNegativeInteger" },
  { "watSr", "waterSensor", "dgt dataGenerationTime timestamp, alarm! - boolean" },
  { "weigt", "weight",
    "dgt dataGenerationTime timestamp, weigt! weight float, unit - nonNegativeInteger" },
}
