/*
 * Reaping: SIGCHLD, through the event loop.  Ends are handed to tree.c; a
 * child that was stopped by job control is noted, and watch.c sees to it.
 */
#include <sys/types.h>
#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <event2/event.h>

#include "common/clock.h"
#include "common/log.h"
#include "supervisor/supervisor.h"

static void reap_sigchld(evutil_socket_t, short, void *);
static void reap_stopped(struct child *, int);

static struct event *sigchld;

int
reap_init(void)
{
	sigchld = evsignal_new(sup.base, SIGCHLD, reap_sigchld, NULL);
	if (sigchld == NULL || event_add(sigchld, NULL) == -1)
		return (-1);
	return (0);
}

static void
reap_sigchld(evutil_socket_t fd, short what, void *arg)
{
	struct child *c;
	siginfo_t si;

	(void)fd, (void)what, (void)arg;
	for (;;) {
		si.si_pid = 0;
		if (waitid(P_ALL, 0, &si, WEXITED | WSTOPPED | WCONTINUED |
		    WNOHANG) == -1) {
			if (errno == EINTR)
				continue;
			if (errno != ECHILD)
				log_warn("cannot wait for the workers");
			return;
		}
		if (si.si_pid == 0)
			return;
		if ((c = child_find(si.si_pid)) == NULL)
			continue;
		switch (si.si_code) {
		case CLD_STOPPED:
			reap_stopped(c, si.si_status);
			break;
		case CLD_CONTINUED:
			c->stopped_ms = 0;
			live_reset(&c->live, clock_mono_ns());
			break;
		case CLD_TRAPPED:
			break;
		default:
			tree_left(c, &si);
			break;
		}
	}
}

static void
reap_stopped(struct child *c, int sig)
{
	log_warnx("worker %s (pid %d) was stopped by signal %d (%s)",
	    c->worker->name, (int)c->pid, sig, strsignal(sig));
	c->stopped_ms = clock_mono_ms();
}

/* "signal 9 (Killed)" or "exit 78"; returns buf. */
const char *
reap_describe(char *buf, size_t size, int sig, int code)
{
	if (sig != 0)
		snprintf(buf, size, "signal %d (%s)", sig, strsignal(sig));
	else
		snprintf(buf, size, "exit %d", code);
	return (buf);
}
