/*
 * Questions and orders of people, relayed by intake as JSON: the operations
 * of submit.sock but "send"; see cctg-protocol(7).
 *
 * An answer is one object; tail and wait stay open until they are answered,
 * cancelled, or their intake goes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <event2/event.h>
#include <json-c/json.h>

#include "common/clock.h"
#include "common/event.h"
#include "common/json.h"
#include "common/log.h"
#include "workers/queue/query.h"
#include "workers/queue/topic.h"

#define LIST_LIMIT 100
#define HISTORY_LIMIT 50
#define LIST_MAX 1000	  /* rows in one answer: it has to fit a frame */

static void query_queue(struct query *);
static void query_history(struct query *);
static void query_mode(struct query *);
static void query_mute(struct query *);
static void query_unmute(struct query *);
static void query_ping(struct query *);
static void queue_list(struct query *);
static void queue_dead(struct query *);
static void queue_show(struct query *);
static void query_chats(struct query *);

/* The answers to orders that are not on disk yet. */
struct done {
	struct peer *from;
	uint64_t id;
	struct json_object *answer;
	STAILQ_ENTRY(done) entry;
};

static STAILQ_HEAD(, done) done = STAILQ_HEAD_INITIALIZER(done);

struct query_op {
	const char *name;
	void (*run)(struct query *);
};

static const struct query_op ops[] = {
	{ "queue", query_queue },
	{ "history", query_history },
	{ "tail", query_tail },
	{ "subscribe", query_tail },
	{ "mode", query_mode },
	{ "mute", query_mute },
	{ "unmute", query_unmute },
	{ "wait", query_wait },
	{ "ping", query_ping },
	{ "chats", query_chats },
	{ "decision", query_decision },
	{ "approvals", query_approvals },
	{ "withdraw", query_withdraw },
	{ "pair", query_pair },
	{ "users", query_users },
	{ "silence", query_silence },
};

static const struct query_op queue_ops[] = {
	{ "list", queue_list },
	{ "dead", queue_dead },
	{ "show", queue_show },
	{ "wait", query_wait },
	{ "retry", queue_retry },
	{ "drop", queue_drop },
	{ "hold", queue_hold },
	{ "release", queue_release },
	{ "flush", queue_flush },
};

static bool
query_run(struct query *q, const struct query_op *table, size_t n,
    const char *name)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(table[i].name, name) != 0)
			continue;
		table[i].run(q);
		return (true);
	}
	return (false);
}

enum link_verdict
query_ask(struct peer *p, const struct frame *f)
{
	struct query q = { .from = p, .id = f->id };
	const char *error;
	struct unpacker u;
	struct span text;

	unpack_init(&u, f->data, f->len);
	q.uid = (uid_t)unpack_u32(&u); /* intake let them in */
	text = unpack_span(&u);
	if (!unpack_done(&u))
		return (LINK_BAD);
	q.request = json_parse(text.p, text.len, &error);
	if (!json_object_is_type(q.request, json_type_object))
		query_error(&q, EX_DATAERR, "not a JSON object", NULL);
	else if (!query_run(&q, ops, sizeof(ops) / sizeof(ops[0]),
	    json_str(q.request, "op", "")))
		query_error(&q, EX_DATAERR, "unknown operation", "op");
	json_object_put(q.request);
	return (LINK_DONE);
}

static void
query_queue(struct query *q)
{
	if (!query_run(q, queue_ops, sizeof(queue_ops) / sizeof(queue_ops[0]),
	    json_str(q->request, "cmd", "list")))
		query_error(q, EX_DATAERR, "unknown queue command", "cmd");
}

/* Answers. */

void
query_add_str(struct json_object *o, const char *key, const char *text)
{
	json_object_object_add(o, key, text == NULL ? NULL :
	    json_object_new_string(text));
}

void
query_add_i64(struct json_object *o, const char *key, int64_t v)
{
	json_object_object_add(o, key, json_object_new_int64(v));
}

void
query_add_time(struct json_object *o, const char *key, int64_t wall_ms)
{
	char text[RFC3339_SIZE];

	query_add_str(o, key, wall_ms == 0 ? NULL :
	    clock_rfc3339(text, sizeof(text), wall_ms));
}

struct json_object *
query_new_answer(bool ok)
{
	struct json_object *o = json_object_new_object();

	if (o == NULL)
		fatal("answer");
	json_object_object_add(o, "ok", json_object_new_boolean(ok));
	return (o);
}

