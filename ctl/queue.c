/*
 * Accepted events: queue, history, tail and subscribe.  All by submit.sock,
 * whose intake passes these on to the queue.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/nitems.h"
#include "ctl/ctl.h"
#include "ctl/verbs.h"

#define ANSWER_MS 30000	  /* a large store may be read from disk */
#define RECONNECT_MS 10000 /* a stream outlives a restart of its server */
#define RETRY_EVERY_MS 100

/* A chat is told by its number, a name is possible, too. */
static const char *
chat_text(struct json_object *o, char *buf, size_t size)
{
	if (json_str(o, "chat", NULL) != NULL)
		strlcpy(buf, json_str(o, "chat", ""), size);
	else if (json_i64(o, "chat", 0) != 0)
		snprintf(buf, size, "%lld", (long long)json_i64(o, "chat", 0));
	else
		strlcpy(buf, "-", size);
	return (buf);
}

/* A list by the key `when`; `none` is said where it is empty. */
static void
events_show(struct ctl *ctl, struct json_object *list, const char *when,
    const char *none)
{
	static const struct table_column columns[] = {
		{ "ID", 0, 0, false },
		{ "STATE", 0, 0, false },
		{ "TIME", 0, 4, false },
		{ "TRY", 0, 2, true },
		{ "CHAT", 0, 3, false },
		{ "TYPE", 0, 1, false },
		{ "TITLE", 16, 0, false },
		{ "REASON", 16, 0, false },
	};
	struct json_object *e;
	struct table *t;
	char text[64];
	size_t i;

	if (!json_object_is_type(list, json_type_array))
		ctl_fail(ctl, XC_FAILED, "this answer is not understood");
	if (json_object_array_length(list) == 0) {
		if (!ctl->quiet)
			puts(none);
		return;
	}
	t = table_new(columns, nitems(columns));
	for (i = 0; i < json_object_array_length(list); i++) {
		e = json_object_array_get_idx(list, i);
		table_cell(t, json_str(e, "id", "?"), PLAIN);
		table_cell(t, json_str(e, "state", "?"),
		    print_state_colour(json_str(e, "state", "")));
		table_cell(t, print_time(text, sizeof(text), json_str(e, when,
		    json_str(e, "received_at", NULL))), PLAIN);
		snprintf(text, sizeof(text), "%lld",
		    (long long)json_i64(e, "attempts", 0));
		table_cell(t, text, PLAIN);
		table_cell(t, chat_text(e, text, sizeof(text)), PLAIN);
		table_cell(t, json_str(e, "type", "?"), PLAIN);
		table_cell(t, json_str(e, "title", ""), PLAIN);
		table_cell(t, json_str(e, "reason", ""), YELLOW);
	}
	table_print(t);
}

static void
event_row(const char *name, const char *value, enum colour colour)
{
	if (value == NULL)
		return;
	print_field(name, 11, BOLD);
	print_field(value, 0, colour);
	print_line();
}

static void
delivery_show(struct json_object *d)
{
	struct json_object *ids = json_path(d, "message_ids");
	const char *state = json_str(d, "state", "?");
	char text[64];
	size_t i;

	print_field("delivery", 11, BOLD);
	print_field(chat_text(d, text, sizeof(text)), 0, PLAIN);
	print_field(state, 0, print_state_colour(state));
	if (json_object_is_type(ids, json_type_array))
		for (i = 0; i < json_object_array_length(ids); i++) {
			snprintf(text, sizeof(text), "message %lld",
			    (long long)json_object_get_int64(
			    json_object_array_get_idx(ids, i)));
			print_field(text, 0, PLAIN);
		}
	if (json_flag(d, "digest", false))
		print_field("in a digest", 0, PLAIN);
	if (json_str(d, "reason", NULL) != NULL)
		print_field(json_str(d, "reason", ""), 0, YELLOW);
	print_line();
}

static void
event_show(struct json_object *e)
{
	struct json_object *list = json_path(e, "deliveries");
	char text[64];
	size_t i;

	event_row("id", json_str(e, "id", "?"), PLAIN);
	event_row("state", json_str(e, "state", "?"),
	    print_state_colour(json_str(e, "state", "")));
	event_row("reason", json_str(e, "reason", NULL), YELLOW);
	event_row("type", json_str(e, "type", "?"), PLAIN);
	event_row("title", json_str(e, "title", ""), PLAIN);
	event_row("severity", json_str(e, "severity", "?"), PLAIN);
	event_row("received", print_moment(text, sizeof(text),
	    json_str(e, "received_at", NULL)), PLAIN);
	snprintf(text, sizeof(text), "%lld",
	    (long long)json_i64(e, "attempts", 0));
	event_row("attempts", text, PLAIN);
	if (json_str(e, "not_before", NULL) != NULL)
		event_row("not before", print_moment(text, sizeof(text),
		    json_str(e, "not_before", NULL)), PLAIN);
	if (json_object_is_type(list, json_type_array))
		for (i = 0; i < json_object_array_length(list); i++)
			delivery_show(json_object_array_get_idx(list, i));
}

