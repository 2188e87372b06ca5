/*
 * Responses; see response.h.
 *
 * The files' names carry the time to the microsecond and a random part, so
 * that they never collide; their content is what the MCP server of
 * co8/cctelegram reads, and event_id, option and title besides.
 */
#include <sys/queue.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <event2/event.h>
#include <json-c/json.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "workers/queue/prompt.h"
#include "workers/queue/response.h"

#define RETRY_S 5

struct response {
	uint64_t id;
	char *name, *content;
	bool durable; /* on disk here: the file may be written */
	bool sent;
	bool failed; /* which was logged */
	TAILQ_ENTRY(response) entry;
};

static TAILQ_HEAD(response_list, response) responses =
    TAILQ_HEAD_INITIALIZER(responses);
static uint64_t next_id = 1;
static struct event *retry_event;

static void response_add(const char *, struct json_object *,
    const struct answerer *);
static struct response *response_new(uint64_t, const char *, const char *);
static struct json_object *response_base(const struct answerer *);
static void response_str(struct json_object *, const char *, const char *);
static void response_later(void);
static void response_retry(evutil_socket_t, short, void *);

static void
response_str(struct json_object *o, const char *key, const char *text)
{
	json_object_object_add(o, key, text == NULL ? NULL :
	    json_object_new_string(text));
}

/* Timestamp as the peer writes it: nanoseconds and +00:00. */
static struct json_object *
response_base(const struct answerer *a)
{
	struct json_object *o = json_object_new_object();
	struct timespec ts;
	char text[64];
	struct tm tm;
	size_t n;

	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text + n, sizeof(text) - n, ".%09ld+00:00", ts.tv_nsec);
	response_str(o, "timestamp", text);
	json_object_object_add(o, "user_id",
	    json_object_new_int64(a->user_id));
	response_str(o, "username", a->username);
	response_str(o, "first_name", a->first_name);
	return (o);
}

void
response_press(const struct answerer *a, const char *action,
    const char *event_id, const char *task_id, const char *title,
    const char *option)
{
	struct json_object *o = response_base(a);
	char *data;

	if (asprintf(&data, "%s_%s", action, task_id) == -1)
		fatal("response");
	response_str(o, "callback_data", data);
	json_object_object_add(o, "original_message_id", a->message_id == 0 ?
	    NULL : json_object_new_int64(a->message_id));
	response_str(o, "response_type", "callback_query");
	response_str(o, "event_id", event_id);
	response_str(o, "task_id", task_id);
	response_str(o, "action", action);
	response_str(o, "option", option);
	response_str(o, "title", title);
	response_add("callback", o, a);
	free(data);
}

void
response_text(const struct answerer *a, const char *text,
    const char *event_id, const char *title)
{
	struct json_object *o = response_base(a);

	response_str(o, "message_text", text == NULL ? "[non-text message]" :
	    text);
	response_str(o, "message_type", text == NULL ? "other" : "text");
	if (event_id != NULL) {
		response_str(o, "event_id", event_id);
		response_str(o, "title", title);
	}
	response_add("response", o, a);
}

static struct response *
response_new(uint64_t id, const char *name, const char *content)
{
	struct response *r;

	if ((r = calloc(1, sizeof(*r))) == NULL ||
	    (r->name = strdup(name)) == NULL ||
	    (r->content = strdup(content)) == NULL)
		fatal("response");
	r->id = id;
	TAILQ_INSERT_TAIL(&responses, r, entry);
	return (r);
}

/* Puts the object. */
static void
response_add(const char *kind, struct json_object *o,
    const struct answerer *a)
{
	struct json_object *keep = json_object_new_object();
	char name[128], date[32], key[40];
	struct response *r;
	struct timespec ts;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	strftime(date, sizeof(date), "%Y%m%d_%H%M%S", &tm);
	snprintf(name, sizeof(name), "telegram_%s_%lld_%s_%06ld_%04x.json",
	    kind, (long long)a->user_id, date, ts.tv_nsec / 1000,
	    arc4random() & 0xffffU);
	r = response_new(next_id++, name, json_object_to_json_string_ext(o,
	    JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
	    JSON_C_TO_STRING_NOSLASHESCAPE));
	snprintf(key, sizeof(key), "response.%llu", (unsigned long long)r->id);
	response_str(keep, "name", r->name);
	response_str(keep, "content", r->content);
	if (store_put_meta(queue.store, key, json_object_to_json_string(keep))
	    == -1)
		fatal("response");
	json_object_put(keep);
	query_tell_response(o);
	json_object_put(o);
	commit_soon(); /* response_committed() follows */
}

