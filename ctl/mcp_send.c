/*
 * Tools that send: events over submit.sock, modes, questions, and what has
 * become of an event.
 *
 * The events are those that the MCP server of co8/cctelegram writes into
 * files (CONTRACT of its bridge, section 2), except that each has an id of
 * its own: there, the task's id is the event's, and the second event of a
 * task would be taken for a duplicate of the first.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/nitems.h"
#include "common/utf8.h"
#include "common/uuid.h"
#include "ctl/mcp.h"
#include "ctl/prompt.h"

#define SOURCE "claude-code"
#define RECONNECT_MS 10000 /* a daemon, or its intake, that starts again */
#define AGAIN_EVERY_MS 100
#define APPROVAL_MINUTES 30
#define TITLE_MAX_BYTES 200

static void
put(struct json_object *o, const char *key, struct json_object *v)
{
	json_object_object_add(o, key, v);
}

/* Copy an argument that was given. */
static void
copy(struct json_object *to, struct json_object *args, const char *key)
{
	struct json_object *v = json_path(args, key);

	if (v != NULL)
		put(to, key, json_object_get(v));
}

/* The keys in the order in which they are known to stand. */
static struct json_object *
event_new(const char *type, const char *source, const char *task_id,
    const char *title, const char *description, struct json_object *data)
{
	struct json_object *event = json_object_new_object();
	char id[UUID_SIZE], at[RFC3339_SIZE];

	uuid_v7(id);
	talk_add(event, "type", type);
	talk_add(event, "source", source);
	talk_add(event, "timestamp", clock_rfc3339(at, sizeof(at),
	    clock_wall_ms()));
	talk_add(event, "task_id", task_id != NULL ? task_id : id);
	talk_add(event, "title", title);
	talk_add(event, "description", description);
	put(event, "data", data);
	talk_add(event, "event_id", id);
	return (event);
}

/* One try; NULL when the daemon was there but has gone without an answer. */
static struct json_object *
submit_once(struct ctl *ctl, struct json_object *request, bool *been)
{
	struct json_object *answer = NULL;
	int64_t deadline_ms = clock_mono_ms() + TALK_MS;
	const char *text, *why;
	struct talk t;
	size_t len;
	char *line;

	text = json_object_to_json_string_length(request,
	    JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);
	if (text == NULL)
		ctl_fail(ctl, XC_FAILED, "out of memory");
	if (talk_open(&t, where_socket(ctl, SOCKET_SUBMIT), deadline_ms) ==
	    -1) {
		if (*been)
			return (NULL);
		if (talk_exit(errno) == XC_DOWN)
			ctl_fail(ctl, XC_DOWN, "cctgd is not running (%s: %s)",
			    where_socket(ctl, SOCKET_SUBMIT), strerror(errno));
		ctl_fail(ctl, talk_exit(errno), "%s: %s",
		    where_socket(ctl, SOCKET_SUBMIT), strerror(errno));
	}
	*been = true;
	if (talk_write(&t, text, len, deadline_ms) == 0 &&
	    talk_write(&t, "\n", 1, deadline_ms) == 0 &&
	    (line = talk_line(&t, deadline_ms)) != NULL)
		answer = json_parse(line, strlen(line), &why);
	talk_close(&t);
	return (answer);
}

/* Submit the event, which is put; the same id again does no harm. */
static struct json_object *
submit(struct ctl *ctl, struct json_object *event, const char *what)
{
	const struct timespec pause = { 0, AGAIN_EVERY_MS * 1000000L };
	struct json_object *request = talk_op("send"), *answer, *o;
	int64_t give_up_ms = clock_mono_ms() + RECONNECT_MS;
	const char *id = json_str(event, "event_id", "");
	bool been = false;
	char text[256];

	put(request, "event", event);
	while ((answer = submit_once(ctl, request, &been)) == NULL) {
		if (clock_mono_ms() >= give_up_ms)
			ctl_fail(ctl, XC_BUSY, "cctgd does not answer");
		nanosleep(&pause, NULL);
	}
	talk_check(ctl, answer);
	o = json_object_new_object();
	put(o, "success", json_object_new_boolean(true));
	talk_add(o, "event_id", id);
	talk_add(o, "task_id", json_str(event, "task_id", id));
	snprintf(text, sizeof(text), "%s sent successfully. Event ID: %s",
	    what, id);
	talk_add(o, "message", text);
	json_object_put(answer);
	json_object_put(request);
	return (o);
}

struct json_object *
mcp_send_event(struct ctl *ctl, struct json_object *args, bool *failed)
{
	struct json_object *data = json_path(args, "data");

	(void)failed;
	data = data != NULL ? json_object_get(data) : json_object_new_object();
	return (submit(ctl, event_new(json_str(args, "type", ""),
	    json_str(args, "source", SOURCE), json_str(args, "task_id", NULL),
	    json_str(args, "title", ""), json_str(args, "description", ""),
	    data), "Event"));
}

struct json_object *
mcp_send_message(struct ctl *ctl, struct json_object *args, bool *failed)
{
	struct json_object *data = json_object_new_object();

	(void)failed;
	copy(data, args, "message");
	talk_add(data, "severity", "low");
	return (submit(ctl, event_new("info_notification",
	    json_str(args, "source", SOURCE), NULL, "Claude Code Message",
	    json_str(args, "message", ""), data), "Message"));
}

struct json_object *
mcp_send_completion(struct ctl *ctl, struct json_object *args, bool *failed)
{
	static const char *const keys[] = { "results", "files_affected",
		"duration_ms" };
	struct json_object *data = json_object_new_object();
	const char *title = json_str(args, "title", "");
	char text[1024];
	size_t i;

	(void)failed;
	talk_add(data, "status", "completed");
	for (i = 0; i < nitems(keys); i++)
		copy(data, args, keys[i]);
	snprintf(text, sizeof(text), "Task \"%s\" completed successfully",
	    title);
	return (submit(ctl, event_new("task_completion", SOURCE,
	    json_str(args, "task_id", NULL), title, text, data),
	    "Task completion"));
}

