-- AEContactList (TS-0001 9.6.45, TS-0004 7.4.53): which CSEs have references to which AEs, one
-- AEContactListPerCSE each.  The CSE makes and writes both (contact.lua), nobody does by request.

return {
  ty = 43, name = "ae_contact_list", short = "m2m:alst", by_cse = true,
  parents = { "cse_base" }, children = { "subscription" },
  attrs = {
    { "rn", create = "-" }, "ty", "ri", "pi", "ct", "lt", { "et", create = "-", update = "-" },
    { "lbl", create = "-", update = "-" }, { "acpi", create = "-", update = "-" },
    { "daci", create = "-", update = "-" },
    { "nic", "uint", one = true },
  },
}
