/*
 * Requests: one line of JSON from submit.sock.
 *
 * Called by client.c.  Pure.  A request is an object whose values are found
 * by a scan that only looks for their ends, so that an event goes to the
 * parser once, and to the store as it came.  Every value that the scan
 * passes is handed to the parser by whoever uses it, or here if nobody does:
 * a line that is not JSON is never accepted.
 */
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include <json.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/utf8.h"
#include "workers/intake/request.h"

#define TTL_MAX_MS (3650LL * 86400 * 1000)

/* The raw values of a request, by member. */
struct members {
	struct span op, event, tag, silent, ttl, ttl_ms, to, wait;
};

static const struct {
	const char *name;
	size_t offset;
} member[] = {
	{ "op", offsetof(struct members, op) },
	{ "event", offsetof(struct members, event) },
	{ "tag", offsetof(struct members, tag) },
	{ "silent", offsetof(struct members, silent) },
	{ "ttl", offsetof(struct members, ttl) },
	{ "ttl_ms", offsetof(struct members, ttl_ms) },
	{ "to", offsetof(struct members, to) },
	{ "wait", offsetof(struct members, wait) },
};
#define NMEMBERS (sizeof(member) / sizeof(member[0]))

static const char *skip_space(const char *, const char *);
static const char *skip_string(const char *, const char *);
static const char *skip_value(const char *, const char *);
static int members_scan(const char *, size_t, struct members *,
    struct error *);
static int members_put(struct members *, struct span, struct span,
    struct error *);
static int not_json(struct error *, const char *);
static struct json_object *value_parse(struct span, const char *,
    struct error *);
static int request_op(struct request *, struct span, struct error *);
static int request_options(struct request *, const struct members *,
    struct error *);
static int read_flag(struct span, const char *, bool *, struct error *);
static int read_duration(struct span, const char *, int64_t, int64_t *,
    struct error *);
static int read_to(struct span, char *, struct error *);

int
request_parse(const char *line, size_t len, struct request *r,
    struct error *error)
{
	struct members m = { 0 };
	struct json_object *tag;

	r->op[0] = '\0';
	r->tag = r->event = (struct span){ "", 0 };
	if (members_scan(line, len, &m, error) == -1)
		return (-1);
	if (m.tag.len > TAG_MAX)
		return (error_set(error, EX_DATAERR, "tag",
		    "longer than %d bytes", TAG_MAX));
	if (m.tag.len > 0) {
		if ((tag = value_parse(m.tag, "tag", error)) == NULL)
			return (-1);
		json_object_put(tag);
		r->tag = m.tag;
	}
	if (request_op(r, m.op, error) == -1)
		return (-1);
	if (strcmp(r->op, "send") == 0)
		return (request_options(r, &m, error));
	return (0);
}

/* Finding values. */

static const char *
skip_space(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t' || *p == '\r' ||
	    *p == '\n'))
		p++;
	return (p);
}

/* p is at the opening quote; returns what follows the string, or NULL. */
static const char *
skip_string(const char *p, const char *end)
{
	const char *quote;

	p++;
	if ((quote = memchr(p, '"', (size_t)(end - p))) == NULL)
		return (NULL);
	if (memchr(p, '\\', (size_t)(quote - p)) == NULL)
		return (quote + 1); /* as nearly all strings are */
	for (; p < end; p++) {
		if (*p == '\\')
			p++;
		else if (*p == '"')
			return (p + 1);
	}
	return (NULL);
}

/* Returns what follows the value at p, or NULL if it does not end. */
static const char *
skip_value(const char *p, const char *end)
{
	unsigned int depth = 0;
	const char *start = p;

	while (p < end) {
		switch (*p) {
		case '"':
			if ((p = skip_string(p, end)) == NULL)
				return (NULL);
			break;
		case '{':
		case '[':
			depth++;
			p++;
			break;
		case '}':
		case ']':
			if (depth == 0)
				return (p > start ? p : NULL);
			depth--;
			p++;
			break;
		case ',':
		case ' ':
		case '\t':
		case '\r':
		case '\n':
			if (depth == 0)
				return (p > start ? p : NULL);
			p++;
			continue;
		default:
			p++;
			continue;
		}
		/* Behind a string or a closing bracket. */
		if (depth == 0)
			return (p);
	}
	return (NULL);
}

