/*
 * Normalisation of events.  Known keys of a wrong but convertible type are
 * converted, others are kept as they are; nothing is ever refused here.
 */
#include <sys/types.h>

#include <json.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/clock.h"
#include "common/event.h"
#include "common/json.h"
#include "common/nitems.h"
#include "common/utf8.h"
#include "workers/analyze/attach.h"
#include "workers/analyze/normalise.h"
#include "workers/analyze/tree.h"

#define WHOLE_MAX 9007199254740992.0 /* 2^53: doubles count exactly so far */
#define EPOCH_LEAST 1e8	 /* seconds: 1973; less is no time */
#define EPOCH_MOST 1e11	 /* seconds: 5138; more is milliseconds */

enum type { STRING, STRINGS, WHOLE, NUMBER, FLAG };

/* The keys of data that have a type, sorted.  Names and types: the event
 * model of co8/cctelegram, and its tools' current_value and threshold. */
static const struct typed_key {
	const char *name;
	enum type type;
} typed_keys[] = {
	{ "approval_prompt", STRING },
	{ "arguments", STRINGS },
	{ "author", STRING },
	{ "branch_name", STRING },
	{ "build_target", STRING },
	{ "category", STRING },
	{ "class_name", STRING },
	{ "code_snippet", STRING },
	{ "command", STRING },
	{ "commit_hash", STRING },
	{ "commit_message", STRING },
	{ "coverage_percentage", NUMBER },
	{ "cpu_usage_percent", NUMBER },
	{ "current_value", NUMBER },
	{ "directory", STRING },
	{ "disk_usage_mb", NUMBER },
	{ "duration_ms", WHOLE },
	{ "endpoint", STRING },
	{ "error_code", STRING },
	{ "error_message", STRING },
	{ "exit_code", WHOLE },
	{ "file_path", STRING },
	{ "files_affected", STRINGS },
	{ "files_changed", STRINGS },
	{ "function_name", STRING },
	{ "language", STRING },
	{ "line_number", WHOLE },
	{ "memory_usage_mb", NUMBER },
	{ "module_name", STRING },
	{ "network_bytes", WHOLE },
	{ "options", STRINGS },
	{ "priority", STRING },
	{ "request_id", STRING },
	{ "requested_mode", STRING },
	{ "response_code", WHOLE },
	{ "response_options", STRINGS },
	{ "results", STRING },
	{ "service_name", STRING },
	{ "severity", STRING },
	{ "stack_trace", STRING },
	{ "status", STRING },
	{ "success", FLAG },
	{ "tags", STRINGS },
	{ "test_count", WHOLE },
	{ "tests_failed", WHOLE },
	{ "tests_passed", WHOLE },
	{ "threshold", NUMBER },
	{ "timeout_minutes", NUMBER },
	{ "timeout_ms", NUMBER },
	{ "url", STRING },
	{ "user_id", STRING }
};

static int clean_text(void *, const char *, size_t, const char *, char **,
    size_t *);
static struct json_object *clean_number(void *, struct json_object *,
    const char *);
static bool is_scalar(struct json_object *);
static struct json_object *as_string(struct json_object *);
static struct json_object *as_strings(struct json_object *);
static bool is_number_text(const char *);
static struct json_object *as_number(struct json_object *, bool);
static struct json_object *as_flag(struct json_object *);
static struct json_object *convert(struct json_object *, enum type);
static int key_compare(const void *, const void *);
static int convert_data(struct json_object *);
static int put(struct json_object *, const char *, struct json_object *);
static int put_string(struct json_object *, const char *, const char *);
static int put_data(struct json_object *);
static int put_description(struct json_object *);
static int put_timestamp(struct json_object *, int64_t);

static const struct tree_ops clean_ops = { clean_text, clean_number };

static int
clean_text(void *arg, const char *p, size_t len, const char *label,
    char **out, size_t *outlen)
{
	(void)arg, (void)label;
	if (utf8_clean(p, len))
		return (0);
	*out = utf8_scrub(p, len, outlen);
	return (*out != NULL ? 1 : -1);
}

