/*
 * A connection of submit.sock: what client.c (bytes in and out) and
 * session.c (requests and their answers) share.
 */
#ifndef WORKERS_INTAKE_CLIENT_H
#define WORKERS_INTAKE_CLIENT_H

#include <sys/queue.h>
#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "workers/intake/intake.h"
#include "workers/intake/request.h"

struct event;
struct evbuffer;

#define LINE_MAX_BYTES EVENT_MAX_BYTES /* of a request, its event included */
#define OUT_HIGH (256U << 10)	/* unread answers: no more requests */
#define OUT_STREAM_MAX (1U << 20) /* … of a subscriber: disconnected */
#define OUT_MAX (16U << 20)	/* … of anybody: disconnected */
#define ANSWERS_MAX 1024	/* requests of one client under way */

/*
 * One request whose answer is not complete.  It stands in the client's line
 * of answers, so that they go out in the order of the requests; a stream
 * leaves the line with its first answer.
 */
struct answer {
	TAILQ_ENTRY(answer) entry;
	struct client *client;
	uint64_t token;	     /* of the event handed over; 0: none */
	struct query *query; /* passed on; NULL: none */
	struct buf text;    /* what came before its turn */
	int64_t wait_ms;     /* send: wait for the outcome; -1: no */
	bool stream;	     /* once spoken it goes on beside the others */
	bool spoken;
	bool detached;	     /* it is on the client's list of streams */
	bool complete;
	char tag[];	     /* JSON, or empty */
};
TAILQ_HEAD(answer_list, answer);

struct client {
	TAILQ_ENTRY(client) entry;
	TAILQ_ENTRY(client) flush;
	struct producer producer;
	struct event *rd, *wr;
	int fd;
	uid_t uid;
	/* input: pending are in[off..len]; no newline in in[off..seen] */
	char *in;
	size_t off, len, size, seen;
	struct evbuffer *out;
	struct answer_list answers; /* in the order of the requests */
	struct answer_list streams; /* detached */
	size_t nanswers;	    /* in both */
	bool flushing;	/* on the list of those to be written to */
	bool eof;	/* it sends no more */
	bool deaf;	/* it reads no more: what is for it is dropped */
	bool skipping;	/* an overlong line, up to its end */
	bool closing;	/* to be closed when the answers are written */
};

/* client.c */
/* There is something to write, or to decide, for this client: at the end of
 * the loop's turn. */
void client_mark(struct client *);
/* Give it up at the end of the turn; its requests are still carried out. */
void client_cut(struct client *);

/* session.c */
/* One line of input, without the newline. */
void session_line(struct client *, const char *, size_t);
/* An answer out of the ordinary: the line was too long, and the like. */
void session_error(struct client *, const struct error *);
/* The client has gone: nobody waits for its answers any more. */
void session_end(struct client *);
/* … for queries only; events are accepted all the same. */
void session_cancel_queries(struct client *);

#endif
