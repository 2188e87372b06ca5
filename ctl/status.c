/*
 * What the tree is doing: status, workers, crashes, ping and wait.  All by
 * control.sock, measured by the daemon at the time of asking.
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
#include "ctl/ctl.h"
#include "ctl/verbs.h"

#define WAIT_DEFAULT_MS 30000
#define CONNECT_DEFAULT_MS 5000 /* of wait without -t */
#define CONNECT_EVERY_MS 20

static void
workers_show(struct json_object *workers)
{
	static const struct table_column columns[] = {
		{ "WORKER", 0, 0, false },
		{ "STATE", 0, 0, false },
		{ "PID", 0, 0, true },
		{ "UP", 0, 0, true },
		{ "RESTARTS", 0, 0, true },
		{ "PSS", 0, 0, true },
		{ "CPU", 0, 1, true },
		{ "LAST EXIT", 0, 0, false },
	};
	struct table *t = table_new(columns, nitems(columns));
	struct json_object *w, *last;
	char text[64];
	size_t i;

	for (i = 0; i < json_object_array_length(workers); i++) {
		w = json_object_array_get_idx(workers, i);
		table_cell(t, json_str(w, "name", "?"), PLAIN);
		table_cell(t, json_str(w, "state", "?"),
		    print_state_colour(json_str(w, "state", "")));
		snprintf(text, sizeof(text), "%lld",
		    (long long)json_i64(w, "pid", 0));
		table_cell(t, json_i64(w, "pid", 0) != 0 ? text : "-", PLAIN);
		table_cell(t, print_age(text, sizeof(text),
		    json_num(w, "uptime_s", 0)), PLAIN);
		snprintf(text, sizeof(text), "%lld",
		    (long long)json_i64(w, "restarts", 0));
		table_cell(t, text, PLAIN);
		table_cell(t, print_size(text, sizeof(text),
		    json_num(w, "pss_bytes", 0)), PLAIN);
		snprintf(text, sizeof(text), "%.2fs", json_num(w, "cpu_s", 0));
		table_cell(t, text, PLAIN);
		last = json_path(w, "last_exit");
		if (last != NULL && json_path(last, "signal") != NULL)
			snprintf(text, sizeof(text), "signal %lld",
			    (long long)json_i64(last, "signal", 0));
		else if (last != NULL)
			snprintf(text, sizeof(text), "code %lld",
			    (long long)json_i64(last, "code", 0));
		table_cell(t, last != NULL ? text : "-", PLAIN);
	}
	table_print(t);
}

static void
label(const char *name)
{
	print_field(name, 9, BOLD);
}

static void
status_head(struct json_object *s)
{
	const char *state = json_str(s, "state", "?");
	char text[128], age[32];

	label("cctgd");
	print_field(state, 0, print_state_colour(state));
	snprintf(text, sizeof(text), "version %s, pid %lld, up %s, mode %s",
	    json_str(s, "version", "?"), (long long)json_i64(s, "pid", 0),
	    print_age(age, sizeof(age), json_num(s, "uptime_s", 0)),
	    json_str(s, "mode", "?"));
	print_field(text, 0, PLAIN);
	print_line();
	if (json_str(s, "reason", NULL) != NULL) {
		label("");
		print_field(json_str(s, "reason", ""), 0, YELLOW);
		print_line();
	}
	if (json_str(s, "notice", NULL) != NULL) {
		label("notice");
		print_field(json_str(s, "notice", ""), 0, PLAIN);
		print_line();
	}
}

