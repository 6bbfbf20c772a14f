/*
 * load.h - what the modes of the load generator share: requests as text, progress, CPU time of the
 * server, one line of JSON per run.  Every mode is bounded in count and time, checks what it gets
 * and ends the process with a message when an answer or a frame is wrong, missing or one too many.
 */
#pragma once

#include "client.h"

#define MAX_CONNS 20000

/* The server's CPU time, ns, since cpu_start(); its process id is in the environment ($PID). */
void cpu_start(void);
double cpu_used(void);
bool server_runs(void);
uint64_t server_rss(void); /* bytes */

void progress(const char *what, uint64_t done, uint64_t of);
void progress_end(void);

/* A whole POST of a resource of type `ty` as `origin`; returns its length. */
int post(char *out, size_t size, const char *path, const char *origin, int ty, const char *body);

void mode_ready(void);
void mode_create(unsigned conns, double seconds, unsigned containers, bool listener);
void mode_get(unsigned conns, double seconds, const char *path, unsigned range, const char *part,
	      unsigned times);
void mode_containers(unsigned n, unsigned mni);
void mode_aes(unsigned n);
void mode_subs(unsigned n, const char *format, const char *container);
void mode_watch(unsigned containers);
void mode_fill(unsigned containers, unsigned each);
void mode_count(unsigned containers);
void mode_holders(const char *name, int ty, unsigned n, const char *more);
void mode_grouped(unsigned conns, double seconds, const char *name, unsigned members);
void mode_flex(unsigned n, const char *more);
void mode_update(unsigned conns, double seconds, unsigned n, bool listener);
void mode_values(const char *name, int ty, unsigned n, unsigned each);
void mode_sites(unsigned sites);
void mode_drop(const char *path, double seconds);

void mode_fanout(unsigned n, unsigned rounds, const char *kind, const char *container);
void mode_flood(unsigned n, double seconds, unsigned outstanding, const char *kind,
		const char *container);
void mode_latency(double seconds, unsigned rate, const char *kind, const char *container);
void mode_idle(unsigned n, double seconds);
void mode_wide(unsigned n, const char *container);
void mode_kept(unsigned n, unsigned events, const char *container);
void mode_hold(unsigned i, double seconds, const char *how);

/* For mode_create: a connection of AE 0 that acknowledges; its frames so far. */
void listener_open(const char *before);
uint64_t listener_frames(void);
void listener_check(uint64_t want); /* each of the numbers below `want` came, and once */
