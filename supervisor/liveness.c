/*
 * Liveness: a worker stamps each turn of its loop into its slot, at least
 * every 1.5 s even when idle.  One that does not is judged by what the kernel
 * says about it, because under heavy load a healthy process may get no
 * processor for seconds, and killing it then only makes the load worse.
 *
 * watch.c asks once a second and carries out the verdict.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "supervisor/liveness.h"

static int read_small(pid_t, const char *, char *, size_t);

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
		[LIVE_STOPPED] = "stopped by a signal",
		[LIVE_DOOMED] = "hung after SIGABRT",
	};

	return (names[v]);
}

int
liveness_read(pid_t pid, struct live_sample *s)
{
	char buf[1024], *p;
	int64_t cpu, wait;

	s->now_ns = clock_mono_ns();
	if (read_small(pid, "stat", buf, sizeof(buf)) == -1)
		return (-1);
	/* The name in parentheses may itself hold parentheses. */
	if ((p = strrchr(buf, ')')) == NULL || p[1] != ' ' || p[2] == '\0')
		return (-1);
	s->state = p[2];
	s->cpu_ns = s->wait_ns = 0;
	/* Absent without CONFIG_SCHED_INFO: then only state and time count. */
	if (read_small(pid, "schedstat", buf, sizeof(buf)) == 0 &&
	    sscanf(buf, "%" SCNd64 " %" SCNd64, &cpu, &wait) == 2) {
		s->cpu_ns = cpu;
		s->wait_ns = wait;
	}
	return (0);
}

/* Read the start of /proc/PID/name as text. */
static int
read_small(pid_t pid, const char *name, char *buf, size_t size)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return (-1);
	n = read(fd, buf, size - 1);
	close(fd);
	if (n <= 0)
		return (-1);
	buf[n] = '\0';
	return (0);
}
