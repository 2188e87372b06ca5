/*
 * The layout of an approval: the question in full, then what may be answered.
 * Called by layout.c for the text and by render.c for the labels of the
 * buttons; both see the same options in the same order, so that number, label
 * and answer belong together.
 */
#include <json.h>
#include <string.h>

#include "common/event.h"
#include "workers/format/layout.h"
#include "workers/format/utf.h"

#define LABEL_UNITS 256

static const char *const fallback[] = {"Approve", "Deny"};
#define NFALLBACK (sizeof(fallback) / sizeof(fallback[0]))

static bool
usable(struct json_object *v)
{
	return (json_object_is_type(v, json_type_array) &&
	    json_object_array_length(v) > 0);
}

/* The list of options to offer, NULL for Approve and Deny. */
static struct json_object *
options_of(struct json_object *event)
{
	struct json_object *data, *v;

	if (!json_object_object_get_ex(event, "data", &data))
		return (NULL);
	if (json_object_object_get_ex(data, "options", &v) && usable(v))
		return (v);
	if (json_object_object_get_ex(data, "response_options", &v) &&
	    usable(v))
		return (v);
	return (NULL);
}

static struct span
option_text(struct json_object *option)
{
	struct span s;

	s.p = event_option(option);
	s.len = strlen(s.p);
	return (s);
}

static void
add_options(struct layout *l)
{
	struct json_object *list = options_of(l->event);
	struct text *t = l->text;
	struct span s;
	size_t i, n;

	value_gap(l);
	n = list != NULL ? json_object_array_length(list) : NFALLBACK;
	for (i = 0; i < n; i++) {
		value_line(l);
		if (i == 0)
			l->options_begin = t->plain.len;
		if (i == OPTIONS_MAX) {
			text_addf(t, "Not offered, %d at most:",
			    OPTIONS_MAX);
			value_line(l);
		}
		if (i < OPTIONS_MAX)
			text_addf(t, "%zu. ", i + 1);
		else
			text_lit(t, "• ");
		if (list == NULL) {
			text_adds(t, fallback[i]);
		} else {
			s = option_text(json_object_array_get_idx(list, i));
			text_add(t, s.p, s.len);
		}
		if (i < OPTIONS_MAX)
			l->options_end = t->plain.len;
	}
	value_gap(l);
}

/* Options that are objects have members that only show_any() shows. */
static bool
all_scalar(struct json_object *list)
{
	size_t i, n = json_object_array_length(list);

	for (i = 0; i < n; i++)
		if (!value_is_scalar(json_object_array_get_idx(list, i)))
			return (false);
	return (true);
}

/* A list or an object that says nothing. */
static bool
is_empty(struct json_object *v)
{
	if (json_object_is_type(v, json_type_array))
		return (json_object_array_length(v) == 0);
	return (json_object_is_type(v, json_type_object) &&
	    json_object_object_length(v) == 0);
}

void
approval_layout(struct layout *l)
{
	struct json_object *prompt = l->value[FD_APPROVAL_PROMPT];
	struct json_object *list = options_of(l->event);
	struct span question = {"", 0}, none = {"", 0};
	int i;

	if (prompt != NULL && value_is_scalar(prompt))
		question = value_scalar(prompt);
	if (prompt != NULL && (value_is_scalar(prompt) || is_empty(prompt)))
		l->value[FD_APPROVAL_PROMPT] = NULL;
	if (value_same(question, none))
		question = l->description;
	if (value_same(question, none))
		question = l->title;
	if (!value_same(question, l->title)) /* which is just above */
		value_paragraph(l, question);
	if (!value_same(l->description, none) &&
	    !value_same(l->description, question) &&
	    !value_same(l->description, l->title))
		value_paragraph(l, l->description);
	add_options(l);
	for (i = FD_OPTIONS; i <= FD_RESPONSE_OPTIONS; i++)
		if (json_object_is_type(l->value[i], json_type_array) &&
		    (json_object_array_length(l->value[i]) == 0 ||
		    (l->value[i] == list && all_scalar(list))))
			l->value[i] = NULL;
	/* Says only that this is an approval. */
	if (json_object_is_type(l->value[FD_REQUIRES_RESPONSE],
	    json_type_boolean))
		l->value[FD_REQUIRES_RESPONSE] = NULL;
	/* A message that is the question or the description again. */
	if (l->value[FD_MESSAGE] != NULL &&
	    (value_same(value_scalar(l->value[FD_MESSAGE]), question) ||
	    value_same(value_scalar(l->value[FD_MESSAGE]), l->description)))
		l->value[FD_MESSAGE] = NULL;
}

bool
approval_is_decided(const struct layout *l)
{
	return (layout_member(l->event, "decision").len > 0);
}

void
approval_decision(struct layout *l)
{
	struct span s = layout_member(l->event, "decision");

	l->decision_begin = l->text->plain.len;
	value_gap(l);
	value_line(l);
	text_begin(l->text, TEXT_BOLD, NULL, 0);
	text_add(l->text, s.p, s.len);
	text_end(l->text);
	value_gap(l);
}

void
approval_labels(struct json_object *event, struct text *labels,
    struct render_result *result)
{
	struct json_object *list = options_of(event);
	size_t i, n, at[OPTIONS_MAX];
	struct span s;

	text_reset(labels, OPTIONS_MAX * (LABEL_UNITS * 3 + 16), true);
	n = list != NULL ? json_object_array_length(list) : NFALLBACK;
	if (n > OPTIONS_MAX)
		n = OPTIONS_MAX;
	for (i = 0; i < n; i++) {
		at[i] = labels->plain.len;
		if (list == NULL) {
			text_adds(labels, fallback[i]);
		} else {
			s = option_text(json_object_array_get_idx(list, i));
			text_add_line(labels, s.p, s.len, LABEL_UNITS);
		}
		/* A button without ink would be refused. */
		if (labels->plain.len > at[i] &&
		    !utf_all_blank(labels->plain.p + at[i],
		    labels->plain.len - at[i]))
			buf_add(&labels->plain, "", 1);
		else
			buf_add(&labels->plain, "(empty)", 8);
	}
	if (text_failed(labels))
		return;
	for (i = 0; i < n; i++)
		result->option[i] = labels->plain.p + at[i];
	result->noptions = n;
}
