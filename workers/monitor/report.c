/*
 * The JSON bodies: /health, a superset of what the bridge of co8/cctelegram
 * answers, and /report, everything there is as one document.
 */
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "common/clock.h"
#include "common/nitems.h"
#include "workers/monitor/expose.h"
#include "workers/monitor/health.h"

/* A wall clock beyond this (the year 9999) is not one. */
#define WALL_MAX_MS INT64_C(253402300799999)
#define COUNT_MAX INT64_C(1000000000000000)

static void put(struct json_object *, const char *, struct json_object *);
static struct json_object *text(const char *);
static struct json_object *word(const struct view *, enum process_class,
    enum metric);
static struct json_object *decimal(double, int);
static struct json_object *count(uint64_t);
static struct json_object *when(int64_t);
static void put_issues(struct json_object *, const struct health *);
static struct json_object *workers_json(const struct view *);
static struct json_object *queue_json(const struct view *);
static struct json_object *telegram_json(const struct view *);
static struct json_object *worker_list(const struct view *);
static struct json_object *link_list(const struct view *);

struct json_object *
health_json(const struct view *v)
{
	struct json_object *o = json_object_new_object();
	int64_t last_ms = view_gauge(v, PC_QUEUE, M_queue_last_event_ms, 0,
	    WALL_MAX_MS);
	double rate = health_error_rate(v);
	struct health h;

	health_judge(v, &h);
	put(o, "status", text(health_status_name(h.status)));
	put(o, "timestamp", when(v->wall_ms));
	put(o, "uptime_seconds", decimal((double)v->uptime_ms / 1000, 3));
	put(o, "memory_usage_mb", decimal((double)v->memory_bytes / 1048576,
	    3));
	put(o, "cpu_usage_percent", decimal(v->cpu_percent, 3));
	put(o, "events_processed", count(view_events_processed(v)));
	put(o, "error_rate_percent", rate < 0 ? NULL : decimal(rate, 3));
	put_issues(o, &h);
	if (last_ms > 0)
		put(o, "last_event_time", when(last_ms));
	put(o, "version", text(PACKAGE_VERSION));
	put(o, "mode", word(v, PC_QUEUE, M_queue_mode));
	put(o, "workers", workers_json(v));
	put(o, "queue", queue_json(v));
	put(o, "telegram", telegram_json(v));
	return (o);
}

/* What is wrong as one text, or null; what to do as a list. */
static void
put_issues(struct json_object *o, const struct health *h)
{
	struct json_object *advice = json_object_new_array();
	char details[HEALTH_ISSUES * (HEALTH_TEXT_SIZE + 2)] = "";

	for (unsigned int i = 0; i < h->nissues; i++) {
		if (i > 0)
			strlcat(details, "; ", sizeof(details));
		strlcat(details, h->issue[i].text, sizeof(details));
		json_object_array_add(advice, text(h->issue[i].advice));
	}
	put(o, "health_details", h->nissues == 0 ? NULL : text(details));
	put(o, "recommendations", advice);
}

static struct json_object *
workers_json(const struct view *v)
{
	struct json_object *o = json_object_new_object();
	struct json_object *waiting = json_object_new_array(), *w;
	uint64_t restarts = 0;
	int ready = 0;

	for (size_t i = 0; i < v->nworkers; i++) {
		restarts += v->worker[i].restarts;
		if (v->worker[i].state == WS_READY) {
			ready++;
			continue;
		}
		w = json_object_new_object();
		put(w, "name", text(v->worker[i].name));
		put(w, "state", text(worker_state_name(v->worker[i].state)));
		json_object_array_add(waiting, w);
	}
	put(o, "total", json_object_new_int((int)v->nworkers));
	put(o, "ready", json_object_new_int(ready));
	put(o, "restarts", count(restarts));
	put(o, "not_ready", waiting);
	return (o);
}

