/*
 * The order of what an event's message shows: header, question or
 * description, results, progress, facts, blocks, and in the detailed style
 * the event's own record.  Called by render.c; show.c shows the values.
 * Pure: reads the JSON, writes the text.
 */
#include <json.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/clock.h"
#include "common/event.h"
#include "workers/format/attach.h"
#include "workers/format/human.h"
#include "workers/format/layout.h"

/* The queue escapes and sends at most 3500. */
#define BUTTON_DETAILS_BYTES 3000

/* What the event is, in the detailed style; the optional ones are those of
 * the event model of co8/cctelegram. */
static const struct {
	const char *key, *label;
} records[] = {{"type", "Type"}, {"severity", "Event severity"},
    {"task_id", "Task"}, {"event_id", "Event"},
    {"correlation_id", "Correlation"}, {"parent_event_id", "Parent event"},
    {"timestamp", "Time"}, {"created_at", "Created"},
    {"processed_at", "Processed"}, {"processing_status", "Processing"},
    {"retry_count", "Retries"}, {"schema_version", "Schema"}};

static void collect(struct layout *);
static void header(struct layout *);
static void body(struct layout *);
static void others(struct layout *);
static bool is_own_key(const char *);
static void strays(struct layout *);
static void record(struct layout *);
static void outcome(struct layout *);

void
layout_label(struct text *t, const char *key, size_t len)
{
	size_t i, from = 0;
	char first;

	if (len == 0) {
		text_lit(t, "(no name)");
		return;
	}
	if (key[0] >= 'a' && key[0] <= 'z') {
		first = (char)(key[0] - 'a' + 'A');
		text_add(t, &first, 1);
		from = 1;
	}
	for (i = from; i < len; i++) {
		if (key[i] != '_')
			continue;
		text_add(t, key + from, i - from);
		text_lit(t, " ");
		from = i + 1;
	}
	text_add(t, key + from, len - from);
}

struct span
layout_member(struct json_object *o, const char *key)
{
	struct json_object *v;
	struct span none = {"", 0};

	if (!json_object_object_get_ex(o, key, &v) ||
	    !json_object_is_type(v, json_type_string))
		return (none);
	return (value_scalar(v));
}

/* "⏰ 21/Nov/26 05:50" for what is RFC 3339, anything else as it is. */
static void
layout_time(struct text *t, struct span s)
{
	char buf[HUMAN_SIZE];
	int64_t ms;

	text_lit(t, "⏰ ");
	/* json-c ends every string with a NUL behind its length. */
	if ((ms = clock_parse_rfc3339(s.p)) == -1) {
		text_add_line(t, s.p, s.len, HUMAN_SIZE);
		return;
	}
	human_time(buf, sizeof(buf), ms);
	text_adds(t, buf);
}

/*
 * What a status word means; task_completion takes its emoji from it.
 */
enum meaning { MEANS_OTHER, MEANS_OK, MEANS_FAILED, MEANS_WARNING };

static enum meaning
status_meaning(struct span status)
{
	static const struct {
		const char *word;
		enum meaning meaning;
	} words[] = {{"completed", MEANS_OK}, {"complete", MEANS_OK},
	    {"success", MEANS_OK}, {"successful", MEANS_OK},
	    {"succeeded", MEANS_OK}, {"passed", MEANS_OK}, {"ok", MEANS_OK},
	    {"done", MEANS_OK}, {"finished", MEANS_OK},
	    {"failed", MEANS_FAILED}, {"failure", MEANS_FAILED},
	    {"error", MEANS_FAILED}, {"crashed", MEANS_FAILED},
	    {"timeout", MEANS_FAILED}, {"warning", MEANS_WARNING},
	    {"warnings", MEANS_WARNING}, {"partial", MEANS_WARNING},
	    {"cancelled", MEANS_WARNING}, {"canceled", MEANS_WARNING},
	    {"aborted", MEANS_WARNING}, {"skipped", MEANS_WARNING}};
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strlen(words[i].word) == status.len &&
		    strncasecmp(words[i].word, status.p, status.len) == 0)
			return (words[i].meaning);
	return (MEANS_OTHER);
}

static const char *
header_emoji(const struct layout *l)
{
	static const char *const by_meaning[] = {[MEANS_OTHER] = "ℹ️",
	    [MEANS_OK] = "✅", [MEANS_FAILED] = "❌",
	    [MEANS_WARNING] = "⚠️"};
	struct json_object *status = l->value[FD_STATUS];

	if (l->type != ET_TASK_COMPLETION || status == NULL)
		return (event_type_emoji(l->type));
	return (by_meaning[status_meaning(value_scalar(status))]);
}

