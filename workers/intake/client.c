/*
 * submit.sock: connections, bytes in and bytes out.
 *
 * Owns the listener and the clients.  Reads only while a client's last
 * requests are carried out (turns.c) and its answers are read; an idle
 * client holds no buffer.  Clients are freed in one place, at the end of a
 * turn of the loop: no callback pulls one from under another.
 */
#include <sys/socket.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/metrics.h"
#include "workers/intake/client.h"

#define READ_MIN 16384	       /* a client's first buffer */
#define READ_BYTES 65536       /* of one that sends much */
#define BUFFERS_MAX (32U << 20) /* of all clients, above READ_MIN each */
#define ACCEPTS_TURN 64
#define ACCEPT_PAUSE_MS 100    /* no descriptors are left */
#define LOG_EVERY_MS 60000
#define GROUPS_MAX 256

TAILQ_HEAD(client_list, client);

static struct event_base *base;
static int listen_fd = -1;
static struct event *accepting, *resume, *flusher, *sweeper;
static struct client_list clients = TAILQ_HEAD_INITIALIZER(clients);
static struct client_list marked = TAILQ_HEAD_INITIALIZER(marked);
static size_t nclients, buffers;
static bool stopped;

static void client_accept(void);
static void client_acceptcb(evutil_socket_t, short, void *);
static void client_resumecb(evutil_socket_t, short, void *);
static void client_accept_failed(void);
static bool client_allowed(int, uid_t *);
static void client_refuse(int);
static void client_new(int, uid_t);
static void client_free(struct client *);
static void client_readcb(evutil_socket_t, short, void *);
static void client_writecb(evutil_socket_t, short, void *);
static int client_make_room(struct client *);
static void client_eof(struct client *);
static bool client_run(struct producer *, unsigned int);
static bool client_take_line(struct client *);
static void client_overlong(struct client *);
static void client_release(struct client *);
static bool client_blocked(const struct client *);
static void client_flushcb(evutil_socket_t, short, void *);
static void client_flush(struct client *);
static void client_write(struct client *);
static void client_sweepcb(evutil_socket_t, short, void *);
static bool client_hung_up(const struct client *);

void
client_listen(int fd)
{
	if (accepting != NULL)
		event_free(accepting);
	accepting = NULL;
	if (listen_fd != -1)
		close(listen_fd);
	listen_fd = fd;
	if (base != NULL && !stopped)
		client_accept();
}

static void
client_accept(void)
{
	if (evutil_make_socket_nonblocking(listen_fd) == -1)
		fatal("cannot use submit.sock");
	accepting = event_new(base, listen_fd, EV_READ | EV_PERSIST,
	    client_acceptcb, NULL);
	if (accepting == NULL || event_add(accepting, NULL) == -1)
		fatalx("clients: out of memory");
}

void
client_start(struct event_base *b)
{
	base = b;
	flusher = event_new(base, -1, 0, client_flushcb, NULL);
	resume = evtimer_new(base, client_resumecb, NULL);
	sweeper = evtimer_new(base, client_sweepcb, NULL);
	if (flusher == NULL || resume == NULL || sweeper == NULL)
		fatalx("clients: out of memory");
	if (listen_fd != -1)
		client_accept();
}

/* No new clients and no new requests. */
void
client_stop(void)
{
	struct client *c;

	stopped = true;
	if (accepting != NULL)
		event_free(accepting);
	accepting = NULL;
	if (resume != NULL)
		evtimer_del(resume);
	if (listen_fd != -1)
		close(listen_fd);
	listen_fd = -1;
	TAILQ_FOREACH(c, &clients, entry) {
		event_del(c->rd);
		turns_forget(&c->producer);
	}
}

bool
client_idle(void)
{
	struct client *c;

	TAILQ_FOREACH(c, &clients, entry)
		if (!TAILQ_EMPTY(&c->answers) ||
		    evbuffer_get_length(c->out) > 0)
			return (false);
	return (true);
}

/* Coming and going. */

static void
client_acceptcb(evutil_socket_t sock, short what, void *arg)
{
	uid_t uid;
	int fd;

	(void)what, (void)arg;
	for (int i = 0; i < ACCEPTS_TURN; i++) {
		fd = accept4(sock, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd == -1) {
			client_accept_failed();
			return;
		}
		if (client_allowed(fd, &uid))
			client_new(fd, uid);
		else
			client_refuse(fd);
	}
}

static void
client_accept_failed(void)
{
	const struct timeval pause = { 0, ACCEPT_PAUSE_MS * 1000 };
	static int64_t logged_ms;

	if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
		return;
	if (logged_ms == 0 || clock_mono_ms() - logged_ms > LOG_EVERY_MS) {
		log_warn("cannot accept clients (%zu are connected)",
		    nclients);
		logged_ms = clock_mono_ms();
	}
	/* The listener stays readable: looking away is the only way not to
	 * spin until a descriptor is free. */
	event_del(accepting);
	evtimer_add(resume, &pause);
}

static void
client_resumecb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
	if (accepting != NULL)
		event_add(accepting, NULL);
}

