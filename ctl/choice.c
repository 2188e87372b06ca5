/*
 * A tool call that is itself a question: Claude Code's AskUserQuestion has
 * questions with options of their own, and takes the answers as a member of
 * its input.  To allow it without them would answer it with nothing.  Pure.
 */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "ctl/hook.h"

#define QUESTIONS_MAX 8
#define OPTIONS_MAX 10 /* buttons under one message */
#define OPTION_MAX_BYTES 200

static bool question_sound(struct json_object *);

/* A text of some letters without a NUL. */
static const char *
text_of(struct json_object *o, const char *key)
{
	struct json_object *v = json_path(o, key);
	const char *s;

	if (!json_object_is_type(v, json_type_string))
		return (NULL);
	s = json_object_get_string(v);
	return (*s != '\0' && strlen(s) ==
	    (size_t)json_object_get_string_len(v) ? s : NULL);
}

static bool
question_sound(struct json_object *q)
{
	struct json_object *options = json_path(q, "options");
	const char *label;
	size_t i, n;

	if (text_of(q, "question") == NULL ||
	    !json_object_is_type(options, json_type_array))
		return (false);
	n = json_object_array_length(options);
	for (i = 0; i < n; i++) {
		label = text_of(json_object_array_get_idx(options, i),
		    "label");
		if (label == NULL || strlen(label) > OPTION_MAX_BYTES)
			return (false);
	}
	return (n > 0 && n <= OPTIONS_MAX);
}

bool
choice_is(const struct agent *agent, const char *tool)
{
	return (agent->choice_tool != NULL &&
	    strcmp(agent->choice_tool, tool) == 0);
}

struct json_object *
choice_questions(struct json_object *input)
{
	struct json_object *list = json_path(input, "questions");
	size_t i, n;

	if (!json_object_is_type(list, json_type_array))
		return (NULL);
	n = json_object_array_length(list);
	for (i = 0; i < n; i++)
		if (!question_sound(json_object_array_get_idx(list, i)))
			return (NULL);
	return (n > 0 && n <= QUESTIONS_MAX ? list : NULL);
}

struct json_object *
choice_options(struct json_object *question)
{
	struct json_object *list = json_object_new_array();
	struct json_object *options = json_path(question, "options");
	size_t i;

	for (i = 0; i < json_object_array_length(options); i++)
		json_object_array_add(list, json_object_get(json_path(
		    json_object_array_get_idx(options, i), "label")));
	return (list);
}

char *
choice_text(struct json_object *question)
{
	struct json_object *options = json_path(question, "options"), *raw, *o;
	char *text = NULL, *clean;
	const char *what;
	size_t size, i;
	FILE *f;

	if ((f = open_memstream(&text, &size)) == NULL)
		return (NULL);
	fprintf(f, "%s\n", text_of(question, "question"));
	for (i = 0; i < json_object_array_length(options); i++) {
		o = json_object_array_get_idx(options, i);
		what = text_of(o, "description");
		fprintf(f, "\n• %s%s%s", text_of(o, "label"), what != NULL ?
		    ": " : "", what != NULL ? what : "");
	}
	if (json_flag(question, "multiSelect", false))
		fputs("\n\nSeveral may be chosen: write them as a reply.", f);
	if (fclose(f) == EOF) {
		free(text);
		return (NULL);
	}
	raw = json_object_new_string(text);
	free(text);
	clean = call_clean(raw, SIZE_MAX);
	json_object_put(raw);
	return (clean);
}

struct json_object *
choice_input(struct json_object *input, struct json_object *answers)
{
	struct json_object *o = NULL;

	if (json_object_deep_copy(input, &o, NULL) == -1)
		return (NULL);
	json_object_object_add(o, "answers", json_object_get(answers));
	return (o);
}