/* json-c reads "NaN", "1." and the like, and would write them again. */
static struct json_object *
clean_number(void *arg, struct json_object *o, const char *label)
{
	const char *text, *dot;
	double v;

	(void)arg, (void)label;
	if (!json_object_is_type(o, json_type_double))
		return (NULL);
	v = json_object_get_double(o);
	text = json_object_get_string(o);
	if (!isfinite(v))
		return (json_object_new_string(text));
	dot = strchr(text, '.');
	if (dot == NULL || (dot[1] >= '0' && dot[1] <= '9'))
		return (NULL);
	return (json_object_new_double(v));
}

static bool
is_scalar(struct json_object *o)
{
	return (json_object_is_type(o, json_type_int) ||
	    json_object_is_type(o, json_type_double) ||
	    json_object_is_type(o, json_type_boolean));
}

/*
 * The as_… functions return what takes the place of o, or NULL if it stays
 * as it is: it has the type, or cannot be converted.
 */
static struct json_object *
as_string(struct json_object *o)
{
	if (!is_scalar(o))
		return (NULL);
	return (json_object_new_string(json_object_get_string(o)));
}

static struct json_object *
as_strings(struct json_object *o)
{
	struct json_object *list, *other;
	size_t i, n;

	if (json_object_is_type(o, json_type_array)) {
		n = json_object_array_length(o);
		for (i = 0; i < n; i++) {
			other = as_string(json_object_array_get_idx(o, i));
			if (other != NULL)
				json_object_array_put_idx(o, i, other);
		}
		return (NULL);
	}
	if (!is_scalar(o) && !json_object_is_type(o, json_type_string))
		return (NULL);
	if ((list = json_object_new_array()) == NULL)
		return (NULL);
	if ((other = as_string(o)) == NULL)
		other = json_object_get(o);
	if (json_object_array_add(list, other) == -1)
		json_object_put(other);
	return (list);
}

/* A number as JSON has it (RFC 8259 section 6), with nothing around it. */
static bool
is_number_text(const char *p)
{
	static const char digits[] = "0123456789";
	size_t n;

	p += *p == '-';
	n = strspn(p, digits);
	if (n == 0 || (n > 1 && p[0] == '0'))
		return (false);
	p += n;
	if (*p == '.') {
		if ((n = strspn(++p, digits)) == 0)
			return (false);
		p += n;
	}
	if (*p == 'e' || *p == 'E') {
		p++;
		p += *p == '+' || *p == '-';
		if ((n = strspn(p, digits)) == 0)
			return (false);
		p += n;
	}
	return (*p == '\0');
}

static struct json_object *
as_number(struct json_object *o, bool whole)
{
	const char *text;
	double v;

	if (json_object_is_type(o, json_type_string)) {
		text = json_object_get_string(o);
		if (!is_number_text(text))
			return (NULL);
		v = strtod(text, NULL);
		if (!whole && strpbrk(text, ".eE") != NULL && isfinite(v))
			return (json_object_new_double_s(v, text));
	} else if (json_object_is_type(o, json_type_double) && whole)
		v = json_object_get_double(o);
	else
		return (NULL);
	if (!(fabs(v) <= WHOLE_MAX))
		return (NULL);
	return (json_object_new_int64((int64_t)llround(v)));
}

static struct json_object *
as_flag(struct json_object *o)
{
	static const char *const yes[] = { "true", "yes", "1" };
	static const char *const no[] = { "false", "no", "0" };
	const char *text;
	int64_t n;
	size_t i;

	if (json_object_is_type(o, json_type_int)) {
		n = json_object_get_int64(o);
		return (n == 0 || n == 1 ?
		    json_object_new_boolean(n == 1) : NULL);
	}
	if (!json_object_is_type(o, json_type_string))
		return (NULL);
	text = json_object_get_string(o);
	for (i = 0; i < nitems(yes); i++) {
		if (strcasecmp(text, yes[i]) == 0)
			return (json_object_new_boolean(1));
		if (strcasecmp(text, no[i]) == 0)
			return (json_object_new_boolean(0));
	}
	return (NULL);
}

static struct json_object *
convert(struct json_object *o, enum type type)
{
	switch (type) {
	case STRING:
		return (as_string(o));
	case STRINGS:
		return (as_strings(o));
	case WHOLE:
		return (as_number(o, true));
	case NUMBER:
		return (as_number(o, false));
	case FLAG:
		return (as_flag(o));
	}
	return (NULL);
}

