/*
 * net_http.h - one HTTP connection, shared by net_http.c (requests and answers) and net_hconn.c
 * (life, watchers, deadlines) alone.
 */
#pragma once

#include "net_lws.h"

#include "http1.h"

#define OUT_MAX (256 * 1024) /* answer bytes waiting; then nothing more is read */
#define LINGER_BYTES (256 * 1024) /* read and dropped after the last answer */
#define LINGER_TIME 2.0 /* s */

enum hstate {
	H_TLS, /* the handshake is not done */
	H_OPEN,
	H_LAST, /* no further request will be read */
	H_LINGER, /* all is answered; input is dropped until its end */
};

struct hconn {
	struct link all, dirty;
	struct net *net;
	struct net_accepted a;
	ev_io io;
	ev_timer timer;
	double due; /* when the timer goes off */
	double since; /* when the part being read, or the rest, began */
	double moved; /* when output last moved */
	struct http1 *parser;
	struct http1_msg *upgrade; /* a handshake, waiting for the answers before it */
	struct buf in; /* read and not yet parsed */
	struct buf out; /* answers in order; `sent` bytes of it are gone */
	size_t sent, dropped;
	struct hreq *first, *last; /* in the order of arrival */
	unsigned nreq;
	enum hstate state;
	bool owe_continue; /* 100 Continue, when nothing is before it */
	bool closing; /* the last answer is in out */
	bool eof;
	bool served; /* a request was answered, and not with a refusal of who asked */
	bool blocked; /* the socket is full */
	bool crossed; /* TLS has to write before it can go on reading */
};

struct hreq {
	struct http_req pub;
	struct hreq *next;
	struct link orphan;
	struct hconn *conn; /* NULL: the client left */
	struct http1_msg *msg;
	struct buf answer; /* when it was given before its turn */
	char peer[48];
	bool answered, last, keep_alive, head_only, old;
};

bool hconn_handshake(struct hconn *hc); /* goes on with it; false: the connection is gone */
void hconn_dirty(struct hconn *hc); /* flushed at the end of the turn */
void hconn_watch(struct hconn *hc); /* watches for what it now waits for, with a deadline */
void hconn_close(struct hconn *hc);
void hconn_identified(struct hconn *hc, bool yes); /* whether it has said who it is */
void hconn_release(struct hconn *hc); /* frees it, the descriptor and the peer live on */
void hconn_refuse(struct hconn *hc, int status, struct str head, const char *reason);
void hconn_orphan(struct hconn *hc);
void hconn_event(struct ev_loop *loop, ev_io *w, int events);
const char *net_http_date(void); /* IMF-fixdate, RFC 9110 5.6.7 */
