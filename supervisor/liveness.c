/*
 * Liveness: a worker stamps each turn of its loop into its slot, at least
 * every 1.5 s even when idle.  One that does not is judged by what the kernel
 * says about it, because under heavy load a healthy process may get no
 * processor for seconds, and killing it then only makes the load worse.
 * Likewise a job: what counts is the processor time that went into it.
 *
 * watch.c asks once a second and carries out the verdict.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "supervisor/liveness.h"
#include "supervisor/proc.h"

void
live_reset(struct live_track *t, int64_t now_ns)
{
	uint64_t turns = t->turns;

	memset(t, 0, sizeof(*t));
	t->turns = turns;
	t->turned_ns = now_ns;
}

enum live_verdict
live_look(struct live_track *t, uint64_t turns, int64_t now_ns,
    int64_t limit_ns)
{
	if (turns != t->turns) {
		t->turns = turns;
		/* Once SIGABRT is sent, there is no way back. */
		if (t->aborted_ns == 0)
			live_reset(t, now_ns);
	}
	if (t->aborted_ns == 0 && now_ns - t->turned_ns <= limit_ns / 2)
		return (LIVE_OK);
	return (LIVE_SUSPECT);
}

enum live_verdict
live_judge(struct live_track *t, const struct live_sample *s,
    int64_t limit_ns)
{
	int64_t silent_ns = s->now_ns - t->turned_ns;
	int64_t watched_ns, cpu_ns, wait_ns;

	if (t->aborted_ns != 0)
		return (s->now_ns - t->aborted_ns >= LIVE_ABORT_NS ?
		    LIVE_DOOMED : LIVE_OK);
	if (!t->suspected) {
		t->suspected = true;
		t->base = *s;
	}
	if (silent_ns < limit_ns)
		return (LIVE_SUSPECT);
	switch (s->state) {
	case 'T':
		return (LIVE_STOPPED);
	case 't':
		return (LIVE_TRACED);
	case 'Z':
	case 'X':
		return (LIVE_OK); /* its end is about to be reaped */
	case 'D':
		return (silent_ns >= LIVE_BLOCKED_NS ? LIVE_HUNG :
		    LIVE_BLOCKED);
	default:
		break;
	}
	watched_ns = s->now_ns - t->base.now_ns;
	cpu_ns = s->cpu_ns - t->base.cpu_ns;
	wait_ns = s->wait_ns - t->base.wait_ns;
	/*
	 * A loop shows as processor time without a turn, a deadlock as time
	 * that was spent neither running nor waiting for a processor.
	 */
	if (cpu_ns >= LIVE_SPIN_NS)
		return (LIVE_HUNG);
	if (s->state != 'R' && watched_ns - cpu_ns - wait_ns >= LIVE_SPIN_NS)
		return (LIVE_HUNG);
	return (LIVE_STARVED);
}

enum live_verdict
live_job(struct live_track *t, const struct live_job *job,
    const struct live_sample *s, int64_t deadline_ns)
{
	if (t->aborted_ns != 0 || deadline_ns == 0 || job->id == 0) {
		t->job = (struct live_job){0, 0};
		return (LIVE_OK);
	}
	if (job->id != t->job.id || job->done != t->job.done) {
		t->job = *job;
		t->job_cpu_ns = s->cpu_ns;
		return (LIVE_OK);
	}
	return (s->cpu_ns - t->job_cpu_ns >= deadline_ns ? LIVE_OVERDUE :
	    LIVE_OK);
}

const char *
live_verdict_name(enum live_verdict v)
{
	static const char *const names[] = {
		[LIVE_OK] = "ok",
		[LIVE_SUSPECT] = "silent",
		[LIVE_STARVED] = "starved of processor time",
		[LIVE_BLOCKED] = "waiting in the kernel",
		[LIVE_TRACED] = "under a debugger",
		[LIVE_HUNG] = "hung",
		[LIVE_OVERDUE] = "past the deadline of a job",
		[LIVE_STOPPED] = "stopped by a signal",
		[LIVE_DOOMED] = "hung after SIGABRT",
	};

	return (names[v]);
}

int
liveness_read(pid_t pid, struct live_sample *s)
{
	struct proc_stat ps;
	char buf[128];
	int64_t cpu, wait;

	s->now_ns = clock_mono_ns();
	if (proc_stat(pid, &ps) == -1)
		return (-1);
	s->state = ps.state;
	s->cpu_ns = (int64_t)ps.cpu_us * 1000;
	s->wait_ns = 0;
	/* Exact, but absent without CONFIG_SCHED_INFO. */
	if (proc_read(pid, "schedstat", buf, sizeof(buf)) > 0 &&
	    sscanf(buf, "%" SCNd64 " %" SCNd64, &cpu, &wait) == 2) {
		s->cpu_ns = cpu;
		s->wait_ns = wait;
	}
	return (0);
}
