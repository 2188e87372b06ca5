/*
 * hook: what an agent calls at certain moments, with JSON that tells which.
 *
 * The agent waits for the end of this process, so all is bounded: a hook
 * that does not ask has WORK_MS for everything.  Whatever goes wrong, the
 * agent sees success and an empty answer, which lets it go on as if there
 * were no hook.
 */
#include <errno.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/conf.h"
#include "common/json.h"
#include "ctl/hook.h"
#include "ctl/offer.h"
#include "ctl/verbs.h"

/* Of the 1500 of DESIGN section 13; the rest is for a file on a slow disk. */
#define WORK_MS 1100
#define INPUT_MS 700  /* an agent that does not close it */
#define SETTLE_MS 300

static bool wanted(const struct hook *);
static bool settle(struct hook *);
static void tell(struct hook *);

const char *
hook_to(const struct hook *h)
{
	const char *to = ctl_option(h->ctl, "to");

	if (to == NULL)
		to = where_conf(h->ctl)->hooks_to;
	return (to != NULL && *to != '\0' ? to : NULL);
}

static bool
given(const struct hook *h, const char *option, const char *name)
{
	const char *value;
	size_t n;

	for (n = 0; (value = ctl_option_nth(h->ctl, option, n)) != NULL; n++)
		if (*value != '\0' && strcmp(value, name) == 0)
			return (true);
	return (false);
}

static bool
listed(const struct conf_list *list, const char *name)
{
	size_t i;

	for (i = 0; i < list->n; i++)
		if (*name != '\0' && strcmp(list->v[i], name) == 0)
			return (true);
	return (false);
}

/*
 * Is it to be told, or asked?  The options, then the configuration, and of
 * each first what is said of the kind of notification.
 */
static bool
wanted(const struct hook *h)
{
	const char *name[] = { agent_kind(h->payload), h->event->name };
	const struct conf *conf;
	size_t i;

	for (i = 0; i < 2; i++)
		if (given(h, "off", name[i]))
			return (false);
		else if (given(h, "on", name[i]))
			return (true);
	conf = where_conf(h->ctl);
	for (i = 0; i < 2; i++)
		if (listed(&conf->hooks_off, name[i]))
			return (false);
		else if (listed(&conf->hooks_on, name[i]))
			return (true);
	return ((h->event->does & HOOK_QUIET) == 0);
}

/* Texts of the payload, one below the other. */
static char *
description(const struct hook *h)
{
	char *all = NULL, *text;
	size_t size, i;
	FILE *f;

	if ((f = open_memstream(&all, &size)) == NULL)
		return (NULL);
	for (i = 0; i < HOOK_TEXTS && h->event->texts[i] != NULL; i++) {
		if ((text = payload_text(h, h->event->texts[i])) == NULL)
			continue;
		fprintf(f, "%s%s", ftell(f) > 0 ? "\n\n" : "", text);
		free(text);
	}
	if (fclose(f) == EOF) {
		free(all);
		return (NULL);
	}
	return (all);
}

static void
tell(struct hook *h)
{
	bool failed = strcmp(h->event->type, "task_failed") == 0;
	char id[UUID_SIZE], error[256], *text = description(h);
	struct json_object *event;

	uuid_v7(id);
	event = payload_event(h, h->event->type, id);
	payload_title(h, event, h->event->title, NULL);
	if (text != NULL && *text != '\0')
		talk_add(event, "description", text);
	if (failed || strcmp(h->event->type, "task_completion") == 0)
		talk_add(json_path(event, "data"), "status", failed ?
		    "failed" : "completed");
	/* If there is no such chat, rather elsewhere than nowhere. */
	if (offer_event(h->ctl, event, hook_to(h), h->deadline_ms, error,
	    sizeof(error)) == OFFER_REFUSED && hook_to(h) != NULL)
		(void)offer_event(h->ctl, event, NULL, h->deadline_ms, error,
		    sizeof(error));
	json_object_put(event);
	free(text);
}

static struct json_object *
request(struct talk *t, struct json_object *o, int64_t deadline_ms)
{
	const char *text, *why;
	char *line = NULL;
	size_t len;

	text = json_object_to_json_string_length(o, JSON_C_TO_STRING_PLAIN |
	    JSON_C_TO_STRING_NOSLASHESCAPE, &len);
	if (talk_write(t, text, len, deadline_ms) == 0 &&
	    talk_write(t, "\n", 1, deadline_ms) == 0)
		line = talk_line(t, deadline_ms);
	json_object_put(o);
	return (line != NULL ? json_parse(line, strlen(line), &why) : NULL);
}

