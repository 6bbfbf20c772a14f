/*
 * lua_client.h - Lua module "moon2m.core.client": what a test needs to run a server in a process of
 * its own and to talk to it: the process, requests, what arrives.  A loop of its own runs inside the
 * calls that wait.
 *
 *  open() -> port | nil, message       the loop, and an HTTP server that answers notifications
 *  close()
 *  spawn({argument...}, log) -> pid | nil, message   this program; its output goes into the file log
 *  ended(pid) -> exit code, -N for signal N; nil: it runs
 *  signal(pid, "TERM" | "KILL")
 *  http(method, url, head, body, seconds) -> status, head, body | nil, message
 *  dial(url, protocol) -> number | nil, message      a WebSocket
 *  send(number, text) -> false when it is closed
 *  turn(seconds)                       the loop runs
 *  datagram(port, data) -> true | nil, message       to 127.0.0.1, from a socket kept for that port
 *  datagrams(port) -> { data, ... }    what came back to that socket since
 *  take() -> { { from = number | path of the URL, type, body, binary }, ... }   what arrived since
 */
#pragma once

#include <lua.h>

int lua_client_open(lua_State *L);
void lua_client_close(void); /* processes that still run are killed; before vm_close */
