/*
 * People and pairing; see person.h.  Roles are in the store's meta table
 * under "user.ID", codes under "pair.CODE", senders of wrong ones under
 * "wrong.ID", the event at which a guest left under "left.ID"; few, so they
 * live in memory, too.
 */
#include <sys/queue.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "workers/queue/person.h"
#include "workers/queue/queue.h"

struct person {
	int64_t id;
	enum role role;
	char *name;
	bool configured;
	LIST_ENTRY(person) entry;
};

static LIST_HEAD(, person) people = LIST_HEAD_INITIALIZER(people);
static void code_changed(const char *, int64_t);
static void sender_changed(const struct pairing_sender *);
static struct pairing pairing = { .code_changed = code_changed,
	.sender_changed = sender_changed };

static struct person *person_find(int64_t);
static struct person *person_new(int64_t, enum role, const char *, bool);
static void person_free(struct person *);
static void person_leaves(int64_t);
static void left_loaded(const char *, const char *, void *);
static void person_replaced(const struct person *);

/* The configuration goes before what was said by "users add". */
static struct person *
person_find(int64_t id)
{
	struct person *p, *found = NULL;

	LIST_FOREACH(p, &people, entry)
		if (p->id == id && (found == NULL || p->configured))
			found = p;
	return (found);
}

static struct person *
person_new(int64_t id, enum role role, const char *name, bool configured)
{
	struct person *p;

	if ((p = calloc(1, sizeof(*p))) == NULL ||
	    (p->name = strdup(name)) == NULL)
		fatal("person");
	p->id = id;
	p->role = role;
	p->configured = configured;
	LIST_INSERT_HEAD(&people, p, entry);
	return (p);
}

static void
person_free(struct person *p)
{
	LIST_REMOVE(p, entry);
	free(p->name);
	free(p);
}

/* What was known of this person before goes. */
static void
person_replaced(const struct person *now)
{
	struct person *p, *next;

	LIST_FOREACH_SAFE(p, &people, entry, next)
		if (p->id == now->id && p != now && !p->configured)
			person_free(p);
}

void
person_configure(struct json_object *config)
{
	struct json_object *list = json_path(config, "telegram.allowed_users");
	struct person *p, *next;
	int64_t id;

	LIST_FOREACH_SAFE(p, &people, entry, next)
		if (p->configured)
			person_free(p);
	if (!json_object_is_type(list, json_type_array))
		return;
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		id = json_object_get_int64(json_object_array_get_idx(list, i));
		if ((p = person_find(id)) == NULL || !p->configured)
			person_new(id, ROLE_ADMIN, "", true);
	}
}

static void
person_loaded(const char *key, const char *value, void *arg)
{
	const char *error;
	struct json_object *o = json_parse(value, strlen(value), &error);
	int64_t id = strtoll(key, NULL, 10);
	int role = role_by_name(json_str(o, "role", ""));

	(void)arg;
	if (role != -1 && id != 0)
		person_new(id, (enum role)role, json_str(o, "name", ""),
		    false);
	json_object_put(o);
}

static void
code_loaded(const char *key, const char *value, void *arg)
{
	(void)arg;
	if (pairing_add_code(&pairing, key, strtoll(value, NULL, 10)) == -1)
		log_warnx("pairing code %s is lost", key);
}

static void
sender_loaded(const char *key, const char *value, void *arg)
{
	struct pairing_sender s = { .user_id = strtoll(key, NULL, 10) };
	char *end;

	(void)arg;
	s.wrong = (int)strtol(value, &end, 10);
	s.until_ms = strtoll(end, NULL, 10);
	(void)pairing_add_sender(&pairing, &s);
}

void
person_load(void)
{
	if (store_each_meta(queue.store, "user.", person_loaded, NULL) == -1 ||
	    store_each_meta(queue.store, "left.", left_loaded, NULL) == -1 ||
	    store_each_meta(queue.store, "pair.", code_loaded, NULL) == -1 ||
	    store_each_meta(queue.store, "wrong.", sender_loaded, NULL) == -1)
		log_errx("people: %s", store_error(queue.store));
	person_reroute();
}

/* What waits for this guest in private is not for them any more. */
static void
person_leaves(int64_t id)
{
	struct chat *c = chat_known(id, 0);
	int64_t seq = store_next_seq(queue.store);
	char key[40], value[32];

	if (c == NULL)
		return;
	snprintf(key, sizeof(key), "left.%lld", (long long)id);
	snprintf(value, sizeof(value), "%lld", (long long)seq);
	if (store_put_meta(queue.store, key, value) == -1)
		fatal("person");
	chat_leave(c, seq);
}

static void
left_loaded(const char *key, const char *value, void *arg)
{
	struct chat *c = chat_known(strtoll(key, NULL, 10), 0);

	(void)arg;
	if (c != NULL)
		chat_leave(c, strtoll(value, NULL, 10));
}

