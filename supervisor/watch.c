/*
 * The tick, once a second: is every worker alive, how much memory does it
 * use, is there something that failed before and can be tried again?
 *
 * liveness.c and memory.c judge, this file looks and acts.
 */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "common/clock.h"
#include "common/conf.h"
#include "common/log.h"
#include "supervisor/supervisor.h"

#define NS_PER_MS INT64_C(1000000)
/* A tick that comes later than this says that we got no processor either. */
#define LATE_MS 1000
/* SIGSTOP: replaced within 5 s, so not waiting much longer than for others. */
#define STOPPED_MS 3000

static void watch_tick(evutil_socket_t, short, void *);
static void watch_liveness(struct child *, int64_t);
static void watch_act(struct child *, enum live_verdict, int64_t);
static void watch_memory(struct child *, int64_t);
static void watch_self(int64_t);

static struct event *tick;
static int64_t last_tick_ms;

/* What a class may use relative to the configured limits, in percent: the
 * store has caches and the newest events, telegram has libcurl and TLS. */
static const unsigned int memory_share[NCLASSES] = {
	[PC_QUEUE] = 400,
	[PC_INTAKE] = 200,
	[PC_TELEGRAM] = 200,
	[PC_REDIS] = 100,
	[PC_MONITOR] = 100,
	[PC_ANALYZE] = 100,
	[PC_FORMAT] = 100,
	[PC_COMPRESS] = 100,
};

/*
 * Processor time that one job may take.  The largest event takes some 50 ms,
 * so this is no measure of speed: it says that there is no end.
 */
static const int job_deadline_ms[NCLASSES] = {
	[PC_ANALYZE] = 2000,
	[PC_FORMAT] = 2000,
	[PC_COMPRESS] = 2000,
};

int
watch_init(void)
{
	const struct timeval tv = clock_timeval(TICK_MS);

	tick = event_new(sup.base, -1, EV_PERSIST, watch_tick, NULL);
	if (tick == NULL || event_add(tick, &tv) == -1)
		return (-1);
	last_tick_ms = clock_mono_ms();
	return (0);
}

static void
watch_tick(evutil_socket_t fd, short what, void *arg)
{
	struct child *c;
	int64_t now_ms = clock_mono_ms();

	(void)fd, (void)what, (void)arg;
	if (now_ms - last_tick_ms > TICK_MS + LATE_MS) {
		log_info("got no processor time for %lld ms; the workers "
		    "are given time, too",
		    (long long)(now_ms - last_tick_ms - TICK_MS));
		TAILQ_FOREACH(c, &sup.children, entry)
			live_reset(&c->live, clock_mono_ns());
	}
	last_tick_ms = now_ms;
	/* Neither removes a child from the list: that is for SIGCHLD. */
	TAILQ_FOREACH(c, &sup.children, entry)
		watch_liveness(c, now_ms);
	TAILQ_FOREACH(c, &sup.children, entry)
		watch_memory(c, now_ms);
	watch_self(now_ms);
	listen_retry();
	wire_retry();
	tree_sweep();
	tree_refresh();
}

static void
watch_liveness(struct child *c, int64_t now_ms)
{
	const struct live_job job = {c->slot->job[0], c->slot->jobs_done};
	int64_t deadline_ms = job_deadline_ms[c->worker->class];
	int64_t limit_ms = sup.conf->heartbeat_ms;
	struct live_sample sample;
	enum live_verdict v;

	if (c->stopped_ms != 0) {
		if (now_ms - c->stopped_ms >= STOPPED_MS)
			watch_act(c, LIVE_STOPPED, now_ms);
		return;
	}
	/* Opening a large store takes its time. */
	if (c->ready_at_ms == 0 && limit_ms < STARTING_MS / 2)
		limit_ms = STARTING_MS / 2;
	v = live_look(&c->live, c->slot->turns, now_ms * NS_PER_MS,
	    limit_ms * NS_PER_MS);
	if ((v == LIVE_SUSPECT || (job.id != 0 && deadline_ms != 0)) &&
	    liveness_read(c->pid, &sample) == 0) {
		if (live_job(&c->live, &job, &sample, deadline_ms *
		    NS_PER_MS) == LIVE_OVERDUE)
			v = LIVE_OVERDUE;
		else if (v == LIVE_SUSPECT)
			v = live_judge(&c->live, &sample, limit_ms *
			    NS_PER_MS);
	}
	watch_act(c, v, now_ms);
}

