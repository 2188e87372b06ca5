/*
 * Reading one value of an event's data, and the lines that facts stand on.
 * Called by every file that lays out an event.  Takes any JSON value.
 */
#include <json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "workers/format/human.h"
#include "workers/format/layout.h"

#define JOIN_LINE 56  /* a line this long takes no more facts */
#define DIGITS_MAX 16 /* more in a number are noise of its binary form */

bool
value_is_scalar(struct json_object *v)
{
	return (!json_object_is_type(v, json_type_array) &&
	    !json_object_is_type(v, json_type_object));
}

/*
 * A fraction that was text before has all 17 digits of its binary form now
 * (91.200000000000003): write the 15 that decimal fractions survive.
 */
static void
shorten(struct json_object *v)
{
	static char format[] = "%.15g"; /* json-c keeps the pointer */
	double n = json_object_get_double(v);
	char text[HUMAN_SIZE];

	snprintf(text, sizeof(text), "%.15g", n);
	if (strtod(text, NULL) == n)
		json_object_set_serializer(v,
		    json_object_double_to_json_string, format, NULL);
}

struct span
value_scalar(struct json_object *v)
{
	struct span s = {"null", 4};

	if (v == NULL)
		return (s);
	if (json_object_is_type(v, json_type_double) &&
	    (s.p = json_object_get_string(v)) != NULL &&
	    strlen(s.p) > DIGITS_MAX)
		shorten(v);
	s.p = json_object_get_string(v);
	if (s.p == NULL)
		s = (struct span){ "", 0 };
	else if (json_object_is_type(v, json_type_string))
		s.len = (size_t)json_object_get_string_len(v);
	else
		s.len = strlen(s.p);
	return (s);
}

bool
value_may_count(struct json_object *v)
{
	return (json_object_is_type(v, json_type_int) ||
	    json_object_is_type(v, json_type_double) ||
	    json_object_is_type(v, json_type_string));
}

bool
value_number(struct json_object *v, double *n)
{
	struct span s;

	if (!value_may_count(v))
		return (false);
	s = value_scalar(v);
	return (human_number(s.p, s.len, n));
}

struct span
value_trimmed(struct span s)
{
	while (s.len > 0 && strchr(" \t\r\n", s.p[s.len - 1]) != NULL &&
	    s.p[s.len - 1] != '\0')
		s.len--;
	while (s.len > 0 && strchr(" \t\r\n", s.p[0]) != NULL &&
	    s.p[0] != '\0') {
		s.p++;
		s.len--;
	}
	return (s);
}

bool
value_same(struct span a, struct span b)
{
	a = value_trimmed(a);
	b = value_trimmed(b);
	return (a.len == b.len && memcmp(a.p, b.p, a.len) == 0);
}

bool
value_one_line(struct span s)
{
	return (memchr(s.p, '\n', s.len) == NULL);
}

struct span
value_json(struct json_object *v)
{
	struct span s = {"", 0};
	const char *text;
	size_t len;

	text = json_object_to_json_string_length(v,
	    JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);
	if (text != NULL)
		s = (struct span){ text, len };
	return (s);
}

void
value_line(struct layout *l)
{
	if (l->text->plain.len > 0) {
		if (l->gap)
			text_lit(l->text, "\n\n");
		else
			text_lit(l->text, "\n");
	}
	l->gap = false;
	l->group = G_NONE;
	l->line = l->text->plain.len;
}

void
value_gap(struct layout *l)
{
	l->gap = true;
	l->group = G_NONE;
}

void
value_paragraph(struct layout *l, struct span s)
{
	while (s.len > 0 && (s.p[s.len - 1] == '\n' || s.p[s.len - 1] == ' '))
		s.len--;
	while (s.len > 0 && s.p[0] == '\n') {
		s.p++;
		s.len--;
	}
	value_gap(l);
	value_line(l);
	text_add(l->text, s.p, s.len);
	value_gap(l);
}

void
value_begin(struct layout *l, enum field_group group, bool joins)
{
	if (joins && !l->detailed && !l->gap && l->group == group &&
	    l->text->plain.len - l->line < JOIN_LINE)
		text_lit(l->text, " · ");
	else
		value_line(l);
	l->group = joins ? group : G_NONE;
}

void
value_short(struct layout *l, enum field_group group, const char *label,
    struct span value)
{
	value_begin(l, group, true);
	text_adds(l->text, label);
	text_lit(l->text, ": ");
	text_add(l->text, value.p, value.len);
}
