/*
 * bind_ws_text.h - the WebSocket binding as a mapping of texts (TS-0020, TS-0004 8.4): one message
 * is one primitive.  Recognises a response without building anything; reads a request into a
 * primitive; writes an answer.  No sockets, no state: what the fuzzer runs.  CBOR is converted
 * before and after.
 */
#pragma once

#include "buf.h"
#include "primitive.h"

enum ws_kind {
	WS_REQUEST, /* has op */
	WS_RESPONSE, /* has rsc */
	WS_BAD /* neither can be read: e says why */
};

struct ws_message {
	enum ws_kind kind;
	struct str object; /* the primitive; a sole m2m:rqp or m2m:rsp around it is taken off */
	struct str rqi; /* raw JSON string with its quotes; p NULL: none was found */
	int rsc; /* response */
	struct str pc; /* response: raw content, p NULL when absent */
};

/*
 * Says what a JSON text is.  WS_BAD comes with a reason in e (code 4000); rqi is then a best
 * effort, also from malformed text, so that the sender can match the answer.  All of m borrows
 * from text.
 */
enum ws_kind ws_text_classify(struct str text, struct ws_message *m, struct err *e);

/* A raw JSON string without its quotes; scratch is used only when it holds escapes. */
struct str ws_text_plain(struct str raw, struct buf *scratch);

/*
 * Reads the request m into p, which copies it.  False: a 4000 whose message names the parameter; p
 * then holds its rqi when that was readable.
 */
bool ws_text_read(const struct ws_message *m, struct primitive *p, struct err *e) MUSTCHECK;

/*
 * Appends the response up to the value of its pc; when a->pc is there the text ends in `"pc":` and
 * the value and '}' follow, else it is complete.  rvi is the release to name when p names none.
 */
void ws_text_write(const struct primitive *p, const struct answer *a, struct str rvi,
		   struct buf *out);

enum ws_serial { WS_JSON, WS_CBOR, WS_OTHER };

/*
 * Picks the first supported name of the comma list a client offers (TS-0020 6.2.2.9): oneM2M.json,
 * oneM2M.cbor and their Release 2 names, in any case.  other, if given, may claim further names
 * (registered notification formats).  *chosen is the name exactly as offered.
 */
bool ws_text_protocol(struct str offered, bool (*other)(void *arg, struct str name), void *arg,
		      struct str *chosen, enum ws_serial *serial) MUSTCHECK;
