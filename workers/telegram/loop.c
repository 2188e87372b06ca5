/*
 * libcurl's multi interface on libevent: sockets, timers and the end of
 * transfers.  Called by api.c, knows nothing of what is transferred.
 *
 * libcurl takes a socket out of its care after every request; its event
 * stays in the loop until the socket is closed or says something that nobody
 * waits for, which saves two epoll_ctl(2) a request.
 */
#include <sys/socket.h>

#include <curl/curl.h>
#include <event2/event.h>

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "workers/telegram/loop.h"

struct sock {
	struct loop *loop;
	struct event *ev;
	curl_socket_t fd;
	bool own;	  /* from socket_open(): socket_close() will come */
	short wanted;	  /* by libcurl: EV_READ, EV_WRITE */
	short registered; /* with the loop */
};

struct loop {
	struct event_base *base;
	CURLM *multi;
	void (*done)(void *, CURLcode);
	struct event *timer, *kick;
	bool kicked;	     /* kick is due in the next turn */
	int64_t deadline_ms; /* of libcurl's timer; -1 none */
	int64_t armed_ms;    /* of ours; -1 not set */
	unsigned int nconnections;
	enum metric gauge; /* shows them */
	struct sock **sock; /* by descriptor */
	size_t nsock;
};

static curl_socket_t socket_open(void *, curlsocktype, struct curl_sockaddr *);
static int socket_close(void *, curl_socket_t);
static int socket_want(CURL *, curl_socket_t, int, void *, void *);
static struct sock *socket_get(struct loop *, curl_socket_t);
static void socket_forget(struct loop *, curl_socket_t);
static void socket_register(struct sock *, short);
static void socket_readycb(evutil_socket_t, short, void *);
static int timer_want(CURLM *, long, void *);
static void timer_cb(evutil_socket_t, short, void *);
static void kick_cb(evutil_socket_t, short, void *);
static void loop_reap(struct loop *);

struct loop *
loop_new(struct event_base *base, unsigned int connections,
    enum metric gauge, void (*done)(void *, CURLcode))
{
	struct loop *l;

	if ((l = calloc(1, sizeof(*l))) == NULL)
		return (NULL);
	l->base = base;
	l->gauge = gauge;
	l->done = done;
	l->deadline_ms = l->armed_ms = -1;
	l->multi = curl_multi_init();
	l->timer = evtimer_new(base, timer_cb, l);
	l->kick = evtimer_new(base, kick_cb, l);
	if (l->multi == NULL || l->timer == NULL || l->kick == NULL) {
		loop_free(l);
		errno = ENOMEM;
		return (NULL);
	}
	curl_multi_setopt(l->multi, CURLMOPT_SOCKETFUNCTION, socket_want);
	curl_multi_setopt(l->multi, CURLMOPT_SOCKETDATA, l);
	curl_multi_setopt(l->multi, CURLMOPT_TIMERFUNCTION, timer_want);
	curl_multi_setopt(l->multi, CURLMOPT_TIMERDATA, l);
	curl_multi_setopt(l->multi, CURLMOPT_MAXCONNECTS, (long)connections);
	curl_multi_setopt(l->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
	return (l);
}

void
loop_free(struct loop *l)
{
	size_t i;

	if (l == NULL)
		return;
	curl_multi_cleanup(l->multi);
	for (i = 0; i < l->nsock; i++)
		socket_forget(l, (curl_socket_t)i);
	free(l->sock);
	if (l->timer != NULL)
		event_free(l->timer);
	if (l->kick != NULL)
		event_free(l->kick);
	free(l);
}

void
loop_adopt(struct loop *l, CURL *easy)
{
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, socket_open);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, l);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, socket_close);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, l);
}

int
loop_add(struct loop *l, CURL *easy)
{
	return (curl_multi_add_handle(l->multi, easy) == CURLM_OK ? 0 : -1);
}

void
loop_remove(struct loop *l, CURL *easy)
{
	curl_multi_remove_handle(l->multi, easy);
}

static void
loop_reap(struct loop *l)
{
	void *arg;
	CURLMsg *m;
	CURLcode code;
	int left;

	while ((m = curl_multi_info_read(l->multi, &left)) != NULL) {
		if (m->msg != CURLMSG_DONE)
			continue;
		code = m->data.result; /* m is gone after the removal */
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &arg);
		l->done(arg, code);
	}
}

/* Sockets. */

static struct sock *
socket_get(struct loop *l, curl_socket_t fd)
{
	struct sock *s, **p;
	size_t n = l->nsock != 0 ? l->nsock : 64;

	if (fd < 0)
		return (NULL);
	while (n <= (size_t)fd)
		n *= 2;
	if (n != l->nsock) {
		p = recallocarray(l->sock, l->nsock, n, sizeof(*p));
		if (p == NULL)
			return (NULL);
		l->sock = p;
		l->nsock = n;
	}
	if ((s = l->sock[fd]) != NULL)
		return (s);
	if ((s = calloc(1, sizeof(*s))) == NULL)
		return (NULL);
	s->loop = l;
	s->fd = fd;
	s->ev = event_new(l->base, fd, EV_READ | EV_PERSIST, socket_readycb,
	    s);
	if (s->ev == NULL) {
		free(s);
		return (NULL);
	}
	l->sock[fd] = s;
	return (s);
}

