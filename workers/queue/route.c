/*
 * Routes; see route.h.
 */
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "common/json.h"
#include "workers/queue/route.h"

struct route_chat {
	char *name;
	int64_t id, thread;
	enum topic_by topic;
};

struct route {
	char **type, **source;
	size_t ntypes, nsources;
	size_t *chat; /* indices into the table's chats */
	size_t nchats;
	bool silent, digest, go_on;
	int64_t ttl_ms;
};

struct route_table {
	struct route_chat *chat;
	size_t nchats;
	struct route *route;
	size_t nroutes;
	int64_t *user;
	size_t nusers;
	int64_t *guest;
	size_t nguests;
};

static int route_load_chats(struct route_table *, struct json_object *);
static int route_load_routes(struct route_table *, struct json_object *);
static int route_load_users(struct route_table *, struct json_object *);
static int route_load_strings(struct json_object *, char ***, size_t *);
static void route_free_strings(char **, size_t);
static bool route_matches(char *const *, size_t, const char *);
static size_t route_add(struct route_target *, size_t,
    const struct route_chat *, bool, bool);
static const struct route_chat *route_find_chat(const struct route_table *,
    const char *);

/* The length of an array, 0 for anything else. */
static size_t
array_length(struct json_object *o)
{
	return (json_object_is_type(o, json_type_array) ?
	    json_object_array_length(o) : 0);
}

struct route_table *
route_load(struct json_object *config)
{
	struct route_table *t;

	if ((t = calloc(1, sizeof(*t))) == NULL)
		return (NULL);
	if (route_load_chats(t, json_path(config, "chats")) == -1 ||
	    route_load_routes(t, json_path(config, "routes")) == -1 ||
	    route_load_users(t, json_path(config, "telegram.allowed_users"))
	    == -1) {
		route_free(t);
		return (NULL);
	}
	return (t);
}

static int
route_load_chats(struct route_table *t, struct json_object *list)
{
	size_t n = array_length(list);

	if (n == 0)
		return (0);
	if ((t->chat = calloc(n, sizeof(*t->chat))) == NULL)
		return (-1);
	for (size_t i = 0; i < n; i++) {
		struct json_object *o = json_object_array_get_idx(list, i);
		struct route_chat *c = &t->chat[t->nchats];

		if ((c->name = strdup(json_str(o, "name", ""))) == NULL)
			return (-1);
		c->id = json_i64(o, "id", 0);
		c->thread = json_i64(o, "thread", 0);
		c->topic = topic_by_name(json_str(o, "topic", "none"));
		t->nchats++;
	}
	return (0);
}

static int
route_load_strings(struct json_object *list, char ***out, size_t *count)
{
	size_t n = array_length(list);

	if (n == 0)
		return (0);
	if ((*out = calloc(n, sizeof(**out))) == NULL)
		return (-1);
	for (size_t i = 0; i < n; i++) {
		(*out)[i] = strdup(json_object_get_string(
		    json_object_array_get_idx(list, i)));
		if ((*out)[i] == NULL)
			return (-1);
		(*count)++;
	}
	return (0);
}

static int
route_load_routes(struct route_table *t, struct json_object *list)
{
	size_t n = array_length(list), nchats;

	if (n == 0)
		return (0);
	if ((t->route = calloc(n, sizeof(*t->route))) == NULL)
		return (-1);
	for (size_t i = 0; i < n; i++) {
		struct json_object *o = json_object_array_get_idx(list, i);
		struct json_object *chats = json_path(o, "chat");
		struct route *r = &t->route[t->nroutes++];

		if (route_load_strings(json_path(o, "type"), &r->type,
		    &r->ntypes) == -1 ||
		    route_load_strings(json_path(o, "source"), &r->source,
		    &r->nsources) == -1)
			return (-1);
		nchats = array_length(chats);
		r->chat = calloc(nchats + 1, sizeof(*r->chat));
		if (r->chat == NULL)
			return (-1);
		for (size_t j = 0; j < nchats; j++) {
			const struct route_chat *c = route_find_chat(t,
			    json_object_get_string(
			    json_object_array_get_idx(chats, j)));

			if (c != NULL)
				r->chat[r->nchats++] = (size_t)(c - t->chat);
		}
		r->silent = json_flag(o, "silent", false);
		r->digest = json_flag(o, "digest", true);
		r->go_on = json_flag(o, "continue", false);
		r->ttl_ms = json_i64(o, "ttl_ms", 0);
	}
	return (0);
}

