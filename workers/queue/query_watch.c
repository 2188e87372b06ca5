/*
 * Queries that stay open: tail, and waiting for the end of an event.  Each
 * lives until it is answered, cancelled, or its intake goes.
 */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <event2/event.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "workers/queue/query.h"

#define WAIT_MS 3600000 /* a wait without a time-out */

struct watcher {
	struct peer *from;
	uint64_t id;
	bool tail;
	int64_t seq; /* waits for its end */
	char *event_id;
	struct event *timeout;
	LIST_ENTRY(watcher) entry;
};

static LIST_HEAD(, watcher) watchers = LIST_HEAD_INITIALIZER(watchers);
static int tails;

static void
watcher_free(struct watcher *w)
{
	LIST_REMOVE(w, entry);
	tails -= w->tail;
	if (w->timeout != NULL)
		event_free(w->timeout);
	free(w->event_id);
	free(w);
}

static struct watcher *
watcher_new(struct query *q)
{
	struct watcher *w;

	if ((w = calloc(1, sizeof(*w))) == NULL)
		fatal("watcher");
	w->from = q->from;
	w->id = q->id;
	LIST_INSERT_HEAD(&watchers, w, entry);
	return (w);
}

void
query_tail(struct query *q)
{
	struct watcher *w = watcher_new(q);

	w->tail = true;
	tails++;
	query_answer(q->from, q->id, query_new_answer(true), true);
}

/* The end of an event, for one who waited; false: it has not ended. */
static bool
wait_answer(struct peer *p, uint64_t id, int64_t seq, const char *event_id)
{
	struct json_object *o, *list, *d, *ids;
	const char *state;
	struct shown s;

	state = query_show_state(seq, &s);
	if (s.open > 0) {
		json_object_put(s.deliveries);
		free(s.reason);
		return (false);
	}
	o = query_new_answer(true);
	query_add_str(o, "id", event_id);
	query_add_str(o, "state", state);
	if (s.reason != NULL)
		query_add_str(o, "reason", s.reason);
	list = json_object_new_array();
	for (size_t i = 0; i < json_object_array_length(s.deliveries); i++) {
		d = json_object_array_get_idx(s.deliveries, i);
		ids = json_path(d, "message_ids");
		for (size_t k = 0; k < json_object_array_length(ids); k++)
			json_object_array_add(list, json_object_get(
			    json_object_array_get_idx(ids, k)));
	}
	json_object_object_add(o, "message_ids", list);
	query_answer(p, id, o, false);
	json_object_put(s.deliveries);
	free(s.reason);
	return (true);
}

static void
wait_timeout(evutil_socket_t fd, short what, void *arg)
{
	struct watcher *w = arg;
	struct json_object *o = query_new_answer(false);

	(void)fd, (void)what;
	query_add_str(o, "id", w->event_id);
	query_add_str(o, "error", "timed out");
	query_add_i64(o, "code", EX_TEMPFAIL);
	json_object_object_add(o, "timed_out", json_object_new_boolean(true));
	query_answer(w->from, w->id, o, false);
	watcher_free(w);
}

void
query_wait(struct query *q)
{
	int64_t seq, ms = json_i64(q->request, "timeout_ms", -1);
	const char *id = json_str(q->request, "id", "");
	struct timeval tv;
	struct watcher *w;

	if ((seq = query_event(q)) == 0)
		return;
	if (ms < 0 && json_path(q->request, "timeout") != NULL)
		ms = duration_parse_ms(json_object_get_string(
		    json_path(q->request, "timeout")));
	if (ms < 0)
		ms = WAIT_MS;
	if (wait_answer(q->from, q->id, seq, id))
		return;
	w = watcher_new(q);
	w->seq = seq;
	w->event_id = strdup(id);
	w->timeout = event_new(worker_base(), -1, 0, wait_timeout, w);
	if (w->event_id == NULL || w->timeout == NULL)
		fatal("watcher");
	tv.tv_sec = ms / 1000;
	tv.tv_usec = ms % 1000 * 1000;
	event_add(w->timeout, &tv);
}

enum link_verdict
query_cancel(struct peer *p, const struct frame *f)
{
	struct watcher *w;

	if (query_decision_cancel(p, f->id))
		return (LINK_DONE);
	LIST_FOREACH(w, &watchers, entry)
		if (w->from == p && w->id == f->id) {
			watcher_free(w);
			break;
		}
	return (LINK_DONE);
}

void
query_intake_lost(struct peer *p)
{
	struct watcher *w, *next;

	LIST_FOREACH_SAFE(w, &watchers, entry, next)
		if (w->from == p)
			watcher_free(w);
	query_decision_lost(p);
	query_done_lost(p);
}

void
query_tell_response(struct json_object *response)
{
	struct json_object *o;
	struct watcher *w;

	if (tails == 0)
		return;
	o = json_object_new_object();
	query_add_time(o, "at", clock_wall_ms());
	query_add_str(o, "event", "response");
	json_object_object_add(o, "response", json_object_get(response));
	LIST_FOREACH(w, &watchers, entry)
		if (w->tail)
			query_answer(w->from, w->id, json_object_get(o), true);
	json_object_put(o);
}

static void
query_tell_tails(int64_t seq, const char *state, const char *reason,
    const struct job *j)
{
	struct json_object *o;
	struct store_event ev;
	struct watcher *w;

	if (tails == 0 || store_get_event(queue.store, seq, false, &ev) != 1)
		return;
	o = json_object_new_object();
	query_add_time(o, "at", clock_wall_ms());
	query_add_str(o, "id", ev.id);
	query_add_str(o, "state", state);
	query_add_str(o, "reason", reason);
	query_add_event(o, &ev);
	if (j != NULL) {
		query_add_i64(o, "chat", j->chat->chat_id);
		json_object_object_add(o, "message_ids",
		    query_message_ids(j->messages));
	}
	LIST_FOREACH(w, &watchers, entry)
		if (w->tail)
			query_answer(w->from, w->id, json_object_get(o), true);
	json_object_put(o);
}

void
query_event_accepted(int64_t seq)
{
	query_tell_tails(seq, "received", NULL, NULL);
}

void
query_delivery_ended(const struct job *j)
{
	struct watcher *w, *next;

	query_tell_tails(j->ev->seq, delivery_state_name(j->final_state),
	    j->reason, j);
	LIST_FOREACH_SAFE(w, &watchers, entry, next)
		if (!w->tail && w->seq == j->ev->seq && wait_answer(w->from,
		    w->id, w->seq, w->event_id))
			watcher_free(w);
}
