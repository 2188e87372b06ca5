/*
 * The tree: which workers there should be, and what is done when something
 * happens to one.  policy.c decides, this file carries it out.
 *
 * Called by reap.c, child.c, ops.c, reload.c and its own timers.  Never
 * blocks, never exits: whatever fails is logged and tried again later.
 */
#include <sys/mman.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <event2/event.h>

#include "common/clock.h"
#include "common/conf.h"
#include "common/log.h"
#include "common/metrics.h"
#include "supervisor/supervisor.h"

/* How the child that is being mourned went, for the log line and policy. */
static struct departure {
	char text[192];
	pid_t pid;
	int64_t ready_ms; /* how long it had been ready; -1 never */
} departure;

static struct event *refresh_event;

static unsigned int tree_wanted(enum process_class);
static unsigned int tree_pool_size(int64_t);
static bool tree_has_redis(void);
static struct worker *tree_add(enum process_class, unsigned int);
static struct board_row *tree_row(void);
static void tree_timer(struct worker *, int64_t);
static void tree_timercb(evutil_socket_t, short, void *);
static void tree_refreshcb(evutil_socket_t, short, void *);
static void tree_show(struct worker *);
static bool tree_fork(struct worker *);
static void tree_depart(struct child *, int, int);
static bool tree_all_ready(void);
static void act_none(struct worker *);
static void act_spawn(struct worker *);
static void act_announce(struct worker *);
static void act_forgive(struct worker *);
static void act_drain(struct worker *);
static void act_stop(struct worker *);
static void act_kill(struct worker *);
static void act_retry(struct worker *);
static void act_give_up(struct worker *);

static void (*const acts[])(struct worker *) = {
	[PA_NONE] = act_none,
	[PA_SPAWN] = act_spawn,
	[PA_ANNOUNCE] = act_announce,
	[PA_FORGIVE] = act_forgive,
	[PA_DRAIN] = act_drain,
	[PA_STOP] = act_stop,
	[PA_KILL] = act_kill,
	[PA_RETRY] = act_retry,
	[PA_GIVE_UP] = act_give_up,
};

/* What should run. */

/* 75 % of the online cores, at least 1, at most 16, unless set. */
static unsigned int
tree_pool_size(int64_t configured)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN), n;

	n = configured > 0 ? (long)configured : cores * 3 / 4;
	if (n < 1)
		n = 1;
	return (n > POOL_MAX ? POOL_MAX : (unsigned int)n);
}

static unsigned int
tree_wanted(enum process_class class)
{
	switch (class) {
	case PC_QUEUE:
	case PC_INTAKE:
	case PC_TELEGRAM:
	case PC_MONITOR:
		return (1);
	case PC_REDIS:
		return (tree_has_redis());
	case PC_ANALYZE:
		return (tree_pool_size(sup.conf->workers_analyze));
	case PC_FORMAT:
		return (tree_pool_size(sup.conf->workers_format));
	case PC_COMPRESS:
		return (tree_pool_size(sup.conf->workers_compress));
	default:
		return (0);
	}
}

/* Is Redis configured, and is there its program?  It comes separately. */
static bool
tree_has_redis(void)
{
	static bool told;
	char path[4096];

	if (sup.conf->redis_url[0] == '\0')
		return (false);
	snprintf(path, sizeof(path), "%s/cctg-redis", sup.libexecdir);
	if (access(path, X_OK) == 0)
		return (true);
	if (!told) {
		log_warn("redis.url is set, but %s cannot be run: going on "
		    "without Redis", path);
		status_notice("%s cannot be run: redis.url has no effect",
		    path);
	}
	told = true;
	return (false);
}

/*
 * Bring the list of workers in line with the configuration.  New ones are
 * stopped at first; superfluous ones are asked to leave.  Returns the number
 * of new ones, or -1 when out of memory.
 */
int
tree_configure(void)
{
	struct worker *w;
	unsigned int class, i;
	int added = 0;

	if (refresh_event == NULL && (refresh_event = event_new(sup.base, -1,
	    0, tree_refreshcb, NULL)) == NULL)
		return (-1);
	for (class = 0; class < NCLASSES; class++)
		for (i = 0; i < tree_wanted(class); i++) {
			if ((w = tree_find_index(class, i)) != NULL) {
				w->removed = false;
				w->goal = GOAL_RUN;
				continue;
			}
			if (tree_add(class, i) == NULL) {
				log_warn("worker %s/%u cannot be added",
				    class_name(class), i);
				return (-1);
			}
			added++;
		}
	TAILQ_FOREACH(w, &sup.workers, entry)
		if (w->index >= tree_wanted(w->class) && !w->removed) {
			log_info("worker %s is no longer configured", w->name);
			w->removed = true;
			tree_stop_worker(w);
		}
	return (added);
}

