/*
 * load.c - the load generator: one mode per figure of the report, with its progress on stderr and
 * one line of JSON on stdout.  The CSE is /moon on 127.0.0.1, everything lies below /moon/bench.
 *
 *   load PORT ready                                waits until the server serves; the wall time
 *   load PORT containers N MNI                     makes /moon/bench/c0 ... c(N-1)
 *   load PORT fill    CONTAINERS EACH              instances; one in ten with a label, 100 alike
 *   load PORT count   CONTAINERS                   sums their st and cni
 *   load PORT holders NAME TY N MORE               makes /moon/bench/NAME0 ... of type TY (3, 29);
 *                                                  MORE: further attributes ("-": none), with
 *                                                  "#" the number
 *   load PORT values  NAME TY N EACH               instances in them, of type TY (4, 30)
 *   load PORT flex    N MORE                       makes flexContainers /moon/bench/f0 ...; MORE:
 *                                                  as above; "watch": Cf00000 subscribes to each
 *   load PORT update  CONNS SECONDS N [watched]    durable updates of them
 *   load PORT create  CONNS SECONDS CONTAINERS [watched]    durable creates over HTTP keep-alive
 *   load PORT grouped CONNS SECONDS NAME MEMBERS   durable creates in all members of a group at once
 *   load PORT get     CONNS SECONDS PATH RANGE PART TIMES   retrieves; "#" in PATH is a number
 *                                                  below RANGE; PART occurs TIMES in an answer
 *   load PORT sites   N                            N containers s0 ... with 99 containers of 9
 *                                                  instances and a subscription each: 992 N
 *                                                  resources, with labels
 *   load PORT drop    PATH SECONDS                 deletes a subtree, and what others wait meanwhile
 *   load PORT aes     N                            makes AEs Cf00000 ...
 *   load PORT subs    N FORMAT CONTAINER           each subscribes (FORMAT "-": standard)
 *   load PORT watch   CONTAINERS                   Cf00000 subscribes to each of them
 *   load PORT fanout  N ROUNDS KIND CONTAINER      one event at a time to N connections
 *   load PORT flood   N SECONDS OUTSTANDING KIND CONTAINER   so many events at a time
 *   load PORT latency SECONDS RATE KIND CONTAINER  one subscriber, RATE events per second
 *   load PORT idle    N SECONDS                    N connections that do nothing
 *   load PORT wide    N CONTAINER                  one subscription with N targets, all verified
 *   load PORT kept    N EVENTS CONTAINER           events while its N subscribers are away, who
 *                                                  then come and take what was kept
 *   load PORT hold    I SECONDS HOW                AE number I is connected and "reads" or not
 *
 * KIND: "raw" (frames are not answered), "ack" (each NOTIFY is acknowledged); "base" and "baseack":
 * the same to the baseline server of raw_fanout.c.  $PID: the server's, for its CPU time.
 */
#define _GNU_SOURCE
#include "load.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int server;
static int64_t cpu_before;

void cpu_start(void)
{
	cpu_before = cpu_ns(server);
}

double cpu_used(void)
{
	return (double)(cpu_ns(server) - cpu_before);
}

bool server_runs(void)
{
	return server == 0 || kill(server, 0) == 0;
}