static struct json_object *
events_ask(struct ctl *ctl, struct json_object *request)
{
	struct json_object *limit = json_object_new_int64(
	    ctl_option_count(ctl, "limit", 50));

	json_object_object_add(request, "limit", limit);
	return (talk_ask(ctl, SOCKET_SUBMIT, request, ANSWER_MS));
}

static int
list_print(struct ctl *ctl, struct json_object *answer, const char *when,
    const char *none)
{
	if (ctl->json)
		print_json(answer);
	else
		events_show(ctl, json_path(answer, "events"), when,
		    none);
	json_object_put(answer);
	return (XC_OK);
}

static int
queue_list(struct ctl *ctl, struct json_object *request)
{
	const char *state = ctl_option(ctl, "state");

	talk_add(request, "state", state);
	return (list_print(ctl, events_ask(ctl, request), "received_at",
	    state != NULL ? "no events in this state" : "nothing is waiting"));
}

static int
queue_dead(struct ctl *ctl, struct json_object *request)
{
	return (list_print(ctl, events_ask(ctl, request), "received_at",
	    "nothing has failed"));
}

static int
queue_show(struct ctl *ctl, struct json_object *request)
{
	struct json_object *a, *e;

	a = talk_ask(ctl, SOCKET_SUBMIT, request, ANSWER_MS);
	if ((e = json_path(a, "event")) == NULL)
		e = a;
	if (ctl->json)
		print_json(e);
	else
		event_show(e);
	json_object_put(a);
	return (XC_OK);
}

static int
queue_order(struct ctl *ctl, struct json_object *request)
{
	struct json_object *a;

	a = talk_ask(ctl, SOCKET_SUBMIT, request, ANSWER_MS);
	if (json_path(a, "n") != NULL)
		print_ok(ctl, a, "%lld", (long long)json_i64(a, "n", 0));
	else
		print_ok(ctl, a, NULL);
	json_object_put(a);
	return (XC_OK);
}

static const struct {
	const char *cmd;
	bool id;
	int (*run)(struct ctl *, struct json_object *);
} queue_cmds[] = {
	{ "list", false, queue_list },
	{ "show", true, queue_show },
	{ "retry", true, queue_order },
	{ "drop", true, queue_order },
	{ "dead", false, queue_dead },
	{ "hold", false, queue_order },
	{ "release", false, queue_order },
	{ "flush", false, queue_order },
};

static int
queue_run(struct ctl *ctl)
{
	const char *cmd = ctl->noperands > 0 ? ctl->operand[0] : "list";
	struct json_object *request;
	size_t i;

	for (i = 0; i < sizeof(queue_cmds) / sizeof(queue_cmds[0]); i++)
		if (strcmp(queue_cmds[i].cmd, cmd) == 0)
			break;
	if (i == sizeof(queue_cmds) / sizeof(queue_cmds[0]))
		ctl_usage(ctl, "there is no \"queue %s\"", cmd);
	if (queue_cmds[i].id && ctl->noperands < 2)
		ctl_usage(ctl, "queue %s: which event?", cmd);
	if (!queue_cmds[i].id && ctl->noperands > 1)
		ctl_usage(ctl, "queue %s: too many operands", cmd);
	request = talk_op("queue");
	talk_add(request, "cmd", cmd);
	if (queue_cmds[i].id)
		talk_add(request, "id", ctl->operand[1]);
	return (queue_cmds[i].run(ctl, request));
}

static const struct verb_option queue_options[] = {
	{ "limit", 'n', OPT_VALUE, "N", "at most so many (50)" },
	{ "state", 0, OPT_VALUE, "STATE", "only those in this state" },
	{ NULL, 0, OPT_FLAG, NULL, NULL }
};

const struct verb verb_queue = {
	.name = "queue",
	.operands = "[list|show ID|retry ID|drop ID|dead|hold|release|flush]",
	.words = "list show retry drop dead hold release flush",
	.doc = "accepted events and their deliveries",
	.options = queue_options,
	.max = 2,
	.run = queue_run,
};

static int
history_run(struct ctl *ctl)
{
	struct json_object *request;
	const char *since = ctl_option(ctl, "since");

	if (since != NULL && duration_parse_ms(since) == -1 &&
	    clock_parse_rfc3339(since) == -1)
		ctl_usage(ctl, "--since: \"%s\" is neither a duration nor a "
		    "time", since);
	request = talk_op("history");
	talk_add(request, "since", since);
	return (list_print(ctl, events_ask(ctl, request), "done_at",
	    "nothing is finished yet"));
}

