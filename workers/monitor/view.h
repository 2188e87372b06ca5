/*
 * A view: what the board and all slots say at one moment, checked and summed
 * up.  Whatever answers a question about the tree is computed from one.
 */
#ifndef MONITOR_VIEW_H
#define MONITOR_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/metrics.h"
#include "common/scoreboard.h"
#include "ipc/messages.h"

#define VIEW_NAME_SIZE 24
#define VIEW_LINKS 256

struct view_worker {
	char name[VIEW_NAME_SIZE]; /* "format/0" */
	enum process_class class;
	enum worker_state state;
	int64_t silent_ms;  /* since the last turn of its loop; 0 not ready */
	int64_t unready_ms; /* for how long it has not been ready; 0 it is */
	bool was_ready;	    /* ever */
	int64_t ready_ms;   /* from fork to ready, the last time */
	uint64_t restarts, crashes;
	uint64_t rss_bytes, pss_bytes, cpu_us;
};

struct view_link { /* as the worker sees it */
	char worker[VIEW_NAME_SIZE], peer[VIEW_NAME_SIZE];
	bool up;
	uint32_t credit;
	uint64_t stalls;
};

struct view {
	int64_t wall_ms;
	int64_t uptime_ms; /* of the supervisor */
	bool degraded;	   /* says the supervisor */
	char reason[BOARD_REASON_SIZE]; /* and why, printable; or empty */
	/* of the supervisor itself */
	uint64_t rss_bytes, pss_bytes, cpu_us;
	char bot[256]; /* its name, printable; or empty */
	uint64_t memory_bytes; /* of the whole tree */
	double cpu_percent;    /* of one core, the whole tree */
	uint64_t cell[NMETRICCELLS]; /* sums over all slots and the board */
	/* of the workers that are no pools, each alone */
	uint64_t own[NCLASSES][NMETRICCELLS];
	struct view_worker worker[BOARD_ROWS];
	size_t nworkers;
	struct view_link link[VIEW_LINKS];
	size_t nlinks;
};

/* What that worker says, within bounds: anything else counts as min.  What
 * another one writes into the same cell is not heard. */
int64_t view_gauge(const struct view *, enum process_class, enum metric,
    int64_t min, int64_t max);
/* The worker of a class that is no pool; NULL if there is none. */
const struct view_worker *view_worker(const struct view *,
    enum process_class);

/* Events that reached a final state. */
uint64_t view_events_processed(const struct view *);
/* Failed calls of the Bot API, refused events and requests. */
uint64_t view_errors(const struct view *);

#endif
