-- One resource of each type, in the order in which they can be created: what is mandatory and has
-- no obvious value, as JSON texts.  below: the type of the parent (an AE), owner: who may change it
-- (the parent's owner), maker: who may create another one, first, instead: who creates this one and
-- what is different in it, fixed: the name that the CSE gives,
-- path: it is there already, open: whoever is registered may create one.

local RULE = '{"acr":[{"acor":["Cbad"],"acop":63}]}'
local CRITERION = '{"optr":1,"sbjt":"mni","thld":5}'

local samples = {
  { "cse_base", path = "moon", owner = "CAdmin" },
  { "ae", below = "cse_base", rn = "bad", owner = "Cbad", maker = "Cnew", first = "Cbad",
    open = true, members = { api = '"Nbad"', rr = "true", srv = '["3","4"]' } },
  { "acp", members = { pv = RULE, pvs = RULE } },
  { "container" },
  { "content_instance", below = "container", members = { con = '"x"' } },
  { "subscription", below = "container", members = { nu = '["Cbad"]' } },
  { "group", members = { mnm = "5", mid = '["moon/bad/container"]' } },
  { "polling_channel" },
  { "time_series" },
  { "time_series_instance", below = "time_series",
    members = { dgt = '"20250101T000000"', con = '"x"' } },
  { "time_sync_beacon", members = { bcnc = "1", bcnu = '["Cbad"]' } },
  { "location_policy", below = "cse_base", open = true, members = { los = "2" } },
  { "semantic_descriptor", below = "container",
    members = { dcrp = "5", dsp = '"PGE+IDxiPiA8Yz4gLg=="' } },
  { "dynamic_authorization_consultation",
    members = { dae = "true", dap = '["http://h.example/x"]' } },
  { "trigger_request", members = { mei = '"x"', tri = '"x"', tvt = '"PT1H"' } },
  { "node", below = "cse_base", members = { ni = '"urn:x"' } },
  { "schedule", below = "node", members = { se = '{"sce":["* * * * * * *"]}' } },
  { "remote_cse", below = "cse_base", maker = "/another", first = "/other", open = true,
    members = { cb = '"/another/base"', rr = "true", srv = '["3"]' },
    instead = { cb = '"/other/base"' } },
  { "cross_resource_subscription", members = { nu = '["Cbad"]', twt = "1", tws = '"PT1H"',
    srat = '["moon/bad/container/subscription"]' } },
  { "notification_target_policy", below = "cse_base", open = true },
  { "notification_target_mgmt_policy_ref", below = "subscription",
    members = { ntu = '["Cbad"]' } },
  { "policy_deletion_rules", below = "notification_target_policy",
    members = { dr = '[{"tod":["* * * * * * *"]}]' } },
  { "action", below = "container", members = { evc = CRITERION, evm = "1",
    orc = '"moon/bad/container"', apv = '{"op":2,"fr":"Cbad"}' } },
  { "dependency", below = "action", members = { sfc = "true", evc = CRITERION,
    rri = '"moon/bad/container"' } },
}

-- Of specialisations, by root.
samples.specialised = {}

return samples