static void
status_traffic(struct json_object *s)
{
	char text[200], age[32];
	const char *state;

	label("queue");
	snprintf(text, sizeof(text), "%lld pending, %lld in flight",
	    (long long)json_i64(s, "queue.pending", 0),
	    (long long)json_i64(s, "queue.inflight", 0));
	print_field(text, 0, PLAIN);
	if (json_num(s, "queue.oldest_s", 0) > 0) {
		snprintf(text, sizeof(text), "oldest %s", print_age(age,
		    sizeof(age), json_num(s, "queue.oldest_s", 0)));
		print_field(text, 0, PLAIN);
	}
	print_line();
	label("");
	snprintf(text, sizeof(text), "%lld delivered, %lld suppressed, "
	    "%lld uncertain, %lld dead",
	    (long long)json_i64(s, "queue.delivered", 0),
	    (long long)json_i64(s, "queue.suppressed", 0),
	    (long long)json_i64(s, "queue.uncertain", 0),
	    (long long)json_i64(s, "queue.dead", 0));
	print_field(text, 0, json_i64(s, "queue.dead", 0) > 0 ? YELLOW :
	    PLAIN);
	print_line();
	label("telegram");
	state = json_str(s, "telegram.state", "?");
	print_field(state, 0, print_state_colour(state));
	state = json_str(s, "telegram.poller", "?");
	snprintf(text, sizeof(text), "poller %s", state);
	print_field(text, 0, strcmp(state, "conflict") == 0 ? RED : PLAIN);
	print_field(json_str(s, "telegram.bot", ""), 0, PLAIN);
	print_line();
	state = json_str(s, "redis.state", "off");
	if (strcmp(state, "off") != 0) {
		label("redis");
		print_field(state, 0, print_state_colour(state));
		print_line();
	}
}

static int
status_run(struct ctl *ctl)
{
	struct json_object *s;
	bool good;

	s = talk_ask(ctl, SOCKET_CONTROL, talk_op("status"), TALK_MS);
	good = strcmp(json_str(s, "state", ""), "ok") == 0;
	if (ctl->json)
		print_json(s);
	else if (!ctl->quiet) {
		status_head(s);
		status_traffic(s);
		putchar('\n');
		workers_show(json_path(s, "workers"));
	}
	json_object_put(s);
	return (good ? XC_OK : XC_FAILED);
}

const struct verb verb_status = {
	.name = "status",
	.operands = "",
	.doc = "the state of the daemon; exits 0 healthy, 1 degraded, 3 down",
	.run = status_run,
};

static int
workers_run(struct ctl *ctl)
{
	struct json_object *a;

	a = talk_ask(ctl, SOCKET_CONTROL, talk_op("workers"), TALK_MS);
	if (ctl->json)
		print_json(a);
	else
		workers_show(json_path(a, "workers"));
	json_object_put(a);
	return (XC_OK);
}

const struct verb verb_workers = {
	.name = "workers",
	.operands = "",
	.doc = "the processes of the tree",
	.run = workers_run,
};

/* Its last words have lines of their own: a message, a backtrace. */
static void
crash_show(struct json_object *crash)
{
	const char *words = json_str(crash, "text", NULL);
	char text[128], age[32], *copy, *rest, *line;

	print_field(print_time(text, sizeof(text),
	    json_str(crash, "at", NULL)), 12, PLAIN);
	print_field(json_str(crash, "worker", "?"), 10, PLAIN);
	if (json_path(crash, "signal") != NULL)
		snprintf(text, sizeof(text), "signal %lld (%s)",
		    (long long)json_i64(crash, "signal", 0),
		    strsignal((int)json_i64(crash, "signal", 0)));
	else
		snprintf(text, sizeof(text), "code %lld",
		    (long long)json_i64(crash, "code", 0));
	print_field(text, 0, RED);
	snprintf(text, sizeof(text), "pid %lld, after %s",
	    (long long)json_i64(crash, "pid", 0), print_age(age, sizeof(age),
	    json_num(crash, "uptime_s", 0)));
	print_field(text, 0, PLAIN);
	print_line();
	if (words == NULL || (copy = rest = strdup(words)) == NULL)
		return;
	while ((line = strsep(&rest, "\n")) != NULL) {
		if (*line == '\0')
			continue;
		print_indent(4);
		print_field(line, 0, PLAIN);
		print_line();
	}
	free(copy);
}

