/*
 * The scheduler: which job of which chat goes next.
 *
 * Chats with work stand in a ring and get their turns one after another, so
 * none waits for another.  Within a chat the critical lane goes first, then
 * failures, then the rest; within a lane by age.  A job that may not go yet
 * (rate, pause, mode) tells when to look again, and one timer waits for the
 * earliest of all: there is no polling.
 */
#include <string.h>

#include <event2/event.h>

#include "common/clock.h"
#include "common/log.h"
#include "workers/queue/queue.h"
#include "workers/queue/topic.h"

#define TURN_JOBS 64	 /* jobs of a chat in one turn, then the next chat */
#define UNLIMITED_INFLIGHT 32 /* calls of a chat without a rate limit */
#define SWEEP_MS 1000	 /* expired jobs are looked for so often */
#define NEVER INT64_MAX

static TAILQ_HEAD(chat_ring, chat) ring = TAILQ_HEAD_INITIALIZER(ring);
static struct event *run_event, *wake_event;
static bool scheduled;
static int64_t next_sweep_ms;

static void sched_run(evutil_socket_t, short, void *);
static int64_t sched_chat(struct chat *, int64_t);
static struct job *sched_pick(struct chat *, bool);
static struct job *sched_first(struct chat *, int);
static struct job *sched_before(struct chat *, struct job *);
static bool sched_must_wait(const struct chat *, const struct job *);
static bool sched_supersede(struct chat *, struct job *);
static int64_t sched_start(struct chat *, struct job *, int64_t);
static void sched_render_ahead(struct chat *);
static void sched_sweep(struct job *, void *);
static void sched_bury(struct chat *, int64_t, int, const char *);
static bool sched_idle(const struct chat *);

void
sched_init(void)
{
	run_event = event_new(worker_base(), -1, 0, sched_run, NULL);
	wake_event = event_new(worker_base(), -1, 0, sched_run, NULL);
	if (run_event == NULL || wake_event == NULL)
		fatalx("cannot create the scheduler's timers");
}

void
sched_soon(void)
{
	if (scheduled)
		return;
	scheduled = true;
	event_active(run_event, 0, 0);
}

void
sched_wake(struct chat *c)
{
	if (!c->active) {
		c->active = true;
		TAILQ_INSERT_TAIL(&ring, c, entry);
	}
	sched_soon();
}

void
sched_wake_all(void)
{
	struct chat *c;

	for (c = chat_first(); c != NULL; c = chat_next(c))
		sched_wake(c);
}

static bool
sched_idle(const struct chat *c)
{
	for (int i = 0; i < NLANES; i++)
		if (c->lane[i].loaded > 0 || c->lane[i].open > 0)
			return (false);
	return (true);
}

static void
sched_run(evutil_socket_t fd, short what, void *arg)
{
	int64_t now = clock_mono_ms(), wake = NEVER, at, change;
	struct chat_ring served = TAILQ_HEAD_INITIALIZER(served);
	struct chat *c, *next;
	struct timeval tv;
	int inflight;

	(void)fd, (void)what, (void)arg;
	scheduled = false;
	if (commit_failing())
		return; /* commit.c wakes us when the store works again */
	jump_check();
	mode_tick();
	if (now >= next_sweep_ms) {
		next_sweep_ms = now + SWEEP_MS;
		job_iterate(sched_sweep, NULL);
	}
	TAILQ_FOREACH_SAFE(c, &ring, entry, next) {
		inflight = c->inflight;
		at = sched_chat(c, now);
		if (at < wake)
			wake = at;
		if (sched_idle(c)) {
			TAILQ_REMOVE(&ring, c, entry);
			c->active = false;
		} else if (c->inflight > inflight) {
			TAILQ_REMOVE(&ring, c, entry);
			TAILQ_INSERT_TAIL(&served, c, entry);
		}
	}
	/* Whoever got something of the bot's budget is the last next time. */
	TAILQ_CONCAT(&ring, &served, entry);
	stage_pump();
	final_gauges();
	if (!TAILQ_EMPTY(&ring) && wake > next_sweep_ms)
		wake = next_sweep_ms;
	if ((change = mode_next_change()) > 0) {
		change = now + change - clock_wall_ms();
		if (change < wake)
			wake = change;
	}
	if (wake == NEVER)
		return;
	if (wake <= now)
		wake = now + 1;
	tv.tv_sec = (wake - now) / 1000;
	tv.tv_usec = (wake - now) % 1000 * 1000;
	event_add(wake_event, &tv);
}

