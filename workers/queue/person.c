/*
 * People and pairing; see person.h.  Roles are in the store's meta table
 * under "user.ID", codes under "pair.CODE"; few, so they live in lists.
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

#define CODE_MS 3600000	    /* a code is valid for an hour (DESIGN 13) */
#define WRONG_MAX 5	    /* wrong codes, then an hour's lock */
#define LOCK_MS 3600000
#define SENDERS_MAX 1024    /* of wrong codes remembered */
#define CODE_CHARS (PAIR_CODE_SIZE - 1)

struct person {
	int64_t id;
	enum role role;
	char *name;
	bool configured;
	LIST_ENTRY(person) entry;
};

struct code {
	char code[PAIR_CODE_SIZE];
	int64_t expires_ms;
	LIST_ENTRY(code) entry;
};

static LIST_HEAD(, person) people = LIST_HEAD_INITIALIZER(people);
static LIST_HEAD(, code) codes = LIST_HEAD_INITIALIZER(codes);
/* Whoever sent wrong codes within the hour; also under "wrong.ID". */
static struct sender {
	int64_t user_id;
	int wrong;
	int64_t until_ms;
} senders[SENDERS_MAX];

static const char *const role_names[NROLES] = {
#define ROLE_NAME(name, text) [ROLE_##name] = text,
	ROLES(ROLE_NAME)
#undef ROLE_NAME
};

static struct person *person_find(int64_t);
static struct person *person_new(int64_t, enum role, const char *, bool);
static void person_free(struct person *);
static void code_forget(struct code *);
static void sender_loaded(const char *, const char *, void *);

const char *
role_name(enum role r)
{
	return (r < NROLES ? role_names[r] : "?");
}

int
role_by_name(const char *name)
{
	for (int i = ROLE_VIEWER; i < NROLES; i++)
		if (strcmp(role_names[i], name) == 0)
			return (i);
	return (-1);
}

static struct person *
person_find(int64_t id)
{
	struct person *p;

	LIST_FOREACH(p, &people, entry)
		if (p->id == id)
			return (p);
	return (NULL);
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
		if ((p = person_find(id)) != NULL)
			person_free(p); /* the configuration knows better */
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
	if (role != -1 && id != 0 && person_find(id) == NULL)
		person_new(id, (enum role)role, json_str(o, "name", ""),
		    false);
	json_object_put(o);
}

static void
code_loaded(const char *key, const char *value, void *arg)
{
	struct code *c;

	(void)arg;
	if (strlen(key) != CODE_CHARS)
		return;
	if ((c = calloc(1, sizeof(*c))) == NULL)
		fatal("code");
	strlcpy(c->code, key, sizeof(c->code));
	c->expires_ms = strtoll(value, NULL, 10);
	LIST_INSERT_HEAD(&codes, c, entry);
}

void
person_load(void)
{
	size_t n = 0;

	if (store_each_meta(queue.store, "user.", person_loaded, NULL) == -1 ||
	    store_each_meta(queue.store, "pair.", code_loaded, NULL) == -1 ||
	    store_each_meta(queue.store, "wrong.", sender_loaded, &n) == -1)
		log_errx("people: %s", store_error(queue.store));
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
	if (p != NULL)
		person_free(p);
	person_new(id, role, name, false);
	snprintf(key, sizeof(key), "user.%lld", (long long)id);
	json_object_object_add(o, "role",
	    json_object_new_string(role_name(role)));
	json_object_object_add(o, "name", json_object_new_string(name));
	if (store_put_meta(queue.store, key, json_object_to_json_string(o))
	    == -1)
		fatal("person");
	json_object_put(o);
	commit_soon();
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
	person_free(p);
	snprintf(key, sizeof(key), "user.%lld", (long long)id);
	if (store_put_meta(queue.store, key, NULL) == -1)
		fatal("person");
	commit_soon();
	log_notice("user %lld is removed", (long long)id);
	return (true);
}

void
person_list(void (*each)(int64_t, enum role, const char *, bool, void *),
    void *arg)
{
	struct person *p;

	LIST_FOREACH(p, &people, entry)
		each(p->id, p->role, p->name, p->configured, arg);
}