/* Sends and frees the answer. */
void
query_answer(struct peer *p, uint64_t id, struct json_object *o, bool more)
{
	static struct packer out;
	const char *text;
	size_t len;

	text = json_object_to_json_string_length(o,
	    JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);
	pack_reset(&out);
	pack_u8(&out, more);
	pack_blob(&out, text, len);
	if (p->link != NULL && link_send_packed(p->link, QUEUE_QUERY_ANSWER,
	    id, &out) == -1)
		log_warn("cannot answer a query of %zu bytes", len);
	json_object_put(o);
}

void
query_error(struct query *q, int code, const char *error, const char *field)
{
	struct json_object *o = query_new_answer(false);

	query_add_str(o, "error", error);
	if (field != NULL)
		query_add_str(o, "field", field);
	query_add_i64(o, "code", code);
	query_answer(q->from, q->id, o, false);
}

/* An order: its answer says that it is on disk. */
void
query_done(struct query *q, struct json_object *o)
{
	struct done *d;

	if ((d = calloc(1, sizeof(*d))) == NULL)
		fatal("answer");
	d->from = q->from;
	d->id = q->id;
	d->answer = o;
	STAILQ_INSERT_TAIL(&done, d, entry);
	if (commit_failing())
		query_committed(false);
	else
		commit_soon();
}

void
query_ok(struct query *q)
{
	query_done(q, query_new_answer(true));
}

void
query_committed(bool ok)
{
	struct done *d;

	while ((d = STAILQ_FIRST(&done)) != NULL) {
		struct query q = { .from = d->from, .id = d->id };

		STAILQ_REMOVE_HEAD(&done, entry);
		if (ok) {
			query_answer(d->from, d->id, d->answer, false);
		} else {
			json_object_put(d->answer);
			query_error(&q, EX_TEMPFAIL,
			    store_error(queue.store), NULL);
		}
		free(d);
	}
}

void
query_done_lost(struct peer *p)
{
	struct done *d, *next;

	STAILQ_FOREACH_SAFE(d, &done, entry, next)
		if (d->from == p) {
			STAILQ_REMOVE(&done, d, done, entry);
			json_object_put(d->answer);
			free(d);
		}
}

static void
query_ping(struct query *q)
{
	query_answer(q->from, q->id, query_new_answer(true), false);
}

/* Rows. */

struct json_object *
query_message_ids(const char *messages)
{
	struct json_object *list = json_object_new_array();
	char *end;

	for (const char *p = messages; p != NULL && *p != '\0';
	    p = *end == ',' ? end + 1 : end) {
		json_object_array_add(list,
		    json_object_new_int64(strtoll(p, &end, 10)));
		if (end == p)
			break;
	}
	return (list);
}

void
query_add_event(struct json_object *o, const struct store_event *ev)
{
	query_add_str(o, "type", ev->type);
	query_add_str(o, "title", ev->title);
	query_add_str(o, "severity",
	    severity_name((enum severity)ev->severity));
	query_add_str(o, "source", ev->source);
	query_add_time(o, "received_at", ev->received_ms);
}

static void
query_row(const struct store_row *r, void *arg)
{
	struct json_object *list = arg, *o = json_object_new_object();
	const struct store_delivery *d = &r->delivery;

	query_add_str(o, "id", r->event.id);
	query_add_str(o, "state", delivery_state_name(d->state));
	query_add_str(o, "reason", d->reason);
	query_add_event(o, &r->event);
	query_add_i64(o, "attempts", d->attempts);
	query_add_time(o, "not_before", DS_IS_FINAL(d->state) ? 0 :
	    d->not_before_ms);
	query_add_i64(o, "chat", r->chat.chat_id);
	json_object_object_add(o, "message_ids",
	    query_message_ids(d->messages));
	if (DS_IS_FINAL(d->state))
		query_add_time(o, "done_at", d->done_ms);
	json_object_array_add(list, o);
}

static int
query_limit(const struct query *q, int def)
{
	int64_t n = json_i64(q->request, "limit", def);

	return (n < 1 ? 1 : n > LIST_MAX ? LIST_MAX : (int)n);
}

static void
query_list(struct query *q, int state, bool open, bool final, int limit)
{
	struct json_object *o, *list = json_object_new_array();

	if (store_list(queue.store, state, open, final,
	    json_i64(q->request, "before", 0), limit, query_row, list) == -1) {
		json_object_put(list);
		query_error(q, EX_TEMPFAIL, store_error(queue.store), NULL);
		return;
	}
	o = query_new_answer(true);
	json_object_object_add(o, "events", list);
	query_answer(q->from, q->id, o, false);
}