static void
watch_act(struct child *c, enum live_verdict v, int64_t now_ms)
{
	bool news = v != c->verdict;

	c->verdict = v;
	switch (v) {
	case LIVE_OK:
	case LIVE_SUSPECT:
		return;
	case LIVE_STARVED:
	case LIVE_BLOCKED:
	case LIVE_TRACED:
		if (news)
			log_info("worker %s (pid %d) is silent: %s",
			    c->worker->name, (int)c->pid,
			    live_verdict_name(v));
		return;
	case LIVE_HUNG:
		log_warnx("worker %s (pid %d) is hung: no turn of its loop "
		    "for %.1f s; sending SIGABRT", c->worker->name,
		    (int)c->pid, (double)(clock_mono_ns() -
		    c->live.turned_ns) / 1e9);
		c->live.aborted_ns = now_ms * NS_PER_MS;
		child_kill(c, SIGABRT);
		return;
	case LIVE_OVERDUE:
		log_warnx("worker %s (pid %d) has spent more than %.1f s of "
		    "processor time on job %llu; sending SIGABRT",
		    c->worker->name, (int)c->pid,
		    job_deadline_ms[c->worker->class] / 1e3,
		    (unsigned long long)c->live.job.id);
		c->live.aborted_ns = now_ms * NS_PER_MS;
		child_kill(c, SIGABRT);
		return;
	case LIVE_STOPPED:
	case LIVE_DOOMED:
		if (news)
			log_warnx("worker %s (pid %d) is %s; killing it",
			    c->worker->name, (int)c->pid,
			    live_verdict_name(v));
		child_kill(c, SIGKILL);
		return;
	}
}

static void
watch_memory(struct child *c, int64_t now_ms)
{
	struct worker *w = c->worker;
	uint64_t share = memory_share[w->class];
	enum mem_verdict v;

	/* The first look comes soon, so that the board has figures. */
	if (c->mem.n > 0 && now_ms - c->noted_ms < MEM_PERIOD_MS)
		return;
	if (memory_read(c->pid, &c->used) == -1)
		return;
	c->sampled_ms = c->noted_ms = now_ms;
	mem_note(&c->mem, (double)now_ms / 1000, c->used.rss_bytes);
	if (c->role != ROLE_CURRENT)
		return;
	if (w->row != NULL) {
		w->row->rss_bytes = c->used.rss_bytes;
		w->row->pss_bytes = c->used.pss_bytes;
		w->row->cpu_us = c->used.cpu_us;
	}
	/* PSS is fair to pages that all workers share. */
	v = mem_judge(&c->mem, c->used.pss_bytes, now_ms - c->forked_ms,
	    (uint64_t)sup.conf->memory_soft_bytes * share / 100,
	    (uint64_t)sup.conf->memory_hard_bytes * share / 100);
	if (v == MEM_HARD) {
		log_warnx("worker %s (pid %d) is %s: %llu KiB; killing it",
		    w->name, (int)c->pid, mem_verdict_name(v),
		    (unsigned long long)c->used.pss_bytes / 1024);
		child_kill(c, SIGKILL);
	} else if (v != MEM_OK && w->state == WS_READY &&
	    w->successor == NULL && w->replace == NULL &&
	    now_ms >= w->replace_after_ms) {
		log_warnx("worker %s (pid %d) is %s: %llu KiB; replacing it",
		    w->name, (int)c->pid, mem_verdict_name(v),
		    (unsigned long long)c->used.pss_bytes / 1024);
		(void)child_ask(c, OBITUARY_ASK, "malloc");
		tree_restart(w, mem_verdict_name(v));
	}
}

/* What the supervisor itself uses, for the monitor. */
static void
watch_self(int64_t now_ms)
{
	static int64_t read_ms;
	struct mem_sample used;

	if ((read_ms != 0 && now_ms - read_ms < MEM_PERIOD_MS) ||
	    memory_read(getpid(), &used) == -1)
		return;
	read_ms = now_ms;
	sup.board->rss_bytes = used.rss_bytes;
	sup.board->pss_bytes = used.pss_bytes;
	sup.board->cpu_us = used.cpu_us;
}