/* What has waited longer than its time to live. */
static void
sched_sweep(struct job *j, void *arg)
{
	(void)arg;
	if (!j->in_lane || j->stage > JOB_RENDERED || !evm_durable(j->ev) ||
	    j->ev->expires_ms == 0 || j->ev->expires_ms > clock_wall_ms())
		return;
	if (j->nmembers > 0)
		digest_dissolve(j); /* the others have times of their own */
	final_put(j, DS_SUPPRESSED, "expired");
}

/* What waits for a chat, up to an event, ends so. */
static void
sched_bury(struct chat *c, int64_t seq, int state, const char *reason)
{
	struct job *j, *next;

	for (int lane = 0; lane < NLANES; lane++) {
		TAILQ_FOREACH_SAFE(j, &c->lane[lane].jobs, entry, next)
			if (j->stage <= JOB_RENDERED && j->ev->seq <= seq &&
			    evm_durable(j->ev))
				final_put(j, state, reason);
		chat_refill(c, lane);
	}
}

/* A chat's turn; returns when it wants the next, monotonic ms. */
static int64_t
sched_chat(struct chat *c, int64_t now)
{
	int64_t at = NEVER, pause;
	struct job *j;
	bool critical;

	for (int lane = 0; lane < NLANES; lane++)
		chat_refill(c, lane);
	if (c->suspended) {
		sched_bury(c, INT64_MAX, DS_DEAD, "chat suspended");
		return (NEVER);
	}
	if (c->left_seq != 0)
		sched_bury(c, c->left_seq, DS_SUPPRESSED, "cancelled");
	pause = c->room->pause_until_ms > queue.bot_pause_until_ms ?
	    c->room->pause_until_ms : queue.bot_pause_until_ms;
	for (int i = 0; i < TURN_JOBS; i++) {
		if (c->inflight >= (c->room->budget.limited ? 1 :
		    UNLIMITED_INFLIGHT))
			return (NEVER); /* the outcome wakes us */
		/* Only the critical one may use the place kept for it. */
		critical = rate_wait(&c->room->budget, now, false) > 0 ||
		    rate_wait(&queue.bot, now, false) > 0;
		j = sched_pick(c, critical);
		if (j == NULL && critical) {
			if (sched_pick(c, false) == NULL)
				return (NEVER);
			at = now + rate_wait(&c->room->budget, now, false);
			if (at < now + rate_wait(&queue.bot, now, false))
				at = now + rate_wait(&queue.bot, now, false);
			return (pause > at ? pause : at);
		}
		if (j == NULL)
			return (NEVER);
		if (pause > now)
			return (pause);
		at = sched_start(c, j, now);
		if (at > now)
			return (at);
	}
	return (now);
}

/*
 * The next job of a chat that may go.  With critical_only, only from the
 * critical lane.
 */
static struct job *
sched_pick(struct chat *c, bool critical_only)
{
	struct job *j;

	for (int lane = NLANES - 1; lane >= 0; lane--) {
		if (critical_only && lane != LANE_CRITICAL)
			break;
		if ((j = sched_first(c, lane)) != NULL)
			return (lane == LANE_BULK ? j : sched_before(c, j));
	}
	return (NULL);
}

/*
 * The first job of a lane that is not held and whose analysis is there.  One
 * that is still being analysed, or written, holds up those behind it, for
 * order.
 */
static struct job *
sched_first(struct chat *c, int lane)
{
	struct job *j, *next;
	bool silent;

	TAILQ_FOREACH_SAFE(j, &c->lane[lane].jobs, entry, next) {
		if (j->stage > JOB_RENDERED)
			continue;
		if (!evm_settled(j->ev)) {
			/* Its analysis may have failed while it was away. */
			if (j->ev->stage == EV_RAW && evm_durable(j->ev))
				stage_analyze(j->ev, true);
			return (NULL);
		}
		if (!mode_allows(j, &silent))
			continue;
		if (sched_supersede(c, j))
			continue;
		return (sched_must_wait(c, j) ? NULL : j);
	}
	return (NULL);
}

/*
 * Which message shows a task's progress is known when the first update has
 * arrived, and on disk.  Until then neither the next update nor the end of
 * the task, which closes it, may go.
 */