static struct worker *
tree_add(enum process_class class, unsigned int index)
{
	struct worker *w, *after;

	if ((w = calloc(1, sizeof(*w))) == NULL)
		return (NULL);
	w->class = class;
	w->index = index;
	w->state = WS_STOPPED;
	w->slot_fd = -1;
	w->unready_ms = clock_mono_ms();
	if (class_is_pool(class))
		snprintf(w->name, sizeof(w->name), "%s/%u", class_name(class),
		    index);
	else
		strlcpy(w->name, class_name(class), sizeof(w->name));
	if ((w->timer = evtimer_new(sup.base, tree_timercb, w)) == NULL) {
		free(w);
		return (NULL);
	}
	if ((w->row = tree_row()) != NULL) {
		strlcpy(w->row->name, w->name, sizeof(w->row->name));
		w->row->class = class;
		w->row->index = index;
		w->row->used = 1;
	}
	TAILQ_FOREACH(after, &sup.workers, entry)
		if (after->class > class ||
		    (after->class == class && after->index > index))
			break;
	if (after != NULL)
		TAILQ_INSERT_BEFORE(after, w, entry);
	else
		TAILQ_INSERT_TAIL(&sup.workers, w, entry);
	tree_show(w);
	return (w);
}

/* A free row of the board; there are more than workers can be. */
static struct board_row *
tree_row(void)
{
	unsigned int i;

	for (i = 0; i < BOARD_ROWS; i++)
		if (!sup.board->row[i].used) {
			memset(&sup.board->row[i], 0,
			    sizeof(sup.board->row[i]));
			if (sup.board->rows < i + 1)
				sup.board->rows = i + 1;
			return (&sup.board->row[i]);
		}
	return (NULL);
}

/*
 * Start every worker that is stopped and should run: all are forked before
 * any is wired, so that none starts without its peers.
 */
void
tree_start(void)
{
	struct worker *w;

	TAILQ_FOREACH(w, &sup.workers, entry)
		if (w->state == WS_STOPPED && w->spawned == 0)
			(void)tree_fork(w);
	TAILQ_FOREACH(w, &sup.workers, entry)
		if (w->child != NULL && !w->child->started)
			child_introduce(w->child);
	TAILQ_FOREACH(w, &sup.workers, entry)
		if (w->child != NULL && !w->child->started)
			wire_child(w->child);
}

/* Forget the workers that are no longer configured and have gone. */
void
tree_sweep(void)
{
	struct worker *w, *next;
	struct child *c;

	TAILQ_FOREACH_SAFE(w, &sup.workers, entry, next) {
		if (!w->removed || w->state != WS_STOPPED)
			continue;
		TAILQ_FOREACH(c, &sup.children, entry)
			if (c->worker == w)
				break;
		if (c != NULL)
			continue;
		TAILQ_REMOVE(&sup.workers, w, entry);
		if (w->row != NULL)
			w->row->used = 0;
		if (w->slot != NULL) {
			munmap(w->slot, sizeof(*w->slot));
			close(w->slot_fd);
		}
		event_free(w->timer);
		free(w);
		tree_changed();
	}
}

struct worker *
tree_find_index(unsigned int class, unsigned int index)
{
	struct worker *w;

	TAILQ_FOREACH(w, &sup.workers, entry)
		if (w->class == class && w->index == index)
			return (w);
	return (NULL);
}

/* What happens. */

void
tree_event(struct worker *w, enum policy_event event)
{
	struct policy_step step = policy_step(w->state, event, w->goal);

	log_debug("worker %s: %s while %s", w->name, policy_event_name(event),
	    worker_state_name(w->state));
	if (step.next != w->state || step.action != PA_NONE) {
		w->state = step.next;
		acts[step.action](w);
	}
	tree_show(w);
	tree_changed();
}

/* Replace a worker, without a gap where there is a pool. */
void
tree_restart(struct worker *w, const char *why)
{
	w->goal = GOAL_RUN;
	if (class_is_pool(w->class) && w->state == WS_READY) {
		replace_want(w, why);
		return;
	}
	log_info("worker %s: restarting: %s", w->name, why);
	tree_event(w, PE_RESTART);
}

void
tree_stop_worker(struct worker *w)
{
	w->goal = GOAL_STOP;
	w->replace = NULL;
	if (w->successor != NULL)
		child_kill(w->successor, SIGKILL);
	tree_event(w, PE_STOP);
}