static int
route_load_users(struct route_table *t, struct json_object *list)
{
	size_t n = array_length(list);

	if (n == 0)
		return (0);
	if ((t->user = calloc(n, sizeof(*t->user))) == NULL)
		return (-1);
	for (size_t i = 0; i < n; i++)
		t->user[t->nusers++] = json_object_get_int64(
		    json_object_array_get_idx(list, i));
	return (0);
}

static void
route_free_strings(char **s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(s[i]);
	free(s);
}

void
route_free(struct route_table *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; i < t->nchats; i++)
		free(t->chat[i].name);
	for (size_t i = 0; i < t->nroutes; i++) {
		route_free_strings(t->route[i].type, t->route[i].ntypes);
		route_free_strings(t->route[i].source, t->route[i].nsources);
		free(t->route[i].chat);
	}
	free(t->chat);
	free(t->route);
	free(t->user);
	free(t->guest);
	free(t);
}

static bool
route_matches(char *const *pattern, size_t n, const char *text)
{
	if (n == 0)
		return (true);
	for (size_t i = 0; i < n; i++)
		if (fnmatch(pattern[i], text, 0) == 0)
			return (true);
	return (false);
}

/* Add a chat unless it is there; loud wins over silent. */
static size_t
route_add(struct route_target *out, size_t n, const struct route_chat *c,
    bool silent, bool nodigest)
{
	for (size_t i = 0; i < n; i++) {
		if (out[i].chat_id != c->id || out[i].thread != c->thread ||
		    out[i].topic != c->topic)
			continue;
		out[i].silent = out[i].silent && silent;
		out[i].nodigest = out[i].nodigest || nodigest;
		return (n);
	}
	if (n == STORE_FANOUT)
		return (n);
	out[n] = (struct route_target){ c->id, c->thread, c->topic, silent,
	    nodigest };
	return (n + 1);
}

/* All allowed users, then the guests. */
static size_t
route_add_people(const struct route_table *t, struct route_target *out,
    size_t n, bool silent, bool nodigest)
{
	for (size_t i = 0; i < t->nusers; i++)
		n = route_add(out, n, &(struct route_chat){
		    .id = t->user[i] }, silent, nodigest);
	for (size_t i = 0; i < t->nguests; i++)
		n = route_add(out, n, &(struct route_chat){
		    .id = t->guest[i] }, silent, nodigest);
	return (n);
}

int
route_set_guests(struct route_table *t, const int64_t *id, size_t n)
{
	int64_t *copy;

	if ((copy = calloc(n + 1, sizeof(*copy))) == NULL)
		return (-1);
	memcpy(copy, id, n * sizeof(*copy));
	free(t->guest);
	t->guest = copy;
	t->nguests = n;
	return (0);
}

size_t
route_resolve(const struct route_table *t, const char *type,
    const char *source, struct route_target out[STORE_FANOUT],
    int64_t *ttl_ms)
{
	bool matched = false;
	size_t n = 0;

	for (size_t i = 0; i < t->nroutes; i++) {
		const struct route *r = &t->route[i];

		if (!route_matches(r->type, r->ntypes, type) ||
		    !route_matches(r->source, r->nsources, source))
			continue;
		matched = true;
		if (r->ttl_ms > 0)
			*ttl_ms = r->ttl_ms;
		for (size_t j = 0; j < r->nchats; j++)
			n = route_add(out, n, &t->chat[r->chat[j]], r->silent,
			    !r->digest);
		/* A route without chats says how, not where. */
		if (r->nchats == 0)
			n = route_add_people(t, out, n, r->silent,
			    !r->digest);
		if (!r->go_on)
			break;
	}
	if (!matched)
		n = route_add_people(t, out, n, false, false);
	return (n);
}

static const struct route_chat *
route_find_chat(const struct route_table *t, const char *name)
{
	for (size_t i = 0; name != NULL && i < t->nchats; i++)
		if (strcmp(t->chat[i].name, name) == 0)
			return (&t->chat[i]);
	return (NULL);
}

size_t
route_named(const struct route_table *t, const char *to,
    struct route_target out[STORE_FANOUT])
{
	const struct route_chat *c;
	long long id, thread = 0;
	char *end;

	if ((c = route_find_chat(t, to)) != NULL)
		return (route_add(out, 0, c, false, false));
	errno = 0;
	id = strtoll(to, &end, 10);
	if (end == to || errno != 0 || id == 0)
		return (0);
	if (*end == ':') {
		to = end + 1;
		thread = strtoll(to, &end, 10);
		if (end == to || errno != 0 || thread < 0)
			return (0);
	}
	if (*end != '\0')
		return (0);
	return (route_add(out, 0, &(struct route_chat){ .id = id,
	    .thread = thread }, false, false));
}