static int
not_json(struct error *error, const char *why)
{
	return (error_set(error, EX_DATAERR, "", "not a JSON object: %s",
	    why));
}

static int
members_scan(const char *line, size_t len, struct members *m,
    struct error *error)
{
	const char *p, *end = line + len, *value;
	struct span key;

	p = skip_space(line, end);
	if (p == end || *p != '{')
		return (not_json(error, "it does not begin with {"));
	p = skip_space(p + 1, end);
	while (p < end && *p != '}') {
		key.p = p;
		if (*p != '"' || (p = skip_string(p, end)) == NULL)
			return (not_json(error, "a name is expected"));
		key.len = (size_t)(p - key.p);
		p = skip_space(p, end);
		if (p == end || *p != ':')
			return (not_json(error, "a colon is missing"));
		value = skip_space(p + 1, end);
		if ((p = skip_value(value, end)) == NULL)
			return (not_json(error, "a value is not complete"));
		if (members_put(m, key, (struct span){ value,
		    (size_t)(p - value) }, error) == -1)
			return (-1);
		p = skip_space(p, end);
		if (p < end && *p == '}')
			break;
		if (p == end || *p != ',')
			return (not_json(error, "a comma is missing"));
		p = skip_space(p + 1, end);
		if (p < end && *p == '}')
			return (not_json(error, "a name is expected"));
	}
	if (p == end)
		return (not_json(error, "it is not complete"));
	if (skip_space(p + 1, end) != end)
		return (not_json(error, "something follows it"));
	return (0);
}

/* Note a value by its name, which comes with its quotes. */
static int
members_put(struct members *m, struct span key, struct span value,
    struct error *error)
{
	struct json_object *o = NULL;
	struct span name = { key.p + 1, key.len - 2 }, *slot;
	size_t i;

	if (memchr(name.p, '\\', name.len) != NULL) {
		if ((o = value_parse(key, "", error)) == NULL)
			return (-1);
		name.p = json_object_get_string(o);
		name.len = (size_t)json_object_get_string_len(o);
	}
	for (i = 0; i < NMEMBERS; i++)
		if (span_eq(name, member[i].name))
			break;
	json_object_put(o);
	if (value.len == 4 && memcmp(value.p, "null", 4) == 0)
		value.len = 0; /* as if it were not there */
	if (i < NMEMBERS) {
		slot = (struct span *)((char *)m + member[i].offset);
		if (slot->p != NULL)
			return (error_set(error, EX_DATAERR, member[i].name,
			    "given twice"));
		*slot = value;
		return (0);
	}
	if (value.len > 0) {
		if ((o = value_parse(value, "", error)) == NULL)
			return (-1);
		json_object_put(o);
	}
	return (0);
}

/* Reading values. */

static struct json_object *
value_parse(struct span value, const char *field, struct error *error)
{
	struct json_object *o;
	const char *why;

	if ((o = json_parse(value.p, value.len, &why)) == NULL)
		error_set(error, EX_DATAERR, field, "not JSON: %s", why);
	return (o);
}

static int
request_op(struct request *r, struct span op, struct error *error)
{
	struct json_object *o;
	const char *text;

	if (op.len == 0)
		return (error_set(error, EX_DATAERR, "op",
		    "missing; an operation such as \"send\" is expected"));
	if (span_eq(op, "\"send\"")) {
		strlcpy(r->op, "send", sizeof(r->op));
		return (0);
	}
	if ((o = value_parse(op, "op", error)) == NULL)
		return (-1);
	text = json_object_get_string(o);
	if (!json_object_is_type(o, json_type_string) || *text == '\0' ||
	    strlcpy(r->op, text, sizeof(r->op)) >= sizeof(r->op)) {
		json_object_put(o);
		return (error_set(error, EX_DATAERR, "op",
		    "no such operation"));
	}
	json_object_put(o);
	return (0);
}