static void
header(struct layout *l)
{
	static const struct span unknown = {"unknown", 7};
	struct text *t = l->text;
	size_t begin;

	text_adds(t, header_emoji(l));
	text_lit(t, " ");
	text_begin(t, TEXT_BOLD, NULL, 0);
	begin = t->plain.len;
	text_add(t, l->title.p, l->title.len);
	if (t->plain.len == begin)
		layout_label(t, l->type_name.p, l->type_name.len);
	text_end(t);
	l->title_end = t->plain.len;
	value_line(l);
	layout_time(t, l->timestamp);
	if (l->source.len > 0 && !value_same(l->source, unknown)) {
		text_lit(t, " · ");
		text_add(t, l->source.p, l->source.len);
	}
	if (l->type == ET_UNKNOWN && l->type_name.len > 0) {
		text_lit(t, " · ");
		text_add(t, l->type_name.p, l->type_name.len);
	}
	value_gap(l);
}

/* Sort data's members into value[]; what only repeats others stays out. */
static void
collect(struct layout *l)
{
	struct json_object **v = l->value;
	int name;

	if (json_object_is_type(l->data, json_type_object)) {
		json_object_object_foreach(l->data, key, member) {
			if ((name = show_lookup(key)) != -1)
				v[name] = member;
		}
	}
	if (v[FD_RESPONSE_OPTIONS] != NULL && v[FD_OPTIONS] != NULL &&
	    json_object_equal(v[FD_RESPONSE_OPTIONS], v[FD_OPTIONS]))
		v[FD_RESPONSE_OPTIONS] = NULL;
	progress_read(v, &l->progress);
	if (l->progress.percent_field != -1)
		v[l->progress.percent_field] = NULL;
	if (l->progress.current_field != -1)
		v[l->progress.current_field] = NULL;
	if (l->progress.total_field != -1)
		v[l->progress.total_field] = NULL;
}

/* Does the field say, as a text, just this? */
static bool
says(const struct layout *l, enum field_name name, struct span s)
{
	return (json_object_is_type(l->value[name], json_type_string) &&
	    value_same(value_scalar(l->value[name]), s));
}

/* Is the description only what the message shows anyway? */
static bool
description_repeats(const struct layout *l)
{
	static const enum field_name shown[] = {FD_MESSAGE, FD_RESULTS,
	    FD_ERROR_MESSAGE, FD_COMMAND, FD_COMMIT_MESSAGE,
	    FD_APPROVAL_PROMPT};
	size_t i;

	if (value_same(l->description, l->title))
		return (true);
	for (i = 0; i < sizeof(shown) / sizeof(shown[0]); i++)
		if (says(l, shown[i], l->description))
			return (true);
	return (false);
}

static void
body(struct layout *l)
{
	struct span none = {"", 0};

	if (says(l, FD_MESSAGE, l->title))
		l->value[FD_MESSAGE] = NULL;
	if (value_same(l->description, none) || description_repeats(l))
		return;
	value_paragraph(l, l->description);
}

/* The button Details of an approval shows these, unless they are so long that
 * it could not. */
static bool
behind_button(const struct layout *l, const char *key, struct json_object *v)
{
	return (l->type == ET_APPROVAL_REQUEST && strcmp(key, "details") == 0 &&
	    json_object_is_type(v, json_type_string) &&
	    json_object_get_string_len(v) <= BUTTON_DETAILS_BYTES);
}

/* Members of data that the table does not know. */
static void
others(struct layout *l)
{
	struct json_object *own;

	if (!json_object_is_type(l->data, json_type_object)) {
		show_other(l, "data", l->data);
		return;
	}
	json_object_object_foreach(l->data, key, member) {
		if (show_lookup(key) != -1 || behind_button(l, key, member))
			continue;
		/* A repetition of what stands above. */
		if ((strcmp(key, "title") == 0 ||
		    strcmp(key, "description") == 0) &&
		    json_object_object_get_ex(l->event, key, &own) &&
		    json_object_equal(own, member))
			continue;
		show_other(l, key, member);
	}
}

/* Is this a key of the event that has its place, or tells how the event is to
 * be treated? */
