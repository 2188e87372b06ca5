/*
 * hook: what an agent calls at certain moments, with JSON that tells which.
 *
 * The agent waits for the end of this process, so all is bounded: a hook
 * that does not ask has WORK_MS for everything.  Whatever goes wrong, the
 * agent sees success and an empty answer, which lets it go on as if there
 * were no hook.
 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/json.h"
#include "ctl/hook.h"
#include "ctl/offer.h"
#include "ctl/prompt.h"
#include "ctl/send.h"
#include "ctl/verbs.h"

/* Of the 1500 of DESIGN section 13; the rest is for a file on a slow disk. */
#define WORK_MS 1100
#define INPUT_MS 700  /* an agent that does not close it */
#define SETTLE_MS 300
#define ASK_MS 600000  /* the time that agents give a hook by default */
#define PAYLOAD_MAX_BYTES (16U << 20)
#define TEXT_MAX_BYTES (64U << 10)
#define DETAILS_MAX_BYTES 3000 /* as many as the button can show */
#define STALE_TTL "10m" /* of a permission that nobody could be asked for */

struct hook {
	struct ctl *ctl;
	const struct agent *agent;
	const struct hook_event *event;
	struct json_object *payload;
	const char *session;
	int64_t deadline_ms;
};

static struct json_object *payload_read(struct ctl *, int64_t deadline_ms);
static bool wanted(const struct hook *);
static bool settle(struct hook *);
static void tell(struct hook *);
static void ask(struct hook *);
static void say(const char *);

