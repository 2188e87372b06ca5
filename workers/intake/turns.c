/*
 * Turns: which producer may hand events to the queue next.
 *
 * Owns the round of producers that have input at hand.  Called by the
 * producers, and by pending.c when the queue takes more.  Each gets a small
 * quota and then stands behind the others, so that a flood of files does not
 * keep a client waiting, nor the other way round.  While the queue takes
 * nothing no producer runs: files stay in the directory and sockets are not
 * read, which is how pressure reaches whoever sends.
 */
#include <stdbool.h>

#include <event2/event.h>

#include "common/log.h"
#include "workers/intake/intake.h"

#define QUOTA 16      /* events of one producer in a row */
#define TURN_RUNS 64  /* runs before the loop looks at its sockets again */

static TAILQ_HEAD(, producer) producers = TAILQ_HEAD_INITIALIZER(producers);
static struct event *turn;
static bool stopped;

static void turns_run(evutil_socket_t, short, void *);
static void turns_schedule(void);

void
turns_init(struct event_base *base)
{
	if ((turn = evtimer_new(base, turns_run, NULL)) == NULL)
		fatalx("turns: out of memory");
}

/*
 * A timer of zero rather than event_active(3): an event that activates
 * itself runs again before the loop has looked at any socket.
 */
static void
turns_schedule(void)
{
	const struct timeval now = { 0, 0 };

	if (!stopped && !evtimer_pending(turn, NULL))
		evtimer_add(turn, &now);
}

void
turns_want(struct producer *p)
{
	if (p->queued)
		return;
	p->queued = true;
	TAILQ_INSERT_TAIL(&producers, p, entry);
	if (pending_ready())
		turns_schedule();
}

bool
turns_now(struct producer *p)
{
	bool now = !stopped && pending_ready() && TAILQ_EMPTY(&producers);

	if (!now || p->run(p, QUOTA))
		turns_want(p);
	return (now);
}

void
turns_forget(struct producer *p)
{
	if (!p->queued)
		return;
	p->queued = false;
	TAILQ_REMOVE(&producers, p, entry);
}

void
turns_wake(void)
{
	if (!TAILQ_EMPTY(&producers))
		turns_schedule();
}

void
turns_stop(void)
{
	stopped = true;
	evtimer_del(turn);
}

static void
turns_run(evutil_socket_t fd, short what, void *arg)
{
	struct producer *p;
	int runs = 0;

	(void)fd, (void)what, (void)arg;
	while (pending_ready() && (p = TAILQ_FIRST(&producers)) != NULL &&
	    runs++ < TURN_RUNS) {
		turns_forget(p);
		/* run() may free the producer unless it returns true. */
		if (p->run(p, QUOTA) && !p->queued) {
			p->queued = true;
			TAILQ_INSERT_TAIL(&producers, p, entry);
		}
	}
	if (pending_ready() && !TAILQ_EMPTY(&producers))
		turns_schedule();
}
