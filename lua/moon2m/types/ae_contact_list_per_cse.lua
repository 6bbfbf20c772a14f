-- AEContactListPerCSE (TS-0001 9.6.46, TS-0004 7.4.54): the AEs, by their SP-relative resource
-- identifiers, that the CSE `csi` has references to.  Made and written as its parent is.

return {
  ty = 44, name = "ae_contact_list_per_cse", short = "m2m:alpc", by_cse = true,
  parents = { "ae_contact_list" }, children = {},
  attrs = {
    { "rn", create = "-" }, "ty", "ri", "pi", "ct", "lt", { "et", create = "-", update = "-" },
    { "lbl", create = "-", update = "-" }, { "acpi", create = "-", update = "-" },
    { "daci", create = "-", update = "-" },
    { "csi", "id", one = true },
    { "ail", "id", list = 0 },
  },
}