/* Pairing. */

void
person_pair(char code[PAIR_CODE_SIZE], int64_t *expires_ms)
{
	/* Without 0 O 1 I L: they are typed by hand. */
	static const char alphabet[] = "ABCDEFGHJKMNPQRSTUVWXYZ23456789";
	char key[16], value[32];
	struct code *c;

	if ((c = calloc(1, sizeof(*c))) == NULL)
		fatal("code");
	for (int i = 0; i < CODE_CHARS; i++)
		c->code[i] = alphabet[arc4random_uniform(
		    sizeof(alphabet) - 1)];
	c->expires_ms = clock_wall_ms() + CODE_MS;
	LIST_INSERT_HEAD(&codes, c, entry);
	snprintf(key, sizeof(key), "pair.%s", c->code);
	snprintf(value, sizeof(value), "%lld", (long long)c->expires_ms);
	if (store_put_meta(queue.store, key, value) == -1)
		fatal("code");
	commit_soon();
	memcpy(code, c->code, PAIR_CODE_SIZE);
	*expires_ms = c->expires_ms;
}

static void
code_forget(struct code *c)
{
	char key[16];

	snprintf(key, sizeof(key), "pair.%s", c->code);
	if (store_put_meta(queue.store, key, NULL) == -1)
		fatal("code");
	commit_soon();
	LIST_REMOVE(c, entry);
	free(c);
}

static void
sender_save(const struct sender *s, bool keep)
{
	char key[40], value[48];

	snprintf(key, sizeof(key), "wrong.%lld", (long long)s->user_id);
	snprintf(value, sizeof(value), "%d %lld", s->wrong,
	    (long long)s->until_ms);
	if (store_put_meta(queue.store, key, keep ? value : NULL) == -1)
		fatal("code");
	commit_soon();
}

static void
sender_loaded(const char *key, const char *value, void *arg)
{
	size_t *n = arg;
	char *end;

	if (*n == SENDERS_MAX)
		return;
	senders[*n].user_id = strtoll(key, NULL, 10);
	senders[*n].wrong = (int)strtol(value, &end, 10);
	senders[*n].until_ms = strtoll(end, NULL, 10);
	(*n)++;
}

/* What is known of this sender; NULL: no wrong code within the hour. */
static struct sender *
sender_find(int64_t id)
{
	for (size_t i = 0; i < SENDERS_MAX; i++)
		if (senders[i].user_id == id &&
		    senders[i].until_ms > clock_wall_ms())
			return (&senders[i]);
	return (NULL);
}

static void
sender_wrong(int64_t id)
{
	struct sender *s = sender_find(id);

	if (s == NULL) {
		/* The one that is heard of longest ago makes room. */
		s = &senders[0];
		for (size_t i = 1; i < SENDERS_MAX; i++)
			if (senders[i].until_ms < s->until_ms)
				s = &senders[i];
		if (s->user_id != 0 && s->user_id != id)
			sender_save(s, false);
		s->user_id = id;
		s->wrong = 0;
	}
	s->wrong++;
	s->until_ms = clock_wall_ms() + LOCK_MS;
	sender_save(s, true);
	log_notice("user %lld sent a wrong pairing code%s", (long long)id,
	    s->wrong >= WRONG_MAX ? " and is locked out for an hour" : "");
}

bool
person_redeem(int64_t id, const char *name, const char *text)
{
	struct code *c, *next, *found = NULL;
	size_t len = strcspn(text, " \t\r\n");
	struct sender *s = sender_find(id);

	if (s != NULL && s->wrong >= WRONG_MAX)
		return (false);
	LIST_FOREACH_SAFE(c, &codes, entry, next) {
		if (c->expires_ms <= clock_wall_ms())
			code_forget(c);
		else if (len == CODE_CHARS &&
		    strncasecmp(c->code, text, len) == 0)
			found = c;
	}
	if (found == NULL) {
		sender_wrong(id);
		return (false);
	}
	code_forget(found);
	if (person_role(id) == ROLE_NONE)
		(void)person_add(id, ROLE_APPROVER, name);
	return (true);
}
