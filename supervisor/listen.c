/*
 * Listening sockets.  The supervisor binds them and hands them to the workers
 * that accept on them, so that the restart of a worker refuses nobody: what
 * arrives meanwhile waits in the kernel.
 *
 * An address that is taken is tried again each second; until then status is
 * degraded.  An IPv6 loopback that does not exist is only worth a notice.
 */
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/conf.h"
#include "common/log.h"
#include "supervisor/listen.h"
#include "supervisor/supervisor.h"

#define BACKLOG 512
/* How long READY=1 waits for an address that is taken. */
#define SETTLE_MS 5000

struct listener {
	TAILQ_ENTRY(listener) entry;
	enum process_class class; /* who accepts */
	char *name;		  /* "submit", "http:ADDR", "intake:ADDR" */
	const char *addr;	  /* within name, after the colon; or a path */
	int fd;			  /* -1 while it is not bound */
	bool absent;		  /* there is no such address here */
	int error;		  /* errno as last reported */
};
static TAILQ_HEAD(, listener) listeners = TAILQ_HEAD_INITIALIZER(listeners);

static int listen_add(enum process_class, const char *, const char *);
static void listen_open(struct listener *);
static int listen_tcp(const char *);
static int listen_bind_tcp(const struct addrinfo *);
static int listen_send(struct child *, const struct listener *);

/* Make the list from the configuration and bind all.  -1: out of memory. */
int
listen_configure(void)
{
	const struct conf *conf = sup.conf;
	struct listener *l;
	size_t i;

	if (listen_add(PC_INTAKE, "submit", NULL) == -1)
		return (-1);
	for (i = 0; i < conf->monitor_listen.n; i++)
		if (listen_add(PC_MONITOR, "http",
		    conf->monitor_listen.v[i]) == -1)
			return (-1);
	if (conf->intake_http != NULL && conf->intake_http[0] != '\0' &&
	    listen_add(PC_INTAKE, "intake", conf->intake_http) == -1)
		return (-1);
	TAILQ_FOREACH(l, &listeners, entry)
		listen_open(l);
	return (0);
}

static int
listen_add(enum process_class class, const char *kind, const char *addr)
{
	struct listener *l;

	if ((l = calloc(1, sizeof(*l))) == NULL)
		return (-1);
	l->class = class;
	l->fd = -1;
	if (asprintf(&l->name, "%s%s%s", kind, addr == NULL ? "" : ":",
	    addr == NULL ? "" : addr) == -1) {
		free(l);
		return (-1);
	}
	l->addr = addr == NULL ? NULL : strchr(l->name, ':') + 1;
	TAILQ_INSERT_TAIL(&listeners, l, entry);
	return (0);
}

/* Bind; the outcome is in the listener, and logged when it is another. */
static void
listen_open(struct listener *l)
{
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];

	if (l->addr != NULL)
		l->fd = listen_tcp(l->addr);
	else if ((size_t)snprintf(path, sizeof(path), "%s/submit.sock",
	    sup.conf->runtime_dir) >= sizeof(path))
		errno = ENAMETOOLONG;
	else
		l->fd = listen_unix(path, BACKLOG);
	if (l->fd != -1) {
		if (l->error != 0)
			log_notice("listening on %s at last", l->name);
		l->error = 0;
		return;
	}
	if (l->addr != NULL && strncmp(l->addr, "[::1]:", 6) == 0 &&
	    (errno == EADDRNOTAVAIL || errno == EAFNOSUPPORT)) {
		log_notice("not listening on %s: there is no IPv6 loopback",
		    l->name);
		l->absent = true;
		return;
	}
	if (l->error != errno)
		log_warn("cannot listen on %s; trying again each second",
		    l->name);
	l->error = errno;
}

/*
 * Listen on a unix socket, mode 0660, group of the workers.  What was there
 * before is a dead one's, since we hold the lock.  Returns the fd, or -1 with
 * errno.
 */
int
listen_unix(const char *path, int backlog)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd, saved;

	if (strlcpy(un.sun_path, path, sizeof(un.sun_path)) >=
	    sizeof(un.sun_path)) {
		errno = ENAMETOOLONG;
		return (-1);
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return (-1);
	/* Nobody can connect before listen(2), so the mode is in time. */
	if ((unlink(path) == -1 && errno != ENOENT) ||
	    bind(fd, (struct sockaddr *)&un, sizeof(un)) == -1 ||
	    chmod(path, 0660) == -1 ||
	    (sup.as_root && chown(path, (uid_t)-1, sup.gid) == -1) ||
	    listen(fd, backlog) == -1) {
		saved = errno;
		close(fd);
		errno = saved;
		return (-1);
	}
	return (fd);
}

