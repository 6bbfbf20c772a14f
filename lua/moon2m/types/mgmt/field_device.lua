-- Field device configuration (TS-0022 7.1): what a device needs to connect and to collect data.
-- Their secrets are attributes like others: whoever may retrieve the object reads them.
-- registration, authenticationProfile, trustAnchorCred, MAFClientRegCfg, MEFClientRegCfg and
-- OAuth2Authentication are not here and are refused by name.

local common = require "moon2m.types.mgmt.kinds"
local kinds = require "moon2m.kinds"

-- Security usage identifiers (TS-0004 6.3.4.2.39).
local usage = kinds.enum("a security usage identifier", { 10, 11, 12, 13, 14, 15, 21, 22, 23, 24,
  25, 32, 33, 34, 35, 40, 41, 42, 43, 44, 45 })

-- enct: 1 none, 2 WEP, 3 to 5 WPA to WPA3 personal, 6 to 8 WPA to WPA3 enterprise.
local wifi_credentials = kinds.object("Wi-Fi credentials (object)", {
  { "enct", kinds.range("an encryption type", 1, 8), required = true },
  { "unm", "string" }, { "pwd", "string" }, { "wepk", "string" }, { "wpap", "string" },
})

return {
  { ty = 13, mgd = 1021, name = "mgmt_data_collection", short = "dcfg:datc",
    attrs = {
      { "cntp", "string", create = "M", update = "O" },
      { "rpsc", common.schedule, list = 1, create = "O", update = "O" },
      { "mesc", common.schedule, list = 1, create = "O", update = "O" },
      { "meil", "posint", create = "O", update = "O" },
    } },
  { ty = 13, mgd = 1023, name = "mgmt_my_cert_file_cred", short = "dcfg:nycfc",
    attrs = {
      { "suids", usage, list = 1, create = "M", update = "O" },
      { "mcff", "uri", create = "M", update = "-" },
      { "mcfc", "string", create = "M", update = "-" },
    } },
  -- cons: 0 disconnected, 1 connected, 2 idle, 3 no SSID, 4 scanned, 5 failed, 6 lost.
  { ty = 13, mgd = 1028, name = "mgmt_wifi_client", short = "dcfg:wific",
    triggers = { scan = false, ud = false, trdst = false },
    attrs = {
      { "ssid", "string", create = "M", update = "O" },
      { "wcrds", wifi_credentials, create = "O", update = "O" },
      { "maca", "string", create = "O", update = "O" },
      { "chanl", "string", create = "O", update = "O" },
      { "cons", kinds.range("a connection status", 0, 6), create = "O", update = "O", one = true,
        default = "0" },
      { "scan", "bool", create = "M", update = "O" },
      { "scanr", "string", list = 0, create = "O", update = "O", one = true, default = "[]" },
      { "ud", "bool", create = "O", update = "O", one = true, default = "false" },
      { "trdst", "bool", create = "O", update = "O", one = true, default = "false" },
      { "rdst", "bool", create = "O", update = "O" },
    } },
  { ty = 13, mgd = 1029, name = "mgmt_credentials", short = "dcfg:crds",
    attrs = {
      { "pur", "string", create = "O", update = "O" },
      { "crid", "string", create = "O", update = "O" },
      { "crse", "string", create = "O", update = "O" },
      { "crtk", "string", create = "O", update = "O" },
    } },
  -- sist: 0 inactive, 1 active; sity: 0 UICC, 1 and 2 eUICC, removable or not, 3 iUICC.
  { ty = 13, mgd = 1030, name = "mgmt_sim", short = "dcfg:sim",
    attrs = {
      { "imsi", common.digits("an IMSI", 6, 15), create = "O", update = "O" },
      { "icid", common.digits("an ICCID", 18, 22), create = "M", update = "O" },
      { "sist", kinds.range("a SIM status", 0, 1), create = "O", update = "O" },
      { "sity", kinds.range("a SIM type", 0, 3), create = "O", update = "O" },
      { "spn", "string", create = "O", update = "O" },
    } },
  -- cnb: 0 GSM, 1 TD-SCDMA, 2 WCDMA, 3 CDMA2000, 4 WiMAX, 5 LTE-TDD, 6 LTE-FDD, 7 NB-IoT; coel: the
  -- coverage enhancement level and one, 0 for none.
  { ty = 13, mgd = 1031, name = "mgmt_mobile_network", short = "dcfg:mnwk",
    attrs = {
      { "cnb", kinds.range("a network bearer", 0, 7), create = "M", update = "O" },
      { "rss", "int", create = "O", update = "O" },
      { "liqu", "int", create = "O", update = "O" },
      { "ipad", common.ip, list = 1, create = "O", update = "O" },
      { "ripa", common.ip, list = 1, create = "O", update = "O" },
      { "apna", "string", create = "O", update = "O" },
      { "ceid", "int", create = "O", update = "O" },
      { "smnc", "int", create = "O", update = "O" },
      { "smcc", "int", create = "O", update = "O" },
      { "lac", "int", create = "O", update = "O" },
      { "coel", kinds.range("a coverage enhancement level", 0, 4), create = "O", update = "O" },
    } },
}
