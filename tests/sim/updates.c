/*
 * updates.c - the queue of updates and getUpdates: long polling, offsets
 * that confirm, and the conflict of two pollers, in which the earlier one
 * is ended, as the real service does it.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <event2/http.h>
#include <json-c/json.h>

#include "tests/sim/methods.h"
#include "tests/sim/sim.h"

#define HISTORY_MAX	10000	/* updates that can be delivered again */
#define TIMEOUT_MAX	50	/* seconds; the real service cuts there */

struct update {
	TAILQ_ENTRY(update)	 entry;
	int64_t			 id;
	char			*json;
	size_t			 len;
	bool			 again;	/* redelivered: offsets pass by it */
};
TAILQ_HEAD(update_list, update);

static void	collect(struct buf *, int64_t);
static void	confirm(int64_t);
static struct update *copy(const struct update *);
static void	forget(struct update_list *, struct update *);
static void	poll_answer(int, const char *, size_t);
static void	poll_feed(void);
static void	poll_wake(void *, bool);
static bool	wanted(const char *);

static struct update_list pending = TAILQ_HEAD_INITIALIZER(pending);
static struct update_list history = TAILQ_HEAD_INITIALIZER(history);
static uint64_t		 npending, nhistory;
static int64_t		 next_id;
static struct json_object *allowed;	/* NULL: the default */

/* The poll that waits, if any. */
static struct parked	*poll;
static int64_t		 poll_limit;

/* Ids rise over restarts, since bots keep their offset on disk. */
void
updates_init(void)
{
	next_id = time(NULL) - 1000000000;
}

static struct update *
copy(const struct update *u)
{
	struct update	*c = xcalloc(1, sizeof(*c));

	c->id = u->id;
	c->len = u->len;
	c->json = xstrndup(u->json, u->len);
	return (c);
}

static void
forget(struct update_list *list, struct update *u)
{
	TAILQ_REMOVE(list, u, entry);
	if (list == &pending)
		npending--;
	else
		nhistory--;
	free(u->json);
	free(u);
}

/* Without a list, all kinds but the few that must be asked for. */
static bool
wanted(const char *kind)
{
	const char	*s;
	size_t		 i;

	if (allowed == NULL || json_object_array_length(allowed) == 0)
		return (strcmp(kind, "chat_member") != 0 &&
		    strncmp(kind, "message_reaction", 16) != 0);
	for (i = 0; i < json_object_array_length(allowed); i++)
		if ((s = json_object_get_string(json_object_array_get_idx(
		    allowed, i))) != NULL && strcmp(s, kind) == 0)
			return (true);
	return (false);
}

void
updates_allow(struct json_object *list)
{
	if (!json_object_is_type(list, json_type_array))
		return;
	json_object_put(allowed);
	allowed = json_object_get(list);
}

int64_t
updates_add(const char *kind, const struct buf *inside)
{
	struct update	*kept, *u;
	struct buf	 b = { 0 };

	if (!wanted(kind))
		return (0);
	u = xcalloc(1, sizeof(*u));
	u->id = next_id++;
	buf_printf(&b, "{\"update_id\":%lld,\"%s\":", (long long)u->id, kind);
	buf_add(&b, inside->p, inside->len);
	buf_putc(&b, '}');
	u->json = b.p;
	u->len = b.len;
	TAILQ_INSERT_TAIL(&pending, u, entry);
	npending++;
	kept = copy(u);
	TAILQ_INSERT_TAIL(&history, kept, entry);
	if (++nhistory > HISTORY_MAX)
		forget(&history, TAILQ_FIRST(&history));
	poll_feed();
	webhook_kick();
	return (next_id - 1);
}

int
updates_redeliver(int64_t id)
{
	struct update	*u, *again;

	TAILQ_FOREACH(u, &history, entry)
		if (u->id == id)
			break;
	if (u == NULL)
		return (-1);
	again = copy(u);
	again->again = true;
	TAILQ_INSERT_TAIL(&pending, again, entry);
	npending++;
	poll_feed();
	webhook_kick();
	return (0);
}

const char *
updates_first(size_t *len)
{
	struct update	*u = TAILQ_FIRST(&pending);

	if (u == NULL)
		return (NULL);
	*len = u->len;
	return (u->json);
}

void
updates_pop(void)
{
	if (!TAILQ_EMPTY(&pending))
		forget(&pending, TAILQ_FIRST(&pending));
}