static int
request_options(struct request *r, const struct members *m,
    struct error *error)
{
	int64_t ttl_ms = 0;
	bool wait = true;

	r->event = m->event;
	r->to[0] = '\0';
	r->silent = false;
	r->wait_ms = -1;
	if (r->event.len == 0)
		return (error_set(error, EX_DATAERR, "event",
		    "missing; an object is expected"));
	if (read_flag(m->silent, "silent", &r->silent, error) == -1 ||
	    read_to(m->to, r->to, error) == -1 ||
	    read_duration(m->ttl, "ttl", 1000, &ttl_ms, error) == -1 ||
	    read_duration(m->ttl_ms, "ttl_ms", 1, &ttl_ms, error) == -1)
		return (-1);
	r->ttl_ms = (uint64_t)ttl_ms;
	if (m->wait.len == 0)
		return (0);
	if (*m->wait.p == 't' || *m->wait.p == 'f') {
		if (read_flag(m->wait, "wait", &wait, error) == -1)
			return (-1);
		r->wait_ms = wait ? WAIT_DEFAULT_MS : -1;
		return (0);
	}
	return (read_duration(m->wait, "wait", 1000, &r->wait_ms, error));
}

static int
read_flag(struct span value, const char *field, bool *flag,
    struct error *error)
{
	if (value.len == 0)
		return (0);
	*flag = span_eq(value, "true");
	if (!*flag && !span_eq(value, "false"))
		return (error_set(error, EX_DATAERR, field,
		    "true or false is expected"));
	return (0);
}

/* A text such as "90s", or a number of units of so many milliseconds. */
static int
read_duration(struct span value, const char *field, int64_t unit_ms,
    int64_t *ms, struct error *error)
{
	struct json_object *o;
	double n;

	if (value.len == 0)
		return (0);
	if ((o = value_parse(value, field, error)) == NULL)
		return (-1);
	*ms = -1;
	if (json_object_is_type(o, json_type_string))
		*ms = duration_parse_ms(json_object_get_string(o));
	else if (json_object_is_type(o, json_type_int) ||
	    json_object_is_type(o, json_type_double)) {
		n = json_object_get_double(o) * (double)unit_ms;
		if (isfinite(n) && n >= 0 && n <= (double)TTL_MAX_MS)
			*ms = (int64_t)n;
	}
	json_object_put(o);
	if (*ms < 0 || *ms > TTL_MAX_MS)
		return (error_set(error, EX_DATAERR, field,
		    "a duration such as \"90s\" or a number is expected"));
	return (0);
}

/* The name of a chat, or its number. */
static int
read_to(struct span value, char *to, struct error *error)
{
	struct json_object *o;
	bool good;

	if (value.len == 0)
		return (0);
	/* Nearly always a plain name or number as text. */
	if (value.len - 2 < TO_SIZE && *value.p == '"' &&
	    utf8_plain(value.p + 1, value.len - 1, "\"\\") ==
	    value.len - 2) {
		memcpy(to, value.p + 1, value.len - 2);
		to[value.len - 2] = '\0';
		return (0);
	}
	if ((o = value_parse(value, "to", error)) == NULL)
		return (-1);
	good = (json_object_is_type(o, json_type_string) ||
	    json_object_is_type(o, json_type_int)) &&
	    strlcpy(to, json_object_get_string(o), TO_SIZE) < TO_SIZE;
	json_object_put(o);
	if (!good)
		return (error_set(error, EX_DATAERR, "to",
		    "the name or the id of a chat is expected"));
	return (0);
}
