/*
 * The restart policy as a table of states × events, and the arithmetic of
 * backing off (DESIGN section 5).
 *
 * tree.c carries out what is decided here.  Nothing here may touch a process,
 * a file or a clock: the whole space is walked by tests/unit/test_policy.c.
 */
#include <string.h>

#include "supervisor/policy.h"

#define SAME NWORKERSTATES /* the state stays, nothing is done */

/*
 * The columns follow POLICY_EVENTS.  LEFT stands for "it left as it was asked
 * to": policy_step() puts in what the goal says.
 */
#define LEFT {WS_STOPPED, PA_SPAWN}
#define STAY {SAME, PA_NONE}
#define SPAWN {WS_STARTING, PA_SPAWN}
#define RETRY {WS_BACKOFF, PA_RETRY}
#define GIVE_UP {WS_FAILED, PA_GIVE_UP}
#define STOP {WS_STOPPING, PA_STOP}
#define DRAIN {WS_DRAINING, PA_DRAIN}
#define QUIT {WS_STOPPED, PA_NONE}
#define KILL(state) {state, PA_KILL}

static const struct policy_step table[NWORKERSTATES][NPOLICYEVENTS] = {
	/*		 START	READY	EXIT	EXIT_CONFIG CRASH
	 *		 RESTART STOP	DRAINED	TIMER	RELOAD */
	[WS_STARTING] = {STAY, {WS_READY, PA_ANNOUNCE}, RETRY, GIVE_UP, RETRY,
	    STOP, STOP, STAY, KILL(WS_STARTING), STOP},
	[WS_READY] = {STAY, STAY, RETRY, GIVE_UP, RETRY,
	    DRAIN, DRAIN, STAY, {WS_READY, PA_FORGIVE}, DRAIN},
	[WS_DRAINING] = {STAY, STAY, LEFT, LEFT, LEFT,
	    STAY, STAY, STOP, STOP, STAY},
	[WS_STOPPING] = {STAY, STAY, LEFT, LEFT, LEFT,
	    STAY, STAY, STAY, KILL(WS_STOPPING), STAY},
	[WS_BACKOFF] = {SPAWN, STAY, STAY, STAY, STAY,
	    SPAWN, QUIT, STAY, SPAWN, SPAWN},
	[WS_THROTTLED] = {SPAWN, STAY, STAY, STAY, STAY,
	    SPAWN, QUIT, STAY, SPAWN, SPAWN},
	[WS_STOPPED] = {SPAWN, STAY, STAY, STAY, STAY,
	    SPAWN, STAY, STAY, STAY, STAY},
	[WS_FAILED] = {SPAWN, STAY, STAY, STAY, STAY,
	    SPAWN, QUIT, STAY, STAY, SPAWN},
};

struct policy_step
policy_step(enum worker_state state, enum policy_event event,
    enum policy_goal goal)
{
	struct policy_step step = table[state][event];

	if (step.next == SAME)
		step.next = state;
	else if (step.next == WS_STOPPED && step.action == PA_SPAWN) {
		if (goal == GOAL_RUN)
			step.next = WS_STARTING;
		else
			step.action = PA_NONE;
	}
	return (step);
}

const char *
policy_event_name(enum policy_event event)
{
	static const char *const names[] = {
#define POLICY_EVENT_NAME(name, text) text,
		POLICY_EVENTS(POLICY_EVENT_NAME)
#undef POLICY_EVENT_NAME
	};

	return (event < NPOLICYEVENTS ? names[event] : "unknown");
}

struct policy_retry
policy_crashed(struct policy_history *h, int64_t now_ms, int64_t ready_ms)
{
	struct policy_retry retry = {0, false};
	unsigned int slots = POLICY_CRASHES + 1, i;

	h->at_ms[h->ncrashes % slots] = now_ms;
	h->ncrashes++;
	if (ready_ms >= POLICY_PROVEN_MS)
		h->streak = 0;
	else {
		retry.delay_ms = POLICY_DELAY_MIN_MS;
		for (i = 0; i < h->streak &&
		    retry.delay_ms < POLICY_DELAY_MAX_MS; i++)
			retry.delay_ms *= 2;
		if (retry.delay_ms > POLICY_DELAY_MAX_MS)
			retry.delay_ms = POLICY_DELAY_MAX_MS;
		h->streak++;
	}
	/* The ring is full, and its oldest entry is within the window. */
	if (h->ncrashes >= slots &&
	    now_ms - h->at_ms[h->ncrashes % slots] < POLICY_WINDOW_MS) {
		retry.throttled = true;
		retry.delay_ms = POLICY_DELAY_MAX_MS;
	}
	h->throttled = retry.throttled;
	return (retry);
}

void
policy_forgive(struct policy_history *h)
{
	memset(h, 0, sizeof(*h));
}