static struct json_object *
queue_json(const struct view *v)
{
	static const struct {
		const char *name;
		enum metric gauge;
	} counts[] = {
		{ "pending", M_queue_pending },
		{ "inflight", M_queue_inflight },
		{ "delivered", M_queue_delivered },
		{ "suppressed", M_queue_suppressed },
		{ "uncertain", M_queue_uncertain },
		{ "dead", M_queue_dead },
	};
	struct json_object *o = json_object_new_object();
	int64_t oldest_ms = view_gauge(v, PC_QUEUE, M_queue_oldest_ms, 0,
	    v->wall_ms);

	put(o, "accepting", json_object_new_boolean(
	    view_gauge(v, PC_QUEUE, M_queue_accepting, 0, 1) == 1));
	for (size_t i = 0; i < nitems(counts); i++)
		put(o, counts[i].name, count((uint64_t)view_gauge(v,
		    PC_QUEUE, counts[i].gauge, 0, COUNT_MAX)));
	put(o, "oldest_s", decimal(oldest_ms == 0 ? 0 :
	    (double)(v->wall_ms - oldest_ms) / 1000, 3));
	return (o);
}

static struct json_object *
telegram_json(const struct view *v)
{
	struct json_object *o = json_object_new_object();
	const struct view_worker *w = view_worker(v, PC_TELEGRAM);
	int64_t last_ms = view_gauge(v, PC_TELEGRAM,
	    M_telegram_last_update_ms, 0, WALL_MAX_MS);
	int64_t posted_ms = view_gauge(v, PC_INTAKE,
	    M_webhook_last_update_ms, 0, WALL_MAX_MS);
	bool down = w != NULL && w->state != WS_READY;

	put(o, "state", down ? text("down") :
	    word(v, PC_TELEGRAM, M_telegram_state));
	put(o, "poller", down ? text("off") :
	    word(v, PC_TELEGRAM, M_telegram_poller));
	put(o, "bot", v->bot[0] != '\0' ? text(v->bot) : NULL);
	if (posted_ms > last_ms) /* by the webhook */
		last_ms = posted_ms;
	put(o, "last_update", last_ms > 0 ? when(last_ms) : NULL);
	return (o);
}

struct json_object *
health_report(const struct view *v)
{
	struct json_object *o = json_object_new_object();

	put(o, "schema", json_object_new_int(1));
	put(o, "generated_at", when(v->wall_ms));
	put(o, "health", health_json(v));
	put(o, "workers", worker_list(v));
	put(o, "links", link_list(v));
	put(o, "metrics", expose_json(v));
	return (o);
}

static struct json_object *
worker_list(const struct view *v)
{
	struct json_object *list = json_object_new_array(), *o;
	const struct view_worker *w;

	for (size_t i = 0; i < v->nworkers; i++) {
		w = &v->worker[i];
		o = json_object_new_object();
		put(o, "name", text(w->name));
		put(o, "state", text(worker_state_name(w->state)));
		put(o, "restarts", count(w->restarts));
		put(o, "crashes", count(w->crashes));
		put(o, "ready_ms", json_object_new_int64(w->ready_ms));
		put(o, "rss_bytes", count(w->rss_bytes));
		put(o, "pss_bytes", count(w->pss_bytes));
		put(o, "cpu_s", decimal((double)w->cpu_us / 1e6, 3));
		json_object_array_add(list, o);
	}
	return (list);
}

static struct json_object *
link_list(const struct view *v)
{
	struct json_object *list = json_object_new_array(), *o;
	const struct view_link *l;

	for (size_t i = 0; i < v->nlinks; i++) {
		l = &v->link[i];
		o = json_object_new_object();
		put(o, "worker", text(l->worker));
		put(o, "peer", text(l->peer));
		put(o, "up", json_object_new_boolean(l->up));
		put(o, "credit", json_object_new_int64(l->credit));
		put(o, "stalls", count(l->stalls));
		json_object_array_add(list, o);
	}
	return (list);
}

/* Small makers of values. */

static void
put(struct json_object *o, const char *key, struct json_object *value)
{
	json_object_object_add(o, key, value);
}

static struct json_object *
text(const char *s)
{
	return (json_object_new_string(s));
}

/* Of a gauge whose values are words. */
static struct json_object *
word(const struct view *v, enum process_class class, enum metric m)
{
	return (text(metrics_word(m, view_gauge(v, class, m, 0, INT64_MAX))));
}

static struct json_object *
count(uint64_t n)
{
	return (json_object_new_uint64(n));
}

/* With so many places and no rounding noise. */
static struct json_object *
decimal(double value, int places)
{
	char s[64];

	snprintf(s, sizeof(s), "%.*f", places, value);
	return (json_object_new_double_s(value, s));
}

static struct json_object *
when(int64_t wall_ms)
{
	char s[RFC3339_SIZE];

	return (text(clock_rfc3339(s, sizeof(s), wall_ms)));
}
