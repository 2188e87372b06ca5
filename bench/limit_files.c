/*
 * What a directory watcher can do at most on this machine: inotify, and for
 * each file open, read, unlink.  Intake's figure is measured beside it, with
 * the same writer (DESIGN section 11).
 *
 *	limit_files DIR [FILES]		prints "limit_files RATE files/s"
 *	limit_files -w DIR [FILES]	only writes them, as an agent does
 *
 * The writer opens each file in place, writes an event of 600 bytes, and
 * closes it.  It stays at most AHEAD files ahead of whoever removes them, so
 * that the watch's queue does not overflow; -w does not.
 */
#include "config.h"

#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/uuid.h"

#define AHEAD 4096
#define EVENT_BYTES 600
#define TAIL_BYTES 52 /* its id and its end */

static long total = 50000;
static _Atomic long *removed; /* shared with the writer */

static void write_files(int, bool);
static void watch_files(int, int);
static void take_file(int, const char *);

int
main(int argc, char **argv)
{
	const char *dir;
	int dirfd, fd, write_only;
	int64_t began_us;
	double s;
	pid_t writer;

	write_only = argc > 1 && strcmp(argv[1], "-w") == 0;
	argc -= write_only;
	argv += write_only;
	if (argc < 2 || argc > 3)
		errx(2, "usage: limit_files [-w] DIR [FILES]");
	dir = argv[1];
	if (argc > 2)
		total = (long)strtonum(argv[2], 1, 1 << 30, NULL);
	if ((dirfd = open(dir, O_RDONLY | O_DIRECTORY)) == -1)
		err(1, "%s", dir);
	removed = mmap(NULL, sizeof(*removed), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (removed == MAP_FAILED)
		err(1, "mmap");
	if (write_only) {
		write_files(dirfd, false);
		return (0);
	}
	if ((fd = inotify_init1(IN_CLOEXEC)) == -1 ||
	    inotify_add_watch(fd, dir, IN_CLOSE_WRITE | IN_MOVED_TO) == -1)
		err(1, "inotify");
	began_us = clock_mono_us();
	if ((writer = fork()) == -1)
		err(1, "fork");
	if (writer == 0) {
		write_files(dirfd, true);
		_exit(0);
	}
	watch_files(fd, dirfd);
	s = (double)(clock_mono_us() - began_us) / 1e6;
	waitpid(writer, NULL, 0);
	printf("limit_files %.0f files/s\n", (double)total / s);
	return (0);
}

static void
write_files(int dirfd, bool keep_pace)
{
	char name[64], text[EVENT_BYTES + 1], id[UUID_SIZE];
	int fd, n;

	for (long i = 0; i < total; i++) {
		while (keep_pace && i - *removed >= AHEAD)
			sched_yield();
		uuid_v7(id);
		n = snprintf(text, sizeof(text), "{\"type\":"
		    "\"task_completion\",\"source\":\"bench\",\"task_id\":"
		    "\"%s\",\"title\":\"File %ld\",\"description\":\"", id, i);
		memset(text + n, 'x', sizeof(text) - (size_t)n);
		snprintf(text + EVENT_BYTES - TAIL_BYTES, TAIL_BYTES + 1,
		    "\",\"event_id\":\"%s\"}", id);
		snprintf(name, sizeof(name), "%s_%ld.json", id, i);
		fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
		if (fd == -1 || write(fd, text, EVENT_BYTES) != EVENT_BYTES)
			err(1, "%s", name);
		close(fd);
	}
}

static void
watch_files(int fd, int dirfd)
{
	static char buf[65536]
	    __attribute__((aligned(__alignof__(struct inotify_event))));
	const struct inotify_event *e;
	ssize_t n;

	while (*removed < total) {
		if ((n = read(fd, buf, sizeof(buf))) <= 0)
			err(1, "inotify");
		for (char *p = buf; p < buf + n; p += sizeof(*e) + e->len) {
			e = (const struct inotify_event *)p;
			if (e->mask & IN_Q_OVERFLOW)
				errx(1, "overflow");
			take_file(dirfd, e->name);
		}
	}
}

static void
take_file(int dirfd, const char *name)
{
	static char text[65536];
	int fd;

	if ((fd = openat(dirfd, name, O_RDONLY)) == -1 ||
	    read(fd, text, sizeof(text)) <= 0)
		err(1, "%s", name);
	close(fd);
	if (unlinkat(dirfd, name, 0) == -1)
		err(1, "%s", name);
	++*removed;
}
