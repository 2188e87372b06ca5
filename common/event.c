/*
 * The rules of an event (see event.h).  No I/O, no clock but that of new ids;
 * nothing that an event contains is an error here except what event_check()
 * names.
 */
#include <sys/param.h>

#include <ctype.h>
#include <json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

#include "common/clock.h"
#include "common/event.h"
#include "common/json.h"
#include "common/nitems.h"
#include "common/utf8.h"
#include "ipc/messages.h"

struct type_row {
	const char *name, *emoji, *category;
	enum severity severity;
};

static const struct type_row type_table[NEVENTTYPES] = {
#define EVENT_ROW(name, text, emoji, severity, category) \
	[ET_##name] = { text, emoji, category, SEV_##severity },
	EVENT_TYPES(EVENT_ROW)
#undef EVENT_ROW
	[ET_UNKNOWN] = { "unknown", EVENT_UNKNOWN_EMOJI, "Other", SEV_LOW }
};

static const struct {
	const char *name;
	enum severity severity;
} extra_severities[] = {
#define EXTRA_ROW(name, severity) { name, SEV_##severity },
	EVENT_EXTRA_SEVERITIES(EXTRA_ROW)
#undef EXTRA_ROW
};

/* What data.severity may say. */
static const struct {
	const char *name;
	enum severity severity;
} data_severities[] = {
	{ "low", SEV_LOW },
	{ "medium", SEV_NORMAL },
	{ "high", SEV_HIGH },
	{ "critical", SEV_CRITICAL }
};

static const char *const severity_names[NSEVERITIES] = { "low", "normal",
	"high", "critical" };

static int	   type_compare(const void *, const void *);
static bool	   is_blank(struct json_object *);
static const char *scalar_text(struct json_object *, size_t *);
static const char *own(struct event_fields *, char *);
static const char *read_text(struct event_fields *, struct json_object *,
    const char *);
static const char *read_id(struct event_fields *, struct json_object *,
    const char *);
static uint64_t	   read_ttl(struct json_object *);

static int
type_compare(const void *key, const void *row)
{
	return (strcmp(key, type_table[*(const uint8_t *)row].name));
}

enum event_type
event_type_find(const char *name)
{
	static uint8_t sorted[ET_UNKNOWN];
	static bool ready;
	const uint8_t *hit;
	size_t i, j;

	if (!ready) { /* the table's order is that of the manual */
		for (i = 0; i < nitems(sorted); i++) {
			for (j = i; j > 0 && strcmp(type_table[i].name,
			    type_table[sorted[j - 1]].name) < 0; j--)
				sorted[j] = sorted[j - 1];
			sorted[j] = (uint8_t)i;
		}
		ready = true;
	}
	hit = bsearch(name, sorted, nitems(sorted), sizeof(sorted[0]),
	    type_compare);
	return (hit != NULL ? (enum event_type)*hit : ET_UNKNOWN);
}

const char *
event_type_name(enum event_type type)
{
	return (type_table[MIN(type, ET_UNKNOWN)].name);
}

const char *
event_type_emoji(enum event_type type)
{
	return (type_table[MIN(type, ET_UNKNOWN)].emoji);
}

const char *
event_type_category(enum event_type type)
{
	return (type_table[MIN(type, ET_UNKNOWN)].category);
}

const char *
severity_name(enum severity severity)
{
	return (severity_names[MIN(severity, SEV_CRITICAL)]);
}

int
severity_find(const char *name)
{
	size_t i;

	for (i = 0; i < nitems(severity_names); i++) {
		if (strcmp(name, severity_names[i]) == 0)
			return ((int)i);
	}
	return (-1);
}

enum severity
event_severity(const char *type, struct json_object *data)
{
	enum event_type kind = event_type_find(type);
	const char *said;
	size_t i;

	if (kind == ET_APPROVAL_REQUEST)
		return (SEV_CRITICAL);
	if ((said = json_str(data, "severity", NULL)) != NULL) {
		for (i = 0; i < nitems(data_severities); i++) {
			if (strcasecmp(said, data_severities[i].name) == 0)
				return (data_severities[i].severity);
		}
	}
	for (i = 0; kind == ET_UNKNOWN && i < nitems(extra_severities); i++) {
		if (strcmp(type, extra_severities[i].name) == 0)
			return (extra_severities[i].severity);
	}
	return (type_table[kind].severity);
}

/* Nothing in it: absent, null, "", white space, {} or []. */
static bool
is_blank(struct json_object *o)
{
	const char *s;

	switch (json_object_get_type(o)) {
	case json_type_null:
		return (true);
	case json_type_string:
		for (s = json_object_get_string(o); *s != '\0'; s++) {
			if (!isspace((unsigned char)*s))
				return (false);
		}
		return (strlen(json_object_get_string(o)) ==
		    (size_t)json_object_get_string_len(o));
	case json_type_object:
		return (json_object_object_length(o) == 0);
	case json_type_array:
		return (json_object_array_length(o) == 0);
	default:
		return (false);
	}
}

int
event_check(struct json_object *event, size_t bytes, struct error *e)
{
	struct json_object *type;

	if (bytes > EVENT_MAX_BYTES)
		return (error_set(e, EX_DATAERR, "", "the event has %zu bytes,"
		    " more than %u", bytes, EVENT_MAX_BYTES));
	if (!json_object_is_type(event, json_type_object))
		return (error_set(e, EX_DATAERR, "",
		    "the event is not a JSON object"));
	type = json_path(event, "type");
	switch (json_object_get_type(type)) {
	case json_type_null:
		return (error_set(e, EX_DATAERR, "type", "type is missing"));
	case json_type_int:
	case json_type_double:
		break;
	case json_type_string:
		if (!is_blank(type))
			break;
		return (error_set(e, EX_DATAERR, "type", "type is empty"));
	default:
		return (error_set(e, EX_DATAERR, "type",
		    "type is not a string"));
	}
	if (is_blank(json_path(event, "title")) &&
	    is_blank(json_path(event, "description")) &&
	    is_blank(json_path(event, "data")))
		return (error_set(e, EX_DATAERR, "title",
		    "none of title, description and data says anything"));
	return (0);
}

struct json_object *
event_parse(const char *text, size_t bytes, struct error *e)
{
	if (bytes > EVENT_MAX_BYTES) {
		event_check(NULL, bytes, e);
		return (NULL);
	}
	return (event_parse_sealed(text, bytes, e));
}

struct json_object *
event_parse_sealed(const char *text, size_t bytes, struct error *e)
{
	struct json_object *event;
	const char *why;

	if ((event = json_parse(text, bytes, &why)) == NULL) {
		error_set(e, EX_DATAERR, "", "not JSON: %s", why);
		return (NULL);
	}
	if (event_check(event, 0, e) == -1) {
		json_object_put(event);
		return (NULL);
	}
	return (event);
}

/*
 * The text of a value: a string's own, anything else as JSON.  Belongs to
 * the object.
 */
static const char *
scalar_text(struct json_object *o, size_t *len)
{
	const char *s;

	if (json_object_is_type(o, json_type_string)) {
		*len = (size_t)json_object_get_string_len(o);
		return (json_object_get_string(o));
	}
	s = json_object_to_json_string_ext(o,
	    JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	*len = s != NULL ? strlen(s) : 0;
	return (s);
}

/* Take over a malloc'd string until event_fields_free(). */
static const char *
own(struct event_fields *f, char *s)
{
	if (s != NULL)
		f->owned[f->nowned++] = s;
	return (s);
}

static const char *
read_text(struct event_fields *f, struct json_object *o, const char *def)
{
	const char *s;
	size_t len, skip;
	char *copy;

	if (is_blank(o))
		return (def);
	if ((s = scalar_text(o, &len)) == NULL)
		return (NULL);
	if (utf8_clean(s, len) && !isspace((unsigned char)s[0]) &&
	    !isspace((unsigned char)s[len - 1]))
		return (s);
	if ((copy = utf8_scrub(s, len, &len)) == NULL)
		return (NULL);
	while (len > 0 && isspace((unsigned char)copy[len - 1]))
		len--;
	copy[len] = '\0';
	own(f, copy);
	skip = strspn(copy, " \t\n\v\f");
	return (copy[skip] != '\0' ? copy + skip : def);
}

/*
 * An id must stay what it was: one that cannot be shown or is too long is
 * replaced as a whole by a UUID of its bytes, which is always the same.
 */
static const char *
read_id(struct event_fields *f, struct json_object *o, const char *def)
{
	const char *s;
	size_t len;
	char *copy;

	if (is_blank(o))
		return (def);
	if ((s = scalar_text(o, &len)) == NULL)
		return (NULL);
	if (len <= EVENT_ID_MAX && utf8_clean(s, len))
		return (s);
	if ((copy = malloc(UUID_SIZE)) == NULL)
		return (NULL);
	uuid_from_bytes(copy, s, len);
	return (own(f, copy));
}

static uint64_t
read_ttl(struct json_object *event)
{
	struct json_object *o;
	double ms;
	int64_t v;

	if ((o = json_path(event, "ttl_ms")) != NULL)
		ms = json_object_get_double(o);
	else if ((o = json_path(event, "ttl")) == NULL)
		return (0);
	else if (json_object_is_type(o, json_type_string)) {
		v = duration_parse_ms(json_object_get_string(o));
		return (v > 0 ? (uint64_t)v : 0);
	} else
		ms = json_object_get_double(o) * 1000;
	if (!(ms >= 1)) /* not a number, either */
		return (0);
	return (ms < 1e15 ? (uint64_t)ms : (uint64_t)1e15);
}

int
event_fields_read(struct event_fields *f, struct json_object *event)
{
	memset(f, 0, sizeof(*f));
	f->id = read_id(f, json_path(event, "event_id"), "");
	if (f->id != NULL && f->id[0] == '\0') {
		uuid_v7(f->id_buf);
		f->id = f->id_buf;
		f->id_new = true;
	}
	f->type = read_text(f, json_path(event, "type"), "unknown");
	f->source = read_text(f, json_path(event, "source"), "unknown");
	f->task_id = read_id(f, json_path(event, "task_id"), f->id);
	f->title = read_text(f, json_path(event, "title"), "");
	if (f->type != NULL && f->title != NULL && f->title[0] == '\0')
		f->title = own(f, event_title_make(f->type));
	f->to = read_text(f, json_path(event, "to"), "");
	if (f->id == NULL || f->type == NULL || f->source == NULL ||
	    f->task_id == NULL || f->title == NULL || f->to == NULL) {
		event_fields_free(f);
		return (-1);
	}
	f->has_task = strcmp(f->task_id, f->id) != 0;
	f->kind = event_type_find(f->type);
	f->severity = event_severity(f->type, json_path(event, "data"));
	f->silent = json_flag(event, "silent", false);
	f->ttl_ms = read_ttl(event);
	return (0);
}

void
event_fields_free(struct event_fields *f)
{
	while (f->nowned > 0)
		free(f->owned[--f->nowned]);
}

char *
event_title_make(const char *type)
{
	char *title, *p;

	if ((title = strdup(type)) == NULL)
		return (NULL);
	for (p = title; *p != '\0'; p++) {
		if ((*p == '_' || *p == '-') && p > title && p[1] != '\0')
			*p = ' ';
	}
	title[0] = (char)toupper((unsigned char)title[0]);
	return (title);
}

const char *
event_option(struct json_object *option)
{
	static const char *const keys[] = { "label", "text", "title", "name",
		"value" };
	const char *text;
	size_t i;

	if (json_object_is_type(option, json_type_object))
		for (i = 0; i < nitems(keys); i++)
			if ((text = json_str(option, keys[i], ""))[0] != '\0')
				return (text);
	if (json_object_is_type(option, json_type_string))
		return (json_object_get_string(option));
	text = json_object_to_json_string_ext(option,
	    JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	return (text != NULL ? text : "");
}

char *
event_seal(const char *text, size_t len, const char *id, size_t *outlen)
{
	static const char key[] = ",\"event_id\":\"";
	size_t idlen = strlen(id), n;
	char *out, *p;

	while (len > 0 && text[len - 1] != '}')
		len--;
	if (len > 0)
		len--;
	n = len + sizeof(key) - 1 + idlen + 2;
	if ((out = malloc(n + 1)) == NULL)
		return (NULL);
	p = mempcpy(out, text, len);
	p = mempcpy(p, key, sizeof(key) - 1);
	p = mempcpy(p, id, idlen);
	memcpy(p, "\"}", 3);
	*outlen = n;
	return (out);
}
