/*
 * The HTTP connections, bounded in number.
 *
 * evhttp(3) of libevent 2.1 neither counts its connections nor tells when one
 * ends.  So this file makes their bufferevents and keeps a reference to each:
 * bufferevent_free(3), with which evhttp gives one up (it closes the socket
 * itself), clears the callbacks, and that is looked for whenever another
 * connection comes.  What was given up until then is a little memory, for
 * CLIENTS_MAX connections at most.
 */
#include <sys/queue.h>
#include <sys/socket.h>

#include <stdbool.h>
#include <stdlib.h>

#include <event2/bufferevent.h>

#include "workers/monitor/clients.h"

struct client {
	TAILQ_ENTRY(client) entry;
	struct bufferevent *bev;
};
TAILQ_HEAD(client_list, client);
/* The one that has been idle for longest comes first. */
static struct client_list clients = TAILQ_HEAD_INITIALIZER(clients);
static size_t nclients;
/* Shut down; evhttp has yet to see it. */
static struct client_list leaving = TAILQ_HEAD_INITIALIZER(leaving);

static bool client_gone(const struct client *);
static size_t clients_sweep(struct client_list *);
static void clients_evict(void);

struct bufferevent *
clients_new(struct event_base *base, void *arg)
{
	struct bufferevent *bev;
	struct client *c;

	(void)arg;
	nclients -= clients_sweep(&clients);
	clients_sweep(&leaving);
	if (nclients >= CLIENTS_MAX)
		clients_evict();
	if ((c = malloc(sizeof(*c))) == NULL)
		return (NULL);
	if ((bev = bufferevent_socket_new(base, -1, 0)) == NULL) {
		free(c);
		return (NULL);
	}
	bufferevent_incref(bev);
	c->bev = bev;
	TAILQ_INSERT_TAIL(&clients, c, entry);
	nclients++;
	return (bev);
}

void
clients_used(struct bufferevent *bev)
{
	struct client *c;

	TAILQ_FOREACH(c, &clients, entry)
		if (c->bev == bev)
			break;
	if (c == NULL)
		return;
	TAILQ_REMOVE(&clients, c, entry);
	TAILQ_INSERT_TAIL(&clients, c, entry);
}

bool
clients_full(void)
{
	return (nclients >= CLIENTS_MAX);
}

/* evhttp sees the end of file and closes the socket. */
static void
clients_evict(void)
{
	struct client *c = TAILQ_FIRST(&clients);

	(void)shutdown(bufferevent_getfd(c->bev), SHUT_RDWR);
	TAILQ_REMOVE(&clients, c, entry);
	nclients--;
	TAILQ_INSERT_TAIL(&leaving, c, entry);
}

static bool
client_gone(const struct client *c)
{
	bufferevent_data_cb rd, wr;
	bufferevent_event_cb ev;
	void *arg;

	bufferevent_getcb(c->bev, &rd, &wr, &ev, &arg);
	return (rd == NULL && wr == NULL && ev == NULL);
}

/* Forget those that evhttp has given up; returns how many there were. */
static size_t
clients_sweep(struct client_list *list)
{
	struct client *c, *next;
	size_t n = 0;

	for (c = TAILQ_FIRST(list); c != NULL; c = next) {
		next = TAILQ_NEXT(c, entry);
		if (!client_gone(c))
			continue;
		TAILQ_REMOVE(list, c, entry);
		bufferevent_decref(c->bev);
		free(c);
		n++;
	}
	return (n);
}