static void
response_loaded(const char *key, const char *value, void *arg)
{
	const char *error;
	struct json_object *o = json_parse(value, strlen(value), &error);
	uint64_t id = strtoull(key, NULL, 10);

	(void)arg;
	if (id >= next_id)
		next_id = id + 1;
	if (o != NULL)
		response_new(id, json_str(o, "name", "response.json"),
		    json_str(o, "content", ""))->durable = true;
	json_object_put(o);
}

void
response_load(void)
{
	if (store_each_meta(queue.store, "response.", response_loaded, NULL)
	    == -1)
		log_errx("responses: %s", store_error(queue.store));
}

/*
 * A file before its record is on disk could be written twice, under another
 * name: the update comes again after a crash.
 */
void
response_committed(void)
{
	struct response *r;

	TAILQ_FOREACH_REVERSE(r, &responses, response_list, entry) {
		if (r->durable)
			break;
		r->durable = true;
	}
	response_pump();
}

void
response_pump(void)
{
	struct peer *p = worker_peer_next(PC_INTAKE, NULL);
	struct packer out = { 0 };
	struct response *r;

	if (p == NULL)
		return;
	TAILQ_FOREACH(r, &responses, entry) {
		if (r->sent || !r->durable)
			continue;
		pack_reset(&out);
		pack_str(&out, r->name);
		pack_str(&out, r->content);
		if (link_send_packed(p->link, QUEUE_RESPONSE_WRITE, r->id,
		    &out) == -1)
			break;
		r->sent = true;
	}
	pack_free(&out);
}

/* A directory that is full or away may be so for long. */
static void
response_later(void)
{
	const struct timeval tv = { RETRY_S, 0 };

	if (retry_event == NULL && (retry_event = event_new(worker_base(), -1,
	    0, response_retry, NULL)) == NULL)
		fatalx("cannot create the timer of responses");
	if (!event_pending(retry_event, EV_TIMEOUT, NULL))
		event_add(retry_event, &tv);
}

static void
response_retry(evutil_socket_t fd, short what, void *arg)
{
	struct response *r;

	(void)fd, (void)what, (void)arg;
	TAILQ_FOREACH(r, &responses, entry)
		if (r->failed)
			r->sent = false;
	response_pump();
}

enum link_verdict
response_written(struct peer *p, const struct frame *f)
{
	struct response *r;
	struct unpacker u;
	struct span error;
	char key[40], why[256];
	bool ok;

	(void)p;
	unpack_init(&u, f->data, f->len);
	ok = unpack_u8(&u) != 0;
	error = unpack_span(&u);
	if (!unpack_done(&u))
		return (LINK_BAD);
	TAILQ_FOREACH(r, &responses, entry)
		if (r->id == f->id)
			break;
	if (r == NULL)
		return (LINK_DONE);
	if (!ok) {
		if (!r->failed)
			log_errx("response %s is not written: %s; it is kept "
			    "and tried again", r->name, log_escape(why,
			    sizeof(why), error.p, error.len));
		r->failed = true;
		response_later();
		return (LINK_DONE);
	}
	snprintf(key, sizeof(key), "response.%llu", (unsigned long long)r->id);
	if (store_put_meta(queue.store, key, NULL) == -1)
		fatal("response");
	commit_soon();
	TAILQ_REMOVE(&responses, r, entry);
	free(r->name);
	free(r->content);
	free(r);
	return (LINK_DONE);
}

void
response_intake_lost(void)
{
	struct response *r;

	TAILQ_FOREACH(r, &responses, entry)
		r->sent = false;
}
