/*
 * lua_cse.h - Lua module "moon2m.core.cse": primitives, sessions, notification and listening.
 *
 *  configure{rvi=, origins={..}, admin_port=, request_time=}   release named in answers, browser
 *                                   origins that may read them ("*": any), port of /healthz and
 *                                   /metrics (0: all), seconds an answer may take when rqet is
 *                                   absent; an absent member means its default
 *  listen{host=, port=, http=, ws=} -> port | nil, message  (127.0.0.1, 0: any, true, true)
 *  formats{names}                   notification formats that clients may name as subprotocol, all
 *  page(path, type|nil, body) -> true | nil, message   a page of a script; type nil: no longer
 *  reply(id, rsc, pc|nil, extra|nil) -> true when request id was still waiting.  extra: ot rset ec
 *                                   vsi cnst cnot location service bind, as struct answer has them
 *  submit{op=, to=, rqi=, ty=, fr=, rvi=, pc=, query=, ...} -> rsc, pc|nil, extra.  Yields: a
 *                                   primitive of a script; the members are those of entry "request"
 *  bind(conn_id, aei) -> true when the connection speaks for the AE now
 *  refuse(conn_id, code, reason) -> true when there was such a connection
 *  connected(aei) -> boolean          unbind(aei)
 *  slot("sur"|"to"|"rqi"|"cr") -> text
 *  audience() -> a with a:add(sub, sur, cr|nil, target) a:remove(sub) a:size()
 *  event(a, {frame="primitive"|"raw", binary=, type=, ec=, format_failed=, count=}, body) -> ev
 *                                   count: events that a lane held and this one tells of again
 *  publish(ev), abandon(ev)           each event once: publish when its transaction is on disk
 *  routes(target, {urls} [, via [, token]])   forget_target(target)  forget_sub(sub)
 *  keep_newest(sub)
 *  reroute()                        asks anew for the way to what other CSEs host
 *  ask(target, pc, ec|nil, seconds) -> rsc, pc|nil.  Yields; rsc 0: unreachable or no answer
 *  pass(cse, {op=, frame=, pc=|nil, path=, head=, rqi=, safe=, seconds=}) -> end, rsc, pc|nil,
 *                                   whole|nil, head|nil.  Yields: a request that is passed on to
 *                                   another CSE, as struct pass has it.  end: "answered",
 *                                   "unreadable" (answered with what is no JSON), "unreached",
 *                                   "broken" (perhaps executed), "late"
 *  priority(sub, n)                 its notices stay longer than those of lower ones (0 at first)
 *  lane_waiting(key) -> count        notices that a lane ("lane:<sub>:<target>") holds back
 *  lane_oldest(key) -> us or nil     when the oldest of them was made, since 1970
 *  lane_read(key, n, after|nil) -> { {id=, et=|nil, ec=|nil, body=, raw=, binary=, type=|nil}, ... }
 *                                   | nil, message.  Yields; oldest first, at most 1,024 and 4 MiB
 *  lane_done(key, id)               after a commit with {"lane_done", key, id}
 *  lane_drop(key, {ids}|"all"|"but newest", reason) -> count
 *  lane_watch(key, n)               entry lane is called once more when n notices wait in the lane
 *  reformat(id, opts, body) -> true when the event was parked.  Answers entry "reformat"; opts and
 *                                   body as for event; body nil: nothing is to be sent
 *  notices{target=, sub=, limit=} -> { {state=, target=, sub=, sur=, id=, at=, age=|nil, attempts=,
 *                                   bytes=, code=|nil, error=|nil, error_at=|nil}, ... } of
 *                                   struct notify_info: what is not done; limit 1,000
 *  accounts{target=, sub=, limit=} -> { {state=, target=, sub=, sur=, events=, sent=, acknowledged=,
 *                                   answered=, failed=, dropped=, queued=, held=, oldest=|nil,
 *                                   code=, error=, error_at=|nil}, ... } of struct notify_account
 *  sub_stats(sub) -> { {tg=, rqs=, rsr=, noec=}, ... }   the same for nsi, since the start
 *  replay(target|nil, sub|nil) -> count    another try now for what is parked, not answered or backing
 *                                   off; sub: an id, or a subscription's reference or resource id
 *  drop(target|nil, sub|nil) -> count      what waits and is not under way
 *  stats() -> {name = number}
 *
 * Starts the tasks delivered(sub, n events), at most one per subscription and turn of the loop,
 * unknown_target(target), lane(key) when a lane that was empty has a notice or, after a restart, when
 * it has some, reformat(id, format, body) for each parked event that is tried again, and
 * removal(sub, target) when a target's answer asks for it (notify_on_leaving).
 */
#pragma once

#include <lua.h>

struct net;

/* The net to listen on; sets notify's hooks and registers gauges.  After notify_open. */
void lua_cse_use(struct net *n);
int lua_cse_open(lua_State *L);
void lua_cse_close(void); /* before net_free */