/* A child has been reaped. */
void
tree_left(struct child *c, const siginfo_t *si)
{
	struct worker *w = c->worker;
	int sig = si->si_code == CLD_EXITED ? 0 : si->si_status;
	int code = si->si_code == CLD_EXITED ? si->si_status : 0;
	bool crashed = sig != 0 || code != 0;

	tree_depart(c, sig, code);
	obituary_take(c, sig, code);
	wire_lost(c, crashed);
	if (c->role != ROLE_CURRENT || w->state == WS_DRAINING ||
	    w->state == WS_STOPPING)
		log_info("worker %s (pid %d) %s", w->name, (int)c->pid,
		    departure.text);
	if (c->role != ROLE_CURRENT) {
		replace_left(c);
		spawn_free(c);
		replace_next(w->class);
		tree_changed();
		return;
	}
	w->child = NULL;
	w->last = (struct last_exit){true, sig, code, clock_wall_ms(),
	    clock_mono_ms(), -1};
	if (w->unready_ms == 0)
		w->unready_ms = clock_mono_ms();
	w->ready_wall_ms = 0;
	w->crashes += crashed;
	if (w->successor != NULL) {
		/* There is a new one already, nearly ready: it serves. */
		log_warnx("worker %s (pid %d) %s; its successor takes over",
		    w->name, (int)c->pid, departure.text);
		spawn_free(c);
		replace_promote(w);
		w->state = WS_STARTING;
		tree_timer(w, STARTING_MS);
		tree_show(w);
		tree_changed();
		return;
	}
	tree_event(w, code == EX_CONFIG ? PE_EXIT_CONFIG :
	    crashed ? PE_CRASH : PE_EXIT);
	spawn_free(c);
}

/* Describe the departure: "died: signal 9 (Killed) after 12.3 s". */
static void
tree_depart(struct child *c, int sig, int code)
{
	char how[96];
	int64_t now_ms = clock_mono_ms();

	reap_describe(how, sizeof(how), sig, code);
	snprintf(departure.text, sizeof(departure.text), "%s %s after %.1f s",
	    sig != 0 || code != 0 ? "died:" : "left:", how,
	    (double)(now_ms - c->forked_ms) / 1000);
	departure.pid = c->pid;
	departure.ready_ms = c->ready_at_ms == 0 ? -1 :
	    now_ms - c->ready_at_ms;
}

/* The current child of a class that is no pool; NULL if there is none. */
struct child *
tree_child(enum process_class class)
{
	struct worker *w = tree_find_index(class, 0);

	return (w == NULL ? NULL : w->child);
}

static bool
tree_all_ready(void)
{
	struct worker *w;

	TAILQ_FOREACH(w, &sup.workers, entry)
		if (w->state != WS_READY && !w->removed)
			return (false);
	return (true);
}

/* What is done. */

static void
act_none(struct worker *w)
{
	event_del(w->timer);
}

/* Fork; when that fails, it is as if the worker had died at once. */
static bool
tree_fork(struct worker *w)
{
	if (sup.stopping) {
		w->state = WS_STOPPED;
		return (false);
	}
	w->state = WS_STARTING;
	w->child = spawn_child(w, ROLE_CURRENT);
	if (w->child == NULL) {
		strlcpy(departure.text, "could not be forked",
		    sizeof(departure.text));
		departure.pid = 0;
		departure.ready_ms = -1;
		tree_event(w, PE_CRASH);
		return (false);
	}
	if (w->spawned > 1) {
		w->restarts++;
		metric_add(M_worker_restarts, 1);
	}
	tree_timer(w, STARTING_MS);
	tree_show(w);
	return (true);
}

static void
act_spawn(struct worker *w)
{
	bool fresh_slot = w->slot == NULL;
	struct child *monitor;

	if (w->removed)
		w->state = WS_STOPPED;
	else if (tree_fork(w)) {
		child_introduce(w->child);
		wire_child(w->child);
		monitor = tree_child(PC_MONITOR);
		if (fresh_slot && monitor != NULL && monitor != w->child)
			child_share_slot(monitor, w->class, w->index,
			    w->slot_fd);
	}
}

static void
act_announce(struct worker *w)
{
	struct child *c = w->child;

	w->unready_ms = 0;
	w->ready_ms = c->ready_at_ms - c->forked_ms;
	w->ready_wall_ms = clock_wall_ms();
	if (w->last.set && w->last.ready_again_ms == -1)
		w->last.ready_again_ms = c->ready_at_ms - w->last.at_ms;
	if (w->spawned > 1)
		w->restarted_at = ++sup.changes;
	log_info("worker %s (pid %d) is ready after %lld ms", w->name,
	    (int)c->pid, (long long)w->ready_ms);
	tree_timer(w, POLICY_STABLE_MS);
	if (w->class == PC_QUEUE)
		alert_queue_ready();
	replace_next(w->class);
}

static void
act_forgive(struct worker *w)
{
	policy_forgive(&w->history);
	alert_end(w);
}

