/*
 * limit.c - see limit.h.
 */
#include "limit.h"

#include "metrics.h"

#define COUNTER(which, key)                                                                        \
	[which] = { .name = "moon2m_limit_total",                                                  \
		    .help = "Times that a bound was hit.",                                         \
		    .labels = "limit=\"" key "\"",                                                 \
		    .kind = METRIC_COUNTER }
#define NAME(which, key) [which] = key

/* clang-format off */
#define ALL(DO) \
	DO(LIMIT_REQUEST_LINE, "request_line"), \
	DO(LIMIT_HEADERS, "headers"), \
	DO(LIMIT_HEADER_COUNT, "header_count"), \
	DO(LIMIT_BODY, "body"), \
	DO(LIMIT_JSON_DEPTH, "json_depth"), \
	DO(LIMIT_JSON_MEMBERS, "json_members"), \
	DO(LIMIT_CONNECTIONS, "connections"), \
	DO(LIMIT_PER_ADDRESS, "per_address"), \
	DO(LIMIT_UNIDENTIFIED, "unidentified"), \
	DO(LIMIT_DESCRIPTORS, "descriptors"), \
	DO(LIMIT_PIPELINE, "pipeline"), \
	DO(LIMIT_REQUESTS, "requests"), \
	DO(LIMIT_HEADER_TIME, "header_time"), \
	DO(LIMIT_BODY_TIME, "body_time"), \
	DO(LIMIT_HANDSHAKE_TIME, "handshake_time"), \
	DO(LIMIT_IDLE_TIME, "idle_time"), \
	DO(LIMIT_HANGUP, "hangup"), \
	DO(LIMIT_READ_STALL, "read_stall"), \
	DO(LIMIT_IN_FLIGHT, "in_flight"), \
	DO(LIMIT_OUTGOING, "outgoing"), \
	DO(LIMIT_OUTGOING_RATE, "outgoing_rate"), \
	DO(LIMIT_OUTGOING_QUEUE, "outgoing_queue"), \
	DO(LIMIT_TARGET_QUEUE, "target_queue"), \
	DO(LIMIT_FAILURES, "failures")
/* clang-format on */

static struct metric counters[LIMITS] = { ALL(COUNTER) };
static const char *const names[LIMITS] = { ALL(NAME) };

void limit_open(void)
{
	for (size_t i = 0; i < LIMITS; i++)
		metric_register(&counters[i]);
}

void limit_hit(enum limit l)
{
	metric_add_atomic(&counters[l], 1);
}

double limit_count(enum limit l)
{
	return counters[l].value;
}

const char *limit_name(enum limit l)
{
	return names[l];
}
