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
#include <strings.h>
#include <sysexits.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/nitems.h"
#include "workers/intake/intake.h"
#include "workers/intake/request.h"
#include "workers/worker.h"

#define BODY_MAX (EVENT_MAX_BYTES + 65536) /* above: libevent's own 413 */
#define HEADERS_MAX 16384
#define TIMEOUT_S 30   /* of an idle connection */
#define BACKLOG 128
#define HELD_MAX 256   /* requests that wait for the queue */
#define HELD_MS 5000   /* and for how long */
#define ACCEPT_PAUSE_US 100000

struct http_event {
	TAILQ_ENTRY(http_event) entry;
	struct evhttp_request *req;
	int64_t read_us;
};
TAILQ_HEAD(http_list, http_event);

static struct event_base *base;
static struct evhttp *http;
static struct event *tick, *resume;
static struct evconnlistener *listener;
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
static void http_accept_failed(struct evconnlistener *, void *);
static void http_resumecb(evutil_socket_t, short, void *);
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
	if (http != NULL) {
		log_warnx("http: a second listener is not used");
		close(fd);
		return;
	}
	base = b;
	producer.run = http_run;
	http = evhttp_new(base);
	tick = evtimer_new(base, http_tickcb, NULL);
	resume = evtimer_new(base, http_resumecb, NULL);
	if (http == NULL || tick == NULL || resume == NULL ||
	    evutil_make_socket_nonblocking(fd) == -1)
		fatalx("http: out of memory");
	listener = evconnlistener_new(base, NULL, NULL, LEV_OPT_CLOSE_ON_FREE |
	    LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_DISABLED, 0, fd);
	if (listener == NULL || evhttp_bind_listener(http, listener) == NULL)
		fatalx("http: cannot use the listener");
	evconnlistener_disable(listener);
	evconnlistener_set_error_cb(listener, http_accept_failed);
	evhttp_set_max_body_size(http, BODY_MAX);
	evhttp_set_max_headers_size(http, HEADERS_MAX);
	evhttp_set_timeout(http, TIMEOUT_S);
	/* All of them, so that it is this file that refuses. */
	evhttp_set_allowed_methods(http, EVHTTP_REQ_GET | EVHTTP_REQ_POST |
	    EVHTTP_REQ_HEAD | EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE |
	    EVHTTP_REQ_OPTIONS | EVHTTP_REQ_PATCH);
	evhttp_set_gencb(http, http_requestcb, NULL);
	if (started)
		http_start();
}

void
http_start(void)
{
	started = true;
	if (listener != NULL)
		evconnlistener_enable(listener);
}

void
http_stop(void)
{
	if (listener != NULL)
		evconnlistener_disable(listener);
}

/* No descriptors are left: look away for a moment instead of spinning. */
static void
http_accept_failed(struct evconnlistener *l, void *arg)
{
	const struct timeval pause = { 0, ACCEPT_PAUSE_US };

	(void)arg;
	evconnlistener_disable(l);
	evtimer_add(resume, &pause);
}

static void
http_resumecb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
	if (!worker_draining())
		evconnlistener_enable(listener);
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
	struct evkeyvalq *headers = evhttp_request_get_input_headers(req);
	const char *given = evhttp_find_header(headers, "Authorization");

	if (intake_config.http_token == NULL) {
		*status = 403;
		return (evhttp_find_header(headers, "Origin") == NULL);
	}
	if (given != NULL && strncasecmp(given, "Bearer ", 7) == 0 &&
	    http_same(given + 7, intake_config.http_token))
		return (true);
	evhttp_add_header(evhttp_request_get_output_headers(req),
	    "WWW-Authenticate", "Bearer");
	*status = 401;
	return (false);
}

bool
http_same(const char *given, const char *token)
{
	size_t len = strlen(token), n = strlen(given);
	unsigned char differ = n != len;

	for (size_t i = 0; i < n; i++)
		differ |= (unsigned char)given[i] ^
		    (unsigned char)token[len == 0 ? 0 : i % len];
	return (differ == 0);
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
