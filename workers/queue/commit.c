/*
 * Group commit: everything that happens in one turn of the loop shares a
 * transaction and its fsync.  A single event waits for nobody; when the last
 * group was large, the next is given a moment to become large, too.
 *
 * What must not happen before the commit waits here: answers to intake
 * (accept.c), requests to Telegram, ends of deliveries.
 */
#include <stdlib.h>

#include <event2/event.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/metrics.h"
#include "workers/queue/queue.h"
#include "workers/queue/response.h"
#include "workers/queue/topic.h"
#include "workers/queue/update.h"

#define RETRY_MS 1000 /* a store that failed is tried again so often */
#define BUSY_OPS 24   /* the last group had as many: there is load */
#define FULL_OPS 256  /* enough: the fsync is a small part of the cost */
#define COMPANY_US 1000 /* DESIGN allows up to 5 ms */

static struct event *commit_event, *retry_event;
static bool scheduled, at_once, failing;
static size_t last_ops;
static struct job_list to_call = TAILQ_HEAD_INITIALIZER(to_call);
static struct job_list to_end = TAILQ_HEAD_INITIALIZER(to_end);
static int64_t *seen;
static size_t nseen, seen_size;

static void commit_run(evutil_socket_t, short, void *);
static void commit_failed(void);

void
commit_init(void)
{
	commit_event = event_new(worker_base(), -1, 0, commit_run, NULL);
	retry_event = event_new(worker_base(), -1, 0, commit_run, NULL);
	if (commit_event == NULL || retry_event == NULL)
		fatalx("cannot create the commit timers");
	accept_measure();
}

void
commit_soon(void)
{
	const struct timeval company = { 0, COMPANY_US };
	size_t ops = store_pending_ops(queue.store);

	if (failing || at_once)
		return;
	if (last_ops < BUSY_OPS || ops >= FULL_OPS) {
		at_once = scheduled = true;
		event_active(commit_event, 0, 0);
	} else if (!scheduled) {
		scheduled = true;
		event_add(commit_event, &company);
	}
}

bool
commit_failing(void)
{
	return (failing);
}

void
commit_then_call(struct job *j)
{
	TAILQ_INSERT_TAIL(&to_call, j, entry);
	commit_soon();
}

void
commit_then_end(struct job *j)
{
	TAILQ_INSERT_TAIL(&to_end, j, entry);
	commit_soon();
}

void
commit_then_seen(int64_t id)
{
	if (nseen == seen_size) {
		seen_size = seen_size ? seen_size * 2 : 256;
		seen = reallocarray(seen, seen_size, sizeof(*seen));
		if (seen == NULL)
			fatal("outcomes");
	}
	seen[nseen++] = id;
	commit_soon();
}

/* Nothing of it happened.  New events are refused, the rest is kept. */
static void
commit_failed(void)
{
	const struct timeval tv = { RETRY_MS / 1000, 0 };

	if (store_is_broken(queue.store))
		fatalx("store: damaged; the next start salvages it");
	metric_add(M_store_commit_errors, 1);
	metric_set(M_queue_accepting, 0);
	if (!failing)
		log_errx("store: %s; refusing events, trying again every "
		    "second", store_error(queue.store));
	failing = true;
	accept_committed(false);
	query_committed(false);
	event_add(retry_event, &tv);
}

static void
commit_run(evutil_socket_t fd, short what, void *arg)
{
	struct job_list calls = TAILQ_HEAD_INITIALIZER(calls);
	struct job_list ends = TAILQ_HEAD_INITIALIZER(ends);
	struct job *j;

	(void)fd, (void)what, (void)arg;
	scheduled = at_once = false;
	event_del(commit_event);
	last_ops = store_pending_ops(queue.store);
	/* The pools may work while the disk does. */
	link_flush_all();
	if (store_commit(queue.store) == -1) {
		commit_failed();
		return;
	}
	if (failing) {
		log_notice("store: works again; accepting events");
		failing = false;
		sched_wake_all();
	}
	metric_add(M_store_commits, 1);
	accept_measure();
	topic_committed();
	accept_committed(true);
	final_gauges(); /* who is answered may ask for the status at once */
	link_flush_all(); /* producers wait for these answers */
	TAILQ_CONCAT(&calls, &to_call, entry);
	TAILQ_CONCAT(&ends, &to_end, entry);
	while ((j = TAILQ_FIRST(&calls)) != NULL) {
		TAILQ_REMOVE(&calls, j, entry);
		call_begin(j);
	}
	update_committed();
	response_committed();
	prompt_committed();
	query_committed(true);
	if (nseen > 0)
		call_seen(seen, nseen);
	nseen = 0;
	while ((j = TAILQ_FIRST(&ends)) != NULL) {
		TAILQ_REMOVE(&ends, j, entry);
		final_done(j);
	}
	sched_soon();
	link_flush_all(); /* telegram may work meanwhile */
	store_checkpoint(queue.store);
}
