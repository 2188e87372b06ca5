/*
 * Is a worker that no longer turns its loop stuck, or only starved?  Has it
 * been at one job for too long?  The judgement is pure; liveness_read() is the
 * only one that looks at /proc.
 */
#ifndef SUPERVISOR_LIVENESS_H
#define SUPERVISOR_LIVENESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What the kernel says about a process. */
struct live_sample {
	int64_t now_ns;
	int64_t cpu_ns;	  /* time on a processor, all threads' leader */
	int64_t wait_ns;  /* time runnable, waiting for a processor */
	char state;	  /* as in proc_pid_stat(5): R S D T t Z … */
};

/* What the worker's slot says: the job under way, and how many have ended. */
struct live_job {
	uint64_t id; /* 0: none */
	uint64_t done;
};

/* What is remembered about a worker between two looks.  All zero at first. */
struct live_track {
	uint64_t turns;	     /* at the last look */
	int64_t turned_ns;   /* when a turn was last seen */
	bool suspected;	     /* base holds the sample taken then */
	struct live_sample base;
	int64_t aborted_ns;  /* SIGABRT sent; 0 not */
	struct live_job job; /* under way at the last look */
	int64_t job_cpu_ns;  /* processor time when it was first seen */
};

enum live_verdict {
	LIVE_OK,
	LIVE_SUSPECT,	/* silent for a while: take a sample as base */
	LIVE_STARVED,	/* silent, but it got no processor: wait */
	LIVE_BLOCKED,	/* silent in the kernel (disk): wait longer */
	LIVE_TRACED,	/* silent under a debugger: leave alone */
	LIVE_HUNG,	/* warn and SIGABRT */
	LIVE_OVERDUE,	/* the same, for what it does */
	LIVE_STOPPED,	/* job control stop: only SIGKILL works */
	LIVE_DOOMED	/* SIGABRT was not enough: SIGKILL */
};

/* How long may a process stay in state D? */
#define LIVE_BLOCKED_NS INT64_C(30000000000)
/* From SIGABRT to SIGKILL. */
#define LIVE_ABORT_NS INT64_C(2000000000)
/* Time on a processor without a turn that proves a loop. */
#define LIVE_SPIN_NS INT64_C(800000000)

/* Start afresh at now: a new process, or the supervisor itself had slept. */
void live_reset(struct live_track *, int64_t now_ns);
/*
 * Has it turned since the last look?  Returns LIVE_OK, or LIVE_SUSPECT when
 * it has been silent for more than half of limit_ns: then a sample is needed.
 */
enum live_verdict live_look(struct live_track *, uint64_t turns,
    int64_t now_ns, int64_t limit_ns);
/* Judge a suspect by a sample of now. */
enum live_verdict live_judge(struct live_track *, const struct live_sample *,
    int64_t limit_ns);
/*
 * Is the job under way past its deadline, in processor time?  To be asked
 * behind live_look(), for a worker that does one job in one turn of its loop.
 * LIVE_OVERDUE, or LIVE_OK; deadline_ns 0: there is none.
 */
enum live_verdict live_job(struct live_track *, const struct live_job *,
    const struct live_sample *, int64_t deadline_ns);
const char *live_verdict_name(enum live_verdict);

/* Fill a sample from /proc/PID.  Returns 0, or -1 when it is not there. */
int liveness_read(pid_t, struct live_sample *);

#endif
