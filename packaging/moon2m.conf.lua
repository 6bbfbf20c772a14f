-- The configuration of the service moon2m.  `moon2m check --config FILE` looks whether it is good,
-- `systemctl reload moon2m` reads it again; README.md in @DOCDIR@ lists the keys.

-- Who this CSE is.  Change it before the first start: identifiers are made from it.
-- cse = { name = "moon", id = "/moon", sp = "//moon2m.local", admin = "CAdmin" }

-- Another address than loopback needs a credential first, and the administrator a name (cse.admin):
--   moon2m credential add --data /var/lib/moon2m NAME ORIGINATOR
listen = { { host = "127.0.0.1", port = 8080 } }

-- Scripts.  The examples are in @DATADIR@/apps; this one shows the host's load:
-- apps = { "@DATADIR@/apps/host_metrics.lua" }
-- read = { "/proc/**" }