struct json_object *
mcp_send_alert(struct ctl *ctl, struct json_object *args, bool *failed)
{
	static const char *const keys[] = { "current_value", "threshold",
		"severity" };
	struct json_object *data = json_object_new_object();
	const char *title = json_str(args, "title", "");
	char text[1024], error[1200];
	size_t i;

	(void)failed;
	for (i = 0; i < nitems(keys); i++)
		copy(data, args, keys[i]);
	snprintf(text, sizeof(text), "Performance threshold exceeded: %s",
	    title);
	snprintf(error, sizeof(error),
	    "%s is %.15g, which exceeds threshold of %.15g", title,
	    json_num(args, "current_value", 0),
	    json_num(args, "threshold", 0));
	talk_add(data, "error_message", error);
	return (submit(ctl, event_new("performance_alert", SOURCE, NULL, title,
	    text, data), "Performance alert"));
}

struct json_object *
mcp_send_approval(struct ctl *ctl, struct json_object *args, bool *failed)
{
	struct json_object *data = json_object_new_object();
	struct json_object *options = json_path(args, "options");
	const char *description = json_str(args, "description", "");

	(void)failed;
	talk_add(data, "approval_prompt", description);
	put(data, "options", json_object_get(options));
	put(data, "requires_response", json_object_new_boolean(true));
	put(data, "response_options", json_object_get(options));
	put(data, "timeout_minutes", json_object_new_int(APPROVAL_MINUTES));
	return (submit(ctl, event_new("approval_request", SOURCE, NULL,
	    json_str(args, "title", ""), description, data),
	    "Approval request"));
}

static struct json_object *
mode_switch(struct ctl *ctl, const char *mode, const char *message)
{
	struct json_object *request = talk_op("mode"), *answer, *o;

	talk_add(request, "mode", mode);
	answer = talk_ask(ctl, SOCKET_SUBMIT, request, TALK_MS);
	o = json_object_new_object();
	put(o, "success", json_object_new_boolean(true));
	talk_add(o, "message", message);
	talk_add(o, "mode", json_str(answer, "mode", mode));
	json_object_put(answer);
	return (o);
}

struct json_object *
mcp_switch_local(struct ctl *ctl, struct json_object *args, bool *failed)
{
	(void)args;
	(void)failed;
	return (mode_switch(ctl, "local", "Switched to local mode"));
}

struct json_object *
mcp_switch_nomad(struct ctl *ctl, struct json_object *args, bool *failed)
{
	(void)args;
	(void)failed;
	return (mode_switch(ctl, "nomad", "Switched to nomad mode"));
}

struct json_object *
mcp_switch_mute(struct ctl *ctl, struct json_object *args, bool *failed)
{
	(void)args;
	(void)failed;
	return (mode_switch(ctl, "mute", "Switched to mute mode"));
}

struct json_object *
mcp_get_event(struct ctl *ctl, struct json_object *args, bool *failed)
{
	struct json_object *request = talk_op("queue"), *answer, *event;

	(void)failed;
	talk_add(request, "cmd", "show");
	talk_add(request, "id", json_str(args, "id", ""));
	answer = talk_ask(ctl, SOCKET_SUBMIT, request, TALK_MS);
	if ((event = json_path(answer, "event")) == NULL)
		return (answer);
	json_object_get(event);
	json_object_put(answer);
	return (event);
}

/* As much of the first line as makes a title; the caller frees it. */
static char *
title_of(const char *question)
{
	size_t line = strcspn(question, "\n"), len = 0, n;

	while (len < line && (n = utf8_char(question + len, line - len)) > 0 &&
	    len + n <= TITLE_MAX_BYTES)
		len += n;
	return (strndup(question, len));
}

static struct json_object *
ask_event(struct ctl *ctl, struct json_object *args, int64_t timeout_ms)
{
	struct json_object *data = json_object_new_object(), *event;
	const char *question = json_str(args, "question", "");
	char *title = title_of(question);

	if (title == NULL)
		ctl_fail(ctl, XC_FAILED, "out of memory");
	talk_add(data, "approval_prompt", question);
	copy(data, args, "options");
	put(data, "timeout_ms", json_object_new_int64(timeout_ms));
	copy(data, args, "details");
	event = event_new("approval_request", SOURCE, NULL,
	    *title != '\0' ? title : "Question", question, data);
	free(title);
	return (event);
}

struct json_object *
mcp_ask(struct ctl *ctl, struct json_object *args, bool *failed)
{
	static const char *const keys[] = { "option", "action", "text", "by",
		"at" };
	struct prompt prompt = { 0 };
	struct json_object *answer, *o;
	enum ctl_exit code;
	char error[512];
	size_t i;

	(void)failed;
	prompt.timeout_ms = (int64_t)(json_num(args, "timeout_seconds", 0) *
	    1000);
	prompt.event = ask_event(ctl, args, prompt.timeout_ms);
	code = prompt_ask(where_socket(ctl, SOCKET_SUBMIT), &prompt, &answer,
	    error, sizeof(error));
	if (answer == NULL)
		ctl_fail(ctl, code, "no answer: %s", error);
	o = json_object_new_object();
	talk_add(o, "id", json_str(prompt.event, "event_id", ""));
	for (i = 0; i < nitems(keys); i++)
		put(o, keys[i], json_object_get(json_path(answer, keys[i])));
	json_object_put(answer);
	json_object_put(prompt.event);
	return (o);
}
