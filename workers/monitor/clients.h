/*
 * The HTTP connections, bounded in number.
 */
#ifndef MONITOR_CLIENTS_H
#define MONITOR_CLIENTS_H

#include <stdbool.h>

struct event_base;
struct bufferevent;

#define CLIENTS_MAX 256

/* A bufferevent for a connection that has just been accepted, for
 * evhttp_set_bevcb(3).  With more than CLIENTS_MAX, the one that asked
 * nothing for the longest time is shut down; it is gone in the next turn of
 * the loop. */
struct bufferevent *clients_new(struct event_base *, void *);
/* It asked something. */
void clients_used(struct bufferevent *);
/* Are there as many as there may be? */
bool clients_full(void);

#endif
