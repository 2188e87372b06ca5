/*
 * cctg-queue: owns every event from acceptance to its end.
 *
 * The only hub of event data: intake gives events, the analyze, format and
 * compress pools work on them, telegram carries them out.  This file is the
 * worker's life and the table of who handles which message.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include <event2/event.h>
#include <json-c/json.h>

#include "common/json.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/sandbox.h"
#include "workers/queue/note.h"
#include "workers/queue/person.h"
#include "workers/queue/prompt.h"
#include "workers/queue/queue.h"
#include "workers/queue/response.h"
#include "workers/queue/topic.h"
#include "workers/queue/update.h"

struct queue queue = { .ttl_ms = 7 * 86400000LL, .quiet_from = -1,
	.undurable_seq = INT64_MAX };

static int queue_configure(struct json_object *, bool);
static void queue_peer_up(struct peer *);
static void queue_peer_lost(struct peer *, const uint64_t *, size_t);
static int queue_start(void);
static enum link_verdict queue_message(struct peer *, const struct frame *);
static void queue_writable(struct peer *);
static void queue_drain(uint32_t);
static void queue_drain_poll(evutil_socket_t, short, void *);
static void queue_stop(void);

static const struct worker_ops ops = {
	.class = PC_QUEUE,
	.configure = queue_configure,
	.peer_up = queue_peer_up,
	.peer_lost = queue_peer_lost,
	.start = queue_start,
	.message = queue_message,
	.writable = queue_writable,
	.alert = alert_tell,
	.drain = queue_drain,
	.stop = queue_stop,
};

static const struct {
	enum msg_type type;
	enum link_verdict (*handle)(struct peer *, const struct frame *);
} handlers[] = {
	{ INTAKE_EVENT_SUBMIT, accept_submit },
	{ INTAKE_QUERY_ASK, query_ask },
	{ INTAKE_QUERY_CANCEL, query_cancel },
	{ ANALYZE_EVENT_DONE, stage_known },
	{ ANALYZE_EVENT_REFUSE, stage_unknowable },
	{ FORMAT_TEXT_DONE, stage_rendered },
	{ COMPRESS_DATA_DONE, accept_packed },
	{ TELEGRAM_CALL_DONE, call_done },
	{ TELEGRAM_CALL_REPORT, call_report },
	{ TELEGRAM_UPDATE_TELL, update_tell },
	{ INTAKE_UPDATE_TELL, update_post },
	{ TELEGRAM_HOOK_TELL, update_hook },
	{ TELEGRAM_NAME_TELL, update_name },
	{ INTAKE_RESPONSE_DONE, response_written },
};

static struct event *drain_event;

int
main(int argc, char **argv)
{
	return (worker_main(argc, argv, &ops));
}

static int
queue_configure(struct json_object *o, bool first)
{
	struct route_table *routes;
	int m;

	if ((routes = route_load(o)) == NULL)
		fatal("routes");
	route_free(queue.routes);
	queue.routes = routes;
	strlcpy(queue.state_dir, json_str(o, "state_dir", "."),
	    sizeof(queue.state_dir));
	queue.detailed = strcmp(json_str(o, "style", "concise"), "detailed")
	    == 0;
	queue.mark_resent = json_flag(o, "telegram.mark_resent", true);
	queue.rate.global = json_num(o, "telegram.rate.global", 30);
	queue.rate.private = json_num(o, "telegram.rate.private", 1);
	queue.rate.private_burst = json_num(o,
	    "telegram.rate.private_burst", 3);
	queue.rate.group_per_minute = json_num(o,
	    "telegram.rate.group_per_minute", 20);
	queue.ttl_ms = json_i64(o, "ttl_ms", 7 * 86400000LL);
	queue.dedup_window_ms = json_i64(o, "dedup_window_ms", 5000);
	queue.digest_after_ms = json_i64(o, "digest.after_ms", 10000);
	queue.digest_collect_ms = json_i64(o, "digest.collect_ms", 1000);
	queue.digest_max = (int)json_i64(o, "digest.max", 200);
	queue.compress_min_bytes = json_i64(o, "compression.min_size_bytes",
	    4096);
	queue.max_bytes = json_i64(o, "queue.max_size_bytes", 0);
	queue.quiet_from = (int)json_i64(o, "quiet_hours.from_min", -1);
	queue.quiet_to = (int)json_i64(o, "quiet_hours.to_min", -1);
	queue.prune.max_age_ms = json_i64(o, "history.keep_ms", 0);
	queue.prune.max_events = json_i64(o, "history.max_events", 0);
	queue.prune.max_bytes = json_i64(o, "history.max_size_bytes", 0);
	/* History makes room for what is still to be delivered. */
	if (queue.max_bytes > 0 && (queue.prune.max_bytes <= 0 ||
	    queue.prune.max_bytes > queue.max_bytes / 4 * 3))
		queue.prune.max_bytes = queue.max_bytes / 4 * 3;
	queue.archive_after_ms = json_i64(o, "history.archive_after_ms",
	    3600000);
	if (json_i64(o, "compression.level", 1) == 0) {
		queue.compress_min_bytes = INT64_MAX;
		queue.archive_after_ms = 0;
	}
	if (setenv("TZ", json_str(o, "timezone", "UTC"), 1) == 0)
		tzset();
	person_configure(o);
	person_reroute();
	rate_free(&queue.bot);
	if (rate_init_bot(&queue.bot, &queue.rate) == -1)
		fatal("rates");
	if (first) {
		m = mode_by_name(json_str(o, "mode", "local"));
		queue.mode = m == -1 ? MODE_LOCAL : (enum mode)m;
		return (0);
	}
	chat_reconfigure();
	accept_measure();
	sched_wake_all();
	return (0);
}