static void
socket_forget(struct loop *l, curl_socket_t fd)
{
	struct sock *s;

	if (fd < 0 || (size_t)fd >= l->nsock || (s = l->sock[fd]) == NULL)
		return;
	l->sock[fd] = NULL;
	event_free(s->ev);
	free(s);
}

static void
socket_register(struct sock *s, short what)
{
	if (s->registered == what)
		return;
	event_del(s->ev);
	s->registered = 0;
	if (what == 0)
		return;
	if (event_assign(s->ev, s->loop->base, s->fd, what | EV_PERSIST,
	    socket_readycb, s) == 0 && event_add(s->ev, NULL) == 0)
		s->registered = what;
	else
		log_warnx("cannot watch a connection to the Bot API");
}

static curl_socket_t
socket_open(void *arg, curlsocktype purpose, struct curl_sockaddr *to)
{
	struct loop *l = arg;
	struct sock *s;
	int fd;

	(void)purpose;
	fd = socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
	if (fd == -1)
		return (CURL_SOCKET_BAD);
	if ((s = socket_get(l, fd)) == NULL) {
		close(fd);
		return (CURL_SOCKET_BAD);
	}
	s->own = true;
	l->nconnections++;
	metric_set(l->gauge, l->nconnections);
	return (fd);
}

static int
socket_close(void *arg, curl_socket_t fd)
{
	struct loop *l = arg;

	socket_forget(l, fd);
	l->nconnections--;
	metric_set(l->gauge, l->nconnections);
	return (close(fd));
}

static int
socket_want(CURL *easy, curl_socket_t fd, int what, void *arg, void *unused)
{
	struct sock *s;
	short wanted = 0;

	(void)easy, (void)unused;
	if ((s = socket_get(arg, fd)) == NULL)
		return (-1);
	if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
		wanted |= EV_READ;
	if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
		wanted |= EV_WRITE;
	s->wanted = wanted;
	if (wanted == 0 && !s->own)
		/* The resolver's; libcurl closes it without telling. */
		socket_forget(arg, fd);
	else if (wanted != 0 || s->registered != EV_READ)
		socket_register(s, wanted);
	/* else idle: goes on listening, see above */
	return (0);
}

static void
socket_readycb(evutil_socket_t fd, short what, void *arg)
{
	struct sock *s = arg;
	struct loop *l = s->loop;
	int mask = 0, running;

	if (s->wanted == 0) {
		/* Closed by the server, most likely; libcurl will see. */
		socket_register(s, 0);
		return;
	}
	if ((what & EV_READ) != 0)
		mask |= CURL_CSELECT_IN;
	if ((what & EV_WRITE) != 0)
		mask |= CURL_CSELECT_OUT;
	curl_multi_socket_action(l->multi, fd, mask, &running);
	loop_reap(l);
}

/* Timers. */

/*
 * libcurl sets its timer anew with each request.  Ours is set only when the
 * wanted time is earlier; one that comes too early goes back to sleep.
 */
static int
timer_want(CURLM *multi, long timeout_ms, void *arg)
{
	static const struct timeval at_once = { 0, 0 };
	struct loop *l = arg;
	struct timeval tv;

	(void)multi;
	if (timeout_ms < 0) {
		l->deadline_ms = -1;
		return (0);
	}
	if (timeout_ms == 0) {
		/* In the next turn: an active event would run in this one,
		 * again and again, and nothing else would. */
		l->deadline_ms = -1;
		if (!l->kicked)
			evtimer_add(l->kick, &at_once);
		l->kicked = true;
		return (0);
	}
	l->deadline_ms = clock_mono_ms() + timeout_ms;
	if (l->armed_ms != -1 && l->armed_ms <= l->deadline_ms)
		return (0);
	tv.tv_sec = timeout_ms / 1000;
	tv.tv_usec = timeout_ms % 1000 * 1000;
	evtimer_add(l->timer, &tv);
	l->armed_ms = l->deadline_ms;
	return (0);
}

static void
timer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct loop *l = arg;
	struct timeval tv;
	int64_t left;

	l->armed_ms = -1;
	if (l->deadline_ms == -1)
		return;
	left = l->deadline_ms - clock_mono_ms();
	if (left <= 0) {
		kick_cb(fd, what, l);
		return;
	}
	tv.tv_sec = left / 1000;
	tv.tv_usec = left % 1000 * 1000;
	evtimer_add(l->timer, &tv);
	l->armed_ms = l->deadline_ms;
}

static void
kick_cb(evutil_socket_t fd, short what, void *arg)
{
	struct loop *l = arg;
	int running;

	(void)fd, (void)what;
	l->kicked = false;
	curl_multi_socket_action(l->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	loop_reap(l);
}
