/*
 * Routes: which chats does an event go to?  Pure but for memory.
 */
#ifndef QUEUE_ROUTE_H
#define QUEUE_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "workers/queue/store.h"
#include "workers/queue/topic_rule.h"

struct json_object;

struct route_target {
	int64_t chat_id, thread;
	enum topic_by topic; /* not BY_NONE: a topic is made, thread is 0 */
	bool silent, nodigest;
};

struct route_table;

/*
 * From the configuration's "chats", "routes" and "telegram.allowed_users".
 * NULL when out of memory.  What makes no sense was refused by the
 * supervisor already and is skipped here.
 */
struct route_table *route_load(struct json_object *config);
void route_free(struct route_table *);
/*
 * People besides the allowed users who get, in private, what goes to all of
 * those.  0, or -1 without memory.
 */
int route_set_guests(struct route_table *, const int64_t *id, size_t n);

/*
 * The chats for an event, each at most once, at most STORE_FANOUT.  The
 * first matching route wins unless it says "continue"; without a match all
 * allowed users and guests get it.  *ttl_ms is set by a route that has one.
 * Returns how many.
 */
size_t route_resolve(const struct route_table *, const char *type,
    const char *source, struct route_target[STORE_FANOUT], int64_t *ttl_ms);
/*
 * The chats that the sender asked for: a chat's name, a numeric chat id, or
 * "ID:THREAD".  Returns how many, 0 if there is no such chat.
 */
size_t route_named(const struct route_table *, const char *to,
    struct route_target[STORE_FANOUT]);

#endif