uint64_t server_rss(void)
{
	unsigned long long pages = 0;
	char name[64];
	FILE *f;

	snprintf(name, sizeof(name), "/proc/%d/statm", server);
	f = fopen(name, "r");
	if (!f || fscanf(f, "%*u %llu", &pages) != 1)
		die("%s cannot be read", name);
	fclose(f);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* For a person who waits; a file gets none. */
void progress(const char *what, uint64_t done, uint64_t of)
{
	static int64_t last;
	int64_t t = now_ns();

	if (t - last < 500000000)
		return;
	last = t;
	if (!isatty(2))
		return;
	fprintf(stderr, "\r%s %llu", what, (unsigned long long)done);
	if (of)
		fprintf(stderr, "/%llu", (unsigned long long)of);
	fputs("   ", stderr);
}

void progress_end(void)
{
	if (isatty(2))
		fprintf(stderr, "\r%40s\r", "");
}

int post(char *out, size_t size, const char *path, const char *origin, int ty, const char *body)
{
	return snprintf(out, size,
			"POST %s HTTP/1.1\r\nHost: b\r\nX-M2M-Origin: %s\r\nX-M2M-RI: 1\r\n"
			"X-M2M-RVI: 3\r\nContent-Type: application/json;ty=%d\r\n"
			"Content-Length: %zu\r\n\r\n%s",
			path, origin, ty, strlen(body), body);
}

/* ---- arguments ------------------------------------------------------------------------------- */

static char **arg;

static unsigned number_from(unsigned least, int i, unsigned max)
{
	char *end;
	unsigned long v = strtoul(arg[i], &end, 10);

	if (*end || end == arg[i] || v < least || v > max)
		die("%s: argument %d must be a number from %u to %u", arg[1], i - 1, least, max);
	return (unsigned)v;
}

static unsigned number(int i, unsigned max)
{
	return number_from(1, i, max);
}

static double seconds(int i)
{
	double v = strtod(arg[i], NULL);

	if (!(v > 0 && v <= 3600))
		die("%s: argument %d must be seconds", arg[1], i - 1);
	return v;
}

static void run_containers(void)
{
	mode_containers(number(2, 1000000), number(3, 1000000));
}

static void run_fill(void)
{
	mode_fill(number(2, 1000000), number(3, 1000000));
}

static void run_count(void)
{
	mode_count(number(2, 1000000));
}

static void run_sites(void)
{
	mode_sites(number(2, 100000));
}

static void run_drop(void)
{
	mode_drop(arg[2], seconds(3));
}

static void run_create(void)
{
	mode_create(number(2, MAX_CONNS), seconds(3), number(4, 1000000), false);
}

static void run_watched(void)
{
	mode_create(number(2, MAX_CONNS), seconds(3), number(4, 1000000), true);
}

static void run_grouped(void)
{
	mode_grouped(number(2, MAX_CONNS), seconds(3), arg[4], number(5, 10000));
}

static void run_get(void)
{
	mode_get(number(2, MAX_CONNS), seconds(3), arg[4], number(5, 100000000), arg[6],
		 number_from(0, 7, 100000));
}

static void run_holders(void)
{
	mode_holders(arg[2], (int)number(3, 100), number(4, 1000000), arg[5]);
}

static void run_flex(void)
{
	mode_flex(number(2, 1000000), arg[3]);
}

static void run_update(void)
{
	mode_update(number(2, MAX_CONNS), seconds(3), number(4, 1000000), false);
}

static void run_updated(void)
{
	mode_update(number(2, MAX_CONNS), seconds(3), number(4, 1000000), true);
}

static void run_values(void)
{
	mode_values(arg[2], (int)number(3, 100), number(4, 1000000), number(5, 1000000));
}

static void run_aes(void)
{
	mode_aes(number(2, 100000));
}

static void run_subs(void)
{
	mode_subs(number(2, 100000), arg[3], arg[4]);
}

static void run_watch(void)
{
	mode_watch(number(2, 1000000));
}

static void run_fanout(void)
{
	mode_fanout(number(2, MAX_CONNS), number(3, 100000), arg[4], arg[5]);
}

static void run_flood(void)
{
	mode_flood(number(2, MAX_CONNS), seconds(3), number(4, 1000), arg[5], arg[6]);
}

static void run_latency(void)
{
	mode_latency(seconds(2), number(3, 100000), arg[4], arg[5]);
}

static void run_idle(void)
{
	mode_idle(number(2, MAX_CONNS), seconds(3));
}

static void run_wide(void)
{
	mode_wide(number(2, MAX_CONNS), arg[3]);
}

static void run_kept(void)
{
	mode_kept(number(2, MAX_CONNS), number(3, 100000), arg[4]);
}

static void run_hold(void)
{
	mode_hold(number(2, MAX_CONNS), seconds(3), arg[4]);
}

static const struct {
	const char *name;
	int args;
	void (*run)(void);
} modes[] = {
	{ "ready", 0, mode_ready },    { "containers", 2, run_containers },
	{ "fill", 2, run_fill },       { "count", 1, run_count },
	{ "create", 3, run_create },   { "create", 4, run_watched },
	{ "get", 6, run_get },         { "aes", 1, run_aes },
	{ "subs", 3, run_subs },       { "watch", 1, run_watch },
	{ "fanout", 4, run_fanout },   { "flood", 5, run_flood },
	{ "latency", 4, run_latency }, { "idle", 2, run_idle },
	{ "wide", 2, run_wide },       { "kept", 3, run_kept },
	{ "hold", 3, run_hold },       { "holders", 4, run_holders },
	{ "values", 4, run_values },   { "flex", 2, run_flex },
	{ "update", 3, run_update },   { "update", 4, run_updated },
	{ "sites", 1, run_sites },     { "drop", 2, run_drop },
	{ "grouped", 4, run_grouped },
};

int main(int argc, char **argv)
{
	const char *pid = getenv("PID");
	char *end;
	long port = argc > 1 ? strtol(argv[1], &end, 10) : 0;

	if (argc < 3 || port < 1 || port > 65535)
		die("usage: load PORT MODE ARGUMENTS; see the head of load.c");
	server = pid ? (int)strtol(pid, NULL, 10) : 0;
	client_init("127.0.0.1", (int)port);
	arg = argv + 1;
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (!strcmp(argv[2], modes[i].name) && argc == modes[i].args + 3) {
			modes[i].run();
			return 0;
		}
	}
	die("unknown mode or number of arguments: %s; see the head of load.c", argv[2]);
}
