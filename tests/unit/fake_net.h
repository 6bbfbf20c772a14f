/*
 * fake_net.h - a network for tests that have no sockets: connections whose frames are read by the
 * test, timers that run when the test moves the clock, requests that the test answers.
 */
#pragma once

#include "net.h"
#include "session.h"

struct frame {
	char *p;
	size_t n;
	bool binary;
};

struct conn {
	struct conn *next;
	struct session *session; /* accepted: whose `fill` is notify_fill */
	const struct ws_cb *cb; /* dialled */
	void *arg;
	char *url, *protocol;
	struct frame *frame; /* what has reached the peer */
	size_t nframes, cap, read;
	struct frame *stuck; /* accepted, but the kernel is full */
	size_t nstuck;
	bool wants, full, filling, closing;
	int code; /* of conn_close */
	size_t room; /* frames one fill may write */
	uint64_t mark, passed;
	bool silent; /* does not answer pings */
};

struct request { /* http_send */
	struct request *next;
	char *url, *head, *body;
	size_t body_n;
	http_done done;
	void *arg;
};

extern struct net *const fake_net;
extern bool fake_pings; /* false: conn_mark is 0 */
extern size_t fake_fill_room; /* frames per fill of new connections; default 1000 */
extern struct request *fake_requests; /* oldest first */

struct conn *fake_accept(enum session_serial serial);
void fake_hangup(struct conn *c); /* the peer is gone: closes and frees */
void fake_full(struct conn *c, bool full); /* the kernel takes nothing more, or again */
const struct frame *fake_read(struct conn *c); /* next frame of the peer or NULL */

struct conn *fake_dialled(void); /* the newest dialled connection or NULL */
void fake_dial_open(struct conn *c);
void fake_dial_closed(struct conn *c, int code);

void fake_answer(struct request *r, int status, const char *head, const char *body);

void fake_turn(void); /* the end of a turn of the loop */
void fake_advance(double seconds); /* turns and timers on the way */
void fake_clock_set(double seconds); /* the wall clock, by so much more than it was at first */
void fake_net_reset(void);
