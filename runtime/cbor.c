/*
 * cbor.c - CBOR to JSON text.
 * Guarantees: no recursion, linear time; what is written is JSON that jscan_check accepts; a
 * refused item leaves out as it was; integers keep all 64 bits, floats their exact value.
 * Must never: trust a length or count in the bytes before comparing it with a limit.
 */
#include "cbor.h"

#include <math.h>

#include "limit.h"

/* Not <cbor.h>: that name is this module's own header. */
#include <cbor/streaming.h>

#define DEEPEST 1024 /* as in jscan.c */

/* An open array or map. */
struct level {
	uint64_t left; /* items still to come (a map's pair is two); definite length only */
	bool map, indefinite;
	bool value; /* map: the key stands, its value is next */
	bool begun; /* something was written: a comma comes first */
};

struct reader {
	struct buf *out;
	const char *why; /* reason of a refusal, NULL so far */
	const unsigned *limit;
	unsigned depth, members;
	struct jscan_limits lim;
	bool done; /* the outermost item is complete */
	char chunks; /* inside an indefinite string: 't' text, 'b' bytes */
	struct buf joined; /* its pieces */
	struct level level[DEEPEST];
};

static void refuse(struct reader *r, const char *why)
{
	if (!r->why)
		r->why = why;
}

static bool count_members(struct reader *r, uint64_t n)
{
	if (n <= r->lim.max_members - r->members) {
		r->members += (unsigned)n;
		return true;
	}
	r->limit = &r->lim.max_members;
	limit_hit(LIMIT_JSON_MEMBERS);
	refuse(r, "more members and elements than");
	return false;
}

/* What stands before an item: comma, colon, or nothing.  False when it may not stand here. */
static bool begin_item(struct reader *r, bool text)
{
	struct level *l;

	if (r->chunks)
		refuse(r, "item that is no piece of the indefinite string around it");
	if (r->why)
		return false;
	if (r->depth == 0)
		return true;
	l = &r->level[r->depth - 1];
	if (l->map && l->value) {
		buf_char(r->out, ':');
		return true;
	}
	if (l->map && !text) {
		refuse(r, "map key that is no text string");
		return false;
	}
	if (l->indefinite && !count_members(r, 1))
		return false;
	if (l->begun)
		buf_char(r->out, ',');
	l->begun = true;
	return true;
}

/* An item is complete; so are the containers of definite length that it fills. */
static void end_item(struct reader *r)
{
	while (r->depth > 0) {
		struct level *l = &r->level[r->depth - 1];

		l->value = l->map && !l->value;
		if (l->indefinite || --l->left > 0)
			return;
		buf_char(r->out, l->map ? '}' : ']');
		r->depth--;
	}
	r->done = true;
}

static void open_level(struct reader *r, bool map, bool indefinite, uint64_t count)
{
	struct level *l;

	if (!begin_item(r, false) || !count_members(r, count))
		return;
	if (r->depth >= r->lim.max_depth) {
		r->limit = &r->lim.max_depth;
		limit_hit(LIMIT_JSON_DEPTH);
		refuse(r, "deeper than");
		return;
	}
	buf_char(r->out, map ? '{' : '[');
	if (!indefinite && count == 0) {
		buf_char(r->out, map ? '}' : ']');
		end_item(r);
		return;
	}
	l = &r->level[r->depth++];
	*l = (struct level){ .map = map, .indefinite = indefinite };
	l->left = map ? count * 2 : count;
}

static void on_array(void *ctx, size_t n)
{
	open_level(ctx, false, false, n);
}

static void on_array_indefinite(void *ctx)
{
	open_level(ctx, false, true, 0);
}

static void on_map(void *ctx, size_t n)
{
	open_level(ctx, true, false, n);
}

static void on_map_indefinite(void *ctx)
{
	open_level(ctx, true, true, 0);
}

static void put_text(struct reader *r, struct str s)
{
	if (!str_utf8(s)) {
		refuse(r, "invalid UTF-8 in a string");
		return;
	}
	if (!begin_item(r, true))
		return;
	buf_json(r->out, s);
	end_item(r);
}

static void on_string(struct reader *r, char kind, struct str s)
{
	if (!r->chunks) {
		put_text(r, s);
		return;
	}
	if (r->chunks != kind)
		refuse(r, "piece of an indefinite string that is of another type");
	else if (kind == 't' && !str_utf8(s))
		refuse(r, "invalid UTF-8 in a string");
	else
		buf_str(&r->joined, s);
}

static void on_text(void *ctx, cbor_data p, size_t n)
{
	on_string(ctx, 't', (struct str){ (const char *)p, n });
}

static void on_bytes(void *ctx, cbor_data p, size_t n)
{
	on_string(ctx, 'b', (struct str){ (const char *)p, n });
}

static void start_chunks(struct reader *r, char kind)
{
	if (r->chunks) {
		refuse(r, "indefinite string inside an indefinite string");
		return;
	}
	r->chunks = kind;
	buf_clear(&r->joined);
}

static void on_text_start(void *ctx)
{
	start_chunks(ctx, 't');
}

static void on_bytes_start(void *ctx)
{
	start_chunks(ctx, 'b');
}