static void
act_drain(struct worker *w)
{
	child_send_u32(w->child, SUP_WORK_DRAIN, DRAIN_MS);
	if (w->unready_ms == 0)
		w->unready_ms = clock_mono_ms();
	w->ready_wall_ms = 0;
	tree_timer(w, DRAIN_MS);
}

static void
act_stop(struct worker *w)
{
	child_send(w->child, SUP_WORK_STOP);
	tree_timer(w, STOP_MS);
}

static void
act_kill(struct worker *w)
{
	log_warnx("worker %s (pid %d) did not %s in time; killing it",
	    w->name, (int)w->child->pid,
	    w->state == WS_STARTING ? "get ready" : "stop");
	child_kill(w->child, SIGKILL);
	tree_timer(w, STOP_MS);
}

static void
act_retry(struct worker *w)
{
	struct policy_retry retry;

	if (sup.stopping) {
		log_info("worker %s (pid %d) %s", w->name, (int)departure.pid,
		    departure.text);
		w->state = WS_STOPPED;
		return;
	}
	retry = policy_crashed(&w->history, clock_mono_ms(),
	    departure.ready_ms);
	log_warnx("worker %s (pid %d) %s; restarting in %u ms%s", w->name,
	    (int)departure.pid, departure.text, retry.delay_ms,
	    retry.throttled ?
	    " (throttled: more than 5 crashes in a minute)" : "");
	if (retry.throttled)
		alert_begin(w, departure.text);
	w->state = retry.throttled ? WS_THROTTLED : WS_BACKOFF;
	if (retry.delay_ms == 0)
		tree_event(w, PE_TIMER);
	else
		tree_timer(w, retry.delay_ms);
}

static void
act_give_up(struct worker *w)
{
	log_errx("worker %s (pid %d) %s: it cannot work with this "
	    "configuration; waiting for a reload", w->name,
	    (int)departure.pid, departure.text);
	event_del(w->timer);
}

static void
tree_timer(struct worker *w, int64_t ms)
{
	const struct timeval tv = clock_timeval(ms);

	if (evtimer_add(w->timer, &tv) == -1)
		log_warn("worker %s: cannot set its timer", w->name);
}

static void
tree_timercb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	tree_event(arg, PE_TIMER);
}

/* What is shown. */

static void
tree_show(struct worker *w)
{
	struct board_row *row = w->row;
	int32_t pid = w->child != NULL ? (int32_t)w->child->pid : 0;

	if (row == NULL)
		return;
	if (row->pid != pid) /* figures of another process */
		row->rss_bytes = row->pss_bytes = row->cpu_us = 0;
	row->state = w->state;
	row->pid = pid;
	row->restarts = w->restarts;
	row->crashes = w->crashes;
	row->ready_since_ms = w->ready_wall_ms;
	row->unready_ms = w->unready_ms;
	row->ready_ms = w->ready_ms;
}

/* Something changed: title, status and waiters are seen to from the loop. */
void
tree_changed(void)
{
	sup.changes++;
	event_active(refresh_event, 0, 0);
}

static void
tree_refreshcb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
	tree_refresh();
}

void
tree_refresh(void)
{
	static char shown[160];
	char text[160];
	const char *degraded = status_degraded();
	struct worker *w;
	unsigned int n = 0;

	TAILQ_FOREACH(w, &sup.workers, entry) {
		n += !w->removed;
		tree_show(w); /* a successor may have taken over */
	}
	if (!sup.was_ready && !sup.stopping && tree_all_ready() &&
	    listen_settled()) {
		sup.was_ready = true;
		log_notice("%u workers are ready after %lld ms", n,
		    (long long)(clock_mono_ms() - sup.started_ms));
		notify_ready();
	}
	if (sup.stopping)
		strlcpy(text, "stopping", sizeof(text));
	else if (degraded != NULL)
		snprintf(text, sizeof(text), "%u workers, degraded: %s", n,
		    degraded);
	else
		snprintf(text, sizeof(text), "%u workers, %s", n,
		    sup.was_ready ? "ok" : "starting");
	sup.board->degraded = degraded != NULL;
	strlcpy(sup.board->reason, degraded != NULL ? degraded : "",
	    sizeof(sup.board->reason));
	if (strcmp(text, shown) != 0) {
		strlcpy(shown, text, sizeof(shown));
		setproctitle("%s", text);
		notify_status(text);
		if (degraded != NULL)
			log_warnx("degraded: %s", degraded);
		else if (sup.degraded && !sup.stopping)
			log_notice("no longer degraded");
		sup.degraded = degraded != NULL;
	}
	control_poll();
	if (sup.stopping)
		shutdown_step();
}
