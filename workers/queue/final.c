/*
 * Ends: every delivery ends delivered, suppressed, uncertain or dead, and an
 * event with its last delivery.  The end is put into the same transaction as
 * the totals; the job lives until that is on disk.
 */
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/metrics.h"
#include "workers/queue/prompt.h"
#include "workers/queue/queue.h"

#define OLDEST_MS 1000 /* the oldest event is asked for so often */

static void final_one(struct job *, int, const char *);
static void final_event(struct job *, int);
static void final_judge(const struct store_delivery *, void *);

/* What an event with several deliveries is shown as: trouble first. */
static int
final_rank(int state)
{
	static const int rank[] = { DS_SUPPRESSED, DS_DELIVERED, DS_UNCERTAIN,
	    DS_DEAD };

	for (size_t i = 0; i < sizeof(rank) / sizeof(rank[0]); i++)
		if (rank[i] == state)
			return ((int)i + 1);
	return (0);
}

static void
final_count_open(const struct store_delivery *d, void *arg)
{
	struct evm *ev = arg;

	if (!DS_IS_FINAL(d->state))
		ev->open_left++;
	else if (final_rank(d->state) > final_rank(ev->worst))
		ev->worst = d->state;
}

void
final_known(struct evm *ev, const struct job *ending)
{
	struct job *j;

	if (ev->open_left >= 0)
		return;
	ev->open_left = 0;
	if (store_event_deliveries(queue.store, ev->seq, final_count_open, ev)
	    == -1) {
		log_errx("event %lld: %s", (long long)ev->seq,
		    store_error(queue.store));
		ev->open_left = 0;
		LIST_FOREACH(j, &ev->jobs, sibling)
			ev->open_left += j->stage != JOB_FINISHING ||
			    j == ending;
	}
	if (ev->open_left < 1)
		ev->open_left = 1; /* the one that is about to end */
}

/*
 * A delivery that had ended begins again, and with it its event.  How that
 * ends is judged anew then, from all of its deliveries.
 */
void
final_reopen(struct evm *ev)
{
	if (ev->open_left < 0) {
		ev->open_left = 0;
		if (store_event_deliveries(queue.store, ev->seq,
		    final_count_open, ev) == -1)
			log_errx("event %lld: %s", (long long)ev->seq,
			    store_error(queue.store));
	}
	if (ev->open_left++ == 0) {
		final_count(ev->worst, -1);
		queue.open_events++;
	}
	ev->reopened = true;
}

/* The store does not know yet what ended last. */
static void
final_judge(const struct store_delivery *d, void *arg)
{
	struct job *j = job_find(d->id);
	int state = j != NULL && j->stage == JOB_FINISHING ? j->final_state :
	    d->state;
	struct evm *ev = arg;

	if (final_rank(state) > final_rank(ev->worst))
		ev->worst = state;
}

void
final_put(struct job *j, int state, const char *reason)
{
	struct job *m;

	if (j->nmembers > 0 && state == DS_DELIVERED) {
		metric_add(M_digests, 1);
		metric_add(M_digest_members, (uint64_t)j->nmembers + 1);
	}
	if (j->stage == JOB_CALLING)
		j->chat->inflight--;
	job_remove(j);
	final_one(j, state, reason);
	while ((m = TAILQ_FIRST(&j->members)) != NULL) {
		TAILQ_REMOVE(&j->members, m, entry);
		free(m->messages);
		m->messages = NULL;
		if (j->messages != NULL &&
		    (m->messages = strdup(j->messages)) == NULL)
			fatal("job");
		final_one(m, state, reason);
		commit_then_end(m);
	}
	commit_then_end(j);
}

static void
final_one(struct job *j, int state, const char *reason)
{
	j->stage = JOB_FINISHING;
	j->final_state = state;
	free(j->reason);
	j->reason = NULL;
	if (reason != NULL && (j->reason = strdup(reason)) == NULL)
		fatal("job");
	if (state == DS_SUPPRESSED && reason != NULL &&
	    strcmp(reason, "muted") == 0)
		j->flags |= DF_MUTED;
	job_save(j, state);
	final_event(j, state);
}

static void
final_event(struct job *j, int state)
{
	struct evm *ev = j->ev;

	final_known(ev, j);
	if (final_rank(state) > final_rank(ev->worst))
		ev->worst = state;
	if (--ev->open_left > 0)
		return;
	if (ev->reopened) {
		ev->worst = state;
		if (store_event_deliveries(queue.store, ev->seq, final_judge,
		    ev) == -1)
			log_errx("event %lld: %s", (long long)ev->seq,
			    store_error(queue.store));
	}
	final_count(ev->worst, 1);
	queue.open_events--;
	if (ev->worst == DS_DELIVERED)
		metric_observe_us(M_end_to_end_latency,
		    (clock_wall_ms() - ev->received_ms) * 1000);
	for (unsigned int i = 0; state == DS_SUPPRESSED &&
	    i < SUPPRESS_REASONS; i++)
		if (strcmp(metrics_label(M_events_suppressed, i), j->reason)
		    == 0)
			metric_addv(M_events_suppressed, i, 1);
}

void
final_count(int state, int n)
{
	struct store_totals delta = { 0 };

	switch (state) {
	case DS_DELIVERED:
		delta.delivered = n;
		queue.totals.delivered += n;
		break;
	case DS_SUPPRESSED:
		delta.suppressed = n;
		queue.totals.suppressed += n;
		break;
	case DS_UNCERTAIN:
		delta.uncertain = n;
		queue.totals.uncertain += n;
		break;
	case DS_DEAD:
		delta.dead = n;
		queue.totals.dead += n;
		break;
	default:
		delta.accepted = n;
		queue.totals.accepted += n;
		break;
	}
	store_count(queue.store, &delta);
	if (DS_IS_FINAL(state) && n > 0)
		metric_addv(M_events_final, (unsigned int)state - DS_DELIVERED,
		    1);
}

void
final_done(struct job *j)
{
	struct chat *c = j->chat;

	chat_open(c, j->lane, -1);
	query_delivery_ended(j);
	if (j->ev->kind == EK_APPROVAL)
		prompt_copy_ended(j);
	recall_add(c->chat_id, j->messages, j->ev->seq);
	job_free(j);
	sched_wake(c);
}

void
final_gauges(void)
{
	static int64_t oldest_at_ms = INT64_MIN / 2;
	int64_t calling = 0, open = 0, now = clock_mono_ms();

	for (struct chat *c = chat_first(); c != NULL; c = chat_next(c)) {
		calling += c->inflight;
		for (int lane = 0; lane < NLANES; lane++)
			open += c->lane[lane].open;
	}
	/* Totals that a damaged store got wrong do not stay so. */
	if (queue.open_events > open)
		queue.open_events = open;
	metric_set(M_queue_inflight, calling);
	metric_set(M_queue_pending, queue.open_events - calling > 0 ?
	    queue.open_events - calling : 0);
	metric_set(M_queue_delivered, queue.totals.delivered);
	metric_set(M_queue_suppressed, queue.totals.suppressed);
	metric_set(M_queue_uncertain, queue.totals.uncertain);
	metric_set(M_queue_dead, queue.totals.dead);
	if (queue.open_events <= 0) {
		metric_set(M_queue_oldest_ms, 0);
	} else if (now - oldest_at_ms >= OLDEST_MS) {
		oldest_at_ms = now;
		metric_set(M_queue_oldest_ms, store_oldest_open(queue.store));
		metric_set(M_store_bytes, queue.store_bytes);
	}
}
