-- moon2m's configuration for the bench: as shipped, but for as many connections as it opens.
return {
  limits = { connections = 16384, unidentified = 16384, json_members = 16384, targets = 16384 },
  outgoing = { rate = 1000000 },
  log = { level = "warn" },
}
