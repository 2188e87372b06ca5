/*
 * Telling the init system: systemd's datagrams to $NOTIFY_SOCKET (sd_notify(3),
 * without its library), s6's newline on a descriptor, and the parent of
 * --daemon, which waits for readiness, too.
 *
 * Nothing here can fail in a way that matters to the tree.
 */
#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "common/clock.h"
#include "common/log.h"
#include "supervisor/supervisor.h"

#define WATCHDOG_MIN_MS 100

static struct sockaddr_un address;
static socklen_t address_len;
static int notify_fd = -1;
static int ready_fd = -1;
static struct event *watchdog;

static int notify_socket(const char *);
static void notify_watchdog(evutil_socket_t, short, void *);
static void notify_send(const char *);

/*
 * Find out who is to be told.  fd is s6's, or -1.  No worker sees the
 * variables (environment.c).  Returns 0, or -1 with errno.
 */
int
notify_init(int fd)
{
	const char *path = getenv("NOTIFY_SOCKET"), *errstr;
	const char *usec = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");
	long long period_ms;
	struct timeval tv;

	if (fd != -1) {
		if (fcntl(fd, F_SETFD, FD_CLOEXEC) == -1)
			return (-1);
		ready_fd = fd;
	}
	if (path == NULL || notify_socket(path) == -1)
		return (0);
	if (usec == NULL || (pid != NULL && atoll(pid) != getpid()))
		return (0);
	period_ms = strtonum(usec, 1, 86400000000LL, &errstr) / 1000 / 2;
	if (errstr != NULL)
		return (0);
	if (period_ms < WATCHDOG_MIN_MS)
		period_ms = WATCHDOG_MIN_MS;
	tv = clock_timeval(period_ms);
	watchdog = event_new(sup.base, -1, EV_PERSIST, notify_watchdog, NULL);
	return (watchdog == NULL ? -1 : event_add(watchdog, &tv));
}

/* A path, or an abstract name with an at sign for its zero byte. */
static int
notify_socket(const char *path)
{
	size_t len = strlen(path);

	if ((path[0] != '/' && path[0] != '@') || len < 2 ||
	    len >= sizeof(address.sun_path)) {
		log_warnx("NOTIFY_SOCKET \"%s\" is neither a path nor an "
		    "abstract name; not notifying", path);
		return (-1);
	}
	address.sun_family = AF_UNIX;
	memcpy(address.sun_path, path, len);
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (notify_fd == -1)
		log_warn("no socket for NOTIFY_SOCKET; not notifying");
	return (notify_fd == -1 ? -1 : 0);
}

static void
notify_watchdog(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
	notify_send("WATCHDOG=1");
}

static void
notify_send(const char *text)
{
	if (notify_fd == -1)
		return;
	if (sendto(notify_fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT,
	    (struct sockaddr *)&address, address_len) == -1)
		log_debug("cannot send to NOTIFY_SOCKET: %s",
		    strerror(errno));
}

void
notify_ready(void)
{
	notify_send("READY=1");
	if (ready_fd != -1) {
		if (write(ready_fd, "\n", 1) == -1)
			log_warn("cannot write to --ready-fd");
		close(ready_fd);
		ready_fd = -1;
	}
	setup_daemon_ready();
}

/* A line for people, "7 workers, ok". */
void
notify_status(const char *text)
{
	char line[256];

	snprintf(line, sizeof(line), "STATUS=%s", text);
	notify_send(line);
}

void
notify_reloading(void)
{
	char text[80];

	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%lld",
	    (long long)clock_mono_us());
	notify_send(text);
}

void
notify_reloaded(void)
{
	if (sup.was_ready)
		notify_send("READY=1");
}

void
notify_stopping(void)
{
	notify_send("STOPPING=1");
}
