/*
 * Sessions: the requests of a client and their answers, in order.
 *
 * Called by client.c with lines, by pending.c and query.c with answers.
 * "send" is carried out here; every other operation belongs to the queue.
 * Answers leave in the order of the requests, except that a stream goes on
 * between later answers once it has begun.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <event2/buffer.h>
#include <json.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/nitems.h"
#include "workers/intake/client.h"

/*
 * Operations with lines that come at any time.  The first of a subscription
 * comes at once and keeps its place among the answers; that of a wait holds
 * up no other.
 */
static const struct stream_op {
	const char *op, *cmd;
	bool beside; /* from the first line on */
} stream_ops[] = {
	{ "subscribe", NULL, false },
	{ "tail", NULL, false },
	{ "queue", "wait", true },
	{ "wait", NULL, true },
};

static struct buf text; /* an answer under construction */

static struct answer *session_expect(struct client *, struct span);
static void session_send(struct client *, const struct request *);
static void session_ping(struct client *, const struct request *);
static void session_ask(struct client *, const struct request *, struct span);
static const struct stream_op *session_stream(const char *, const char *);
static void session_wait(struct answer *, struct span);
static void session_say(struct answer *, bool);
static void session_fail(struct answer *, const struct error *);
static void session_put(struct client *, const struct buf *, bool);
static void session_advance(struct client *);
static void session_free(struct answer *);
static void session_accepted(void *, struct span, bool);
static void session_refused(void *, const struct error *);
static void session_query_line(void *, struct span, bool);
static struct span answer_tag(const struct answer *);

static const struct pending_ops event_ops = {
	.accepted = session_accepted,
	.refused = session_refused,
};

static const struct query_ops query_ops = {
	.line = session_query_line,
};

static struct span
answer_tag(const struct answer *a)
{
	return ((struct span){ a->tag, strlen(a->tag) });
}

/* Requests. */

void
session_line(struct client *c, const char *line, size_t len)
{
	struct error error = { 0 };
	struct request r;
	struct answer *a;

	metric_add(M_intake_requests, 1);
	if (request_parse(line, len, &r, &error) == -1) {
		if ((a = session_expect(c, r.tag)) != NULL)
			session_fail(a, &error);
	} else if (strcmp(r.op, "send") == 0)
		session_send(c, &r);
	else if (strcmp(r.op, "ping") == 0)
		session_ping(c, &r);
	else
		session_ask(c, &r, (struct span){ line, len });
}

void
session_error(struct client *c, const struct error *error)
{
	struct answer *a;

	metric_add(M_intake_requests, 1);
	if ((a = session_expect(c, (struct span){ "", 0 })) != NULL)
		session_fail(a, error);
}

/* A place in the line of answers; without memory the client is given up. */
static struct answer *
session_expect(struct client *c, struct span tag)
{
	struct answer *a;

	if ((a = calloc(1, sizeof(*a) + tag.len + 1)) == NULL) {
		client_cut(c);
		return (NULL);
	}
	memcpy(a->tag, tag.p, tag.len);
	a->client = c;
	a->wait_ms = -1;
	TAILQ_INSERT_TAIL(&c->answers, a, entry);
	c->nanswers++;
	return (a);
}

static void
session_send(struct client *c, const struct request *r)
{
	struct offer o = { .origin = ORIGIN_SOCKET, .silent = r->silent,
	    .ttl_ms = r->ttl_ms, .text = r->event.p, .len = r->event.len,
	    .read_us = clock_mono_us() };
	struct error error = { 0 };
	struct answer *a;

	if ((a = session_expect(c, r->tag)) == NULL)
		return;
	a->wait_ms = r->wait_ms;
	o.trusted = c->uid == 0 || c->uid == files_owner();
	if (r->to[0] != '\0')
		o.to = r->to;
	if ((a->token = offer_submit(&o, &event_ops, a, &error)) == 0)
		session_fail(a, &error);
}

/* Answered even without a queue. */
static void
session_ping(struct client *c, const struct request *r)
{
	static const char ok[] = "{\"ok\":true}";
	struct answer *a;

	if ((a = session_expect(c, r->tag)) == NULL)
		return;
	buf_reset(&text);
	answer_line(&text, (struct span){ ok, sizeof(ok) - 1 },
	    answer_tag(a));
	session_say(a, true);
}

/* NULL: no stream. */
static const struct stream_op *
session_stream(const char *op, const char *cmd)
{
	const struct stream_op *s;

	for (s = stream_ops; s < stream_ops + nitems(stream_ops); s++)
		if (strcmp(op, s->op) == 0 &&
		    (s->cmd == NULL || strcmp(cmd, s->cmd) == 0))
			return (s);
	return (NULL);
}

static void
session_ask(struct client *c, const struct request *r, struct span line)
{
	const struct stream_op *s;
	struct error error = { 0 };
	struct json_object *o;
	struct answer *a;
	const char *why;

	if ((a = session_expect(c, r->tag)) == NULL)
		return;
	if ((o = json_parse(line.p, line.len, &why)) == NULL) {
		error_set(&error, EX_DATAERR, "", "not JSON: %s", why);
		session_fail(a, &error);
		return;
	}
	if ((s = session_stream(r->op, json_str(o, "cmd", ""))) != NULL) {
		a->stream = true;
		a->spoken = s->beside;
	}
	json_object_put(o);
	a->query = query_ask(c->uid, line, a->stream, &query_ops, a);
	if (a->query == NULL) {
		error_set(&error, EX_TEMPFAIL, "", "out of memory");
		session_fail(a, &error);
	} else if (a->spoken)
		session_advance(c);
}