/* "127.0.0.1:8080" or "[::1]:8080", both numeric. */
static int
listen_tcp(const char *addr)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC,
	    .ai_socktype = SOCK_STREAM,
	    .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV};
	struct addrinfo *list, *ai;
	char host[256], *port;
	const char *node = host;
	int fd = -1;

	if (strlcpy(host, addr, sizeof(host)) >= sizeof(host) ||
	    (port = strrchr(host, ':')) == NULL) {
		errno = EINVAL;
		return (-1);
	}
	*port++ = '\0';
	if (host[0] == '[') {
		host[strcspn(host, "]")] = '\0';
		node++;
	}
	if (host[0] == '\0' || strcmp(host, "*") == 0)
		node = NULL; /* all addresses */
	else if (strcmp(host, "localhost") == 0)
		node = "127.0.0.1"; /* must not need a resolver */
	if (getaddrinfo(node, port, &hints, &list) != 0) {
		errno = EINVAL;
		return (-1);
	}
	for (ai = list; ai != NULL && fd == -1; ai = ai->ai_next)
		fd = listen_bind_tcp(ai);
	freeaddrinfo(list);
	return (fd);
}

static int
listen_bind_tcp(const struct addrinfo *ai)
{
	const int on = 1;
	int fd, saved;

	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0);
	if (fd == -1)
		return (-1);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	/* The same port on both loopbacks. */
	if (ai->ai_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on,
		    sizeof(on));
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) == -1 ||
	    listen(fd, BACKLOG) == -1) {
		saved = errno;
		close(fd);
		errno = saved;
		return (-1);
	}
	return (fd);
}

/* Give a new child the listeners of its class. */
void
listen_share(struct child *c)
{
	struct listener *l;

	TAILQ_FOREACH(l, &listeners, entry)
		if (l->class == c->worker->class && l->fd != -1 &&
		    listen_send(c, l) == -1)
			log_warn("worker %s: cannot pass %s",
			    c->worker->name, l->name);
}

static int
listen_send(struct child *c, const struct listener *l)
{
	struct packer p = {0};
	int rc;

	if (c->link == NULL)
		return (0);
	pack_str(&p, l->name);
	if (p.failed) {
		errno = ENOMEM;
		rc = -1;
	} else
		rc = link_send_fd(c->link, SUP_LISTENER_SHARE, 0, p.buf, p.len,
		    l->fd);
	pack_free(&p);
	return (rc);
}

/* Try again what was taken before; called once a second. */
void
listen_retry(void)
{
	struct listener *l;
	struct child *c;

	if (sup.stopping)
		return;
	TAILQ_FOREACH(l, &listeners, entry) {
		if (l->fd != -1 || l->absent)
			continue;
		listen_open(l);
		if (l->fd != -1 && (c = tree_child(l->class)) != NULL)
			(void)listen_send(c, l);
	}
}

/* What status should say about an address that is not bound; NULL: none. */
const char *
listen_trouble(void)
{
	static char text[128];
	struct listener *l;

	TAILQ_FOREACH(l, &listeners, entry)
		if (l->fd == -1 && !l->absent) {
			snprintf(text, sizeof(text), "cannot listen on %s: %s",
			    l->name, strerror(l->error));
			return (text);
		}
	return (NULL);
}

/*
 * May readiness be announced?  It waits a while for an address that is taken,
 * but not for ever: the rest works, and status names the trouble.
 */
bool
listen_settled(void)
{
	return (listen_trouble() == NULL ||
	    clock_mono_ms() - sup.started_ms > SETTLE_MS);
}

/* Refuse new connections from now on. */
void
listen_close(void)
{
	struct listener *l;
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];

	TAILQ_FOREACH(l, &listeners, entry) {
		if (l->fd == -1)
			continue;
		if (l->addr == NULL && (size_t)snprintf(path, sizeof(path),
		    "%s/submit.sock", sup.conf->runtime_dir) < sizeof(path))
			(void)unlink(path);
		close(l->fd);
		l->fd = -1;
	}
}
