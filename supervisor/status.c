/*
 * Status as JSON (DESIGN section 7), and the rule what counts as degraded
 * (section 13).  All is read at the time of asking: the workers' states from
 * the tree, the rest from the gauges in their slots, which are believed only
 * within bounds.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <json-c/json.h>

#include "config.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/nitems.h"
#include "supervisor/supervisor.h"

#define UNREADY_MS 1000	  /* not ready for longer: degraded */
#define MAX_AGE_MS 1000	  /* figures older than this are read again */

static struct json_object *status_worker(struct worker *);
static struct json_object *status_last_exit(const struct last_exit *);
static bool status_notices(char *, size_t);
static const char *status_note(enum process_class, char *, size_t);
static struct json_object *status_queue(void);
static struct json_object *status_telegram(void);
static struct json_object *status_redis(void);
static int64_t gauge(enum process_class, enum metric);
static struct json_object *gauge_word(enum process_class, enum metric);
static bool status_down(enum process_class);

struct json_object *
status_json(void)
{
	struct json_object *s = json_object_new_object();
	const char *degraded = status_degraded();
	char notice[1024];

	status_put(s, "schema", json_object_new_int(1));
	status_put(s, "version", json_object_new_string(PACKAGE_VERSION));
	status_put(s, "state",
	    json_object_new_string(sup.stopping ? "stopping" :
	    degraded != NULL ? "degraded" : "ok"));
	if (degraded != NULL)
		status_put(s, "reason", json_object_new_string(degraded));
	if (status_notices(notice, sizeof(notice)))
		status_put(s, "notice", json_object_new_string(notice));
	status_put(s, "uptime_s", status_seconds(
	    clock_mono_ms() - sup.started_ms));
	status_put(s, "mode", gauge_word(PC_QUEUE, M_queue_mode));
	status_put(s, "pid", json_object_new_int(getpid()));
	status_put(s, "workers", status_workers());
	status_put(s, "queue", status_queue());
	status_put(s, "telegram", status_telegram());
	status_put(s, "redis", status_redis());
	return (s);
}

/* What is worth mentioning though all works: of ours, and of the store. */
static bool
status_notices(char *text, size_t size)
{
	char store[512];
	const char *notes[] = { sup.notice, gauge(PC_QUEUE, M_queue_held) == 1 ?
		"the queue is held, nothing is sent: cctgctl queue release" :
		NULL, status_note(PC_QUEUE, store, sizeof(store)) };
	size_t i;

	text[0] = '\0';
	for (i = 0; i < nitems(notes); i++)
		if (notes[i] != NULL && *notes[i] != '\0') {
			strlcat(text, text[0] != '\0' ? "; " : "", size);
			strlcat(text, notes[i], size);
		}
	return (text[0] != '\0');
}

/* What a worker says about itself, made harmless; returns buf. */
static const char *
status_note(enum process_class class, char *buf, size_t size)
{
	char raw[sizeof(((struct slot *)NULL)->note)];
	struct worker *w = tree_find_index(class, 0);

	raw[0] = '\0';
	if (w != NULL && w->slot != NULL)
		memcpy(raw, w->slot->note, sizeof(raw));
	log_escape(buf, size, raw, strnlen(raw, sizeof(raw)));
	return (buf);
}

struct json_object *
status_workers(void)
{
	struct json_object *all = json_object_new_array();
	struct worker *w;

	TAILQ_FOREACH(w, &sup.workers, entry)
		if (!w->removed)
			status_append(all, status_worker(w));
	return (all);
}

static struct json_object *
status_worker(struct worker *w)
{
	struct json_object *o = json_object_new_object();
	struct child *c = w->child;
	struct mem_sample used = {0};
	int64_t now_ms = clock_mono_ms(), up_ms = 0;

	if (c != NULL) {
		if (now_ms - c->sampled_ms > MAX_AGE_MS &&
		    memory_read(c->pid, &c->used) == 0)
			c->sampled_ms = now_ms;
		used = c->used;
		up_ms = now_ms - c->forked_ms;
	}
	status_put(o, "name", json_object_new_string(w->name));
	status_put(o, "class", json_object_new_string(class_name(w->class)));
	status_put(o, "pid", c != NULL ? json_object_new_int(c->pid) : NULL);
	status_put(o, "state",
	    json_object_new_string(worker_state_name(w->state)));
	status_put(o, "uptime_s", status_seconds(up_ms));
	status_put(o, "restarts", json_object_new_int64((int64_t)w->restarts));
	status_put(o, "crashes", json_object_new_int64((int64_t)w->crashes));
	status_put(o, "ready_ms", json_object_new_int64(w->ready_ms));
	status_put(o, "last_exit", status_last_exit(&w->last));
	status_put(o, "rss_bytes",
	    json_object_new_int64((int64_t)used.rss_bytes));
	status_put(o, "pss_bytes",
	    json_object_new_int64((int64_t)used.pss_bytes));
	status_put(o, "cpu_s", status_seconds((int64_t)used.cpu_us / 1000));
	return (o);
}

static struct json_object *
status_last_exit(const struct last_exit *e)
{
	struct json_object *o;
	char at[RFC3339_SIZE];

	if (!e->set)
		return (NULL);
	o = json_object_new_object();
	status_put(o, "signal",
	    e->signal != 0 ? json_object_new_int(e->signal) :
	    NULL);
	status_put(o, "code",
	    e->signal == 0 ? json_object_new_int(e->code) : NULL);
	status_put(o, "at", json_object_new_string(clock_rfc3339(at, sizeof(at),
	    e->at_wall_ms)));
	status_put(o, "ready_again_ms", e->ready_again_ms >= 0 ?
	    json_object_new_int64(e->ready_again_ms) : NULL);
	return (o);
}