static int
query_state(const char *name)
{
#define STATE_BY_NAME(upper, value, text) \
	if (strcmp(name, text) == 0)      \
		return (value);
	DELIVERY_STATES(STATE_BY_NAME)
#undef STATE_BY_NAME
	return (-1);
}

static void
queue_list(struct query *q)
{
	const char *name = json_str(q->request, "state", NULL);
	int state = name == NULL ? -1 : query_state(name);

	if (name != NULL && state == -1)
		query_error(q, EX_DATAERR, "unknown state", "state");
	else
		query_list(q, state, state == -1, false,
		    query_limit(q, LIST_LIMIT));
}

static void
queue_dead(struct query *q)
{
	struct json_object *o, *list = json_object_new_array();
	int limit = query_limit(q, LIST_LIMIT);

	if (store_list(queue.store, DS_DEAD, false, true, 0, limit, query_row,
	    list) == -1 || store_list(queue.store, DS_UNCERTAIN, false, true,
	    0, limit, query_row, list) == -1) {
		json_object_put(list);
		query_error(q, EX_TEMPFAIL, store_error(queue.store), NULL);
		return;
	}
	o = query_new_answer(true);
	json_object_object_add(o, "events", list);
	query_answer(q->from, q->id, o, false);
}

struct history {
	struct json_object *list;
	int64_t since_ms;
};

static void
history_row(const struct store_row *r, void *arg)
{
	struct history *h = arg;

	if (r->delivery.done_ms >= h->since_ms)
		query_row(r, h->list);
}

static void
query_history(struct query *q)
{
	const char *since = json_str(q->request, "since", NULL);
	struct history h = { json_object_new_array(), 0 };
	struct json_object *o;

	if (since != NULL) {
		h.since_ms = clock_parse_rfc3339(since);
		if (h.since_ms == -1 && duration_parse_ms(since) != -1)
			h.since_ms = clock_wall_ms() -
			    duration_parse_ms(since);
		if (h.since_ms == -1) {
			json_object_put(h.list);
			query_error(q, EX_DATAERR, "neither a time nor a "
			    "duration", "since");
			return;
		}
	}
	if (store_list(queue.store, -1, false, true,
	    json_i64(q->request, "before", 0), query_limit(q, HISTORY_LIMIT),
	    history_row, &h) == -1) {
		json_object_put(h.list);
		query_error(q, EX_TEMPFAIL, store_error(queue.store), NULL);
		return;
	}
	o = query_new_answer(true);
	json_object_object_add(o, "events", h.list);
	query_answer(q->from, q->id, o, false);
}

/* One event. */

static void
show_delivery(const struct store_delivery *d, void *arg)
{
	struct json_object *o = json_object_new_object();
	struct chat *c = chat_by_id(d->chat);
	struct shown *s = arg;

	if (!DS_IS_FINAL(d->state)) {
		s->open++;
		s->sending += d->state == DS_SENDING;
		if (d->not_before_ms > s->not_before_ms)
			s->not_before_ms = d->not_before_ms;
	} else if (s->worst == 0 || (d->state != DS_SUPPRESSED &&
	    (s->worst == DS_SUPPRESSED || d->state > s->worst)))
		s->worst = d->state;
	if (d->attempts > s->attempts)
		s->attempts = d->attempts;
	if (d->reason != NULL && s->reason == NULL)
		s->reason = strdup(d->reason);
	query_add_i64(o, "chat", c == NULL ? 0 : c->chat_id);
	query_add_str(o, "state", delivery_state_name(d->state));
	json_object_object_add(o, "message_ids",
	    query_message_ids(d->messages));
	json_object_object_add(o, "digest",
	    json_object_new_boolean(d->digest != 0));
	query_add_str(o, "reason", d->reason);
	query_add_i64(o, "attempts", d->attempts);
	json_object_array_add(s->deliveries, o);
}

int64_t
query_event(struct query *q)
{
	const char *id = json_str(q->request, "id", NULL);
	int64_t seq;

	if (id == NULL) {
		query_error(q, EX_DATAERR, "which event?", "id");
		return (0);
	}
	seq = store_find_id(queue.store, id, strlen(id));
	if (seq <= 0)
		query_error(q, EX_NOINPUT, "no such event", "id");
	return (seq > 0 ? seq : 0);
}

