-- `make layers`: a file includes headers of lower levels, and of files that stand before it in its
-- own level, never upwards; foreign headers stay behind the files that own them.

-- From low to high.  "x" is x.h and x.c; where other files stand between them, "x.h" is the
-- header.
local LEVELS = {
  { "base", "owner", "err", "plain", "buf", "arena", "metrics", "limit", "jscan", "jscan_find",
    "cbor", "cbor_write", "log", "clock", "blame", "identity.h", "identity_int",
    "identity_brake", "identity_name", "identity_secret", "identity_file", "identity_compute",
    "identity" },
  { "store.h", "store_verify.h", "store_engine", "store_int", "store", "store_start",
    "store_tx", "store_read", "store_sqlite", "store_sqlite_sums", "store_sqlite_whole",
    "store_schema",
    "store_sql", "store_sqlite_cs", "store_sqlite_gc", "store_sqlite_geo",
    "store_sqlite_ops", "store_sqlite_read",
    "store_sqlite_backup", "store_sqlite_verify" },
  { "net", "http1.h", "http1_priv", "http1", "http1_body", "http1_msg", "ws_read",
    "ws_hello", "net_lws", "net_loop",
    "net_listen", "net_url", "net_dns", "net_allow", "net_tls_int", "net_tls",
    "net_tls_serve", "net_http", "net_hconn", "net_frame", "net_ws_serve", "net_ws",
    "net_dial", "net_out", "net_link", "net_unix", "net_watch", "net_child", "net_raw",
    "net_raw_int", "net_raw_addr",
    "net_udp", "net_stream", "net_serial", "net_tcp", "net_mqtt" },
  { "embed", "vm_pool", "vm", "guard.h", "guard_int", "guard_stuck", "guard", "guard_lua", "task",
    "lua_file", "lua_json", "lua_operator", "lua_console", "lua_profile", "lua_flame", "lua_sys",
    "lua_blame", "lua_weigh", "lua_watch", "lua_child" },
  { "session", "notify.h", "notify_life", "notify_tool.h", "notify_ways", "notify_int",
    "notify_head",
    "notify", "notify_tool", "notify_event",
    "notify_audience", "notify_target", "notify_books", "notify_gap", "notify_lane", "notify_drop",
    "notify_send", "notify_answer",
    "notify_keep", "notify_restore", "notify_check", "notify_parked", "notify_list",
    "notify_url", "notify_dial", "notify_poll", "notify_remote", "notify_ask", "primitive",
    "bind_identity",
    "bind_media", "bind_page", "bind_http_text", "bind_http", "bind_ws_text", "bind_ws",
    "lua_field", "lua_notify", "lua_notices", "lua_store_ops", "lua_store", "lua_cse",
    "lua_identity", "lua_tls", "lua_outgoing",
    "lua_gateway", "lua_host", "lua_client" },
  { "lua_config", "admin", "progress", "service", "cmd", "options", "cmd_ask",
    "lua_ask", "cmd_transfer",
    "cmd_backup", "cmd_verify",
    "cmd_capabilities", "cmd_check", "cmd_listen", "cmd_lua",
    "cmd_explain", "cmd_new", "cmd_notices", "cmd_operator", "console_link", "console_edit",
    "cmd_console", "cmd_credential", "supervise", "cmd_run", "cmd_test", "main" },
}
local OWNERS = {
  ["libwebsockets.h"] = "^net_", ["ev.h"] = "^net_", ["llhttp.h"] = "^http1",
  ["sqlite3.h"] = "^store_sqlite", ["lua.h"] = "^vm$ ^guard ^task$ ^lua_",
  ["lauxlib.h"] = "^vm$ ^guard ^task$ ^lua_", ["cbor.h"] = "^cbor",
  ["ssl.h"] = "^net_tls", ["zlib.h"] = "^store_sqlite_sums$",
  ["mosquitto.h"] = "^net_mqtt$",
  ["histedit.h"] = "^console_edit$",
}

local place, bad = {}, 0
for level, names in ipairs(LEVELS) do
  for i, name in ipairs(names) do place[name] = { level, i } end
end

local function complain(...)
  print(string.format(...))
  bad = bad + 1
end

local function owned(name, header)
  if not OWNERS[header] then return true end
  for pattern in OWNERS[header]:gmatch("%S+") do
    if name:match(pattern) then return true end
  end
end

for _, file in ipairs(arg) do
  local name, kind = file:match("([^/]+)(%.[ch])$")
  local mine = kind == ".h" and place[name .. ".h"] or place[name]
  if not mine then complain("%s: give it a place in tests/layers.lua", file) end
  for line in io.lines(file) do
    local own, foreign = line:match('^#include "([%w_]+)%.h"'), line:match("^#include <([%w_./]+)>")
    local theirs = own and (place[own .. ".h"] or place[own])
    local above = mine and theirs
      and (theirs[1] > mine[1] or theirs[1] == mine[1] and theirs[2] > mine[2])
    if above then
      complain("%s includes %s.h, which is above it", file, own)
    end
    if foreign and not owned(name, foreign) then
      complain("%s includes <%s>, which is not its business", file, foreign)
    end
  end
end
os.exit(bad == 0 and 0 or 1)
