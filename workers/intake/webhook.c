/*
 * The webhook: updates that Telegram posts to the HTTP listener.
 *
 * Called by http.c for requests to the path of telegram.webhook.url, and by
 * intake.c for the queue's answers and its loss.  Each update is told to the
 * queue, as the poller would tell it, and 200 is answered when its effect is
 * on disk; so one that is answered otherwise, or not at all, comes again, and
 * the queue knows those that it has had.  Whoever does not know the secret
 * that Telegram was given learns nothing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <json-c/json.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/metrics.h"
#include "workers/httpd.h"
#include "workers/intake/intake.h"
#include "workers/worker.h"

#define SECRET_HEADER "X-Telegram-Bot-Api-Secret-Token"
#define UPDATES_MAX 256	   /* Telegram has 100 connections at most */
#define WAIT_MS 20000	   /* Telegram gives up later than that */
#define NOTICE_MS 60000	   /* strangers in the log: one line in so long */

/* An update that the queue has not confirmed yet. */
struct update {
	TAILQ_ENTRY(update) entry;
	struct evhttp_request *req;
	uint64_t token;
	int64_t came_ms;
	bool sent; /* to the queue that there is now */
	struct packer message;
};

static TAILQ_HEAD(update_list, update) updates =
    TAILQ_HEAD_INITIALIZER(updates);
static size_t nupdates;
static uint64_t last_token;
static struct event *tick;
static char *path, *secret; /* path NULL: there is no webhook */

static bool webhook_knows(struct evhttp_request *);
static void webhook_stranger(struct evhttp_request *);
static int webhook_read(struct evhttp_request *, struct update *);
static void webhook_bad(struct evhttp_request *, const char *);
static void webhook_end(struct update *, int);
static void webhook_tickcb(evutil_socket_t, short, void *);

int
webhook_configure(const char *p, const char *s)
{
	char *new_path = NULL, *new_secret = NULL;

	if (p != NULL && s != NULL && *s != '\0' &&
	    ((new_path = strdup(p)) == NULL ||
	    (new_secret = strdup(s)) == NULL)) {
		free(new_path);
		return (-1);
	}
	free(path);
	if (secret != NULL)
		freezero(secret, strlen(secret));
	path = new_path;
	secret = new_secret;
	return (0);
}

bool
webhook_is_path(const char *p)
{
	return (path != NULL && strcmp(path, p) == 0);
}

size_t
webhook_count(void)
{
	return (nupdates);
}

void
webhook_take(struct event_base *base, struct evhttp_request *req)
{
	const struct timeval second = { 1, 0 };
	struct update *u;

	if (evhttp_request_get_command(req) != EVHTTP_REQ_POST) {
		evhttp_add_header(evhttp_request_get_output_headers(req),
		    "Allow", "POST");
		http_error(req, 405, NULL);
		return;
	}
	if (!webhook_knows(req)) {
		webhook_stranger(req);
		return;
	}
	if (tick == NULL &&
	    (tick = evtimer_new(base, webhook_tickcb, NULL)) == NULL)
		fatalx("webhook: out of memory");
	if (nupdates >= UPDATES_MAX || worker_draining() ||
	    (u = calloc(1, sizeof(*u))) == NULL) {
		http_error(req, 503, NULL);
		return;
	}
	if (webhook_read(req, u) == -1) {
		pack_free(&u->message);
		free(u);
		return;
	}
	u->req = req;
	u->token = ++last_token;
	u->came_ms = clock_mono_ms();
	TAILQ_INSERT_TAIL(&updates, u, entry);
	nupdates++;
	if (!evtimer_pending(tick, NULL))
		evtimer_add(tick, &second);
	webhook_pump();
}

static bool
webhook_knows(struct evhttp_request *req)
{
	const char *given = evhttp_find_header(
	    evhttp_request_get_input_headers(req), SECRET_HEADER);

	return (given != NULL && httpd_same(given, secret));
}