static int
crashes_run(struct ctl *ctl)
{
	struct json_object *a, *list;
	size_t i;

	a = talk_ask(ctl, SOCKET_CONTROL, talk_op("crashes"), TALK_MS);
	list = json_path(a, "crashes");
	if (ctl->json)
		print_json(a);
	else if (json_object_array_length(list) == 0 && !ctl->quiet)
		puts("no crashes");
	else
		for (i = 0; i < json_object_array_length(list); i++)
			crash_show(json_object_array_get_idx(list, i));
	json_object_put(a);
	return (XC_OK);
}

const struct verb verb_crashes = {
	.name = "crashes",
	.operands = "",
	.doc = "the last words of workers that crashed",
	.run = crashes_run,
};

static int
ping_run(struct ctl *ctl)
{
	int64_t begin_us = clock_mono_us();
	struct json_object *a;

	a = talk_ask(ctl, SOCKET_CONTROL, talk_op("ping"), TALK_MS);
	print_ok(ctl, a, "cctgd %s, pid %lld, answered in %.1f ms",
	    json_str(a, "version", "?"), (long long)json_i64(a, "pid", 0),
	    (double)(clock_mono_us() - begin_us) / 1000);
	json_object_put(a);
	return (XC_OK);
}

const struct verb verb_ping = {
	.name = "ping",
	.operands = "",
	.doc = "does the daemon answer?",
	.run = ping_run,
};

/*
 * Wait for the daemon itself, too: it may be just starting.  That takes up
 * to the time-out, if one was given.
 */
static void
wait_connect(struct ctl *ctl, struct talk *t, int64_t deadline_ms)
{
	const struct timespec pause = { 0, CONNECT_EVERY_MS * 1000000L };
	const char *path = where_socket(ctl, SOCKET_CONTROL);

	while (talk_open(t, path, deadline_ms) == -1) {
		if (talk_exit(errno) != XC_DOWN)
			ctl_fail(ctl, talk_exit(errno), "%s: %s", path,
			    strerror(errno));
		if (clock_mono_ms() >= deadline_ms)
			ctl_fail(ctl, XC_DOWN, "cctgd is not running (%s: %s)",
			    path, strerror(errno));
		nanosleep(&pause, NULL);
	}
}

static int
wait_run(struct ctl *ctl)
{
	int64_t ms = ctl_option_ms(ctl, "timeout", WAIT_DEFAULT_MS);
	int64_t begin_ms = clock_mono_ms(), left_ms;
	const char *what = ctl->operand[0];
	struct json_object *request, *a;
	struct talk t;

	if (strcmp(what, "ready") != 0 && strcmp(what, "restarted") != 0)
		ctl_usage(ctl, "\"%s\" is neither ready nor restarted", what);
	if (*what == 'r' && what[2] == 's' && ctl->noperands < 2)
		ctl_usage(ctl, "which worker?");
	wait_connect(ctl, &t, begin_ms + (ctl_option(ctl, "timeout") == NULL ?
	    CONNECT_DEFAULT_MS : ms));
	left_ms = begin_ms + ms - clock_mono_ms();
	request = talk_op("wait");
	talk_add(request, "what", what);
	talk_add(request, "worker", ctl->noperands > 1 ? ctl->operand[1] :
	    "all");
	json_object_object_add(request, "timeout_ms",
	    json_object_new_int64(left_ms > 0 ? left_ms : 0));
	talk_request(ctl, &t, request, TALK_MS);
	/* The daemon keeps the time; some more, in case it does not. */
	a = talk_answer(ctl, &t, left_ms + 2000);
	talk_check(ctl, a);
	print_ok(ctl, a, NULL);
	json_object_put(request);
	json_object_put(a);
	talk_close(&t);
	return (XC_OK);
}

static const struct verb_option wait_options[] = {
	{ "timeout", 't', OPT_VALUE, "D", "give up after this time (30s)" },
	{ NULL, 0, OPT_FLAG, NULL, NULL }
};

const struct verb verb_wait = {
	.name = "wait",
	.operands = "ready|restarted [WORKER] [-t D]",
	.words = "ready restarted",
	.doc = "wait until workers are ready, or replaced",
	.options = wait_options,
	.min = 1,
	.max = 2,
	.run = wait_run,
};