static int
key_compare(const void *key, const void *row)
{
	return (strcmp(key, ((const struct typed_key *)row)->name));
}

static int
convert_data(struct json_object *data)
{
	const struct typed_key *known;
	struct json_object *other;

	json_object_object_foreach(data, key, value) {
		known = bsearch(key, typed_keys, nitems(typed_keys),
		    sizeof(typed_keys[0]), key_compare);
		if (known == NULL ||
		    (other = convert(value, known->type)) == NULL)
			continue;
		if (put(data, key, other) == -1)
			return (-1);
	}
	return (0);
}

/* Takes value over, whatever happens; NULL is out of memory. */
static int
put(struct json_object *o, const char *key, struct json_object *value)
{
	if (value != NULL && json_object_object_add(o, key, value) == 0)
		return (0);
	json_object_put(value);
	return (-1);
}

/* The text may be that of the very key which is set. */
static int
put_string(struct json_object *event, const char *key, const char *text)
{
	struct json_object *old;

	if (json_object_object_get_ex(event, key, &old) &&
	    json_object_is_type(old, json_type_string) &&
	    json_object_get_string(old) == text)
		return (0);
	return (put(event, key, json_object_new_string(text)));
}

static int
put_data(struct json_object *event)
{
	struct json_object *data, *holder;

	json_object_object_get_ex(event, "data", &data);
	if (json_object_is_type(data, json_type_object))
		return (0);
	if ((holder = json_object_new_object()) == NULL)
		return (-1);
	if (data != NULL &&
	    put(holder, "value", json_object_get(data)) == -1) {
		json_object_put(holder);
		return (-1);
	}
	return (put(event, "data", holder));
}

static int
put_description(struct json_object *event)
{
	struct json_object *old;

	json_object_object_get_ex(event, "description", &old);
	if (json_object_is_type(old, json_type_string))
		return (0);
	return (put_string(event, "description", old == NULL ? "" :
	    json_object_to_json_string_ext(old, JSON_C_TO_STRING_PLAIN |
	    JSON_C_TO_STRING_NOSLASHESCAPE)));
}

/* A time of RFC 3339 stays; seconds or milliseconds since 1970 become one;
 * anything else is replaced by the time at which the event came. */
static int
put_timestamp(struct json_object *event, int64_t received_ms)
{
	char buf[RFC3339_SIZE];
	struct json_object *old;
	double v;

	json_object_object_get_ex(event, "timestamp", &old);
	if (json_object_is_type(old, json_type_string) &&
	    clock_parse_rfc3339(json_object_get_string(old)) != -1)
		return (0);
	v = old != NULL ? json_object_get_double(old) : 0;
	if (v < EPOCH_MOST)
		v *= 1000;
	if (v > 1000 * EPOCH_LEAST && v < 1000 * EPOCH_MOST)
		received_ms = (int64_t)v;
	return (put(event, "timestamp", json_object_new_string(
	    clock_rfc3339(buf, sizeof(buf), received_ms))));
}

int
normalise_event(struct json_object *event, int64_t received_ms)
{
	struct event_fields f;
	struct json_object *data;
	int rc = 0;

	/* Clean as they are read, and the ids as the queue knows them.  The
	 * task's may be the text of the event's: set it while that is there. */
	if (event_fields_read(&f, event) == -1)
		return (-1);
	rc |= put_string(event, "task_id", f.task_id);
	rc |= put_string(event, "event_id", f.id);
	rc |= put_string(event, "type", f.type);
	rc |= put_string(event, "source", f.source);
	rc |= put_string(event, "title", f.title);
	event_fields_free(&f);
	rc |= tree_rewrite(event, &clean_ops, NULL);
	rc |= put_description(event);
	rc |= put_timestamp(event, received_ms);
	rc |= put_data(event);
	rc |= attach_normalise(event);
	/* The queue's own: how a question was decided is not the asker's to
	 * say. */
	json_object_object_del(event, "decision");
	json_object_object_get_ex(event, "data", &data);
	if (rc == 0)
		rc = convert_data(data);
	if (rc == 0)
		rc = put_string(event, "severity", severity_name(
		    event_severity(json_str(event, "type", ""), data)));
	return (rc == 0 ? 0 : -1);
}