/*
 * Does the hook concern the prompt with this id?  The call's own id is made
 * into call when it is first needed, as most hooks come while nothing is open.
 */
static bool
concerns(struct hook *h, const char *id, char call[UUID_SIZE])
{
	const char *tool = json_str(h->payload, "tool_name", "");
	struct json_object *input;

	if (!call_is_of_session(id, h->session))
		return (false);
	if ((h->event->does & HOOK_SETTLES_CALL) == 0)
		return (true);
	if (*call == '\0') {
		input = payload_input(h);
		/* The answers have come to its questions meanwhile. */
		if (choice_is(h->agent, tool))
			input = choice_questions(input);
		call_id(call, h->session, tool, input);
	}
	return (call_is_same(id, call));
}

/*
 * Withdraw the open prompts that have become moot.  True if one is open that
 * stays so.
 */
static bool
settle(struct hook *h)
{
	bool closes = (h->event->does & (HOOK_SETTLES_CALL |
	    HOOK_SETTLES_ALL)) != 0, open = false;
	int64_t deadline_ms = clock_mono_ms() + SETTLE_MS;
	struct json_object *o, *answer, *list;
	char call[UUID_SIZE] = "";
	struct talk t;
	const char *id;
	size_t i;

	if (*h->session == '\0' || talk_open(&t, where_socket(h->ctl,
	    SOCKET_SUBMIT), deadline_ms) == -1)
		return (false);
	o = talk_op("approvals");
	talk_add(o, "cmd", "list");
	answer = request(&t, o, deadline_ms);
	list = answer != NULL ? json_path(answer, "approvals") : NULL;
	for (i = 0; json_object_is_type(list, json_type_array) &&
	    i < json_object_array_length(list); i++) {
		id = json_str(json_object_array_get_idx(list, i), "id", "");
		if (!concerns(h, id, call))
			continue;
		open = true;
		if (!closes)
			continue;
		o = talk_op("withdraw");
		talk_add(o, "id", id);
		talk_add(o, "reason", h->event->why);
		json_object_put(request(&t, o, deadline_ms));
	}
	json_object_put(answer);
	talk_close(&t);
	return (open && !closes);
}

void
hook_say(const char *text)
{
	size_t len = strlen(text);
	ssize_t n;

	while (len > 0) {
		if ((n = write(STDOUT_FILENO, text, len)) == -1 &&
		    errno != EINTR)
			return;
		if (n > 0) {
			text += n;
			len -= (size_t)n;
		}
	}
}

static int
hook_run(struct ctl *ctl)
{
	struct hook h = { .ctl = ctl,
		.deadline_ms = clock_mono_ms() + WORK_MS };
	bool open = false;
	unsigned does;

	signal(SIGPIPE, SIG_IGN);
	if ((h.agent = agent_find(ctl->operand[0])) == NULL)
		ctl_usage(ctl, "there are no hooks of \"%s\"",
		    ctl->operand[0]);
	(void)ctl_option_ms(ctl, "timeout", 0); /* wrong, or not */
	if (!payload_read(&h, clock_mono_ms() + INPUT_MS) ||
	    (h.event = agent_event(h.agent, h.payload)) == NULL) {
		hook_say(h.agent->silence);
		payload_free(&h);
		return (XC_OK);
	}
	h.session = agent_session(h.payload);
	does = h.event->does;
	if (does & HOOK_ASKS && wanted(&h))
		hook_ask(&h);
	else
		hook_say(h.agent->silence);
	if (does & (HOOK_SETTLES_CALL | HOOK_SETTLES_ALL | HOOK_IF_UNASKED))
		open = settle(&h);
	if (does & HOOK_TELLS && !open && wanted(&h))
		tell(&h);
	payload_free(&h);
	return (XC_OK);
}

static const struct verb_option hook_options[] = {
	{ "on", 0, OPT_VALUE, "HOOK", "this hook, too (repeatable)" },
	{ "off", 0, OPT_VALUE, "HOOK", "not this one (repeatable)" },
	{ "timeout", 't', OPT_VALUE, "D", "wait so long for an answer (10m)" },
	{ "to", 0, OPT_VALUE, "CHAT", "to this chat, not by the routes" },
	{ NULL, 0, OPT_FLAG, NULL, NULL }
};

const struct verb verb_hook = {
	.name = "hook",
	.operands = "claude|codex|gemini [OPTION]... [JSON]",
	.words = "claude codex gemini",
	.doc = "what a coding agent calls; JSON comes from the input",
	.options = hook_options,
	.hook = true,
	.min = 1,
	.max = -1,
	.run = hook_run,
};
