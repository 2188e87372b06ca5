/*
 * Reading proc(5), for liveness.c and memory.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "supervisor/proc.h"

ssize_t
proc_read(pid_t pid, const char *name, char *buf, size_t size)
{
	char path[64];
	ssize_t n;
	int fd, error;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return (-1);
	n = read(fd, buf, size - 1);
	error = n == 0 ? ESRCH : errno;
	close(fd);
	if (n <= 0) {
		errno = error;
		return (-1);
	}
	buf[n] = '\0';
	return (n);
}

int
proc_stat(pid_t pid, struct proc_stat *s)
{
	uint64_t user = 0, system = 0;
	long tick = sysconf(_SC_CLK_TCK);
	char buf[1024], *p;

	if (proc_read(pid, "stat", buf, sizeof(buf)) == -1)
		return (-1);
	/* The name in parentheses may itself hold parentheses; the times are
	 * fields 14 and 15. */
	if ((p = strrchr(buf, ')')) == NULL || p[1] != ' ' || p[2] == '\0' ||
	    sscanf(p + 3, " %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u"
	    " %" SCNu64 " %" SCNu64, &user, &system) != 2) {
		errno = EINVAL;
		return (-1);
	}
	s->state = p[2];
	s->cpu_us = tick > 0 ? (user + system) * 1000000 / (uint64_t)tick : 0;
	return (0);
}