static void on_break(void *ctx)
{
	struct reader *r = ctx;
	struct level *l = r->depth ? &r->level[r->depth - 1] : NULL;

	if (r->chunks) {
		r->chunks = '\0';
		put_text(r, buf_view(&r->joined));
	} else if (!l || !l->indefinite) {
		refuse(r, "break outside an item of indefinite length");
	} else if (l->value) {
		refuse(r, "map key without a value");
	} else {
		buf_char(r->out, l->map ? '}' : ']');
		r->depth--;
		end_item(r);
	}
}

static void put_uint(struct reader *r, uint64_t v)
{
	if (!begin_item(r, false))
		return;
	buf_u64(r->out, v);
	end_item(r);
}

/* The item's value is -1 - v; for the largest v that is -2^64, which no C integer holds. */
static void put_negint(struct reader *r, uint64_t v)
{
	if (!begin_item(r, false))
		return;
	buf_char(r->out, '-');
	if (v == UINT64_MAX)
		buf_str(r->out, STR("18446744073709551616"));
	else
		buf_u64(r->out, v + 1);
	end_item(r);
}

static void put_float(struct reader *r, double v)
{
	size_t start;

	if (!isfinite(v)) {
		refuse(r, "number that is not finite");
		return;
	}
	if (!begin_item(r, false))
		return;
	start = r->out->n;
	buf_double(r->out, v);
	for (size_t i = start; i < r->out->n; i++)
		if (r->out->p[i] == '.' || r->out->p[i] == 'e')
			start = SIZE_MAX;
	if (start != SIZE_MAX)
		buf_str(r->out, STR(".0")); /* stays a float on the way back */
	end_item(r);
}

static void put_word(struct reader *r, struct str word)
{
	if (!begin_item(r, false))
		return;
	buf_str(r->out, word);
	end_item(r);
}

static void on_uint8(void *ctx, uint8_t v)
{
	put_uint(ctx, v);
}

static void on_uint16(void *ctx, uint16_t v)
{
	put_uint(ctx, v);
}

static void on_uint32(void *ctx, uint32_t v)
{
	put_uint(ctx, v);
}

static void on_uint64(void *ctx, uint64_t v)
{
	put_uint(ctx, v);
}

static void on_negint8(void *ctx, uint8_t v)
{
	put_negint(ctx, v);
}

static void on_negint16(void *ctx, uint16_t v)
{
	put_negint(ctx, v);
}

static void on_negint32(void *ctx, uint32_t v)
{
	put_negint(ctx, v);
}

static void on_negint64(void *ctx, uint64_t v)
{
	put_negint(ctx, v);
}

static void on_float(void *ctx, float v)
{
	put_float(ctx, v);
}

static void on_double(void *ctx, double v)
{
	put_float(ctx, v);
}

static void on_null(void *ctx)
{
	put_word(ctx, STR("null"));
}

static void on_bool(void *ctx, bool v)
{
	put_word(ctx, v ? STR("true") : STR("false"));
}

static void on_tag(void *ctx, uint64_t tag)
{
	(void)tag;
	refuse(ctx, "tags are not supported");
}

static const struct cbor_callbacks callbacks = {
	.uint8 = on_uint8,
	.uint16 = on_uint16,
	.uint32 = on_uint32,
	.uint64 = on_uint64,
	.negint8 = on_negint8,
	.negint16 = on_negint16,
	.negint32 = on_negint32,
	.negint64 = on_negint64,
	.byte_string = on_bytes,
	.byte_string_start = on_bytes_start,
	.string = on_text,
	.string_start = on_text_start,
	.array_start = on_array,
	.indef_array_start = on_array_indefinite,
	.map_start = on_map,
	.indef_map_start = on_map_indefinite,
	.tag = on_tag,
	.float2 = on_float,
	.float4 = on_float,
	.float8 = on_double,
	.undefined = on_null,
	.null = on_null,
	.boolean = on_bool,
	.indef_break = on_break,
};

/* Decodes from *at on; *at stays at the item that was refused. */
static bool read_item(struct reader *r, struct str cbor, size_t *at)
{
	const unsigned char *p = (const unsigned char *)cbor.p;

	while (!r->done) {
		struct cbor_decoder_result got;

		if (*at == cbor.n) {
			refuse(r, "the bytes end inside an item");
			return false;
		}
		got = cbor_stream_decode(p + *at, cbor.n - *at, &callbacks, r);
		if (got.status == CBOR_DECODER_NEDATA)
			refuse(r, "the bytes end inside an item");
		else if (got.status == CBOR_DECODER_ERROR)
			refuse(r, p[*at] >> 5 == 7 ? "simple value that is not supported"
						   : "malformed item");
		if (r->why)
			return false;
		*at += got.read;
	}
	if (*at < cbor.n)
		refuse(r, "bytes after the item");
	return r->why == NULL;
}

bool cbor_to_json(struct str cbor, struct jscan_limits lim, struct buf *out, struct err *e)
{
	struct reader r;
	size_t at = 0, start = out->n;
	bool ok;

	memset(&r, 0, offsetof(struct reader, level));
	r.out = out;
	r.lim = lim;
	if (r.lim.max_depth > DEEPEST)
		r.lim.max_depth = DEEPEST;
	ok = read_item(&r, cbor, &at);
	buf_free(&r.joined);
	if (ok)
		return true;
	out->n = start;
	if (r.limit)
		return err_set(e, "byte %zu: %s %u (limits.json_%s)", at, r.why, *r.limit,
			       r.limit == &r.lim.max_depth ? "depth" : "members");
	return err_set(e, "byte %zu: %s", at, r.why);
}