/* All that comes until the end of the input, or the deadline. */
static struct json_object *
payload_read(struct ctl *ctl, int64_t deadline_ms)
{
	struct pollfd pfd = { .fd = STDIN_FILENO, .events = POLLIN };
	size_t len = 0, size = 65536;
	char *buf, *more;
	const char *why;
	struct json_object *o;
	int64_t left_ms;
	ssize_t n;

	if (ctl->noperands > 1)
		return (json_parse(ctl->operand[ctl->noperands - 1],
		    strlen(ctl->operand[ctl->noperands - 1]), &why));
	if ((buf = malloc(size)) == NULL)
		return (NULL);
	for (;;) {
		left_ms = deadline_ms - clock_mono_ms();
		if (left_ms <= 0 || poll(&pfd, 1, (int)left_ms) <= 0)
			break;
		n = read(STDIN_FILENO, buf + len, size - len);
		if (n == -1 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			break;
		if ((len += (size_t)n) < size)
			continue;
		if (size >= PAYLOAD_MAX_BYTES ||
		    (more = realloc(buf, size * 4)) == NULL) {
			free(buf);
			return (NULL);
		}
		buf = more;
		size *= 4;
	}
	call_forget(buf, len, "tool_response");
	o = json_parse(buf, len, &why);
	free(buf);
	return (o);
}

static bool
listed(struct ctl *ctl, const char *option, const struct hook_event *e)
{
	const char *name;
	size_t n;

	for (n = 0; (name = ctl_option_nth(ctl, option, n)) != NULL; n++)
		if (strcmp(name, e->name) == 0 ||
		    (e->kind != NULL && strcmp(name, e->kind) == 0))
			return (true);
	return (false);
}

/* Is it to be told, or asked? */
static bool
wanted(const struct hook *h)
{
	if (listed(h->ctl, "off", h->event))
		return (false);
	return ((h->event->does & HOOK_QUIET) == 0 ||
	    listed(h->ctl, "on", h->event));
}

/* The text of a member, where it is one. */
static char *
member(const struct hook *h, const char *name)
{
	struct json_object *o = json_path(h->payload, name);
	char *text;

	if (o == NULL || (json_object_is_type(o, json_type_string) &&
	    json_object_get_string_len(o) == 0))
		return (NULL);
	text = call_clean(o, TEXT_MAX_BYTES);
	if (text != NULL && *text == '\0') {
		free(text);
		return (NULL);
	}
	return (text);
}

/* The last part of the directory that the agent works in. */
static char *
project(const struct hook *h)
{
	char *cwd, *name, *slash;

	if (!json_object_is_type(json_path(h->payload, "cwd"),
	    json_type_string) || (cwd = member(h, "cwd")) == NULL)
		return (NULL);
	while ((slash = strrchr(cwd, '/')) != NULL && slash[1] == '\0' &&
	    slash != cwd)
		*slash = '\0';
	name = slash != NULL && slash[1] != '\0' ? strdup(slash + 1) :
	    strdup(cwd);
	free(cwd);
	return (name);
}

/* A session is known by its name, or by the first part of its id. */
static char *
session_name(const struct hook *h)
{
	char *name = member(h, "session_name");
	struct json_object *id;

	if (name != NULL)
		return (name);
	id = json_object_new_string(h->session);
	name = call_clean(id, 8);
	json_object_put(id);
	return (name);
}

static void
title_put(const struct hook *h, struct json_object *event, const char *tool)
{
	char *place = project(h), *title;

	if (asprintf(&title, "%s%s%s %s%s%s", place != NULL ? place : "",
	    place != NULL ? ": " : "", h->agent->label, h->event->title,
	    tool != NULL ? " " : "", tool != NULL ? tool : "") != -1) {
		talk_add(event, "title", title);
		free(title);
	}
	free(place);
}

/* The members that every event of a hook has. */
static struct json_object *
data_make(const struct hook *h)
{
	struct json_object *data = json_object_new_object();
	char *place = project(h), *session = session_name(h);

	talk_add(data, "project", place);
	if (session != NULL && *session != '\0')
		talk_add(data, "session", session);
	free(place);
	free(session);
	return (data);
}

static struct json_object *
event_make(const struct hook *h, const char *type, const char *id)
{
	struct json_object *event = json_object_new_object();

	talk_add(event, "type", type);
	talk_add(event, "source", h->agent->source);
	talk_add(event, "event_id", id);
	return (event);
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
		if ((text = member(h, h->event->texts[i])) == NULL)
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
	struct json_object *event, *data = data_make(h);

	uuid_v7(id);
	event = event_make(h, h->event->type, id);
	title_put(h, event, NULL);
	if (text != NULL && *text != '\0')
		talk_add(event, "description", text);
	if (failed || strcmp(h->event->type, "task_completion") == 0)
		talk_add(data, "status", failed ? "failed" : "completed");
	json_object_object_add(event, "data", data);
	(void)offer_event(h->ctl, event, ctl_option(h->ctl, "to"),
	    h->deadline_ms, error, sizeof(error));
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

/* Does the hook concern the prompt with this id? */
static bool
concerns(const struct hook *h, const char *id)
{
	if ((h->event->does & HOOK_SETTLES_CALL) == 0)
		return (call_is_of_session(id, h->session));
	return (call_is_of_call(id, h->session, json_str(h->payload,
	    "tool_name", ""), json_path(h->payload, "tool_input")));
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
		if (!concerns(h, id))
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

/* NULL if people could not see all of what they would allow. */
static struct json_object *
question(const struct hook *h, int64_t timeout_ms)
{
	const char *tool = json_str(h->payload, "tool_name", "");
	struct json_object *input = json_path(h->payload, "tool_input");
	struct json_object *event, *data, *options;
	char id[UUID_SIZE], *text, *more;
	size_t len;

	if (*tool == '\0' || input == NULL ||
	    (text = call_text(tool, input)) == NULL)
		return (NULL);
	call_id(id, h->session, tool, input);
	event = event_make(h, "approval_request", id);
	more = call_clean(json_path(h->payload, "tool_name"), 100);
	title_put(h, event, more);
	free(more);
	data = data_make(h);
	talk_add(data, "approval_prompt", text);
	options = json_object_new_array();
	json_object_array_add(options, json_object_new_string("Allow"));
	json_object_array_add(options, json_object_new_string("Deny"));
	json_object_object_add(data, "options", options);
	json_object_object_add(data, "timeout_ms",
	    json_object_new_int64(timeout_ms));
	more = details(h);
	talk_add(data, "details", more);
	json_object_object_add(event, "data", data);
	free(more);
	free(text);
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
	char id[UUID_SIZE], error[256];
	struct json_object *data = json_path(event, "data");

	uuid_v7(id);
	talk_add(event, "type", "info_notification");
	talk_add(event, "event_id", id);
	talk_add(event, "ttl", STALE_TTL);
	talk_add(event, "description", json_str(data, "approval_prompt", ""));
	json_object_object_del(data, "approval_prompt");
	json_object_object_del(data, "options");
	json_object_object_del(data, "timeout_ms");
	json_object_object_del(data, "details");
	(void)offer_event(h->ctl, event, ctl_option(h->ctl, "to"),
	    clock_mono_ms() + SETTLE_MS, error, sizeof(error));
}

/* The answer for the agent, and who gave it. */
static void
answer_say(const struct hook *h, struct json_object *answer, bool allow)
{
	const char *name = json_str(answer, "by.first_name",
	    json_str(answer, "by.username", NULL));
	const char *text = json_str(answer, "text", NULL);
	struct json_object *o;
	char *message;

	/* A text says what to do instead. */
	if (strcmp(json_str(answer, "action", ""), "text") == 0)
		allow = false;
	if (asprintf(&message, "%s in Telegram%s%s%s%s", text != NULL ?
	    "Answered" : allow ? "Allowed" : "Denied", name != NULL ? " by " :
	    "", name != NULL ? name : "", text != NULL ? ": " : "",
	    text != NULL ? text : "") == -1)
		return;
	o = h->agent->decision(h->event->name, allow, message);
	if (o != NULL) {
		say(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN |
		    JSON_C_TO_STRING_NOSLASHESCAPE));
		say("\n");
	} else
		say(h->agent->silence);
	json_object_put(o);
	free(message);
}

static void
ask(struct hook *h)
{
	struct prompt prompt = { .to = ctl_option(h->ctl, "to"),
		.timeout_ms = ctl_option_ms(h->ctl, "timeout", ASK_MS) };
	struct json_object *answer;
	enum ctl_exit code;
	char error[256];

	if (prompt.timeout_ms <= 0 ||
	    (prompt.event = question(h, prompt.timeout_ms)) == NULL) {
		say(h->agent->silence);
		return;
	}
	code = prompt_ask(where_socket(h->ctl, SOCKET_SUBMIT), &prompt,
	    &answer, error, sizeof(error));
	if (answer != NULL)
		answer_say(h, answer, code == XC_OK);
	else {
		if (!prompt.taken && code == XC_DOWN)
			question_spool(h, prompt.event);
		say(h->agent->silence);
	}
	json_object_put(answer);
	json_object_put(prompt.event);
}

/* Nobody reads it: then it is as if there were no hook. */
static void
say(const char *text)
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
	(void)ctl_option_ms(ctl, "timeout", ASK_MS); /* wrong, or not */
	h.payload = payload_read(ctl, clock_mono_ms() + INPUT_MS);
	if (!json_object_is_type(h.payload, json_type_object) ||
	    (h.event = agent_event(h.agent, h.payload)) == NULL) {
		say(h.agent->silence);
		json_object_put(h.payload);
		return (XC_OK);
	}
	h.session = agent_session(h.payload);
	does = h.event->does;
	if (does & HOOK_ASKS && wanted(&h))
		ask(&h);
	else
		say(h.agent->silence);
	if (does & (HOOK_SETTLES_CALL | HOOK_SETTLES_ALL | HOOK_IF_UNASKED))
		open = settle(&h);
	if (does & HOOK_TELLS && !open && wanted(&h))
		tell(&h);
	json_object_put(h.payload);
	return (XC_OK);
}

static const struct verb_option hook_options[] = {
	{ "on", 0, OPT_VALUE, "NAME", "this hook, too (repeatable)" },
	{ "off", 0, OPT_VALUE, "NAME", "not this one (repeatable)" },
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
