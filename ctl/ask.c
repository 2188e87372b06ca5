/*
 * ask: a question to people, and their answer; approvals: the open questions
 * of all, answered from here.
 */
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/nitems.h"
#include "common/utf8.h"
#include "common/uuid.h"
#include "ctl/prompt.h"
#include "ctl/verbs.h"

#define OPTIONS_MAX 10 /* buttons under one message */
#define TITLE_MAX_BYTES 200

static void
title_put(struct ctl *ctl, struct json_object *event, const char *question)
{
	const char *title = ctl_option(ctl, "title");
	size_t len = 0, line = strcspn(question, "\n"), n;

	if (title != NULL && *title == '\0')
		ctl_usage(ctl, "--title: an empty text");
	if (title != NULL) {
		talk_add(event, "title", title);
		return;
	}
	while (len < line && (n = utf8_char(question + len, line - len)) > 0 &&
	    len + n <= TITLE_MAX_BYTES)
		len += n;
	json_object_object_add(event, "title", json_object_new_string_len(
	    question, (int)(len > 0 ? len : line)));
}

static struct json_object *
ask_event(struct ctl *ctl, int64_t timeout_ms)
{
	struct json_object *event = json_object_new_object();
	struct json_object *data = json_object_new_object();
	struct json_object *list = json_object_new_array();
	const char *question = ctl->operand[0], *option;
	char id[UUID_SIZE];
	size_t n;

	if (question[strspn(question, " \t\n")] == '\0')
		ctl_usage(ctl, "the question is empty");
	for (n = 0; (option = ctl_option_nth(ctl, "option", n)) != NULL; n++) {
		if (*option == '\0')
			ctl_usage(ctl, "--option: an empty text");
		if (n == OPTIONS_MAX)
			ctl_usage(ctl, "--option: at most %d", OPTIONS_MAX);
		json_object_array_add(list, json_object_new_string(option));
	}
	uuid_v7(id);
	talk_add(event, "type", "approval_request");
	talk_add(event, "source", "cctgctl");
	talk_add(event, "event_id", id);
	title_put(ctl, event, question);
	talk_add(data, "approval_prompt", question);
	if (n > 0)
		json_object_object_add(data, "options", list);
	else
		json_object_put(list);
	if (timeout_ms > 0)
		json_object_object_add(data, "timeout_ms",
		    json_object_new_int64(timeout_ms));
	talk_add(data, "details", ctl_option(ctl, "details"));
	json_object_object_add(event, "data", data);
	return (event);
}

/* What is left when nobody has answered in time. */
static int
ask_default(struct ctl *ctl, struct json_object *event, const char *option)
{
	bool no = prompt_is_negative(option);
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "ok", json_object_new_boolean(true));
	talk_add(o, "id", json_str(event, "event_id", ""));
	talk_add(o, "action", no ? "deny" : "approve");
	talk_add(o, "option", option);
	json_object_object_add(o, "timed_out", json_object_new_boolean(true));
	if (ctl->json)
		print_json(o);
	else
		puts(option);
	json_object_put(o);
	return (no ? XC_DENIED : XC_OK);
}

static int
ask_run(struct ctl *ctl)
{
	int64_t timeout_ms = ctl_option_ms(ctl, "timeout", 0);
	const char *fallback = ctl_option(ctl, "default");
	struct prompt prompt = { .to = ctl_option(ctl, "to"),
		.timeout_ms = timeout_ms };
	struct json_object *answer;
	enum ctl_exit code;
	char error[512];

	if (ctl_option(ctl, "timeout") != NULL && timeout_ms <= 0)
		ctl_usage(ctl, "--timeout: that is no time to answer");
	if (fallback != NULL && *fallback == '\0')
		ctl_usage(ctl, "--default: an empty text");
	prompt.event = ask_event(ctl, timeout_ms);
	code = prompt_ask(where_socket(ctl, SOCKET_SUBMIT), &prompt, &answer,
	    error, sizeof(error));
	if (code == XC_TIMED_OUT && fallback != NULL)
		code = (enum ctl_exit)ask_default(ctl, prompt.event, fallback);
	else if (answer == NULL)
		ctl_fail(ctl, code, "%s", error);
	else if (ctl->json)
		print_json(answer);
	else
		puts(json_str(answer, "option", json_str(answer, "text", "")));
	json_object_put(answer);
	json_object_put(prompt.event);
	return (code);
}

