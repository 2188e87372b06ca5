/*
 * Decisions about topics; see topic_rule.h.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <json-c/json.h>

#include "common/json.h"
#include "common/nitems.h"
#include "common/utf8.h"
#include "workers/queue/topic_rule.h"

#define NAME_BYTES   1024 /* looked at; a name has 128 characters */
#define AGAIN_MS     1000
#define AGAIN_MAX_MS 60000

static const char *const words[] = {
	[BY_NONE] = "none",
	[BY_AUTO] = "auto",
	[BY_PROJECT] = "project",
	[BY_SESSION] = "session",
};

/* Where the keys are; a path's last part is what people call it. */
static const struct {
	enum topic_by by;
	const char *path;
	bool is_directory;
} keys[] = {
	{ BY_PROJECT, "data.project", false },
	{ BY_PROJECT, "data.project_name", false },
	{ BY_PROJECT, "data.repository", false },
	{ BY_PROJECT, "data.cwd", true },
	{ BY_SESSION, "data.session", false },
	{ BY_SESSION, "data.session_name", false },
	{ BY_SESSION, "data.session_id", false },
};

static const struct {
	enum topic_action action;
	int64_t wait_ms, longest_ms;
} table[NOUTCOMES] = {
	[CO_DELIVERED] = { TA_READY, 0, 0 },
	[CO_UNCHANGED] = { TA_AWAY, TOPIC_AWAY_MS, TOPIC_AWAY_MAX_MS },
	[CO_NOT_SENT] = { TA_AGAIN, AGAIN_MS, AGAIN_MAX_MS },
	[CO_RATE_LIMITED] = { TA_AGAIN, AGAIN_MS, AGAIN_MAX_MS },
	/* It may be there, and nobody can ask for its number: a topic that
	 * people write in tells it, so do not hurry to make a second. */
	[CO_AMBIGUOUS] = { TA_AWAY, TOPIC_AWAY_MS, TOPIC_AWAY_MAX_MS },
	[CO_REFUSED] = { TA_AWAY, TOPIC_AWAY_MS, TOPIC_AWAY_MAX_MS },
	[CO_GONE] = { TA_AWAY, TOPIC_AWAY_MS, TOPIC_AWAY_MAX_MS },
	[CO_UNAUTHORISED] = { TA_AGAIN, AGAIN_MS, AGAIN_MAX_MS },
	[CO_SUSPENDED] = { TA_AWAY, TOPIC_AWAY_MS, TOPIC_AWAY_MAX_MS },
	[CO_MIGRATED] = { TA_AGAIN, 0, AGAIN_MAX_MS },
};

/* 400 to a message by its description (Bot API), in any case. */
static const struct {
	const char *part;
	bool gone;
} refusals[] = {
	{ "message thread not found", true },
	{ "TOPIC_DELETED", true },
	{ "TOPIC_ID_INVALID", true },
	{ "TOPIC_CLOSED", false },
};

static char *name_of(const char *, bool);

enum topic_by
topic_by_name(const char *name)
{
	for (size_t i = 0; i < nitems(words); i++)
		if (strcmp(words[i], name) == 0)
			return ((enum topic_by)i);
	return (BY_NONE);
}

const char *
topic_by_word(enum topic_by by)
{
	return (words[by]);
}

char *
topic_name(struct json_object *event, enum topic_by by)
{
	struct json_object *o;
	char *name = NULL;

	if (by == BY_AUTO) {
		name = topic_name(event, BY_PROJECT);
		return (name != NULL ? name : topic_name(event, BY_SESSION));
	}
	for (size_t i = 0; i < nitems(keys) && name == NULL; i++) {
		if (keys[i].by != by)
			continue;
		o = json_path(event, keys[i].path);
		if (json_object_is_type(o, json_type_string) ||
		    json_object_is_type(o, json_type_int))
			name = name_of(json_object_get_string(o),
			    keys[i].is_directory);
	}
	return (name);
}

/*
 * One line without blanks around it, at most TOPIC_NAME_UNITS long; NULL if
 * nothing is left.  Of a directory, the last part.
 */
static char *
name_of(const char *text, bool is_directory)
{
	size_t len = strlen(text), from = 0, units = 0, end = 0, n;
	char *name;

	while (is_directory && len > 0 && text[len - 1] == '/')
		len--;
	for (n = 0; is_directory && n < len; n++)
		if (text[n] == '/')
			from = n + 1;
	n = len - from < NAME_BYTES ? len - from : NAME_BYTES;
	if ((name = utf8_scrub(text + from, n, &len)) == NULL)
		return (NULL);
	for (n = 0; n < len; n++)
		if (name[n] == '\n' || name[n] == '\t')
			name[n] = ' ';
	from = strspn(name, " ");
	for (n = from; n < len; n += end) {
		end = utf8_char(name + n, len - n);
		units += end == 4 ? 2 : 1;
		if (end == 0 || units > TOPIC_NAME_UNITS)
			break;
	}
	while (n > from && name[n - 1] == ' ')
		n--;
	memmove(name, name + from, n - from);
	name[n - from] = '\0';
	if (n > from)
		return (name);
	free(name);
	return (NULL);
}

struct topic_verdict
topic_judge(enum call_outcome o, int attempts, int64_t retry_after_ms,
    bool has_thread)
{
	struct topic_verdict v = { table[o].action, table[o].wait_ms };

	/* Taken, but nobody said which: as good as nothing. */
	if (v.action == TA_READY && !has_thread)
		return (topic_judge(CO_AMBIGUOUS, attempts, 0, true));
	/* Ids that lead in a circle must not be followed without a pause. */
	if (v.wait_ms == 0 && v.action == TA_AGAIN && attempts > 1)
		v.wait_ms = AGAIN_MS;
	for (int i = 1; i < attempts && v.wait_ms < table[o].longest_ms; i++)
		v.wait_ms *= 2;
	if (v.wait_ms > table[o].longest_ms)
		v.wait_ms = table[o].longest_ms;
	if (v.wait_ms < retry_after_ms)
		v.wait_ms = retry_after_ms;
	return (v);
}

bool
topic_is_refusal(const char *description, bool *gone)
{
	for (size_t i = 0; i < nitems(refusals); i++)
		if (strcasestr(description, refusals[i].part) != NULL) {
			*gone = refusals[i].gone;
			return (true);
		}
	return (false);
}
