/*
 * Birth: a process for a worker, by fork and exec.
 *
 * The child finds its link to the supervisor as descriptor 3, its scoreboard
 * slot as descriptor 4, the tree's lock as descriptor 5, nothing else but the
 * standard streams, and an environment without secrets.  Called by tree.c and
 * replace.c.  A failure is returned, and counts like a crash of the worker.
 */
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "common/clock.h"
#include "common/log.h"
#include "supervisor/environment.h"
#include "supervisor/supervisor.h"
#include "workers/worker.h"

#define TREE_FD (WORKER_SLOT_FD + 1) /* held, not used: see lock.c */

static pid_t spawn_fork(struct child *, const int[2]);
static int spawn_slot(struct child *);
static void spawn_reset_slot(struct slot *, uint32_t);
static void spawn_exec(struct child *, int) __attribute__((noreturn));
static void spawn_limits(enum process_class);
static void spawn_become_user(void);

/*
 * How much rather than the supervisor the kernel should take a process when
 * memory runs out: what holds nothing goes first, the store last.
 */
static const int oom_score[NCLASSES] = {
	[PC_QUEUE] = 50,
	[PC_INTAKE] = 100,
	[PC_TELEGRAM] = 100,
	[PC_REDIS] = 100,
	[PC_MONITOR] = 200,
	[PC_ANALYZE] = 300,
	[PC_FORMAT] = 300,
	[PC_COMPRESS] = 300,
};

struct child *
spawn_child(struct worker *w, enum child_role role)
{
	struct child *c;
	int pair[2];

	if ((c = calloc(1, sizeof(*c))) == NULL) {
		log_warn("worker %s cannot be started", w->name);
		return (NULL);
	}
	c->worker = w;
	c->role = role;
	c->state = WS_STARTING;
	c->slot_fd = -1;
	if (spawn_slot(c) == -1) {
		log_warn("worker %s cannot be started: slot", w->name);
		free(c);
		return (NULL);
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1) {
		log_warn("worker %s cannot be started: socketpair", w->name);
		goto fail;
	}
	c->generation = (uint32_t)++w->spawned;
	c->forked_ms = clock_mono_ms();
	live_reset(&c->live, clock_mono_ns());
	spawn_reset_slot(c->slot, c->generation);
	if ((c->pid = spawn_fork(c, pair)) == -1) {
		log_warn("worker %s cannot be started: fork", w->name);
		close(pair[0]);
		close(pair[1]);
		goto fail;
	}
	close(pair[1]);
	c->slot->pid = c->pid;
	TAILQ_INSERT_TAIL(&sup.children, c, entry);
	if (child_attach(c, pair[0]) == -1) {
		/* It dies of the end of file, and is then reaped. */
		log_warn("worker %s (pid %d) cannot be talked to", w->name,
		    (int)c->pid);
		close(pair[0]);
	}
	log_debug("worker %s (pid %d) forked", w->name, (int)c->pid);
	return (c);
fail:
	if (c->owns_slot) {
		munmap(c->slot, sizeof(*c->slot));
		close(c->slot_fd);
	}
	free(c->inherited);
	free(c);
	return (NULL);
}

/* Returns in the parent only: the pid, or -1 with errno. */
static pid_t
spawn_fork(struct child *c, const int pair[2])
{
	sigset_t all, old;
	pid_t pid;

	/* Until exec the child has our handlers, which write to our loop. */
	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &old);
	if ((pid = fork()) == 0) {
		close(pair[0]);
		spawn_exec(c, pair[1]);
	}
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	return (pid);
}

/*
 * A successor gets a slot of its own that begins with the counters of the one
 * it follows, so that none of them falls; all others go on with the slot of
 * their worker.
 */
static int
spawn_slot(struct child *c)
{
	struct worker *w = c->worker;
	size_t i;

	if (c->role != ROLE_SUCCESSOR) {
		if (w->slot == NULL &&
		    (w->slot = slot_create(&w->slot_fd)) == NULL)
			return (-1);
		c->slot = w->slot;
		c->slot_fd = w->slot_fd;
		return (0);
	}
	c->inherited = calloc(NMETRICCELLS, sizeof(*c->inherited));
	if (c->inherited == NULL)
		return (-1);
	if ((c->slot = slot_create(&c->slot_fd)) == NULL) {
		free(c->inherited);
		return (-1);
	}
	c->owns_slot = true;
	for (i = 0; w->slot != NULL && i < NMETRICCELLS; i++)
		c->slot->cell[i] = c->inherited[i] = w->slot->cell[i];
	return (0);
}