static struct json_object *
status_queue(void)
{
	static const struct {
		const char *name;
		enum metric metric;
	} counts[] = {
		{"pending", M_queue_pending},
		{"inflight", M_queue_inflight},
		{"delivered", M_queue_delivered},
		{"suppressed", M_queue_suppressed},
		{"uncertain", M_queue_uncertain},
		{"dead", M_queue_dead},
	};
	struct json_object *o = json_object_new_object();
	int64_t oldest_ms = gauge(PC_QUEUE, M_queue_oldest_ms), age_ms = 0;
	size_t i;

	for (i = 0; i < nitems(counts); i++)
		status_put(o, counts[i].name, json_object_new_int64(
		    gauge(PC_QUEUE, counts[i].metric)));
	if (oldest_ms > 0)
		age_ms = clock_wall_ms() - oldest_ms;
	status_put(o, "oldest_s", status_seconds(age_ms > 0 ? age_ms : 0));
	return (o);
}

static struct json_object *
status_telegram(void)
{
	struct json_object *o = json_object_new_object();
	char bot[512];
	char at[RFC3339_SIZE];
	int64_t last_ms = gauge(PC_TELEGRAM, M_telegram_last_update_ms);
	int64_t posted_ms = gauge(PC_INTAKE, M_webhook_last_update_ms);
	bool down = status_down(PC_TELEGRAM);

	status_put(o, "state", down ? json_object_new_string("down") :
	    gauge_word(PC_TELEGRAM, M_telegram_state));
	status_put(o, "poller", down ? json_object_new_string("off") :
	    gauge_word(PC_TELEGRAM, M_telegram_poller));
	status_put(o, "bot", *status_note(PC_TELEGRAM, bot, sizeof(bot)) !=
	    '\0' ? json_object_new_string(bot) : NULL);
	if (posted_ms > last_ms) /* by the webhook */
		last_ms = posted_ms;
	status_put(o, "last_update", last_ms > 0 ? json_object_new_string(
	    clock_rfc3339(at, sizeof(at), last_ms)) : NULL);
	return (o);
}

static struct json_object *
status_redis(void)
{
	struct json_object *o = json_object_new_object();
	struct worker *w = tree_find_index(PC_REDIS, 0);

	status_put(o, "state", json_object_new_string(w == NULL ? "off" :
	    w->state == WS_READY ? "connected" : "down"));
	return (o);
}

const char *
status_degraded(void)
{
	static char text[128];
	struct worker *w;
	const char *trouble;
	int64_t now_ms = clock_mono_ms();

	if (sup.stopping)
		return (NULL);
	TAILQ_FOREACH(w, &sup.workers, entry) {
		if (w->removed || w->state == WS_READY)
			continue;
		if (w->state == WS_THROTTLED || w->state == WS_FAILED ||
		    w->history.throttled ||
		    (w->unready_ms != 0 &&
		    now_ms - w->unready_ms > UNREADY_MS)) {
			snprintf(text, sizeof(text), "worker %s is %s",
			    w->name, worker_state_name(w->state));
			return (text);
		}
	}
	if ((trouble = listen_trouble()) != NULL)
		return (trouble);
	w = tree_find_index(PC_QUEUE, 0);
	if (w != NULL && w->state == WS_READY &&
	    gauge(PC_QUEUE, M_queue_accepting) == 0)
		return ("the store refuses events");
	if (gauge(PC_TELEGRAM, M_telegram_token_refused) == 1)
		return ("Telegram refuses the bot token");
	if (gauge(PC_TELEGRAM, M_telegram_state) == 3)
		return ("Telegram cannot be reached");
	if (gauge(PC_TELEGRAM, M_telegram_poller) == 2)
		return ("another program polls for this bot");
	return (NULL);
}

/* Is there a worker of that class, and is it not ready? */
static bool
status_down(enum process_class class)
{
	struct worker *w = tree_find_index(class, 0);

	return (w != NULL && w->state != WS_READY);
}

static int64_t
gauge(enum process_class class, enum metric m)
{
	struct worker *w = tree_find_index(class, 0);

	return (w == NULL || w->slot == NULL ? 0 : (int64_t)w->slot->cell[m]);
}

static struct json_object *
gauge_word(enum process_class class, enum metric m)
{
	return (json_object_new_string(metrics_word(m, gauge(class, m))));
}

void
status_notice(const char *fmt, ...)
{
	char text[512], *all;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (asprintf(&all, "%s%s%s", sup.notice == NULL ? "" : sup.notice,
	    sup.notice == NULL ? "" : "; ", text) == -1)
		return;
	free(sup.notice);
	sup.notice = all;
}

/* Milliseconds as seconds, with three places and no rounding noise. */
struct json_object *
status_seconds(int64_t ms)
{
	char text[32];

	snprintf(text, sizeof(text), "%lld.%03lld", (long long)ms / 1000,
	    (long long)ms % 1000);
	return (json_object_new_double_s((double)ms / 1000, text));
}

/* Add to an object or array; when memory is short, one may be missing. */
void
status_put(struct json_object *o, const char *key, struct json_object *value)
{
	if (o == NULL || json_object_object_add(o, key, value) != 0)
		json_object_put(value);
}

void
status_append(struct json_object *array, struct json_object *item)
{
	if (array == NULL || json_object_array_add(array, item) != 0)
		json_object_put(item);
}