static bool
sched_must_wait(const struct chat *c, const struct job *j)
{
	return (c->updating > 0 &&
	    (j->ev->kind == EK_PROGRESS || j->ev->kind == EK_FINAL));
}

/*
 * Order within a task: an earlier event of the same task goes first, though
 * it is less urgent.
 */
static struct job *
sched_before(struct chat *c, struct job *j)
{
	struct job *o;
	bool silent;

	for (int lane = 0; lane < j->lane; lane++) {
		TAILQ_FOREACH(o, &c->lane[lane].jobs, entry) {
			if (o->id > j->id)
				break;
			if (o->stage <= JOB_RENDERED &&
			    o->ev->stage == EV_KNOWN &&
			    o->ev->task_id != NULL &&
			    strcmp(o->ev->task_id, j->ev->task_id) == 0 &&
			    mode_allows(o, &silent) &&
			    !sched_supersede(c, o))
				return (sched_must_wait(c, o) ? NULL : o);
		}
	}
	return (j);
}

/* A progress update is of no use any more when a newer one waits. */
static bool
sched_supersede(struct chat *c, struct job *j)
{
	struct job *o;

	if (j->ev->kind != EK_PROGRESS || !j->in_lane)
		return (false);
	for (o = TAILQ_NEXT(j, entry); o != NULL; o = TAILQ_NEXT(o, entry)) {
		if (!evm_settled(o->ev) || o->ev->task_id == NULL ||
		    strcmp(o->ev->task_id, j->ev->task_id) != 0)
			continue;
		if (o->ev->kind != EK_PROGRESS)
			return (false);
		final_put(j, DS_SUPPRESSED, "cancelled");
		return (true);
	}
	(void)c;
	return (false);
}

/*
 * Bring a job one step nearer to Telegram.  Returns now if it went, or when
 * to look again (NEVER: something else will wake the chat).
 */
static int64_t
sched_start(struct chat *c, struct job *j, int64_t now)
{
	int64_t wall = clock_wall_ms(), at;

	if (j->ev->expires_ms != 0 && j->ev->expires_ms <= wall) {
		if (j->nmembers > 0)
			digest_dissolve(j);
		final_put(j, DS_SUPPRESSED, "expired");
		return (now);
	}
	if (j->not_before_ms > wall + 1)
		return (now + j->not_before_ms - wall);
	if (j->stage == JOB_QUEUED && j->nmembers == 0 && digest_wanted(c, j) &&
	    !digest_collect(c, j, now))
		return (c->collecting_ms + queue.digest_collect_ms);
	if (j->stage != JOB_RENDERED) {
		sched_render_ahead(c);
		if (j->stage == JOB_QUEUED && stage_render(j) == -1)
			return (NEVER); /* stage_pump() wakes us */
		return (NEVER);
	}
	if ((at = topic_wait(c, j->ev, now)) > now)
		return (at);
	if (!call_possible(j))
		return (NEVER); /* wired or credit: wakes all */
	rate_take(&c->room->budget, now);
	rate_take(&queue.bot, now);
	job_remove(j);
	c->inflight++;
	call_mark(j);
	/* Not for each job: it is a walk over all that are ahead. */
	if (--c->ahead < AHEAD_JOBS / 2)
		sched_render_ahead(c);
	return (now);
}

/* Where nothing but our own speed limits a chat, render what comes next. */
static void
sched_render_ahead(struct chat *c)
{
	int n = c->room->budget.limited ? 1 : AHEAD_JOBS;
	struct job *j;
	bool silent;

	c->ahead = 0;
	for (int lane = NLANES - 1; lane >= 0; lane--) {
		TAILQ_FOREACH(j, &c->lane[lane].jobs, entry) {
			if (n-- <= 0 || queue.part_bytes > AHEAD_BYTES)
				return;
			c->ahead++;
			if (j->stage != JOB_QUEUED)
				continue;
			if (!evm_settled(j->ev))
				break;
			if (!mode_allows(j, &silent) || digest_wanted(c, j))
				break;
			if (stage_render(j) == -1)
				return;
		}
	}
}

bool
sched_backlogged(const struct chat *c)
{
	int64_t interval = rate_interval_ms(&c->room->budget);

	return (interval > 0 &&
	    c->room->bulk * interval > queue.digest_after_ms);
}
