-- dynamicAuthorizationConsultation (TS-0001 9.6.40, TS-0004 7.4.36): whom to ask whether an
-- originator may do what the policies of a resource do not grant (daci of that resource).

return {
  ty = 34, name = "dynamic_authorization_consultation", short = "m2m:dac",
  parents = { "cse_base", "ae", "remote_cse" }, children = { "subscription" },
  attrs = {
    "rn", "ty", "ri", "pi", "ct", "lt", "et", "lbl", "acpi", "daci",
    { "dae", "bool", create = "M", update = "O" },
    { "dap", "poa", list = 1, create = "M", update = "O" },
    { "dal", "timestamp", create = "O", update = "O" },
  },
}
