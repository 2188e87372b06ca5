/*
 * The scoreboard: one slot of shared memory a worker name.
 *
 * A slot is a memfd made by the supervisor.  The worker maps its own and
 * nobody else's, the supervisor all, the monitor all read-only.  A slot lives
 * as long as the worker's name: counters go on over incarnations.  Readers
 * believe nothing that they find in a slot (bounds, lengths, ends of text).
 */
#ifndef COMMON_SCOREBOARD_H
#define COMMON_SCOREBOARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/metrics.h"

#define SLOT_MAGIC 0x63637467 /* "cctg" */
#define SLOT_JOBS 64	      /* jobs that can be under way at once */
#define SLOT_LINKS 56	      /* links of one process that are shown */
#define OBITUARY_SIZE 4096
#define HEARTBEAT_MS 1500     /* half of the 3 s after which silence counts */

/* An entry stays with its peer while the link is down: stalls go on. */
enum slot_link_state { SLOT_LINK_FREE, SLOT_LINK_UP, SLOT_LINK_DOWN };
struct slot_link { /* one link, as its process sees it */
	_Atomic uint32_t used; /* enum slot_link_state */
	_Atomic uint32_t class, index;
	_Atomic uint32_t credit;    /* messages that may be sent */
	_Atomic uint64_t stalls;
};

struct slot {
	uint32_t magic;
	uint32_t size; /* of the mapping, in bytes */
	_Atomic uint32_t generation;
	_Atomic int32_t pid;
	/* liveness */
	_Atomic uint64_t turns;	       /* of the event loop */
	_Atomic int64_t turn_ns;       /* when the last began, monotonic */
	_Atomic int64_t job_ns;	       /* when the job began, monotonic */
	_Atomic uint64_t jobs_done;
	_Atomic uint64_t job[SLOT_JOBS]; /* ids under way, 0 none */
	/* last words of a fatal signal: text, or empty */
	_Atomic uint32_t obituary_signal;
	char obituary[OBITUARY_SIZE];
	/* metrics */
	_Atomic uint64_t cell[NMETRICCELLS];
	struct slot_link link[SLOT_LINKS];
	char note[256]; /* what the worker says about itself: the bot's name,
			 * that the store was damaged */
};

/* Worker states, as shown.  S(NAME, "name"). */
#define WORKER_STATES(S)          \
	S(STARTING, "starting")   \
	S(READY, "ready")         \
	S(DRAINING, "draining")   \
	S(STOPPING, "stopping")   \
	S(BACKOFF, "backoff")     \
	S(THROTTLED, "throttled") \
	S(STOPPED, "stopped")     \
	S(FAILED, "failed")

enum worker_state {
#define STATE_ENUM(name, text) WS_##name,
	WORKER_STATES(STATE_ENUM)
#undef STATE_ENUM
	NWORKERSTATES
};
const char *worker_state_name(enum worker_state);

/* What the supervisor tells about the workers, in a board of its own. */
#define BOARD_ROWS 64
#define BOARD_REASON_SIZE 128
struct board_row {
	char name[24]; /* "format/0" */
	_Atomic uint32_t used;
	_Atomic uint32_t class, index, state;
	_Atomic int32_t pid;
	_Atomic uint64_t restarts, crashes;
	_Atomic int64_t ready_since_ms; /* wall clock; 0 not ready */
	_Atomic int64_t unready_ms;	/* since when, monotonic; 0: ready */
	_Atomic int64_t ready_ms;	/* from fork to ready, last time */
	_Atomic uint64_t rss_bytes, pss_bytes, cpu_us;
};
struct board {
	uint32_t magic, size;
	_Atomic int32_t pid;	      /* of the supervisor */
	_Atomic int64_t started_ms;   /* wall clock */
	_Atomic int64_t started_mono_ms;
	_Atomic uint32_t degraded;    /* as in status */
	char reason[BOARD_REASON_SIZE]; /* why; may change under a reader */
	_Atomic uint64_t rss_bytes, pss_bytes, cpu_us; /* the supervisor's */
	_Atomic uint32_t rows;
	_Atomic uint64_t cell[NMETRICCELLS]; /* the supervisor's own metrics */
	struct board_row row[BOARD_ROWS];
};

/* Supervisor: make a slot or the board; the fd is close-on-exec.  Returns
 * the mapping and the fd through fdp; NULL with errno. */
struct slot *slot_create(int *fdp);
struct board *board_create(int *fdp);
/* Map a slot or board read-only from a passed fd (checked for size and
 * magic); NULL with errno. */
const struct slot *slot_map_readonly(int fd);
const struct board *board_map_readonly(int fd);

/* Worker: attach to the slot in fd; metrics and jobs go there from now on. */
int scoreboard_attach(int fd);
/* Supervisor: let its own metrics go into the board. */
void scoreboard_attach_board(struct board *);
struct slot *scoreboard_own(void); /* NULL before attach */

/* A turn of the event loop is over.  An idle worker makes one at least every
 * HEARTBEAT_MS, so silence for longer than that means trouble. */
void slot_turn(void);
/* A job begins and ends.  More than SLOT_JOBS at once: not shown. */
void slot_job_begin(uint64_t id);
void slot_job_end(uint64_t id);
/* What the worker says about itself, cut to fit. */
void slot_note(const char *);
/* The entry of a link to that peer, marked up; NULL when all are taken. */
struct slot_link *slot_link_up(uint32_t class, uint32_t index);
/* No link of an earlier incarnation is up. */
void slot_links_reset(void);

#endif