bool
person_is_guest(int64_t id)
{
	struct person *p = person_find(id);

	return (p != NULL && !p->configured &&
	    role_may(p->role, RIGHT_RECEIVE));
}

void
person_reroute(void)
{
	int64_t guest[STORE_FANOUT];
	struct person *p;
	size_t n = 0;

	LIST_FOREACH(p, &people, entry)
		if (n < STORE_FANOUT && person_is_guest(p->id))
			guest[n++] = p->id;
	if (route_set_guests(queue.routes, guest, n) == -1)
		fatal("routes");
}

enum role
person_role(int64_t id)
{
	struct person *p = person_find(id);

	return (p == NULL ? ROLE_NONE : p->role);
}

bool
person_add(int64_t id, enum role role, const char *name)
{
	struct json_object *o = json_object_new_object();
	struct person *p = person_find(id);
	char key[40];

	if (p != NULL && p->configured) {
		json_object_put(o);
		return (false);
	}
	if (person_is_guest(id) && !role_may(role, RIGHT_RECEIVE))
		person_leaves(id);
	/* Who gets another role keeps the name that came with pairing. */
	p = person_new(id, role, *name == '\0' && p != NULL ? p->name : name,
	    false);
	person_replaced(p);
	snprintf(key, sizeof(key), "user.%lld", (long long)id);
	json_object_object_add(o, "role",
	    json_object_new_string(role_name(role)));
	json_object_object_add(o, "name", json_object_new_string(p->name));
	if (store_put_meta(queue.store, key, json_object_to_json_string(o))
	    == -1)
		fatal("person");
	json_object_put(o);
	commit_soon();
	person_reroute();
	log_notice("user %lld is %s now", (long long)id, role_name(role));
	return (true);
}

bool
person_remove(int64_t id)
{
	struct person *p = person_find(id);
	char key[40];

	if (p == NULL || p->configured)
		return (false);
	if (person_is_guest(id))
		person_leaves(id);
	person_free(p);
	snprintf(key, sizeof(key), "user.%lld", (long long)id);
	if (store_put_meta(queue.store, key, NULL) == -1)
		fatal("person");
	commit_soon();
	person_reroute();
	log_notice("user %lld is removed", (long long)id);
	return (true);
}

void
person_list(void (*each)(int64_t, enum role, const char *, bool, void *),
    void *arg)
{
	struct person *p;

	LIST_FOREACH(p, &people, entry)
		if (person_find(p->id) == p)
			each(p->id, p->role, p->name, p->configured, arg);
}

/* Pairing. */

void
person_pair(char code[PAIR_CODE_SIZE], int64_t *expires_ms)
{
	/* Without 0 O 1 I L: they are typed by hand. */
	static const char alphabet[] = "ABCDEFGHJKMNPQRSTUVWXYZ23456789";

	for (int i = 0; i < PAIR_CODE_CHARS; i++)
		code[i] = alphabet[arc4random_uniform(sizeof(alphabet) - 1)];
	code[PAIR_CODE_CHARS] = '\0';
	*expires_ms = jump_wall_ms() + PAIRING_CODE_MS;
	if (pairing_add_code(&pairing, code, *expires_ms) == -1)
		fatal("code");
	code_changed(code, *expires_ms);
}

void
person_clock_set(int64_t by_ms)
{
	pairing_shift(&pairing, by_ms);
}

static void
code_changed(const char *code, int64_t expires_ms)
{
	char key[16], value[32];

	snprintf(key, sizeof(key), "pair.%s", code);
	snprintf(value, sizeof(value), "%lld", (long long)expires_ms);
	if (store_put_meta(queue.store, key, expires_ms == 0 ? NULL : value)
	    == -1)
		fatal("code");
	commit_soon();
}

static void
sender_changed(const struct pairing_sender *s)
{
	char key[40], value[48];

	snprintf(key, sizeof(key), "wrong.%lld", (long long)s->user_id);
	snprintf(value, sizeof(value), "%d %lld", s->wrong,
	    (long long)s->until_ms);
	if (store_put_meta(queue.store, key, s->wrong > 0 ? value : NULL)
	    == -1)
		fatal("code");
	commit_soon();
}

bool
person_redeem(int64_t id, const char *name, const char *text)
{
	int64_t now_ms = jump_wall_ms();

	switch (pairing_try(&pairing, id, text, now_ms)) {
	case PAIRING_RIGHT:
		break;
	case PAIRING_WRONG:
		log_notice("user %lld sent a wrong pairing code%s",
		    (long long)id, pairing_wrong(&pairing, id, now_ms) >=
		    PAIRING_WRONG_MAX ? " and is locked out for an hour" : "");
		return (false);
	case PAIRING_LOCKED:
		return (false);
	}
	if (person_role(id) == ROLE_NONE)
		(void)person_add(id, ROLE_APPROVER, name);
	return (true);
}