/* The daemon's own user, root, and members of the group. */
static bool
client_allowed(int fd, uid_t *uid)
{
	gid_t groups[GROUPS_MAX], gid = intake_config.gid;
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == -1)
		return (false);
	*uid = cred.uid;
	if (cred.uid == 0 || cred.uid == geteuid())
		return (true);
	if (gid == (gid_t)-1)
		return (false);
	if (cred.gid == gid)
		return (true);
	/* The groups that the peer had when it connected. */
	len = sizeof(groups);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) == -1)
		return (false);
	for (size_t i = 0; i < len / sizeof(groups[0]); i++)
		if (groups[i] == gid)
			return (true);
	return (false);
}

static void
client_refuse(int fd)
{
	struct error error = { 0 };
	struct buf t = { 0 };

	metric_add(M_intake_bad_requests, 1);
	error_set(&error, EX_NOPERM, "", "only members of group %s may "
	    "submit events", intake_config.group);
	answer_error(&t, &error, (struct span){ "", 0 });
	/* A new socket's buffer has room for a line. */
	if (!t.failed)
		(void)send(fd, t.p, t.len, MSG_NOSIGNAL | MSG_DONTWAIT);
	free(t.p);
	close(fd);
}

static void
client_new(int fd, uid_t uid)
{
	struct client *c;

	if ((c = calloc(1, sizeof(*c))) == NULL) {
		close(fd);
		return;
	}
	c->fd = fd;
	c->uid = uid;
	c->producer.run = client_run;
	TAILQ_INIT(&c->answers);
	TAILQ_INIT(&c->streams);
	TAILQ_INSERT_TAIL(&clients, c, entry);
	nclients++;
	metric_set(M_intake_clients, (int64_t)nclients);
	c->out = evbuffer_new();
	c->rd = event_new(base, fd, EV_READ | EV_PERSIST, client_readcb, c);
	c->wr = event_new(base, fd, EV_WRITE, client_writecb, c);
	if (c->out == NULL || c->rd == NULL || c->wr == NULL ||
	    event_add(c->rd, NULL) == -1)
		client_free(c);
}

static void
client_free(struct client *c)
{
	session_end(c);
	if (c->flushing)
		TAILQ_REMOVE(&marked, c, flush);
	turns_forget(&c->producer);
	client_release(c);
	if (c->rd != NULL)
		event_free(c->rd);
	if (c->wr != NULL)
		event_free(c->wr);
	if (c->out != NULL)
		evbuffer_free(c->out);
	close(c->fd);
	TAILQ_REMOVE(&clients, c, entry);
	nclients--;
	metric_set(M_intake_clients, (int64_t)nclients);
	free(c);
}

void
client_mark(struct client *c)
{
	if (c->flushing)
		return;
	if (TAILQ_EMPTY(&marked))
		event_active(flusher, 0, 0);
	c->flushing = true;
	TAILQ_INSERT_TAIL(&marked, c, flush);
}

void
client_cut(struct client *c)
{
	c->deaf = c->closing = true;
	client_mark(c);
}

/* Input. */

static void
client_readcb(evutil_socket_t fd, short what, void *arg)
{
	struct client *c = arg;
	ssize_t n;

	(void)what;
	if (client_make_room(c) == -1)
		return;
	n = read(fd, c->in + c->len, c->size - c->len);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		if (n == -1)
			c->deaf = true; /* reset: nobody is there */
		client_eof(c);
		return;
	}
	c->len += (size_t)n;
	if (!turns_now(&c->producer))
		event_del(c->rd); /* no more before this is carried out */
}

/* It sends no more; what it sent is carried out, and its answers go out. */
static void
client_eof(struct client *c)
{
	const struct timeval second = { 1, 0 };

	c->eof = true;
	event_del(c->rd);
	if (!evtimer_pending(sweeper, NULL))
		evtimer_add(sweeper, &second);
	if (c->len > c->off)
		turns_want(&c->producer);
	client_mark(c);
}

/* Room for at least one byte; -1 if there is none to be had. */
static int
client_make_room(struct client *c)
{
	struct error error = { 0 };
	size_t size;
	char *in;

	if (c->off > 0 && c->in != NULL) {
		memmove(c->in, c->in + c->off, c->len - c->off);
		c->len -= c->off;
		c->seen -= c->off;
		c->off = 0;
	}
	if (c->len < c->size)
		return (0);
	if (c->size == 0)
		size = READ_MIN;
	else if (c->size < READ_BYTES)
		size = READ_BYTES;
	else
		size = c->size * 2;
	if ((c->size > 0 && buffers + size > BUFFERS_MAX) ||
	    (in = realloc(c->in, size)) == NULL) {
		error_set(&error, EX_TEMPFAIL, "", "too many large requests "
		    "at a time; try again");
		session_error(c, &error);
		c->closing = true;
		event_del(c->rd);
		client_mark(c);
		return (-1);
	}
	if (size > READ_MIN)
		buffers += size - (c->size > READ_MIN ? c->size : 0);
	c->in = in;
	c->size = size;
	return (0);
}

