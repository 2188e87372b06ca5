/*
 * Hooks that ask: may the tool be used, or, for the tool that asks questions
 * itself, what is the answer to them.  See hook.h.
 *
 * A question that people could not see in full is not asked, since they would
 * allow what they have not seen; then the agent asks in its terminal.
 */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/conf.h"
#include "common/json.h"
#include "ctl/ctl.h"
#include "ctl/hook.h"
#include "ctl/offer.h"
#include "ctl/prompt.h"
#include "ctl/send.h"

#define SPOOL_MS 300
#define HEADER_MAX_BYTES 100
#define DETAILS_MAX_BYTES 3000 /* as many as the button can show */
#define STALE_TTL "10m" /* of a permission that nobody could be asked for */

/* What is asked; the event takes the options. */
struct question {
	const char *what; /* "wants to use" */
	char *header;	  /* behind it */
	char *text;
	struct json_object *options;
	struct json_object *about; /* makes the id, for whoever settles it */
};

static struct json_object *permission_ask(struct hook *, const char *tool,
    struct json_object *input);
static struct json_object *choices_ask(struct hook *, const char *tool,
    struct json_object *input);
static struct json_object *question_event(struct hook *, const char *tool,
    struct question *, int64_t timeout_ms);
static struct json_object *question_ask(struct hook *, const char *tool,
    struct question *, int64_t timeout_ms, bool *yes);
static void question_spool(struct hook *, struct json_object *event);

/* How long a question is open if nothing else is said. */
static int64_t
hook_ask_ms(const struct hook *h)
{
	return (ctl_option_ms(h->ctl, "timeout",
	    where_conf(h->ctl)->hooks_timeout_ms));
}

/* What the Details button shows: the payload, as far as it fits there. */
static char *
details(const struct hook *h)
{
	struct json_object *text;
	char *clean;

	text = json_object_new_string(json_object_to_json_string_ext(
	    h->payload, JSON_C_TO_STRING_PRETTY |
	    JSON_C_TO_STRING_NOSLASHESCAPE));
	clean = call_clean(text, DETAILS_MAX_BYTES);
	json_object_put(text);
	return (clean);
}

/* NULL if people could not see all of it. */
static struct json_object *
question_event(struct hook *h, const char *tool, struct question *q,
    int64_t timeout_ms)
{
	struct json_object *event, *data;
	char id[UUID_SIZE], *more;
	size_t len;

	call_id(id, h->session, tool, q->about);
	event = payload_event(h, "approval_request", id);
	payload_title(h, event, q->what, q->header);
	data = json_path(event, "data");
	talk_add(data, "approval_prompt", q->text);
	json_object_object_add(data, "options", q->options);
	q->options = NULL;
	json_object_object_add(data, "timeout_ms",
	    json_object_new_int64(timeout_ms));
	more = details(h);
	talk_add(data, "details", more);
	free(more);
	(void)json_object_to_json_string_length(event, JSON_C_TO_STRING_PLAIN |
	    JSON_C_TO_STRING_NOSLASHESCAPE, &len);
	if (len > SEND_MAX_BYTES) {
		json_object_put(event);
		return (NULL);
	}
	return (event);
}

/* Nobody could be asked; a daemon that comes soon may tell so. */
static void
question_spool(struct hook *h, struct json_object *event)
{
	static const char *const gone[] = { "approval_prompt", "options",
		"timeout_ms", "details", NULL };
	struct json_object *data = json_path(event, "data");
	char id[UUID_SIZE], error[256];
	size_t i;

	uuid_v7(id);
	talk_add(event, "type", "info_notification");
	talk_add(event, "event_id", id);
	talk_add(event, "ttl", STALE_TTL);
	talk_add(event, "description", json_str(data, "approval_prompt", ""));
	for (i = 0; gone[i] != NULL; i++)
		json_object_object_del(data, gone[i]);
	(void)offer_event(h->ctl, event, hook_to(h), clock_mono_ms() +
	    SPOOL_MS, error, sizeof(error));
}

