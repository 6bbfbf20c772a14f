-- The policies of a CSE for what it forwards (TS-0001 D.12, TS-0004 D.12): cmdhPolicy links its
-- cmdhDefaults, cmdhLimits, cmdhNetworkAccessRules and cmdhBuffer by cmlk, these their parts;
-- activeCmdhPolicy names the policy in force.  Times in ms, sizes in bytes.  They are kept for the
-- CSE of the node: this CSE applies none of them to itself.

local common = require "moon2m.types.mgmt.kinds"
local kinds = require "moon2m.kinds"

local categories = kinds.list(common.category_with_default)

-- Whether several may be aggregated: one value, or both.
local aggregation = kinds.list("bool", 1, 2)

local links = { "cmlk", common.link, list = 1, create = "M", update = "O" }

return {
  { ty = 13, mgd = 1011, name = "mgmt_cmdh_policy", short = "m2m:cmp",
    attrs = {
      links,
      { "cpn", "string", create = "M", update = "O" },
    } },
  { ty = 13, mgd = 1012, name = "mgmt_active_cmdh_policy", short = "m2m:acmp",
    attrs = {
      { "acmlk", "id", create = "M", update = "O" },
    } },
  { ty = 13, mgd = 1013, name = "mgmt_cmdh_defaults", short = "m2m:cmdf",
    attrs = { links } },
  { ty = 13, mgd = 1014, name = "mgmt_cmdh_def_ec_value", short = "m2m:cmdv",
    attrs = {
      { "od", "posint", create = "M", update = "O" },
      { "dev", common.category, create = "M", update = "O" },
      { "ror", "id", list = 1, create = "M", update = "O" },
      { "rct", "any", create = "O", update = "O" },
      { "rctn", "bool", create = "O", update = "O" },
      { "rch", "any", create = "O", update = "O" },
    } },
  { ty = 13, mgd = 1015, name = "mgmt_cmdh_ec_def_param_values", short = "m2m:cmpv",
    attrs = {
      { "aec", categories, create = "M", update = "O" },
      { "dqet", "int", create = "M", update = "O" },
      { "dset", "int", create = "M", update = "O" },
      { "doet", "int", create = "M", update = "O" },
      { "drp", "int", create = "M", update = "O" },
      { "dda", "bool", create = "M", update = "O" },
    } },
  { ty = 13, mgd = 1016, name = "mgmt_cmdh_limits", short = "m2m:cml",
    attrs = {
      { "od", "posint", create = "M", update = "O" },
      { "ror", "id", list = 1, create = "M", update = "O" },
      { "rct", "any", create = "O", update = "O" },
      { "rctn", "bool", create = "O", update = "O" },
      { "rch", "any", create = "O", update = "O" },
      { "lec", common.category, list = 1, create = "M", update = "O" },
      { "lqet", common.min_max, create = "M", update = "O" },
      { "lset", common.min_max, create = "M", update = "O" },
      { "loet", common.min_max, create = "M", update = "O" },
      { "lrp", common.min_max, create = "M", update = "O" },
      { "lda", aggregation, create = "M", update = "O" },
    } },
  { ty = 13, mgd = 1017, name = "mgmt_cmdh_network_access_rules", short = "m2m:cmnr",
    attrs = {
      { "aecs", categories, create = "M", update = "O" },
    } },
  { ty = 13, mgd = 1018, name = "mgmt_cmdh_nw_access_rule", short = "m2m:cmwr",
    attrs = {
      links,
      { "ttn", "id", list = 1, create = "M", update = "O" },
      { "mrv", "uint", create = "M", update = "O" },
      { "swt", "uint", create = "M", update = "O" },
      { "bop", common.back_off, create = "M", update = "O" },
      { "ohc", "any", create = "O", update = "O" },
    } },
  { ty = 13, mgd = 1019, name = "mgmt_cmdh_buffer", short = "m2m:cmbf",
    attrs = {
      { "aec", categories, create = "M", update = "O" },
      { "mbfs", "uint", create = "M", update = "O" },
      { "sgp", "posint", create = "M", update = "O" },
    } },
}
