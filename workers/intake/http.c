/*
 * The HTTP listener: POST /events with one event as the body, and the path of
 * the webhook (webhook.c).
 *
 * Called by intake.c; off unless it is configured.  A request waits, like
 * every producer, until the queue takes events, but only so long and only so
 * many: then it is told 503.  Without a token, requests that a web page made
 * a browser send are refused: they carry an Origin header.
 */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/nitems.h"
#include "workers/httpd.h"
#include "workers/intake/intake.h"
#include "workers/intake/request.h"
#include "workers/worker.h"

#define BODY_MAX (EVENT_MAX_BYTES + 65536) /* above: libevent's own 413 */
#define HEADERS_MAX 16384
#define TIMEOUT_S 30   /* of an idle connection */
#define HELD_MAX 256   /* requests that wait for the queue */
#define HELD_MS 5000   /* and for how long */

struct http_event {
	TAILQ_ENTRY(http_event) entry;
	struct evhttp_request *req;
	int64_t read_us;
};
TAILQ_HEAD(http_list, http_event);

static struct event_base *base;
static struct event *tick;
static struct http_list held = TAILQ_HEAD_INITIALIZER(held);
static size_t nheld;
static struct producer producer;
static bool started;

static void http_requestcb(struct evhttp_request *, void *);
static bool http_authorised(struct evhttp_request *, int *);
static void http_take(struct evhttp_request *);
static bool http_run(struct producer *, unsigned int);
static void http_submit(struct http_event *);
static void http_tickcb(evutil_socket_t, short, void *);
static void http_accepted(void *, struct span, bool);
static void http_refused(void *, const struct error *);
static int http_code(const struct error *);

static const struct pending_ops http_ops = {
	.accepted = http_accepted,
	.refused = http_refused,
};

/* What is said with a status. */
static const struct {
	int status, code;
	const char *reason, *text;
} statuses[] = {
	{ 200, 0, "OK", "" },
	{ 400, EX_DATAERR, "Bad Request", "" },
	{ 401, EX_NOPERM, "Unauthorized", "the bearer token is wrong" },
	{ 403, EX_NOPERM, "Forbidden", "not from a web page" },
	{ 404, EX_DATAERR, "Not Found", "POST events to /events" },
	{ 405, EX_DATAERR, "Method Not Allowed", "only POST" },
	{ 413, EX_DATAERR, "Content Too Large",
	    "the event is larger than 1 MiB" },
	{ 503, EX_TEMPFAIL, "Service Unavailable", "busy; try again" },
};

void
http_listen(struct event_base *b, int fd)
{
	static const struct httpd_bounds bounds = { BODY_MAX, HEADERS_MAX,
		TIMEOUT_S };

	if (base == NULL) {
		base = b;
		producer.run = http_run;
		tick = evtimer_new(base, http_tickcb, NULL);
		if (httpd_init(base, &bounds, http_requestcb) == NULL ||
		    tick == NULL)
			fatalx("http: out of memory");
		if (started)
			httpd_start();
	}
	(void)httpd_listen(fd);
}

void
http_start(void)
{
	started = true;
	if (base != NULL)
		httpd_start();
}

void
http_stop(void)
{
	started = false;
	if (base != NULL)
		httpd_stop();
}

/* Requests. */

static void
http_requestcb(struct evhttp_request *req, void *arg)
{
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(req);
	const char *path = uri == NULL ? NULL : evhttp_uri_get_path(uri);
	int status;

	(void)arg;
	metric_add(M_intake_requests, 1);
	if (path != NULL && webhook_is_path(*path == '\0' ? "/" : path))
		webhook_take(base, req);
	else if (path == NULL || strcmp(path, "/events") != 0)
		http_error(req, 404, NULL);
	else if (evhttp_request_get_command(req) != EVHTTP_REQ_POST) {
		evhttp_add_header(evhttp_request_get_output_headers(req),
		    "Allow", "POST");
		http_error(req, 405, NULL);
	} else if (!http_authorised(req, &status))
		http_error(req, status, NULL);
	else if (evbuffer_get_length(evhttp_request_get_input_buffer(req)) >
	    EVENT_MAX_BYTES)
		http_error(req, 413, NULL);
	else if (nheld >= HELD_MAX || worker_draining())
		http_error(req, 503, NULL);
	else
		http_take(req);
}