static bool
is_own_key(const char *key)
{
	static const char *const own[] = {"type", "title", "description",
	    "data", "source", "timestamp", "severity", "task_id", "event_id",
	    "attachments", "decision", "to", "silent", "ttl", "ttl_ms"};
	size_t i;

	for (i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (strcmp(key, own[i]) == 0)
			return (true);
	for (i = 0; i < sizeof(records) / sizeof(records[0]); i++)
		if (strcmp(key, records[i].key) == 0)
			return (true);
	return (false);
}

/* What was put beside data instead of into it. */
static void
strays(struct layout *l)
{
	if (!json_object_is_type(l->event, json_type_object))
		return;
	json_object_object_foreach(l->event, key, member) {
		if (!is_own_key(key))
			show_other(l, key, member);
	}
}

/* What the event is, beside what it says. */
static void
record(struct layout *l)
{
	struct json_object *v;
	struct span s, category;
	size_t i;

	category.p = event_type_category(l->type);
	category.len = strlen(category.p);
	value_gap(l);
	value_short(l, G_RECORD, "Category", category);
	for (i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
		if (!json_object_object_get_ex(l->event, records[i].key, &v))
			continue;
		s = value_is_scalar(v) ? value_scalar(v) : value_json(v);
		if (v != NULL && s.len > 0)
			value_short(l, G_RECORD, records[i].label, s);
	}
}

static bool
is_closing(const struct layout *l)
{
	return (l->ask->what == FMT_PROGRESS &&
	    (l->ask->flags & FMT_CLOSING) != 0);
}

/* How a task that had a progress message ended. */
static void
outcome(struct layout *l)
{
	struct json_object *status = l->value[FD_STATUS];
	enum meaning meaning = MEANS_OK;
	char buf[HUMAN_SIZE];

	if (l->type == ET_TASK_FAILED || l->type == ET_BUILD_FAILED ||
	    l->type == ET_TEST_FAILED || l->type == ET_ERROR_OCCURRED)
		meaning = MEANS_FAILED;
	else if (status != NULL)
		meaning = status_meaning(value_scalar(status));
	value_line(l);
	if (meaning == MEANS_OK && l->type != ET_TASK_CANCELLED &&
	    !l->progress.known) {
		progress_bar(l->text, 100);
		text_lit(l->text, " ");
	}
	if (l->type == ET_TASK_CANCELLED)
		text_lit(l->text, "Cancelled");
	else if (meaning == MEANS_FAILED)
		text_lit(l->text, "Failed");
	else
		text_adds(l->text, meaning == MEANS_OK ? "Completed" :
		    "Ended");
	if (l->ask->started_ms > 0 &&
	    l->ask->now_ms >= l->ask->started_ms &&
	    human_duration(buf, sizeof(buf), (double)(l->ask->now_ms -
	    l->ask->started_ms))) {
		text_lit(l->text, " after ");
		text_adds(l->text, buf);
	}
	value_gap(l);
}

static void
progress(struct layout *l)
{
	bool closing = is_closing(l);

	if (closing)
		outcome(l);
	if (!l->progress.known)
		return;
	l->gap = !closing;
	value_line(l);
	progress_line(l->text, &l->progress,
	    closing ? 0 : l->ask->started_ms, l->ask->now_ms);
	value_gap(l);
}

void
layout_event(struct layout *l)
{
	unsigned int i;

	l->type_name = layout_member(l->event, "type");
	l->title = layout_member(l->event, "title");
	l->description = layout_member(l->event, "description");
	l->source = layout_member(l->event, "source");
	l->timestamp = layout_member(l->event, "timestamp");
	l->type = event_type_find(l->type_name.p);
	if (!json_object_object_get_ex(l->event, "data", &l->data))
		l->data = NULL;
	collect(l);
	header(l);
	progress(l);
	if (l->type == ET_APPROVAL_REQUEST)
		approval_layout(l);
	else
		body(l);
	/* A closed progress message tells the outcome; the event that ended
	 * the task says the rest in a message of its own. */
	if (is_closing(l)) {
		show_field(l, FD_ERROR_MESSAGE);
		return;
	}
	for (i = 0; i < NFIELDS; i++) {
		show_field(l, (enum field_name)i);
		if (i == FD_METADATA) {
			others(l);
			strays(l);
		}
	}
	attach_layout(l);
	if (l->detailed)
		record(l);
	if (l->type == ET_APPROVAL_REQUEST && approval_is_decided(l))
		approval_decision(l);
}
