/*
 * Kinds and fingerprints.  Pure; the events are normalised (normalise.h).
 */
#include <json.h>
#include <math.h>
#include <string.h>
#include <strings.h>

#include "common/event.h"
#include "common/json.h"
#include "common/nitems.h"
#include "workers/analyze/attach.h"
#include "workers/analyze/judge.h"

/* Types that are more than a message of their own. */
static const struct {
	enum event_type type;
	enum event_kind kind;
} kinds[] = {
	{ ET_TASK_PROGRESS, EK_PROGRESS },
	{ ET_PROGRESS_UPDATE, EK_PROGRESS },
	{ ET_APPROVAL_REQUEST, EK_APPROVAL },
	{ ET_TASK_COMPLETION, EK_FINAL },
	{ ET_TASK_FAILED, EK_FINAL },
	{ ET_TASK_CANCELLED, EK_FINAL },
	{ ET_BUILD_COMPLETED, EK_FINAL },
	{ ET_BUILD_FAILED, EK_FINAL },
	{ ET_TEST_SUITE_RUN, EK_FINAL },
	{ ET_TEST_PASSED, EK_FINAL },
	{ ET_TEST_FAILED, EK_FINAL },
	{ ET_CODE_DEPLOYMENT, EK_FINAL }
};

/* What the MCP server of co8/cctelegram writes to switch modes. */
static const struct {
	const char *key, *value, *mode;
} mode_switches[] = {
	{ "command", "/cct:nomad", "nomad" },
	{ "command", "/cct:local", "local" },
	{ "command", "/cct:mute", "mute" },
	{ "command", "/cct:muted", "mute" },
	{ "requested_mode", "nomad", "nomad" },
	{ "requested_mode", "local", "local" },
	{ "requested_mode", "mute", "mute" },
	{ "requested_mode", "muted", "mute" }
};

static const char *mode_asked(struct json_object *);
static uint64_t hash_value(struct json_object *);
static uint64_t hash_number(double);

/* The command counts more than what else is said. */
static const char *
mode_asked(struct json_object *data)
{
	const char *said;
	size_t i;

	for (i = 0; i < nitems(mode_switches); i++) {
		said = json_str(data, mode_switches[i].key, "");
		if (strcasecmp(said, mode_switches[i].value) == 0)
			return (mode_switches[i].mode);
	}
	return (NULL);
}

enum event_kind
judge_kind(struct json_object *event, bool trusted, const char **mode)
{
	enum event_type type = event_type_find(json_str(event, "type", ""));
	const char *asked;
	size_t i;

	*mode = "";
	for (i = 0; i < nitems(kinds); i++) {
		if (kinds[i].type != type)
			continue;
		/* Files cannot be edited into a message. */
		if (kinds[i].kind == EK_PROGRESS && attach_any(event))
			break;
		return (kinds[i].kind);
	}
	if (trusted &&
	    (asked = mode_asked(json_path(event, "data"))) != NULL) {
		*mode = asked;
		return (EK_MODE);
	}
	return (EK_PLAIN);
}

/* 1 and 1.0 are the same number. */
static uint64_t
hash_number(double v)
{
	if (v == 0)
		v = 0; /* -0 */
	return (hash64(HASH64_INIT ^ 'n', &v, sizeof(v)));
}

/*
 * Kinds of values begin from different seeds, so that 1 and "1" differ.
 * Members of an array are chained; those of an object are summed, each mixed
 * from its key and value, so that their order makes no difference.
 */
static uint64_t
hash_value(struct json_object *o)
{
	uint64_t h, part[2];
	size_t i, n;

	switch (json_object_get_type(o)) {
	case json_type_string:
		return (hash64(HASH64_INIT ^ 's', json_object_get_string(o),
		    (size_t)json_object_get_string_len(o)));
	case json_type_int:
	case json_type_double:
		return (hash_number(json_object_get_double(o)));
	case json_type_boolean:
		return (hash64_mix(json_object_get_boolean(o) ? 't' : 'f'));
	case json_type_array:
		n = json_object_array_length(o);
		h = HASH64_INIT ^ 'a';
		for (i = 0; i < n; i++)
			h = hash64_mix(h ^ hash_value(
			    json_object_array_get_idx(o, i)));
		return (h);
	case json_type_object:
		h = HASH64_INIT ^ 'o';
		json_object_object_foreach(o, key, value) {
			part[0] = hash64(HASH64_INIT, key, strlen(key));
			part[1] = hash_value(value);
			h += hash64_mix(
			    hash64(HASH64_INIT, part, sizeof(part)));
		}
		return (hash64_mix(h));
	default:
		return (hash64_mix('0'));
	}
}

uint64_t
judge_fingerprint(struct json_object *event, enum event_kind kind)
{
	static const char *const keys[] = { "type", "source", "title",
		"description", "data", "attachments" };
	const char *task = json_str(event, "task_id", "");
	uint64_t h = HASH64_INIT;
	size_t i;

	if (kind == EK_APPROVAL || kind == EK_MODE)
		return (0);
	for (i = 0; i < nitems(keys); i++)
		h = hash64_mix(h ^ hash_value(json_path(event, keys[i])));
	if (strcmp(task, json_str(event, "event_id", "")) != 0)
		h = hash64_mix(h ^ hash64(HASH64_INIT, task, strlen(task)));
	return (h != 0 ? h : 1);
}
