/*
 * The watch: inotify(7) on the events directory.
 *
 * Called by files.c.  Names are passed on as they come; nothing is opened
 * here.  Notifications of equal files in a row are merged by the kernel;
 * those that do not fit its queue (max_queued_events, 16384) are told as one
 * overflow.
 */
#include <sys/inotify.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "common/log.h"
#include "common/metrics.h"
#include "workers/intake/files.h"

#define WATCH_FILES (IN_CLOSE_WRITE | IN_MOVED_TO)
#define WATCH_DIR (IN_DELETE_SELF | IN_MOVE_SELF)
#define WATCH_GONE (WATCH_DIR | IN_UNMOUNT | IN_IGNORED)
#define READ_SIZE 65536
#define TURN_READS 4

static int inotify_fd = -1, parent_wd = -1;
static char *own_name; /* of the directory, in its parent */
static struct event *readable;
static const struct watch_ops *ops;

static void watch_parent(const char *);
static void watch_readcb(evutil_socket_t, short, void *);
static bool watch_dispatch(const struct inotify_event *);

int
watch_start(struct event_base *base, const char *path,
    const struct watch_ops *o)
{
	int saved;

	watch_stop();
	ops = o;
	inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (inotify_fd == -1)
		return (-1);
	if (inotify_add_watch(inotify_fd, path,
	    WATCH_FILES | WATCH_DIR | IN_ONLYDIR) == -1) {
		saved = errno;
		watch_stop();
		errno = saved;
		return (-1);
	}
	watch_parent(path);
	readable = event_new(base, inotify_fd, EV_READ | EV_PERSIST,
	    watch_readcb, NULL);
	if (readable == NULL || event_add(readable, NULL) == -1) {
		watch_stop();
		errno = ENOMEM;
		return (-1);
	}
	return (0);
}

/*
 * While we hold a directory open its removal shows only in its parent
 * (IN_DELETE_SELF comes with the last reference).  Without this watch the
 * next scan finds out.
 */
static void
watch_parent(const char *path)
{
	char *copy = strdup(path), *slash;

	if (copy == NULL)
		return;
	while ((slash = strrchr(copy, '/')) != NULL && slash > copy &&
	    slash[1] == '\0')
		*slash = '\0';
	if (slash != NULL && slash > copy &&
	    (own_name = strdup(slash + 1)) != NULL) {
		*slash = '\0';
		parent_wd = inotify_add_watch(inotify_fd, copy,
		    IN_DELETE | IN_MOVED_FROM | IN_ONLYDIR);
	}
	free(copy);
}

void
watch_stop(void)
{
	free(own_name);
	own_name = NULL;
	parent_wd = -1;
	if (readable != NULL)
		event_free(readable);
	readable = NULL;
	if (inotify_fd != -1)
		close(inotify_fd);
	inotify_fd = -1;
}

bool
watch_active(void)
{
	return (inotify_fd != -1);
}

static void
watch_readcb(evutil_socket_t fd, short what, void *arg)
{
	static char buf[READ_SIZE]
	    __attribute__((aligned(__alignof__(struct inotify_event))));
	const struct inotify_event *e;
	ssize_t n;

	(void)what, (void)arg;
	for (int i = 0; i < TURN_READS; i++) {
		if ((n = read(fd, buf, sizeof(buf))) <= 0) {
			if (n == -1 && errno != EAGAIN && errno != EINTR)
				log_warn("cannot read notifications of the "
				    "events directory");
			return;
		}
		for (char *p = buf; p < buf + n; p += sizeof(*e) + e->len) {
			e = (const struct inotify_event *)p;
			if (!watch_dispatch(e))
				return;
		}
	}
}

/* False if the watch has ended. */
static bool
watch_dispatch(const struct inotify_event *e)
{
	metric_add(M_intake_watcher_events, 1);
	if (e->mask & IN_Q_OVERFLOW) {
		ops->overflow();
		return (true);
	}
	if (e->wd == parent_wd) {
		if (e->len == 0 || strcmp(e->name, own_name) != 0)
			return (true);
		ops->gone();
		return (watch_active());
	}
	if (e->mask & WATCH_GONE) {
		ops->gone();
		return (watch_active());
	}
	if (e->mask & WATCH_FILES && !(e->mask & IN_ISDIR) && e->len > 0)
		ops->changed(e->name);
	return (true);
}