/* What the last incarnation left, its counters apart, is no longer true. */
static void
spawn_reset_slot(struct slot *s, uint32_t generation)
{
	size_t i;

	s->generation = generation;
	s->pid = 0;
	s->turn_ns = 0;
	s->job_ns = 0;
	for (i = 0; i < SLOT_JOBS; i++)
		s->job[i] = 0;
	for (i = 0; i < SLOT_LINKS; i++)
		s->link[i].used = 0;
	s->obituary_signal = 0;
	s->obituary[0] = '\0';
}

/* Free a child that is reaped, or was never more than a structure. */
void
spawn_free(struct child *c)
{
	TAILQ_REMOVE(&sup.children, c, entry);
	link_free(c->link);
	if (c->timer != NULL)
		event_free(c->timer);
	if (c->owns_slot) {
		munmap(c->slot, sizeof(*c->slot));
		close(c->slot_fd);
	}
	free(c->inherited);
	free(c);
}

/* In the child: arrange everything, then become the worker. */
static void
spawn_exec(struct child *c, int link_fd)
{
	char path[4096], title[32], level[8];
	char *argv[4] = {title, c->worker->name, level, NULL};
	const char *class = class_name(c->worker->class);
	struct sigaction dfl = {.sa_handler = SIG_DFL};
	sigset_t none;
	char **env;
	int sig, high_link, high_slot, high_tree;

	for (sig = 1; sig < NSIG; sig++)
		if (sig != SIGPIPE)
			(void)sigaction(sig, &dfl, NULL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	/* Out of the way first: one of them may be 3 or 4 already. */
	if ((high_link = fcntl(link_fd, F_DUPFD, 10)) == -1 ||
	    (high_slot = fcntl(c->slot_fd, F_DUPFD, 10)) == -1 ||
	    (high_tree = fcntl(sup.tree_fd, F_DUPFD, 10)) == -1 ||
	    dup2(high_link, WORKER_LINK_FD) == -1 ||
	    dup2(high_slot, WORKER_SLOT_FD) == -1 ||
	    dup2(high_tree, TREE_FD) == -1) {
		log_warn("worker %s: cannot place its descriptors",
		    c->worker->name);
		_exit(1);
	}
	closefrom(TREE_FD + 1);
	/* The name in titles, "cctg-format[0]: ready". */
	if (class_is_pool(c->worker->class))
		snprintf(title, sizeof(title), "cctg-%s[%u]", class,
		    c->worker->index);
	else
		snprintf(title, sizeof(title), "cctg-%s", class);
	snprintf(level, sizeof(level), "%d", log_get_level());
	snprintf(path, sizeof(path), "%s/cctg-%s", sup.libexecdir, class);
	if ((env = environment_for(c->worker->class)) == NULL) {
		log_warn("worker %s: cannot make its environment",
		    c->worker->name);
		_exit(1);
	}
	spawn_limits(c->worker->class);
	spawn_become_user();
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	execve(path, argv, env);
	log_warn("worker %s: cannot run %s", c->worker->name, path);
	_exit(127);
}

static void
spawn_limits(enum process_class class)
{
	/* One byte: also what the kernel takes for "no dump through a pipe"
	 * (core(5) does not say so, fs/coredump.c does). */
	const struct rlimit core = {1, 1};
	char score[16];
	int fd, n;

	/* It has the token in memory. */
	if (class == PC_TELEGRAM)
		(void)setrlimit(RLIMIT_CORE, &core);
	n = snprintf(score, sizeof(score), "%d", oom_score[class]);
	if ((fd = open("/proc/self/oom_score_adj", O_WRONLY)) != -1) {
		if (write(fd, score, (size_t)n) == -1) {
			/* Lower than ours may not be allowed: as it is. */
		}
		close(fd);
	}
}

/* A worker that keeps root would be worse than none. */
static void
spawn_become_user(void)
{
	if (!sup.as_root)
		return;
	if (setgroups(1, &sup.gid) == -1 ||
	    setresgid(sup.gid, sup.gid, sup.gid) == -1 ||
	    setresuid(sup.uid, sup.uid, sup.uid) == -1) {
		log_warn("cannot become the workers' user");
		_exit(1);
	}
}
