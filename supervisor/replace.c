/*
 * Make-before-break: a member of a pool is replaced by starting its successor
 * first; when that is ready it takes the name, and the old one drains and
 * leaves.  One member of a class at a time.
 *
 * Called by tree.c, child.c and watch.c.  A successor that dies changes
 * nothing: the old one goes on, and it is tried again no sooner than after
 * RETRY_MS.
 */
#include <sys/mman.h>

#include <stdlib.h>
#include <unistd.h>

#include <event2/event.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/metrics.h"
#include "supervisor/supervisor.h"

#define RETRY_MS 60000

static void replace_begin(struct worker *);
static void replace_adopt(struct worker *, struct child *);
static void replace_timer(struct child *, int64_t);
static void replace_timercb(evutil_socket_t, short, void *);
static void replace_merge(struct child *, struct slot *);

/* A new one is wanted for w, as soon as its class has no other change. */
void
replace_want(struct worker *w, const char *why)
{
	if (w->replace != NULL || w->successor != NULL)
		return;
	w->replace = why;
	replace_next(w->class);
}

/* Begin the next wanted replacement of a class, if none is under way. */
void
replace_next(enum process_class class)
{
	struct worker *w;
	struct child *c;

	if (sup.stopping)
		return;
	TAILQ_FOREACH(c, &sup.children, entry)
		if (c->worker->class == class && c->role != ROLE_CURRENT)
			return;
	TAILQ_FOREACH(w, &sup.workers, entry)
		if (w->class == class && w->replace != NULL &&
		    w->state == WS_READY) {
			replace_begin(w);
			return;
		}
}

static void
replace_begin(struct worker *w)
{
	log_info("worker %s: starting its successor: %s", w->name, w->replace);
	w->replace = NULL;
	if ((w->successor = spawn_child(w, ROLE_SUCCESSOR)) == NULL) {
		w->replace_after_ms = clock_mono_ms() + RETRY_MS;
		return;
	}
	w->restarts++;
	metric_add(M_worker_restarts, 1);
	replace_timer(w->successor, STARTING_MS);
	child_introduce(w->successor);
	wire_child(w->successor);
}

/* The successor is ready: it takes the name, the old one is to leave. */
void
replace_ready(struct child *c)
{
	struct worker *w = c->worker;
	struct child *old = w->child;

	replace_adopt(w, c);
	old->role = ROLE_LEAVER;
	old->state = WS_DRAINING;
	child_send_u32(old, SUP_WORK_DRAIN, DRAIN_MS);
	replace_timer(old, DRAIN_MS);
	w->ready_ms = c->ready_at_ms - c->forked_ms;
	w->ready_wall_ms = clock_wall_ms();
	w->restarted_at = ++sup.changes;
	log_info("worker %s (pid %d) is ready after %lld ms and takes over "
	    "from pid %d", w->name, (int)c->pid, (long long)w->ready_ms,
	    (int)old->pid);
	tree_changed();
}

/*
 * Make c the current child of w.  The slot of the worker becomes that of c;
 * the old slot goes with the old child, or at once if that is dead.
 */
static void
replace_adopt(struct worker *w, struct child *c)
{
	struct child *old = w->child, *monitor;
	struct slot *slot = w->slot;
	int slot_fd = w->slot_fd;

	w->slot = c->slot;
	w->slot_fd = c->slot_fd;
	w->child = c;
	w->successor = NULL;
	c->owns_slot = false;
	c->role = ROLE_CURRENT;
	event_del(c->timer);
	if (old != NULL) {
		old->owns_slot = true;
		free(old->inherited);
		old->inherited = c->inherited;
		c->inherited = NULL;
	} else if (slot != NULL) {
		replace_merge(c, slot);
		munmap(slot, sizeof(*slot));
		close(slot_fd);
	}
	if ((monitor = tree_child(PC_MONITOR)) != NULL)
		child_share_slot(monitor, w->class, w->index, w->slot_fd);
}

/* The current one died, and is freed, while its successor was starting. */
void
replace_promote(struct worker *w)
{
	struct child *c = w->successor;

	replace_adopt(w, c);
}

void
replace_drained(struct child *c)
{
	if (c->state != WS_DRAINING)
		return;
	c->state = WS_STOPPING;
	child_send(c, SUP_WORK_STOP);
	replace_timer(c, STOP_MS);
}

/* A successor or a leaver is dead; the caller frees it. */
void
replace_left(struct child *c)
{
	struct worker *w = c->worker;

	if (c->role == ROLE_SUCCESSOR) {
		w->successor = NULL;
		w->crashes++;
		w->replace_after_ms = clock_mono_ms() + RETRY_MS;
	} else if (w->slot != NULL)
		replace_merge(c, c->slot);
}

/*
 * What the old incarnation counted since its successor took over its
 * counters is added to the worker's slot.  An increment that the worker
 * makes at the very same time may be lost; these are statistics.
 */
static void
replace_merge(struct child *c, struct slot *old)
{
	struct worker *w = c->worker;
	size_t i;

	if (c->inherited == NULL || w->slot == old)
		return;
	for (i = 0; i < NMETRICCELLS; i++)
		w->slot->cell[i] += old->cell[i] - c->inherited[i];
}

static void
replace_timer(struct child *c, int64_t ms)
{
	const struct timeval tv = clock_timeval(ms);

	if (c->timer == NULL)
		c->timer = evtimer_new(sup.base, replace_timercb, c);
	if (c->timer == NULL || evtimer_add(c->timer, &tv) == -1)
		log_warn("worker %s: cannot set the timer of pid %d",
		    c->worker->name, (int)c->pid);
}

/* A leaver took too long, or a successor does not get ready. */
static void
replace_timercb(evutil_socket_t fd, short what, void *arg)
{
	struct child *c = arg;
	struct policy_step step;

	(void)fd, (void)what;
	step = policy_step(c->state, PE_TIMER, GOAL_STOP);
	c->state = step.next;
	switch (step.action) {
	case PA_STOP:
		child_send(c, SUP_WORK_STOP);
		break;
	case PA_KILL:
		log_warnx("worker %s (pid %d) did not leave in time; "
		    "killing it", c->worker->name, (int)c->pid);
		child_kill(c, SIGKILL);
		break;
	default:
		return;
	}
	replace_timer(c, STOP_MS);
}