static const struct verb_option history_options[] = {
	{ "limit", 'n', OPT_VALUE, "N", "at most so many (50)" },
	{ "since", 0, OPT_VALUE, "D|TIME", "not older than this" },
	{ NULL, 0, OPT_FLAG, NULL, NULL }
};

const struct verb verb_history = {
	.name = "history",
	.operands = "[-n N] [--since D|TIME]",
	.doc = "deliveries that are finished",
	.options = history_options,
	.run = history_run,
};

#define STREAM_USED 58 /* columns before the last one of a stream */

/* The end of a line of a stream: on a terminal, both texts in its room. */
static void
stream_rest(const char *text, const char *more)
{
	int room = print_columns() - STREAM_USED;
	int second = more == NULL ? 0 : print_width(more) + 2;

	if (room < 20)
		room = second = 0;
	else if (second > room / 2)
		second = room / 2;
	print_field(text, room - second, PLAIN);
	if (more != NULL)
		print_field(more, second > 0 ? second - 2 : 0, YELLOW);
	print_line();
}

/* What someone answered. */
static void
response_show(struct json_object *r, const char *at)
{
	char text[64];

	print_field(print_time(text, sizeof(text), at), 8, PLAIN);
	print_field("answer", 10, BOLD);
	snprintf(text, sizeof(text), "%lld",
	    (long long)json_i64(r, "user_id", 0));
	print_field(text, 14, PLAIN);
	print_field(json_str(r, "first_name", json_str(r, "username", "?")),
	    18, PLAIN);
	stream_rest(json_str(r, "option", json_str(r, "message_text",
	    json_str(r, "callback_data", ""))), json_str(r, "title", NULL));
}

static void
change_show(struct json_object *e)
{
	char text[64];

	if (json_path(e, "response") != NULL) {
		response_show(json_path(e, "response"),
		    json_str(e, "at", NULL));
		return;
	}
	print_field(print_time(text, sizeof(text), json_str(e, "at", NULL)), 8,
	    PLAIN);
	print_field(json_str(e, "state", "?"), 10,
	    print_state_colour(json_str(e, "state", "")));
	print_field(chat_text(e, text, sizeof(text)), 14, PLAIN);
	print_field(json_str(e, "type", "?"), 18, PLAIN);
	stream_rest(json_str(e, "title", ""), json_str(e, "reason", NULL));
}

/* Open the stream; false when nobody is there (any more). */
static bool
stream_open(struct ctl *ctl, struct talk *t)
{
	struct json_object *request, *a;
	char *line;
	const char *why;

	if (talk_open(t, where_socket(ctl, SOCKET_SUBMIT),
	    clock_mono_ms() + TALK_MS) == -1)
		return (false);
	request = talk_op("tail");
	talk_request(ctl, t, request, TALK_MS);
	json_object_put(request);
	if ((line = talk_line(t, clock_mono_ms() + TALK_MS)) == NULL) {
		talk_close(t);
		return (false);
	}
	if ((a = json_parse(line, strlen(line), &why)) != NULL)
		talk_check(ctl, a);
	json_object_put(a);
	return (true);
}

/* Print what comes until the end of the connection. */
static void
stream_print(struct ctl *ctl, struct talk *t, bool raw)
{
	struct json_object *e;
	const char *why;
	char *line;

	while ((line = talk_line(t, TALK_FOREVER)) != NULL) {
		if (raw)
			puts(line);
		else if ((e = json_parse(line, strlen(line), &why)) != NULL) {
			change_show(e);
			json_object_put(e);
		}
		if (fflush(stdout) == EOF)
			ctl_fail(ctl, XC_FAILED, "cannot write: %s",
			    strerror(errno));
	}
}

static int
stream_run(struct ctl *ctl, bool raw)
{
	const struct timespec pause = { 0, RETRY_EVERY_MS * 1000000L };
	struct talk t;
	int64_t lost_ms;

	if (!stream_open(ctl, &t))
		ctl_fail(ctl, talk_exit(errno), "cctgd is not running (%s)",
		    errno != 0 ? strerror(errno) : "it is stopping");
	for (;;) {
		stream_print(ctl, &t, raw);
		talk_close(&t);
		lost_ms = clock_mono_ms();
		while (!stream_open(ctl, &t)) {
			if (clock_mono_ms() - lost_ms > RECONNECT_MS)
				ctl_fail(ctl, XC_DOWN, "cctgd has gone");
			nanosleep(&pause, NULL);
		}
	}
}

static int
tail_run(struct ctl *ctl)
{
	return (stream_run(ctl, ctl->json));
}

const struct verb verb_tail = {
	.name = "tail",
	.operands = "",
	.doc = "show what happens to events, as it happens",
	.run = tail_run,
};

static int
subscribe_run(struct ctl *ctl)
{
	return (stream_run(ctl, true));
}

const struct verb verb_subscribe = {
	.name = "subscribe",
	.operands = "",
	.doc = "the same as JSON, one object a line",
	.run = subscribe_run,
};
