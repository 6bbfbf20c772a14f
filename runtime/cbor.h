/*
 * cbor.h - CBOR (RFC 7049, TS-0004 8.5) to JSON text and back, over libcbor's streaming decoder and
 * encoders.  Inside, everything is JSON text: a primitive is converted at the door, once.
 * Accepts byte strings as UTF-8 text (the standard's own examples use them), half floats and
 * indefinite lengths; emits text strings, shortest integers, 64-bit floats (32-bit when exact).
 */
#pragma once

#include "buf.h"
#include "err.h"
#include "jscan.h"

/* One CBOR item and nothing after it, as JSON text appended to out. */
bool cbor_to_json(struct str cbor, struct jscan_limits lim, struct buf *out,
		  struct err *e) MUSTCHECK;

/* JSON text that jscan_check passed, as CBOR appended to out; other gives an error or nonsense.
 * Integers outside -2^64..2^64-1 become floats; a number beyond a 64-bit float is refused. */
bool cbor_from_json(struct str json, struct buf *out, struct err *e) MUSTCHECK;

/* Appends the head (major type and length) of a text string of n bytes: what stands before a value
 * that is spliced into a CBOR frame. */
void cbor_text_head(struct buf *out, size_t n);