static int
queue_start(void)
{
	if ((queue.store = store_open(queue.state_dir)) == NULL) {
		if (errno == ENOTSUP) /* of a newer version */
			exit(EX_CONFIG);
		return (-1);
	}
	if (sandbox_write_below(queue.state_dir) == -1) {
		log_warn("%s", queue.state_dir);
		return (-1);
	}
	commit_init();
	sched_init();
	store_get_totals(queue.store, &queue.totals);
	jump_load();
	mode_load();
	if (chat_init() == -1) {
		log_errx("store: %s", store_error(queue.store));
		return (-1);
	}
	topic_load();
	call_recover();
	person_load();
	silence_load();
	prompt_load();
	response_load();
	update_start();
	archive_init();
	alert_damage();
	final_gauges();
	sched_wake_all();
	return (0);
}

static void
queue_peer_up(struct peer *p)
{
	if (queue.store == NULL)
		return; /* queue_start() sees it */
	if (p->class == PC_TELEGRAM)
		update_telegram_up(p);
	note_pump();
	topic_pump();
	response_pump();
	sched_wake_all();
}

static void
queue_peer_lost(struct peer *p, const uint64_t *job, size_t n)
{
	if (queue.store == NULL)
		return;
	switch (p->class) {
	case PC_INTAKE:
		accept_intake_lost(p);
		query_intake_lost(p);
		response_intake_lost();
		update_teller_lost(p);
		break;
	case PC_ANALYZE:
	case PC_FORMAT:
		stage_lost(p, job, n);
		break;
	case PC_COMPRESS:
		accept_compress_lost();
		archive_compress_lost();
		break;
	case PC_TELEGRAM:
		call_lost(p, job, n);
		note_telegram_lost(p);
		update_teller_lost(p);
		break;
	default:
		break;
	}
	sched_wake_all();
}

static enum link_verdict
queue_message(struct peer *p, const struct frame *f)
{
	if (queue.store == NULL)
		return (LINK_BAD); /* before the start: a broken peer */
	for (size_t i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++)
		if (handlers[i].type == f->type)
			return (handlers[i].handle(p, f));
	return (LINK_BAD);
}

static void
queue_writable(struct peer *p)
{
	if (queue.store == NULL)
		return;
	if (p->class == PC_TELEGRAM) {
		note_pump();
		topic_pump();
		sched_wake_all();
	} else if (p->class == PC_INTAKE)
		response_pump();
	else
		stage_pump();
}

/* Requests in flight end; the backlog waits on disk for the next start. */
static void
queue_drain(uint32_t grace_ms)
{
	const struct timeval tv = { 0, 10000 };

	(void)grace_ms; /* the supervisor's stop ends the waiting */
	queue.draining = true;
	drain_event = event_new(worker_base(), -1, EV_PERSIST,
	    queue_drain_poll, NULL);
	if (drain_event == NULL)
		fatalx("drain");
	event_add(drain_event, &tv);
}

static void
queue_drain_poll(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
	for (struct chat *c = chat_first(); c != NULL; c = chat_next(c))
		if (c->inflight > 0)
			return;
	if (!note_is_idle() && worker_peer_next(PC_TELEGRAM, NULL) != NULL)
		return; /* "♻️ Replacing the workers." */
	if (store_pending_ops(queue.store) > 0 && !commit_failing())
		return;
	event_del(drain_event);
	worker_drained();
}

static void
queue_stop(void)
{
	if (queue.store == NULL)
		return;
	if (store_commit(queue.store) == -1)
		log_errx("store: %s; the last outcomes are not on disk",
		    store_error(queue.store));
	store_close(queue.store);
}
