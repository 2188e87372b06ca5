/*
 * Telling clients what has changed: subscriptions/listen of 2026-07-28, a
 * request that stays open, and resources/subscribe before it, of which each
 * resource has one.  The only thing here that changes by itself is what people
 * have answered, cctelegram://responses: files that appear in a directory,
 * which inotify(7) tells.
 *
 * Called by mcp_rpc.c for requests, and by the loop of mcp.c, which polls
 * listen_fd.
 */
#include <sys/inotify.h>

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/json.h"
#include "ctl/mcp.h"

#define LISTENS_MAX 64
#define RESPONSES "cctelegram://responses"

struct mcp_listen {
	TAILQ_ENTRY(mcp_listen) entry;
	struct json_object *id; /* of the request */
	bool responses;
};

static bool watch(struct mcp *);
static void tell(struct mcp *, struct mcp_listen *, const char *method,
    struct json_object *params);
static void listen_free(struct mcp *, struct mcp_listen *);

/* True if changes of the answers will be seen. */
static bool
watch(struct mcp *m)
{
	if (m->listen_fd == -1)
		m->listen_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	return (m->listen_fd != -1 && inotify_add_watch(m->listen_fd,
	    where_responses_dir(m->ctl), IN_CLOSE_WRITE | IN_MOVED_TO |
	    IN_ONLYDIR) != -1);
}

/* Everything on a stream carries the id of the request that opened it; NULL:
 * for the older kind. */
static void
tell(struct mcp *m, struct mcp_listen *l, const char *method,
    struct json_object *params)
{
	struct json_object *o = json_object_new_object(), *meta;

	if (l != NULL) {
		meta = json_object_new_object();
		json_object_object_add(meta, MCP_META "subscriptionId",
		    json_object_get(l->id));
		json_object_object_add(params, "_meta", meta);
	}
	talk_add(o, "jsonrpc", "2.0");
	talk_add(o, "method", method);
	json_object_object_add(o, "params", params);
	mcp_write(m, o);
}

static void
listen_free(struct mcp *m, struct mcp_listen *l)
{
	TAILQ_REMOVE(&m->listens, l, entry);
	m->nlistens--;
	json_object_put(l->id);
	free(l);
}

static bool
wants_responses(struct json_object *filter)
{
	struct json_object *list = json_path(filter, "resourceSubscriptions");
	struct json_object *uri;
	size_t i;

	for (i = 0; json_object_is_type(list, json_type_array) &&
	    i < json_object_array_length(list); i++) {
		uri = json_object_array_get_idx(list, i);
		if (json_object_is_type(uri, json_type_string) &&
		    strcmp(json_object_get_string(uri), RESPONSES) == 0)
			return (true);
	}
	return (false);
}

bool
mcp_listen_start(struct mcp *m, struct json_object *id,
    struct json_object *filter)
{
	struct json_object *params, *agreed, *list;
	struct mcp_listen *l;

	if (m->nlistens == LISTENS_MAX || (l = calloc(1, sizeof(*l))) == NULL)
		return (false);
	l->id = json_object_get(id);
	l->responses = wants_responses(filter) && watch(m);
	TAILQ_INSERT_TAIL(&m->listens, l, entry);
	m->nlistens++;
	params = json_object_new_object();
	agreed = json_object_new_object();
	if (l->responses) {
		list = json_object_new_array();
		json_object_array_add(list, json_object_new_string(RESPONSES));
		json_object_object_add(agreed, "resourceSubscriptions", list);
	}
	json_object_object_add(params, "notifications", agreed);
	tell(m, l, "notifications/subscriptions/acknowledged", params);
	return (true);
}

static struct mcp_listen *
listen_find(struct mcp *m, struct json_object *id)
{
	struct mcp_listen *l;

	TAILQ_FOREACH(l, &m->listens, entry)
		if (id != NULL && json_object_equal(l->id, id))
			return (l);
	return (NULL);
}

bool
mcp_listen_has(struct mcp *m, struct json_object *id)
{
	return (listen_find(m, id) != NULL);
}

void
mcp_listen_cancel(struct mcp *m, struct json_object *id)
{
	struct mcp_listen *l;

	if ((l = listen_find(m, id)) != NULL)
		listen_free(m, l);
}

void
mcp_listen_subscribe(struct mcp *m, const char *uri, bool yes)
{
	if (strcmp(uri, RESPONSES) == 0)
		m->subscribed = yes && watch(m);
}

static void
updated(struct mcp *m, struct mcp_listen *l)
{
	struct json_object *params = json_object_new_object();

	talk_add(params, "uri", RESPONSES);
	tell(m, l, "notifications/resources/updated", params);
}

void
mcp_listen_read(struct mcp *m)
{
	char buf[4096] __attribute__((aligned(8)));
	const struct inotify_event *e;
	struct mcp_listen *l;
	bool changed = false;
	ssize_t n, at;
	size_t len;

	while ((n = read(m->listen_fd, buf, sizeof(buf))) > 0)
		for (at = 0; at < n; at += (ssize_t)(sizeof(*e) + e->len)) {
			e = (const struct inotify_event *)(buf + at);
			len = e->len > 0 ? strlen(e->name) : 0;
			changed |= e->mask & IN_Q_OVERFLOW || (len > 5 &&
			    *e->name != '.' && strcmp(e->name + len - 5,
			    ".json") == 0);
		}
	if (!changed)
		return;
	TAILQ_FOREACH(l, &m->listens, entry)
		if (l->responses)
			updated(m, l);
	if (m->subscribed)
		updated(m, NULL);
}

void
mcp_listen_end(struct mcp *m)
{
	struct json_object *result, *meta;
	struct mcp_listen *l;

	while ((l = TAILQ_FIRST(&m->listens)) != NULL) {
		struct mcp_reply reply = { .id = json_object_get(l->id),
			.modern = true };

		result = json_object_new_object();
		meta = json_object_new_object();
		json_object_object_add(meta, MCP_META "subscriptionId",
		    json_object_get(l->id));
		json_object_object_add(result, "_meta", meta);
		mcp_rpc_result(m, &reply, result);
		listen_free(m, l);
	}
}
