/*
 * The restart policy: what a worker's state becomes when something happens,
 * and when one that died is started again.  Pure: no I/O, no clock.
 */
#ifndef SUPERVISOR_POLICY_H
#define SUPERVISOR_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/scoreboard.h"

/* What can happen to a worker.  E(NAME, "name"). */
#define POLICY_EVENTS(E)                                                      \
	E(START, "start")	       /* somebody wants it to run */         \
	E(READY, "ready")	       /* it said so */                       \
	E(EXIT, "exit")		       /* it left with 0 */                   \
	E(EXIT_CONFIG, "exit config")  /* it left with 78 */                  \
	E(CRASH, "crash")	       /* any other end, SIGKILL included */  \
	E(RESTART, "restart")	       /* somebody wants a new one */         \
	E(STOP, "stop")		       /* somebody wants it gone */           \
	E(DRAINED, "drained")	       /* it has nothing under way */         \
	E(TIMER, "timer")	       /* the time given to the state is up */\
	E(RELOAD, "reload")	       /* there is a new configuration */

enum policy_event {
#define POLICY_EVENT_ENUM(name, text) PE_##name,
	POLICY_EVENTS(POLICY_EVENT_ENUM)
#undef POLICY_EVENT_ENUM
	NPOLICYEVENTS
};

enum policy_action {
	PA_NONE,
	PA_SPAWN,    /* start it now */
	PA_ANNOUNCE, /* it works: note the time, tell whoever waits */
	PA_FORGIVE,  /* it has been stable: forget its crashes */
	PA_DRAIN,    /* ask it to finish */
	PA_STOP,     /* ask it to leave */
	PA_KILL,     /* SIGKILL */
	PA_RETRY,    /* ask policy_crashed() when to start it again */
	PA_GIVE_UP   /* it cannot run with this configuration */
};

/* What a worker that was asked to leave is meant to become. */
enum policy_goal { GOAL_RUN, GOAL_STOP };

struct policy_step {
	enum worker_state next;
	enum policy_action action;
};

struct policy_step policy_step(enum worker_state, enum policy_event,
    enum policy_goal);
const char *policy_event_name(enum policy_event);

#define POLICY_CRASHES 5 /* more than these in POLICY_WINDOW_MS: throttled */
#define POLICY_WINDOW_MS 60000
#define POLICY_PROVEN_MS 10000 /* ready for so long: started again at once */
#define POLICY_DELAY_MIN_MS 100
#define POLICY_DELAY_MAX_MS 4000
#define POLICY_STABLE_MS 60000 /* ready for so long: crashes forgotten */

/* The crashes of one worker.  All zero at first. */
struct policy_history {
	int64_t at_ms[POLICY_CRASHES + 1]; /* the latest, in a ring */
	unsigned int ncrashes;		   /* ever since forgiven */
	unsigned int streak;		   /* of those that came too soon */
	bool throttled;			   /* too many, and not yet stable */
};

struct policy_retry {
	unsigned int delay_ms; /* 0: at once */
	bool throttled;
};

/*
 * It died at now_ms, after having been ready for ready_ms (-1: it never was).
 * Counts the crash and says when to try again.
 */
struct policy_retry policy_crashed(struct policy_history *, int64_t now_ms,
    int64_t ready_ms);
void policy_forgive(struct policy_history *);

#endif