static const struct verb_option ask_options[] = {
	{ "option", 'o', OPT_VALUE, "TEXT", "an answer to offer (repeatable)" },
	{ "timeout", 't', OPT_VALUE, "D", "wait so long for an answer" },
	{ "default", 0, OPT_VALUE, "TEXT", "the answer if nobody answers" },
	{ "details", 0, OPT_VALUE, "TEXT", "what the Details button shows" },
	{ "title", 0, OPT_VALUE, "TEXT", "its title (the first line)" },
	{ "to", 0, OPT_VALUE, "CHAT", "in this chat, not by the routes" },
	{ NULL, 0, OPT_FLAG, NULL, NULL }
};

const struct verb verb_ask = {
	.name = "ask",
	.operands = "[OPTION]... QUESTION",
	.doc = "ask people; prints the answer",
	.options = ask_options,
	.min = 1,
	.max = 1,
	.run = ask_run,
};

/* -- approvals ---------------------------------------------------------- */

static struct json_object *
approvals_ask(struct ctl *ctl, const char *cmd, const char *id)
{
	struct json_object *request = talk_op("approvals");

	talk_add(request, "cmd", cmd);
	talk_add(request, "id", id);
	return (talk_ask(ctl, SOCKET_SUBMIT, request, TALK_MS));
}

static void
approvals_show(struct ctl *ctl, struct json_object *list)
{
	static const struct table_column columns[] = {
		{ "ID", 0, 0, false },
		{ "ASKED", 0, 1, false },
		{ "EXPIRES", 0, 0, false },
		{ "TITLE", 16, 0, false },
	};
	struct json_object *o;
	struct table *t;
	char text[64];
	size_t i;

	if (json_object_array_length(list) == 0) {
		if (!ctl->quiet)
			puts("no open approvals");
		return;
	}
	t = table_new(columns, nitems(columns));
	for (i = 0; i < json_object_array_length(list); i++) {
		o = json_object_array_get_idx(list, i);
		table_cell(t, json_str(o, "id", "?"), PLAIN);
		table_cell(t, print_time(text, sizeof(text),
		    json_str(o, "asked_at", NULL)), PLAIN);
		table_cell(t, print_time(text, sizeof(text),
		    json_str(o, "expires_at", NULL)), PLAIN);
		table_cell(t, json_str(o, "title", ""), PLAIN);
	}
	table_print(t);
}

/*
 * The beginning of an id stands for the only open prompt whose id begins so.
 * An id that is not open is left to the daemon, which knows why it is not.
 */
static const char *
approval_find(struct ctl *ctl, struct json_object *list, const char *given)
{
	const char *id, *found = NULL;
	size_t i;

	for (i = 0; i < json_object_array_length(list); i++) {
		id = json_str(json_object_array_get_idx(list, i), "id", "");
		if (strcmp(id, given) == 0)
			return (given);
		if (strncmp(id, given, strlen(given)) != 0)
			continue;
		if (found != NULL)
			ctl_fail(ctl, XC_FAILED,
			    "several open approvals begin with \"%s\"", given);
		found = id;
	}
	return (found != NULL ? found : given);
}

static int
approvals_run(struct ctl *ctl)
{
	const char *cmd = ctl->noperands > 0 ? ctl->operand[0] : "list";
	struct json_object *a, *list, *done;
	bool decide = strcmp(cmd, "allow") == 0 || strcmp(cmd, "deny") == 0;
	const char *id;

	if (!decide && strcmp(cmd, "list") != 0)
		ctl_usage(ctl, "there is no \"approvals %s\"", cmd);
	if (decide && (ctl->noperands < 2 || *ctl->operand[1] == '\0'))
		ctl_usage(ctl, "approvals %s: which one?", cmd);
	if (!decide && ctl->noperands > 1)
		ctl_usage(ctl, "approvals list: too many operands");
	a = approvals_ask(ctl, "list", NULL);
	list = json_path(a, "approvals");
	if (!json_object_is_type(list, json_type_array))
		ctl_fail(ctl, XC_FAILED, "this answer is not understood");
	if (decide) {
		id = approval_find(ctl, list, ctl->operand[1]);
		done = approvals_ask(ctl, cmd, id);
		print_ok(ctl, done, "%s %s", id, strcmp(cmd, "allow") == 0 ?
		    "allowed" : "denied");
		json_object_put(done);
	} else if (ctl->json)
		print_json(a);
	else
		approvals_show(ctl, list);
	json_object_put(a);
	return (XC_OK);
}

const struct verb verb_approvals = {
	.name = "approvals",
	.operands = "[list|allow ID|deny ID]",
	.words = "list allow deny",
	.doc = "open questions, and their answers from here",
	.max = 2,
	.run = approvals_run,
};