/* The event is accepted; its sender wants to know how it ends, too. */
static void
session_wait(struct answer *a, struct span id)
{
	struct error error = { 0 };
	struct buf ask = { 0 };
	char timeout[64];

	snprintf(timeout, sizeof(timeout), ",\"timeout_ms\":%lld}",
	    (long long)a->wait_ms);
	buf_str(&ask, "{\"op\":\"queue\",\"cmd\":\"wait\",\"id\":");
	buf_json(&ask, id.p, id.len);
	buf_str(&ask, timeout);
	a->query = ask.failed ? NULL : query_ask(a->client->uid,
	    (struct span){ ask.p, ask.len }, true, &query_ops, a);
	free(ask.p);
	if (a->query == NULL) {
		error_set(&error, EX_TEMPFAIL, "", "out of memory");
		session_fail(a, &error);
	}
}

/* Answers. */

static void
session_accepted(void *arg, struct span id, bool duplicate)
{
	struct answer *a = arg;
	bool wait = a->wait_ms >= 0;

	a->token = 0;
	a->stream = wait;
	buf_reset(&text);
	answer_accepted(&text, id, duplicate, answer_tag(a));
	session_say(a, !wait); /* frees it unless it waits */
	if (wait)
		session_wait(a, id);
}

static void
session_refused(void *arg, const struct error *error)
{
	struct answer *a = arg;

	a->token = 0;
	session_fail(a, error);
}

static void
session_query_line(void *arg, struct span json, bool more)
{
	struct answer *a = arg;

	if (!more)
		a->query = NULL; /* it frees itself */
	buf_reset(&text);
	answer_line(&text, json, answer_tag(a));
	session_say(a, !more);
}

static void
session_fail(struct answer *a, const struct error *error)
{
	metric_add(M_intake_bad_requests, 1);
	buf_reset(&text);
	answer_error(&text, error, answer_tag(a));
	session_say(a, true);
}

/*
 * Give `text` to the client: now if it is this request's turn, else when it
 * comes.  A complete answer is freed.
 */
static void
session_say(struct answer *a, bool complete)
{
	struct client *c = a->client;

	a->complete = complete;
	a->spoken = true;
	if (a->detached || TAILQ_FIRST(&c->answers) == a) {
		session_put(c, &text, a->detached);
		if (a->detached && complete) {
			TAILQ_REMOVE(&c->streams, a, entry);
			session_free(a);
		} else if (!a->detached)
			session_advance(c);
		return;
	}
	buf_add(&a->text, text.p, text.len);
	if (a->text.failed || a->text.len > OUT_MAX) {
		log_warnx("a client of uid %u does not read its answers: "
		    "disconnected", (unsigned int)c->uid);
		client_cut(c);
	}
}

static void
session_put(struct client *c, const struct buf *t, bool stream)
{
	size_t waiting;

	if (c->deaf)
		return;
	if (t->failed || evbuffer_add(c->out, t->p, t->len) == -1) {
		client_cut(c);
		return;
	}
	waiting = evbuffer_get_length(c->out);
	if (waiting > (stream ? OUT_STREAM_MAX : OUT_MAX)) {
		log_warnx("a client of uid %u is too slow (%zu bytes wait "
		    "for it): disconnected", (unsigned int)c->uid, waiting);
		client_cut(c);
		return;
	}
	client_mark(c);
}

/* The first in line has spoken: on to those behind that can go now. */
static void
session_advance(struct client *c)
{
	struct answer *a;

	while ((a = TAILQ_FIRST(&c->answers)) != NULL) {
		if (a->text.len > 0)
			session_put(c, &a->text, false);
		buf_reset(&a->text);
		if (!a->complete && !(a->stream && a->spoken))
			break;
		TAILQ_REMOVE(&c->answers, a, entry);
		if (a->complete) {
			session_free(a);
			continue;
		}
		free(a->text.p);
		a->text = (struct buf){ 0 };
		a->detached = true;
		TAILQ_INSERT_TAIL(&c->streams, a, entry);
	}
}

/* It is on neither list any more. */
static void
session_free(struct answer *a)
{
	a->client->nanswers--;
	client_mark(a->client);
	free(a->text.p);
	free(a);
}

void
session_end(struct client *c)
{
	struct answer *a;

	session_cancel_queries(c);
	while ((a = TAILQ_FIRST(&c->answers)) != NULL) {
		if (a->token != 0)
			pending_disown(a->token);
		TAILQ_REMOVE(&c->answers, a, entry);
		session_free(a);
	}
}

void
session_cancel_queries(struct client *c)
{
	struct answer *a, *next;

	for (a = TAILQ_FIRST(&c->answers); a != NULL; a = next) {
		next = TAILQ_NEXT(a, entry);
		if (a->query == NULL)
			continue;
		query_cancel(a->query);
		TAILQ_REMOVE(&c->answers, a, entry);
		session_free(a);
	}
	while ((a = TAILQ_FIRST(&c->streams)) != NULL) {
		if (a->query != NULL)
			query_cancel(a->query);
		TAILQ_REMOVE(&c->streams, a, entry);
		session_free(a);
	}
	session_advance(c);
}