uint64_t
updates_pending(void)
{
	return (npending);
}

/* An offset confirms what is before it; a negative one, all but the last. */
static void
confirm(int64_t offset)
{
	struct update	*next, *u;

	while (offset < 0 && npending > (uint64_t)-offset)
		updates_pop();
	for (u = TAILQ_FIRST(&pending); u != NULL; u = next) {
		next = TAILQ_NEXT(u, entry);
		if (!u->again && u->id < offset)
			forget(&pending, u);
	}
}

/* The answer to a poll. */
static void
collect(struct buf *b, int64_t limit)
{
	struct update	*next, *u;
	const char	*comma = "";

	buf_putc(b, '[');
	for (u = TAILQ_FIRST(&pending); u != NULL && limit > 0; u = next) {
		next = TAILQ_NEXT(u, entry);
		buf_puts(b, comma);
		buf_add(b, u->json, u->len);
		comma = ",";
		limit--;
		if (u->again)
			forget(&pending, u);
	}
	buf_putc(b, ']');
}

/* Answer the poll that waits. */
static void
poll_answer(int status, const char *s, size_t len)
{
	struct evhttp_request	*req = server_unpark(poll);

	poll = NULL;
	sim.stats.polls_open--;
	sim.stats.in_flight++;
	server_reply(req, status, NULL, s, len, NULL);
}

static void
poll_feed(void)
{
	struct buf	b = { 0 };

	if (poll == NULL || npending == 0)
		return;
	buf_puts(&b, "{\"ok\":true,\"result\":");
	collect(&b, poll_limit);
	buf_putc(&b, '}');
	poll_answer(200, b.p, b.len);
	buf_free(&b);
}

static void
poll_wake(void *arg, bool gone)
{
	static const char	none[] = "{\"ok\":true,\"result\":[]}";

	(void)arg;
	if (!gone) {
		poll_answer(200, none, sizeof(none) - 1);
		return;
	}
	/* Whoever asked does not listen any more; offsets were not moved. */
	poll = NULL;
	sim.stats.polls_open--;
	sim.stats.in_flight++;
}

void
updates_conflict(void)
{
	static const char	text[] = "{\"ok\":false,\"error_code\":409,"
	    "\"description\":\"Conflict: terminated by other getUpdates "
	    "request; make sure that only one bot instance is running\"}";
	static const char	hook[] = "{\"ok\":false,\"error_code\":409,"
	    "\"description\":\"Conflict: terminated by setWebhook request\"}";

	if (poll == NULL)
		return;
	if (webhook_active())
		poll_answer(409, hook, sizeof(hook) - 1);
	else
		poll_answer(409, text, sizeof(text) - 1);
}

int
updates_get(struct call *call)
{
	struct json_object	*kinds;
	int64_t			 limit = 100, offset = 0, timeout = 0;
	bool			 broken;

	if (webhook_active())
		return (call_fail(call, 409, "Conflict: can't use getUpdates "
		    "method while webhook is active; use deleteWebhook to "
		    "delete the webhook first"));
	updates_conflict();
	(void)params_int(call->params, "offset", &offset);
	(void)params_int(call->params, "limit", &limit);
	(void)params_int(call->params, "timeout", &timeout);
	if ((kinds = params_json(call->params, "allowed_updates", &broken)) !=
	    NULL) {
		updates_allow(kinds);
		json_object_put(kinds);
	}
	if (limit < 1 || limit > 100)
		limit = 100;
	if (timeout < 0 || timeout > TIMEOUT_MAX)
		timeout = timeout < 0 ? 0 : TIMEOUT_MAX;
	confirm(offset);
	if (npending > 0 || timeout == 0) {
		collect(call->out, limit);
		return (0);
	}
	call->parked = true;
	poll_limit = limit;
	sim.stats.in_flight--;
	sim.stats.polls_open++;
	poll = server_park(call->req, timeout * 1000, poll_wake, NULL);
	return (0);
}

/* Nothing is pending any more; a poll that waits goes on waiting. */
void
updates_reset(void)
{
	while (!TAILQ_EMPTY(&pending))
		updates_pop();
	while (!TAILQ_EMPTY(&history))
		forget(&history, TAILQ_FIRST(&history));
	json_object_put(allowed);
	allowed = NULL;
}
