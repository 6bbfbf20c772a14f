/*
 * bind_http_text.h - the HTTP binding as a mapping of texts (TS-0009): an HTTP request to a
 * primitive, an answer to status, header lines and body.  No sockets, no state: what the fuzzer
 * runs.
 */
#pragma once

#include "net.h"
#include "primitive.h"

/* How the answer to one request is to be written. */
struct http_form {
	const char *type; /* media type, never NULL */
	bool cbor;
	bool bad_method; /* 405 with Allow, whatever the status code says */
};

#define HTTP_METHODS "GET, HEAD, POST, PUT, DELETE, OPTIONS"

/*
 * Fills p and form from a request (TS-0009 6.2 to 6.5).  Method and the `ty` of Content-Type give
 * the operation, the path gives `to` (/x, /~/x, /_/x; percent-decoded), X-M2M-* headers the
 * parameters; a CBOR body becomes JSON text.  False: e->code is the response status code (4000,
 * 4005, 4015, 5207) and the message names the parameter; p then holds at least its rqi and rvi,
 * when they were readable.
 */
bool http_text_read(const struct http_req *r, struct primitive *p, struct http_form *form,
		    struct err *e) MUSTCHECK;

/*
 * Appends the answer's header lines and its body; returns the HTTP status (TS-0009 6.3.2).
 * X-M2M-RSC, X-M2M-RI and X-M2M-RVI are always there; rvi is the release to name when p does not.
 */
int http_text_write(const struct primitive *p, const struct answer *a, const struct http_form *form,
		    struct str rvi, struct buf *head, struct buf *body);

/* Appends "Name: value\r\n"; control characters in the value become spaces. */
void http_text_header(struct buf *head, const char *name, struct str value);

int http_text_status(int rsc); /* TS-0009 Table 6.3.2-1; by its class when it is not there */
