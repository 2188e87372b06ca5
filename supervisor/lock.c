/*
 * One supervisor at a time: a lock on runtime_dir/cctgd.lock, which holds its
 * pid.  And one tree at a time: a lock on runtime_dir/cctgd.tree, shared by
 * all processes of a tree, so that the workers that a killed supervisor left
 * behind have gone before there are new ones.  The kernel drops a lock with
 * the last process that holds it, however that ends.
 */
#include <sys/file.h>
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "supervisor/supervisor.h"

#define RETRY_MS 20
#define LEAVE_MS 1500 /* orphans have to leave within 1 s */
#define DIE_MS 1000   /* and from SIGKILL to the end */

static int lock_fd = -1;

static int lock_wait(int, unsigned int);
static pid_t lock_holder(int);
static void lock_kill_holders(int);
static bool lock_is_held_by(const char *, const struct stat *);

/*
 * Take the lock in dir, waiting for one that is just going for up to wait_ms.
 * Returns 0; 1 if another holds it, whose pid is then in *pid (0: unknown);
 * -1 with errno.
 */
int
lock_take(const char *dir, unsigned int wait_ms, pid_t *pid)
{
	char path[4096], text[16];
	int fd, n;

	snprintf(path, sizeof(path), "%s/cctgd.lock", dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd == -1)
		return (-1);
	if ((n = lock_wait(fd, wait_ms)) != 0) {
		if (n == 1)
			*pid = lock_holder(fd);
		close(fd);
		return (n);
	}
	n = snprintf(text, sizeof(text), "%d\n", (int)getpid());
	if (ftruncate(fd, 0) == -1 || pwrite(fd, text, (size_t)n, 0) != n) {
		close(fd);
		return (-1);
	}
	lock_fd = fd;
	return (0);
}

/*
 * Take the lock of the tree in dir, which the workers inherit.  Orphans that
 * do not leave by themselves, being hung or stopped, are killed.  Returns the
 * descriptor, or -1 with errno.
 */
int
lock_tree(const char *dir)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/cctgd.tree", dir);
	fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd == -1)
		return (-1);
	if (lock_wait(fd, LEAVE_MS) == 1) {
		lock_kill_holders(fd);
		if (lock_wait(fd, DIE_MS) == 1)
			log_warnx("workers of an earlier cctgd are still "
			    "there; going on without waiting");
	}
	return (fd);
}

/* Returns 0, 1 when it is still held after wait_ms, -1 with errno. */
static int
lock_wait(int fd, unsigned int wait_ms)
{
	const struct timespec pause = {0, RETRY_MS * 1000000L};
	int64_t deadline_ms = clock_mono_ms() + wait_ms;

	while (flock(fd, LOCK_EX | LOCK_NB) == -1) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return (-1);
		if (clock_mono_ms() >= deadline_ms)
			return (1);
		nanosleep(&pause, NULL);
	}
	return (0);
}

/* SIGKILL whoever has this file open, apart from ourselves. */
static void
lock_kill_holders(int fd)
{
	struct dirent *d;
	struct stat st;
	DIR *proc;
	pid_t pid;

	if (fstat(fd, &st) == -1 || (proc = opendir("/proc")) == NULL)
		return;
	while ((d = readdir(proc)) != NULL) {
		pid = (pid_t)strtonum(d->d_name, 2, INT32_MAX, NULL);
		if (pid == 0 || pid == getpid() ||
		    !lock_is_held_by(d->d_name, &st))
			continue;
		log_warnx("pid %d is left over from an earlier cctgd; "
		    "killing it", (int)pid);
		(void)kill(pid, SIGKILL);
	}
	closedir(proc);
}

static bool
lock_is_held_by(const char *pid, const struct stat *lock)
{
	char path[300];
	struct dirent *d;
	struct stat st;
	bool held = false;
	DIR *fds;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	if ((fds = opendir(path)) == NULL)
		return (false);
	while (!held && (d = readdir(fds)) != NULL)
		held = fstatat(dirfd(fds), d->d_name, &st, 0) == 0 &&
		    st.st_dev == lock->st_dev && st.st_ino == lock->st_ino;
	closedir(fds);
	return (held);
}

static pid_t
lock_holder(int fd)
{
	char text[16];
	ssize_t n;

	n = pread(fd, text, sizeof(text) - 1, 0);
	if (n <= 0)
		return (0);
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return ((pid_t)strtonum(text, 1, INT32_MAX, NULL));
}