/* The daemon's answer, or NULL; the parts of the question are freed. */
static struct json_object *
question_ask(struct hook *h, const char *tool, struct question *q,
    int64_t timeout_ms, bool *yes)
{
	struct prompt prompt = { .to = hook_to(h), .timeout_ms = timeout_ms };
	struct json_object *answer = NULL;
	enum ctl_exit code;
	char error[256];

	if (timeout_ms > 0 && q->text != NULL &&
	    (prompt.event = question_event(h, tool, q, timeout_ms)) != NULL) {
		code = prompt_ask(where_socket(h->ctl, SOCKET_SUBMIT), &prompt,
		    &answer, error, sizeof(error));
		if (code == XC_NOT_FOUND && !prompt.taken &&
		    prompt.to != NULL) {
			prompt.to = NULL; /* there is no such chat */
			code = prompt_ask(where_socket(h->ctl, SOCKET_SUBMIT),
			    &prompt, &answer, error, sizeof(error));
		}
		*yes = code == XC_OK;
		if (answer == NULL && !prompt.taken && code == XC_DOWN)
			question_spool(h, prompt.event);
		json_object_put(prompt.event);
	}
	json_object_put(q->options);
	free(q->header);
	free(q->text);
	return (answer);
}

/* Who has answered what, in words. */
static char *
in_words(struct json_object *answer, const char *how)
{
	const char *name = json_str(answer, "by.first_name",
	    json_str(answer, "by.username", NULL));
	const char *text = json_str(answer, "text", NULL);
	char *words;

	if (asprintf(&words, "%s%s%s%s%s%s", text != NULL ? "Answered" : how,
	    json_i64(answer, "by.user_id", 0) != 0 ? " in Telegram" : "",
	    name != NULL ? " by " : "", name != NULL ? name : "",
	    text != NULL ? ": " : "", text != NULL ? text : "") == -1)
		return (NULL);
	return (words);
}

/* What the agent gets, or NULL: nothing. */
static struct json_object *
permission_ask(struct hook *h, const char *tool, struct json_object *input)
{
	struct question q = { .what = h->event->title,
		.header = call_clean(json_path(h->payload, "tool_name"),
		    HEADER_MAX_BYTES),
		.text = call_text(tool, input),
		.options = json_object_new_array(), .about = input };
	struct json_object *answer, *said;
	bool allow = false;
	char *words;

	json_object_array_add(q.options, json_object_new_string("Allow"));
	json_object_array_add(q.options, json_object_new_string("Deny"));
	answer = question_ask(h, tool, &q, hook_ask_ms(h), &allow);
	if (answer == NULL)
		return (NULL);
	/* A text says what to do instead. */
	if (strcmp(json_str(answer, "action", ""), "text") == 0)
		allow = false;
	words = in_words(answer, allow ? "Allowed" : "Denied");
	said = h->agent->decision(h->event->name, allow, words, NULL);
	free(words);
	json_object_put(answer);
	return (said);
}

/* One after the other; all are answered, or none. */
static struct json_object *
choices_ask(struct hook *h, const char *tool, struct json_object *input)
{
	struct json_object *list = choice_questions(input), *answer = NULL, *o;
	struct json_object *answers = json_object_new_object(), *said = NULL;
	int64_t deadline_ms = clock_mono_ms() + hook_ask_ms(h);
	size_t i, n = list == NULL ? 0 : json_object_array_length(list);
	char *words;
	bool yes;

	for (i = 0; i < n; i++) {
		o = json_object_array_get_idx(list, i);
		struct question q = {
			.header = call_clean(json_path(o, "header"),
			    HEADER_MAX_BYTES),
			.text = choice_text(o),
			.options = choice_options(o), .about = list };

		q.what = q.header != NULL ? "asks:" : "asks";
		json_object_put(answer);
		answer = question_ask(h, tool, &q, deadline_ms -
		    clock_mono_ms(), &yes);
		if (answer == NULL)
			break;
		talk_add(answers, json_str(o, "question", ""), json_str(answer,
		    "text", json_str(answer, "option", "")));
	}
	if (n > 0 && i == n) {
		words = in_words(answer, "Answered");
		said = h->agent->decision(h->event->name, true, words,
		    choice_input(input, answers));
		free(words);
	}
	json_object_put(answer);
	json_object_put(answers);
	return (said);
}

void
hook_ask(struct hook *h)
{
	const char *tool = json_str(h->payload, "tool_name", "");
	struct json_object *input = payload_input(h), *said = NULL;

	if (*tool != '\0' && input != NULL)
		said = choice_is(h->agent, tool) ?
		    choices_ask(h, tool, input) :
		    permission_ask(h, tool, input);
	if (said != NULL) {
		hook_say(json_object_to_json_string_ext(said,
		    JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
		hook_say("\n");
	} else
		hook_say(h->agent->silence);
	json_object_put(said);
}