/* An idle client holds no buffer. */
static void
client_release(struct client *c)
{
	if (c->size > READ_MIN)
		buffers -= c->size;
	free(c->in);
	c->in = NULL;
	c->off = c->len = c->size = c->seen = 0;
}

/* Too much under way for this client to take another request. */
static bool
client_blocked(const struct client *c)
{
	return (c->nanswers >= ANSWERS_MAX ||
	    evbuffer_get_length(c->out) >= OUT_HIGH);
}

/* One turn as a producer. */
static bool
client_run(struct producer *p, unsigned int quota)
{
	struct client *c = (struct client *)((char *)p -
	    offsetof(struct client, producer));

	for (; quota > 0 && pending_ready(); quota--) {
		if (stopped || c->closing || client_blocked(c)) {
			event_del(c->rd);
			return (false); /* client_flush() looks again */
		}
		if (client_take_line(c))
			continue;
		/* All lines are carried out: read on. */
		if (c->off == c->len)
			client_release(c);
		if (c->eof || event_add(c->rd, NULL) == -1)
			client_mark(c);
		return (false);
	}
	event_del(c->rd);
	return (true);
}

/* Carry out the next line; false if there is none. */
static bool
client_take_line(struct client *c)
{
	char *line, *end;
	size_t len;

	if (c->off == c->len)
		return (false);
	line = c->in + c->off;
	end = memchr(c->in + c->seen, '\n', c->len - c->seen);
	if (end == NULL) {
		c->seen = c->len;
		if (c->skipping || c->len - c->off > LINE_MAX_BYTES)
			client_overlong(c);
		if (!c->eof || c->off == c->len)
			return (false);
		end = c->in + c->len; /* the last line may lack its end */
	}
	len = (size_t)(end - line);
	c->off += len < c->len - c->off ? len + 1 : len;
	c->seen = c->off;
	if (c->skipping) {
		c->skipping = false;
		return (true);
	}
	if (len > LINE_MAX_BYTES) {
		client_overlong(c);
		c->skipping = false; /* its end is here */
		return (true);
	}
	if (len > 0 && line[len - 1] == '\r')
		len--;
	if (len > 0)
		session_line(c, line, len);
	return (true);
}

/* A line that is too long: say so once, and drop what is there of it. */
static void
client_overlong(struct client *c)
{
	struct error error = { 0 };

	if (!c->skipping) {
		error_set(&error, EX_DATAERR, "",
		    "the request is larger than 1 MiB");
		session_error(c, &error);
	}
	c->skipping = true;
	if (c->seen == c->len)
		c->off = c->seen = c->len = 0;
}

/* Output. */

static void
client_writecb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	client_mark(arg);
}

static void
client_flushcb(evutil_socket_t fd, short what, void *arg)
{
	struct client *c;

	(void)fd, (void)what, (void)arg;
	while ((c = TAILQ_FIRST(&marked)) != NULL) {
		TAILQ_REMOVE(&marked, c, flush);
		c->flushing = false;
		client_flush(c);
	}
}

/* Write what there is, and decide what becomes of the client. */
static void
client_flush(struct client *c)
{
	bool idle;

	client_write(c);
	idle = TAILQ_EMPTY(&c->answers) && TAILQ_EMPTY(&c->streams) &&
	    evbuffer_get_length(c->out) == 0;
	if (c->closing && (c->deaf || idle)) {
		client_free(c);
		return;
	}
	if (c->eof && c->off == c->len && idle) {
		client_free(c);
		return;
	}
	/* It may have been blocked, and there may be more from it. */
	if ((c->off < c->len || !c->eof) && !c->closing && !stopped &&
	    !client_blocked(c) && !event_pending(c->rd, EV_READ, NULL))
		turns_want(&c->producer);
}

static void
client_write(struct client *c)
{
	int n = 0;

	while (!c->deaf && evbuffer_get_length(c->out) > 0 &&
	    (n = evbuffer_write(c->out, c->fd)) > 0)
		;
	if (n == -1 && errno != EAGAIN && errno != EINTR)
		c->deaf = true;
	if (c->deaf) {
		evbuffer_drain(c->out, evbuffer_get_length(c->out));
		session_cancel_queries(c);
	} else if (evbuffer_get_length(c->out) > 0)
		event_add(c->wr, NULL);
}

/*
 * Clients that have sent all they had and wait for answers: that such a one
 * has gone altogether shows only in poll(2).
 */
static void
client_sweepcb(evutil_socket_t fd, short what, void *arg)
{
	const struct timeval second = { 1, 0 };
	struct client *c;
	bool any = false;

	(void)fd, (void)what, (void)arg;
	TAILQ_FOREACH(c, &clients, entry) {
		if (!c->eof)
			continue;
		any = true;
		if (client_hung_up(c)) {
			c->deaf = true;
			client_mark(c);
		}
	}
	if (any)
		evtimer_add(sweeper, &second);
}

static bool
client_hung_up(const struct client *c)
{
	struct pollfd p = { .fd = c->fd };

	return (poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR)));
}
