/*
 * Silences: events that match are suppressed until the silence ends.  In the
 * store's meta table under "silence.ID", each a JSON text; few, so they live
 * in a list.  Approvals are never silenced.
 */
#include <sys/queue.h>

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "workers/queue/query.h"

struct silence {
	int64_t id, ends_ms;
	struct json_object *doc;
	LIST_ENTRY(silence) entry;
};

static LIST_HEAD(, silence) silences = LIST_HEAD_INITIALIZER(silences);
static int64_t last_id;

/* What a matcher may name. */
static const char *const keys[] = { "type", "source", "title", "task_id",
	"severity" };

static struct silence *
silence_new(int64_t id, struct json_object *doc)
{
	struct silence *s;

	if ((s = calloc(1, sizeof(*s))) == NULL)
		fatal("silence");
	s->id = id;
	s->doc = doc;
	s->ends_ms = json_i64(doc, "ends_ms", 0);
	LIST_INSERT_HEAD(&silences, s, entry);
	if (id > last_id)
		last_id = id;
	return (s);
}

static void
silence_save(struct silence *s)
{
	char key[40];

	snprintf(key, sizeof(key), "silence.%lld", (long long)s->id);
	json_object_object_add(s->doc, "ends_ms",
	    json_object_new_int64(s->ends_ms));
	if (store_put_meta(queue.store, key, json_object_to_json_string(
	    s->doc)) == -1)
		fatal("silence");
	commit_soon();
}

static void
silence_end(struct silence *s)
{
	char key[40];

	snprintf(key, sizeof(key), "silence.%lld", (long long)s->id);
	if (store_put_meta(queue.store, key, NULL) == -1)
		fatal("silence");
	commit_soon();
	LIST_REMOVE(s, entry);
	json_object_put(s->doc);
	free(s);
}

static void
silence_loaded(const char *key, const char *value, void *arg)
{
	const char *error;
	struct json_object *o = json_parse(value, strlen(value), &error);

	(void)arg;
	if (o != NULL)
		silence_new(strtoll(key, NULL, 10), o);
}

void
silence_load(void)
{
	if (store_each_meta(queue.store, "silence.", silence_loaded, NULL)
	    == -1)
		log_errx("silences: %s", store_error(queue.store));
}

void
silence_clock_set(int64_t by_ms)
{
	struct silence *s;

	LIST_FOREACH(s, &silences, entry) {
		s->ends_ms += by_ms;
		silence_save(s);
	}
}

bool
silence_any(void)
{
	return (!LIST_EMPTY(&silences));
}

/* Every matcher of a silence has to match. */
bool
silence_matches(const char *const value[NSILENCEKEYS])
{
	int64_t now = jump_wall_ms();
	struct silence *s, *next;
	const char *pattern;
	size_t i;

	LIST_FOREACH_SAFE(s, &silences, entry, next) {
		if (s->ends_ms <= now) {
			silence_end(s);
			continue;
		}
		for (i = 0; i < NSILENCEKEYS; i++) {
			pattern = json_str(json_path(s->doc, "match"),
			    keys[i], NULL);
			if (pattern != NULL &&
			    fnmatch(pattern, value[i], 0) != 0)
				break;
		}
		if (i == NSILENCEKEYS)
			return (true);
	}
	return (false);
}

static bool
silence_check(struct query *q, struct json_object *match)
{
	bool known;

	if (!json_object_is_type(match, json_type_object) ||
	    json_object_object_length(match) == 0) {
		query_error(q, EX_DATAERR, "nothing to match", "match");
		return (false);
	}
	json_object_object_foreach(match, key, value) {
		known = false;
		for (size_t i = 0; i < NSILENCEKEYS; i++)
			known = known || strcmp(keys[i], key) == 0;
		if (known && json_object_is_type(value, json_type_string))
			continue;
		query_error(q, EX_DATAERR, "type, source, title, task_id or "
		    "severity, and a pattern", "match");
		return (false);
	}
	return (true);
}

static void
silence_add(struct query *q)
{
	struct json_object *match = json_path(q->request, "match");
	struct json_object *span = json_path(q->request, "for");
	struct json_object *doc, *o;
	struct silence *s;
	int64_t ms;

	if (!silence_check(q, match))
		return;
	ms = span == NULL ? -1 :
	    duration_parse_ms(json_object_get_string(span));
	if (ms <= 0) {
		query_error(q, EX_DATAERR, "not a duration", "for");
		return;
	}
	doc = json_object_new_object();
	json_object_object_add(doc, "match", json_object_get(match));
	query_add_str(doc, "comment", json_str(q->request, "comment", NULL));
	query_add_i64(doc, "ends_ms", jump_wall_ms() + ms);
	s = silence_new(last_id + 1, doc);
	silence_save(s);
	o = query_new_answer(true);
	query_add_i64(o, "id", s->id);
	query_add_time(o, "ends_at", s->ends_ms);
	query_done(q, o);
}

static void
silence_list(struct query *q)
{
	struct json_object *list = json_object_new_array(), *o;
	struct silence *s, *next;

	LIST_FOREACH_SAFE(s, &silences, entry, next) {
		if (s->ends_ms <= clock_wall_ms()) {
			silence_end(s);
			continue;
		}
		o = json_object_new_object();
		query_add_i64(o, "id", s->id);
		json_object_object_add(o, "match",
		    json_object_get(json_path(s->doc, "match")));
		query_add_time(o, "ends_at", s->ends_ms);
		query_add_str(o, "comment", json_str(s->doc, "comment", NULL));
		json_object_array_add(list, o);
	}
	o = query_new_answer(true);
	json_object_object_add(o, "silences", list);
	query_answer(q->from, q->id, o, false);
}

static void
silence_expire(struct query *q)
{
	struct json_object *o = json_path(q->request, "id");
	int64_t id = o == NULL ? 0 : json_object_get_int64(o);
	struct silence *s;

	LIST_FOREACH(s, &silences, entry)
		if (s->id == id)
			break;
	if (s == NULL) {
		query_error(q, EX_NOINPUT, "no such silence", "id");
		return;
	}
	silence_end(s);
	query_ok(q);
}

void
query_silence(struct query *q)
{
	const char *cmd = json_str(q->request, "cmd", "list");

	if (strcmp(cmd, "add") == 0)
		silence_add(q);
	else if (strcmp(cmd, "expire") == 0)
		silence_expire(q);
	else if (strcmp(cmd, "list") == 0)
		silence_list(q);
	else
		query_error(q, EX_DATAERR, "add, list or expire", "cmd");
}
