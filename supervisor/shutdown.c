/*
 * Going down: intake stops taking, the queue finishes what is under way,
 * telegram sends it, then all are asked to leave, the queue last.  Each step
 * ends when its workers are done or its share of shutdown_grace is used up;
 * nothing waits for a backlog, which is on disk.
 */
#include <signal.h>
#include <stdlib.h>

#include <event2/event.h>

#include "common/clock.h"
#include "common/conf.h"
#include "common/log.h"
#include "common/nitems.h"
#include "supervisor/supervisor.h"

/* What is asked of whom, until which percentage of the grace. */
static const struct phase {
	const char *name;
	uint32_t classes;
	enum msg_type ask;
	unsigned int until_percent;
} phases[] = {
	{"draining intake", F_INTAKE | F_REDIS, SUP_WORK_DRAIN, 40},
	{"draining the queue", F_QUEUE, SUP_WORK_DRAIN, 60},
	{"draining telegram", F_TELEGRAM, SUP_WORK_DRAIN, 70},
	{"stopping", F_WORKER & ~F_QUEUE, SUP_WORK_STOP, 85},
	{"stopping the queue", F_QUEUE, SUP_WORK_STOP, 100},
	{"waiting for the last", F_WORKER, SUP_WORK_STOP, 100},
};

static size_t phase; /* nitems(phases): whoever is left is killed */
static int64_t begun_ms, grace_ms;
static struct event *timer;

static void shutdown_enter(void);
static void shutdown_ask(struct child *, enum msg_type, uint32_t);
static bool shutdown_done(const struct phase *);
static void shutdown_timercb(evutil_socket_t, short, void *);

/* Begin to stop, or, when already stopping, do not wait any longer. */
void
shutdown_begin(const char *why)
{
	struct child *c;

	if (sup.stopping) {
		log_notice("stopping now: %s", why);
		TAILQ_FOREACH(c, &sup.children, entry)
			child_kill(c, SIGKILL);
		phase = nitems(phases);
		tree_changed();
		return;
	}
	log_notice("stopping: %s", why);
	sup.stopping = true;
	notify_stopping();
	listen_close();
	begun_ms = clock_mono_ms();
	grace_ms = sup.conf->shutdown_grace_ms;
	timer = evtimer_new(sup.base, shutdown_timercb, NULL);
	/* Who is starting or waiting for its next try is not needed. */
	TAILQ_FOREACH(c, &sup.children, entry)
		if (c->role == ROLE_SUCCESSOR)
			child_kill(c, SIGKILL);
	phase = 0;
	shutdown_enter();
	tree_changed();
}

/* Ask the workers of this phase, and see to its end in time. */
static void
shutdown_enter(void)
{
	const struct phase *p = &phases[phase];
	struct timeval tv;
	struct child *c;
	int64_t left_ms;

	left_ms = begun_ms + grace_ms * p->until_percent / 100 -
	    clock_mono_ms();
	if (left_ms < 1)
		left_ms = 1;
	log_debug("shutdown: %s, at most %lld ms", p->name,
	    (long long)left_ms);
	TAILQ_FOREACH(c, &sup.children, entry)
		if (p->classes & 1U << c->worker->class)
			shutdown_ask(c, p->ask, (uint32_t)left_ms);
	tv = clock_timeval(left_ms);
	if (timer == NULL || evtimer_add(timer, &tv) == -1)
		shutdown_timercb(-1, 0, NULL);
}

static void
shutdown_ask(struct child *c, enum msg_type ask, uint32_t left_ms)
{
	struct worker *w = c->worker;

	if (ask == SUP_WORK_DRAIN) {
		if (c->role == ROLE_CURRENT && w->state == WS_READY) {
			w->state = WS_DRAINING;
			child_send_u32(c, ask, left_ms);
		}
	} else if (c->role != ROLE_CURRENT || w->state != WS_STOPPING) {
		if (c->role == ROLE_CURRENT)
			w->state = WS_STOPPING;
		child_send(c, ask);
	}
	w->goal = GOAL_STOP;
	evtimer_del(w->timer);
}

/* Go on as far as the workers have got; called after every change. */
void
shutdown_step(void)
{
	while (phase < nitems(phases) && shutdown_done(&phases[phase])) {
		phase++;
		if (phase < nitems(phases))
			shutdown_enter();
	}
	if (TAILQ_EMPTY(&sup.children))
		event_base_loopbreak(sup.base);
}

static bool
shutdown_done(const struct phase *p)
{
	struct child *c;

	TAILQ_FOREACH(c, &sup.children, entry) {
		if ((p->classes & 1U << c->worker->class) == 0)
			continue;
		if (p->ask == SUP_WORK_STOP ||
		    (c->worker->state == WS_DRAINING && !c->drained))
			return (false);
	}
	return (true);
}

/* The time of this phase is over. */
static void
shutdown_timercb(evutil_socket_t fd, short what, void *arg)
{
	struct child *c;

	(void)fd, (void)what, (void)arg;
	if (phase >= nitems(phases))
		return;
	log_debug("shutdown: %s took too long", phases[phase].name);
	if (++phase < nitems(phases)) {
		shutdown_enter();
		return;
	}
	TAILQ_FOREACH(c, &sup.children, entry) {
		log_warnx("worker %s (pid %d) did not stop in time; killing "
		    "it", c->worker->name, (int)c->pid);
		child_kill(c, SIGKILL);
	}
}