static bool
http_authorised(struct evhttp_request *req, int *status)
{
	if (intake_config.http_token == NULL) {
		*status = 403;
		return (evhttp_find_header(evhttp_request_get_input_headers(
		    req), "Origin") == NULL);
	}
	if (httpd_authorised(req, intake_config.http_token))
		return (true);
	evhttp_add_header(evhttp_request_get_output_headers(req),
	    "WWW-Authenticate", "Bearer");
	*status = 401;
	return (false);
}

static void
http_take(struct evhttp_request *req)
{
	const struct timeval second = { 1, 0 };
	struct http_event *e;

	if ((e = malloc(sizeof(*e))) == NULL) {
		http_error(req, 503, NULL);
		return;
	}
	e->req = req;
	e->read_us = clock_mono_us();
	TAILQ_INSERT_TAIL(&held, e, entry);
	nheld++;
	turns_want(&producer);
	if (!evtimer_pending(tick, NULL))
		evtimer_add(tick, &second);
}

/* One turn as a producer. */
static bool
http_run(struct producer *p, unsigned int quota)
{
	struct http_event *e;

	(void)p;
	for (; quota > 0 && pending_ready(); quota--) {
		if ((e = TAILQ_FIRST(&held)) == NULL)
			return (false);
		TAILQ_REMOVE(&held, e, entry);
		nheld--;
		http_submit(e);
	}
	return (nheld > 0);
}

/* The queue takes nothing: do not keep them waiting for ever. */
static void
http_tickcb(evutil_socket_t fd, short what, void *arg)
{
	const struct timeval second = { 1, 0 };
	int64_t limit_us = clock_mono_us() - HELD_MS * 1000;
	struct http_event *e;

	(void)fd, (void)what, (void)arg;
	while ((e = TAILQ_FIRST(&held)) != NULL && e->read_us < limit_us) {
		TAILQ_REMOVE(&held, e, entry);
		nheld--;
		http_error(e->req, 503, NULL);
		free(e);
	}
	if (nheld > 0)
		evtimer_add(tick, &second);
}

static void
http_submit(struct http_event *e)
{
	struct evbuffer *in = evhttp_request_get_input_buffer(e->req);
	struct error error = { 0 };
	struct offer o = { .origin = ORIGIN_HTTP, .read_us = e->read_us,
	    .len = evbuffer_get_length(in) };

	o.text = o.len == 0 ? "" : (const char *)evbuffer_pullup(in, -1);
	if (o.text == NULL) {
		http_error(e->req, 503, NULL);
		free(e);
	} else if (offer_submit(&o, &http_ops, e, &error) == 0)
		http_refused(e, &error);
}

/* Answers. */

static void
http_accepted(void *arg, struct span id, bool duplicate)
{
	struct http_event *e = arg;
	struct buf t = { 0 };

	answer_accepted(&t, id, duplicate, (struct span){ "", 0 });
	http_reply(e->req, 200, &t);
	free(t.p);
	free(e);
}

static void
http_refused(void *arg, const struct error *error)
{
	struct http_event *e = arg;

	http_error(e->req, http_code(error), error);
	free(e);
}

static int
http_code(const struct error *error)
{
	return (error->code == EX_DATAERR ? 400 :
	    error->code == EX_NOPERM ? 403 : 503);
}

void
http_error(struct evhttp_request *req, int status, const struct error *given)
{
	struct error error = { 0 };
	struct buf t = { 0 };

	metric_add(M_intake_bad_requests, 1);
	for (size_t i = 0; given == NULL && i < nitems(statuses); i++)
		if (statuses[i].status == status)
			error_set(&error, statuses[i].code, "", "%s",
			    statuses[i].text);
	if (status == 503)
		evhttp_add_header(evhttp_request_get_output_headers(req),
		    "Retry-After", "1");
	answer_error(&t, given != NULL ? given : &error,
	    (struct span){ "", 0 });
	http_reply(req, status, &t);
	free(t.p);
}

void
http_reply(struct evhttp_request *req, int status, const struct buf *t)
{
	struct evbuffer *body = evbuffer_new();
	const char *reason = "";

	for (size_t i = 0; i < nitems(statuses); i++)
		if (statuses[i].status == status)
			reason = statuses[i].reason;
	evhttp_add_header(evhttp_request_get_output_headers(req),
	    "Content-Type", "application/json");
	if (body != NULL && !t->failed)
		evbuffer_add(body, t->p, t->len);
	/* If the client has gone, this only frees the request. */
	evhttp_send_reply(req, status, reason, body);
	if (body != NULL)
		evbuffer_free(body);
}