const char *
query_show_state(int64_t seq, struct shown *s)
{
	*s = (struct shown){ .deliveries = json_object_new_array() };
	if (store_event_deliveries(queue.store, seq, show_delivery, s) == -1)
		log_warnx("event %lld: %s", (long long)seq,
		    store_error(queue.store));
	return (delivery_state_name(s->sending > 0 ? DS_SENDING :
	    s->open > 0 ? DS_QUEUED : s->worst));
}

static void
queue_show(struct query *q)
{
	int64_t seq = query_event(q);
	struct json_object *o, *e;
	struct store_event ev;
	const char *state;
	struct shown s;

	if (seq == 0)
		return;
	state = query_show_state(seq, &s);
	if (store_get_event(queue.store, seq, false, &ev) != 1) {
		json_object_put(s.deliveries);
		free(s.reason);
		query_error(q, EX_NOINPUT, "no such event", "id");
		return;
	}
	o = query_new_answer(true);
	e = json_object_new_object();
	query_add_str(e, "id", ev.id);
	query_add_str(e, "state", state);
	query_add_str(e, "reason", s.open > 0 ? NULL : s.reason);
	query_add_event(e, &ev);
	query_add_str(e, "task_id", ev.task_id);
	query_add_i64(e, "attempts", s.attempts);
	query_add_time(e, "not_before", s.open > 0 ? s.not_before_ms : 0);
	json_object_object_add(e, "deliveries", s.deliveries);
	json_object_object_add(o, "event", e);
	query_answer(q->from, q->id, o, false);
	free(s.reason);
}
static void
query_chats(struct query *q)
{
	struct json_object *o, *list = json_object_new_array(), *e;
	int64_t id = json_i64(q->request, "chat", 0);
	bool resume = strcmp(json_str(q->request, "cmd", "list"), "resume")
	    == 0, known = id == 0;

	for (struct chat *c = chat_first(); c != NULL; c = chat_next(c)) {
		if (c->chat_id == 0)
			continue;
		known = known || id == c->chat_id;
		if (resume && c->suspended && (id == 0 || id == c->chat_id))
			chat_resume(c);
		if (resume && (id == 0 || id == c->chat_id))
			topic_retry(c);
		e = json_object_new_object();
		query_add_i64(e, "chat", c->chat_id);
		query_add_i64(e, "thread", topic_thread(c));
		if (c->topic != NULL)
			query_add_str(e, "topic", topic_title(c));
		json_object_object_add(e, "suspended",
		    json_object_new_boolean(c->suspended));
		query_add_i64(e, "waiting", c->lane[0].open + c->lane[1].open +
		    c->lane[2].open);
		json_object_array_add(list, e);
	}
	if (resume && !known) {
		json_object_put(list);
		query_error(q, EX_NOINPUT, "no such chat", "chat");
		return;
	}
	o = query_new_answer(true);
	json_object_object_add(o, "chats", list);
	query_answer(q->from, q->id, o, false);
}

/* Modes. */

static void
mode_answer(struct query *q, bool changed)
{
	struct json_object *o = query_new_answer(true);

	query_add_str(o, "mode", mode_name(queue.mode));
	query_add_time(o, "until", queue.mute_until_ms);
	if (changed)
		query_done(q, o);
	else
		query_answer(q->from, q->id, o, false);
}

static void
query_mode(struct query *q)
{
	const char *name = json_str(q->request, "mode", NULL);
	int m;

	if (name != NULL && (m = mode_by_name(name)) == -1) {
		query_error(q, EX_DATAERR, "local, nomad or mute", "mode");
		return;
	}
	if (name != NULL)
		mode_set((enum mode)m, 0, "cctgctl");
	mode_answer(q, name != NULL);
}

static void
query_mute(struct query *q)
{
	struct json_object *o = json_path(q->request, "for");
	int64_t ms = 0;

	if (o != NULL) {
		ms = duration_parse_ms(json_object_get_string(o));
		if (ms <= 0) {
			query_error(q, EX_DATAERR, "not a duration", "for");
			return;
		}
	}
	mode_set(MODE_MUTE, ms == 0 ? 0 : jump_wall_ms() + ms, "cctgctl");
	mode_answer(q, true);
}

static void
query_unmute(struct query *q)
{
	if (queue.mode == MODE_MUTE)
		mode_set(mode_before(), 0, "cctgctl");
	mode_answer(q, true);
}