static void
webhook_stranger(struct evhttp_request *req)
{
	static int64_t said_ms = -NOTICE_MS;
	struct error error = { 0 };
	int64_t now = clock_mono_ms();

	metric_add(M_webhook_refused, 1);
	if (now - said_ms >= NOTICE_MS) {
		said_ms = now;
		log_notice("webhook: a request without the secret of "
		    "telegram.webhook is refused");
	}
	error_set(&error, EX_NOPERM, "", "the secret is wrong");
	http_error(req, 401, &error);
}

/* Fill the message for the queue; if it is no update, -1 after answering. */
static int
webhook_read(struct evhttp_request *req, struct update *u)
{
	struct evbuffer *in = evhttp_request_get_input_buffer(req);
	size_t len = evbuffer_get_length(in);
	struct json_object *o, *id;
	const char *text, *why = "no JSON";
	int64_t update_id = -1;

	if (len > EVENT_MAX_BYTES) {
		log_warnx("webhook: an update of %zu bytes is refused", len);
		http_error(req, 413, NULL);
		return (-1);
	}
	text = len == 0 ? "" : (const char *)evbuffer_pullup(in, -1);
	if (text != NULL && (o = json_parse(text, len, &why)) != NULL) {
		why = "no update_id";
		if (json_object_is_type(o, json_type_object) &&
		    json_object_object_get_ex(o, "update_id", &id) &&
		    json_object_is_type(id, json_type_int))
			update_id = json_object_get_int64(id);
		json_object_put(o);
	}
	if (update_id < 0 || update_id == INT64_MAX) {
		webhook_bad(req, why);
		return (-1);
	}
	pack_i64(&u->message, update_id);
	pack_blob(&u->message, text, len);
	if (u->message.failed) {
		http_error(req, 503, NULL);
		return (-1);
	}
	return (0);
}

static void
webhook_bad(struct evhttp_request *req, const char *why)
{
	struct error error = { 0 };

	log_warnx("webhook: what came with the secret is no update: %s", why);
	error_set(&error, EX_DATAERR, "", "this is no update: %s", why);
	http_error(req, 400, &error);
}

void
webhook_pump(void)
{
	struct link *l = pending_queue_link();
	struct update *u;

	if (l == NULL)
		return;
	TAILQ_FOREACH(u, &updates, entry) {
		if (u->sent)
			continue;
		if (link_send(l, INTAKE_UPDATE_TELL, u->token, u->message.buf,
		    u->message.len) == -1) {
			if (errno != EAGAIN && errno != EPIPE)
				log_warn("cannot tell the queue an update");
			return;
		}
		u->sent = true;
	}
}

enum link_verdict
webhook_seen(const struct frame *f)
{
	struct update *u;
	struct buf t = { 0 };

	while ((u = TAILQ_FIRST(&updates)) != NULL && u->sent &&
	    u->token <= f->id) {
		metric_add(M_webhook_updates, 1);
		metric_set(M_webhook_last_update_ms, clock_wall_ms());
		buf_reset(&t);
		buf_str(&t, "{\"ok\":true}");
		http_reply(u->req, 200, &t);
		webhook_end(u, 200);
	}
	buf_free(&t);
	return (LINK_DONE);
}

/* What it did not confirm the next one hears again. */
void
webhook_queue_lost(void)
{
	struct update *u;

	TAILQ_FOREACH(u, &updates, entry)
		u->sent = false;
}

/* Unless it is 200, it is still to be answered. */
static void
webhook_end(struct update *u, int status)
{
	TAILQ_REMOVE(&updates, u, entry);
	nupdates--;
	if (status != 200)
		http_error(u->req, status, NULL);
	pack_free(&u->message);
	free(u);
}

/* No queue, or one that cannot write: Telegram shall come again. */
static void
webhook_tickcb(evutil_socket_t fd, short what, void *arg)
{
	const struct timeval second = { 1, 0 };
	int64_t limit_ms = clock_mono_ms() - WAIT_MS;
	struct update *u;

	(void)fd, (void)what, (void)arg;
	while ((u = TAILQ_FIRST(&updates)) != NULL && u->came_ms < limit_ms)
		webhook_end(u, 503);
	if (nupdates > 0)
		evtimer_add(tick, &second);
}
