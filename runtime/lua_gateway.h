/*
 * lua_gateway.h - module "moon2m.core.gateway": the bytes of net_raw.h and outgoing HTTP, for
 * lua/moon2m/gateway*.lua.  Everything open has an id, a number; the boot module's entry `gateway(id)`
 * is started when something about it is new, and asks with the functions below.  Expected failures
 * are nil, message.
 *
 *   udp{host, port, ...} -> id, port        listen{host, port, max, ...} -> id, port
 *   dial{host, port, tls, timeout, ...} -> id
 *   serial{device, baud, bits, parity, stop, rtscts, ...} -> id
 *   mqtt{host, port, id, user, password, tls, clean, keepalive, will_topic, will, will_qos,
 *        will_retain, ...} -> id
 *     all with queue, bytes (struct raw_opts), script and kind (labels of the counters)
 *   state(id) -> "opening" | "open" | "closed", why
 *   take(id) -> data, from | connection's id, peer | topic, payload, qos, retain, dup; nil: none
 *   read(id, n | "some" | "line" | "all") -> data; nil: not (yet) there
 *   write(id, data) -> bytes that wait (more than `bytes`: wait for the entry); nil: closed
 *   waiting(id) -> bytes that wait           limit(id, max): of `listen`, from now on
 *   send(id, address, data) -> true
 *   publish(id, topic, payload, qos, retain) -> true    room(id) -> boolean
 *   subscribe(id, topic, qos) unsubscribe(id, topic) -> true    reopen(id)
 *   close(id) -> whether it was open        count() -> how many are open
 *   http(method, url, head, body, seconds) -> status, head, body      waits
 */
#pragma once

#include <lua.h>

struct net;

int lua_gateway_open(lua_State *L);
void lua_gateway_use(struct net *n);
void lua_gateway_close(void); /* closes everything; before the tasks and the loop go */
