/*
 * send: submit an event, and wait for what becomes of it if that is wanted.
 *
 * The event has its id before it leaves, so that a connection that breaks
 * before the answer is no riddle: the same event is offered again, and the
 * daemon knows whether it has it.  Without a daemon the event goes into the
 * events directory.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "common/clock.h"
#include "common/event.h"
#include "common/json.h"
#include "ctl/send.h"
#include "ctl/verbs.h"

#define ACCEPT_MS 30000	   /* a daemon under pressure reads slowly */
#define WAIT_DEFAULT_MS 60000
#define AGAIN_EVERY_MS 100
#define DOWN_MS 2000 /* a supervisor that starts again takes less */
#define RECONNECT_MS 10000

struct send {
	struct json_object *event;
	struct json_object *request;
	int64_t wait_ms; /* -1: not wanted */
	struct talk talk;
	bool offered;	 /* the daemon may have it */
};

static void send_prepare(struct ctl *, struct send *);
static bool send_open(struct ctl *, struct send *);
static struct json_object *send_offer(struct ctl *, struct send *);
static int send_spool(struct ctl *, struct send *);
static int send_wait(struct ctl *, struct send *);
static int send_final(struct ctl *, struct json_object *final);

static void
send_prepare(struct ctl *ctl, struct send *s)
{
	const char *text, *ttl = ctl_option(ctl, "ttl");
	const char *wait = ctl_option(ctl, "wait");
	struct error error;
	size_t len;

	s->event = event_build(ctl);
	text = json_object_to_json_string_length(s->event,
	    JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);
	if (text == NULL)
		ctl_fail(ctl, XC_FAILED, "out of memory");
	if (len > SEND_MAX_BYTES)
		ctl_fail(ctl, XC_FAILED, "the event with its files has %zu "
		    "bytes, more than a request may have (%u)", len,
		    SEND_MAX_BYTES);
	if (event_check(s->event, len, &error) == -1) {
		if (ctl_option(ctl, "event") == NULL)
			ctl_usage(ctl, "%s%s%s", error.field,
			    *error.field != '\0' ? ": " : "", error.text);
		ctl_fail(ctl, XC_FAILED, "%s%s%s", error.field,
		    *error.field != '\0' ? ": " : "", error.text);
	}
	if (ttl != NULL && ctl_option_ms(ctl, "ttl", 0) <= 0)
		ctl_usage(ctl, "--ttl: \"%s\" is no time to live", ttl);
	s->wait_ms = wait == NULL ? -1 :
	    ctl_option_ms(ctl, "wait", WAIT_DEFAULT_MS);
	s->request = talk_op("send");
	json_object_object_add(s->request, "event",
	    json_object_get(s->event));
	talk_add(s->request, "ttl", ttl);
	talk_add(s->request, "to", ctl_option(ctl, "to"));
	if (ctl_option(ctl, "silent") != NULL)
		json_object_object_add(s->request, "silent",
		    json_object_new_boolean(true));
	if (s->wait_ms != -1)
		json_object_object_add(s->request, "wait",
		    json_object_new_double((double)s->wait_ms / 1000));
}

/* False when there is no daemon. */
static bool
send_open(struct ctl *ctl, struct send *s)
{
	const char *path = where_socket(ctl, SOCKET_SUBMIT);

	if (talk_open(&s->talk, path, clock_mono_ms() + ACCEPT_MS) == 0)
		return (true);
	switch (talk_exit(errno)) {
	case XC_DOWN:
		return (false);
	case XC_TIMED_OUT:
		ctl_fail(ctl, XC_BUSY, "the daemon is busy");
	default:
		ctl_fail(ctl, talk_exit(errno), "%s: %s", path,
		    strerror(errno));
	}
}

/*
 * Offer the event until there is an answer; NULL if the daemon has gone.  A
 * daemon that goes down in the middle may come back at once.
 */
static struct json_object *
send_offer(struct ctl *ctl, struct send *s)
{
	const struct timespec pause = { 0, AGAIN_EVERY_MS * 1000000L };
	int64_t begin_ms = clock_mono_ms(), lost_ms = 0;
	struct json_object *answer = NULL;
	const char *text, *why;
	size_t len;
	char *line;

	text = json_object_to_json_string_length(s->request,
	    JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);
	for (;;) {
		if (send_open(ctl, s)) {
			errno = 0;
			if (talk_write(&s->talk, text, len,
			    begin_ms + ACCEPT_MS) == 0 &&
			    talk_write(&s->talk, "\n", 1,
			    begin_ms + ACCEPT_MS) == 0 &&
			    (line = talk_line(&s->talk,
			    begin_ms + ACCEPT_MS)) != NULL)
				break;
			if (errno == ETIMEDOUT)
				ctl_fail(ctl, XC_BUSY, "the daemon did not "
				    "answer within %d s", ACCEPT_MS / 1000);
			s->offered = true;
			talk_close(&s->talk);
		} else if (!s->offered)
			return (NULL);
		if (lost_ms == 0)
			lost_ms = clock_mono_ms();
		if (clock_mono_ms() - lost_ms > DOWN_MS)
			return (NULL);
		nanosleep(&pause, NULL);
	}
	answer = json_parse(line, strlen(line), &why);
	if (answer == NULL || !json_object_is_type(answer, json_type_object))
		ctl_fail(ctl, XC_FAILED, "this answer is not understood: %.60s",
		    line);
	return (answer);
}

static int
send_spool(struct ctl *ctl, struct send *s)
{
	const char *dir = where_events_dir(ctl), *text;
	struct json_object *o;
	char path[4200];
	size_t len;

	/* In a file, what goes beside the event stands in it. */
	talk_add(s->event, "ttl", ctl_option(ctl, "ttl"));
	talk_add(s->event, "to", ctl_option(ctl, "to"));
	if (ctl_option(ctl, "silent") != NULL)
		json_object_object_add(s->event, "silent",
		    json_object_new_boolean(true));
	text = json_object_to_json_string_length(s->event,
	    JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);
	if (spool_event(dir, text, len, path, sizeof(path)) == -1)
		ctl_fail(ctl, XC_DOWN, "cctgd is not running, and the event "
		    "cannot be left for it: %s: %s", path, strerror(errno));
	o = json_object_new_object();
	json_object_object_add(o, "ok", json_object_new_boolean(true));
	talk_add(o, "id", json_str(s->event, "event_id", ""));
	talk_add(o, "state", "queued");
	print_ok(ctl, o, "%s queued", json_str(s->event, "event_id", ""));
	json_object_put(o);
	/* Nobody is there to be waited for. */
	return (s->wait_ms != -1 ? XC_DOWN : XC_OK);
}

/* The exit code for a final state, and a word about it. */
static int
send_final(struct ctl *ctl, struct json_object *final)
{
	const char *state = json_str(final, "state", "?");
	const char *reason = json_str(final, "reason", "");

	if (ctl->json)
		puts(json_object_to_json_string_ext(final,
		    JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	if (strcmp(state, "delivered") == 0)
		return (XC_OK);
	if (!ctl->json)
		fprintf(stderr, "cctgctl: %s%s%s\n", state,
		    *reason != '\0' ? ": " : "", reason);
	if (strcmp(state, "dead") == 0 || strcmp(state, "rejected") == 0)
		return (XC_REJECTED);
	if (strcmp(state, "suppressed") == 0)
		return (strcmp(reason, "expired") == 0 ||
		    strcmp(reason, "cancelled") == 0 ? XC_FAILED : XC_OK);
	return (strcmp(state, "uncertain") == 0 ? XC_FAILED : XC_TIMED_OUT);
}

/* Ask for the outcome on a new connection; false: nobody is there. */
static bool
wait_again(struct ctl *ctl, struct send *s, int64_t left_ms)
{
	struct json_object *request;

	talk_close(&s->talk);
	if (talk_open(&s->talk, where_socket(ctl, SOCKET_SUBMIT),
	    clock_mono_ms() + TALK_MS) == -1)
		return (false);
	request = talk_op("queue");
	talk_add(request, "cmd", "wait");
	talk_add(request, "id", json_str(s->event, "event_id", ""));
	json_object_object_add(request, "timeout_ms",
	    json_object_new_int64(left_ms));
	talk_request(ctl, &s->talk, request, TALK_MS);
	json_object_put(request);
	return (true);
}

/* The next answer, or NULL if the daemon, or its queue, was restarted. */
static struct json_object *
wait_answer(struct ctl *ctl, struct send *s, int64_t deadline_ms)
{
	struct json_object *answer;
	const char *why;
	char *line;

	/* The daemon keeps the time; some more, in case it does not. */
	line = talk_line(&s->talk, deadline_ms + TALK_MS);
	if (line == NULL && errno == ETIMEDOUT)
		ctl_fail(ctl, XC_TIMED_OUT, "timed out");
	if (line == NULL)
		return (NULL);
	if ((answer = json_parse(line, strlen(line), &why)) == NULL)
		ctl_fail(ctl, XC_FAILED, "this answer is not understood: %.60s",
		    line);
	if (json_i64(answer, "code", 0) == EX_TEMPFAIL &&
	    !json_flag(answer, "timed_out", false)) {
		json_object_put(answer);
		return (NULL);
	}
	talk_check(ctl, answer);
	return (answer);
}

static int
send_wait(struct ctl *ctl, struct send *s)
{
	const struct timespec pause = { 0, AGAIN_EVERY_MS * 1000000L };
	int64_t deadline_ms = clock_mono_ms() + s->wait_ms, lost_ms = 0;
	struct json_object *final = NULL;
	bool open = true;
	int rc;

	while (!open ||
	    (final = wait_answer(ctl, s, deadline_ms)) == NULL) {
		if (clock_mono_ms() >= deadline_ms)
			ctl_fail(ctl, XC_TIMED_OUT, "timed out");
		lost_ms = open ? clock_mono_ms() : lost_ms;
		if (clock_mono_ms() - lost_ms > RECONNECT_MS)
			ctl_fail(ctl, XC_DOWN, "cctgd has gone");
		nanosleep(&pause, NULL);
		open = wait_again(ctl, s, deadline_ms - clock_mono_ms());
	}
	rc = send_final(ctl, final);
	json_object_put(final);
	return (rc);
}

static int
send_run(struct ctl *ctl)
{
	struct send s = { .talk = { .fd = -1 } };
	struct json_object *answer;
	int rc = XC_OK;

	if (ctl->noperands == 0 && ctl_option(ctl, "title") == NULL &&
	    ctl_option(ctl, "data") == NULL &&
	    ctl_option(ctl, "event") == NULL &&
	    ctl_option(ctl, "file") == NULL)
		ctl_usage(ctl, "there is nothing to send");
	send_prepare(ctl, &s);
	if ((answer = send_offer(ctl, &s)) == NULL)
		rc = send_spool(ctl, &s);
	else {
		talk_check(ctl, answer);
		if (s.wait_ms == -1 || !ctl->json)
			print_ok(ctl, answer, "%s",
			    json_str(answer, "id", ""));
		fflush(stdout);
		if (s.wait_ms != -1)
			rc = send_wait(ctl, &s);
		talk_close(&s.talk);
	}
	json_object_put(answer);
	json_object_put(s.request);
	json_object_put(s.event);
	return (rc);
}

static const struct verb_option send_options[] = {
	{ "type", 't', OPT_VALUE, "TYPE", "its type (info_notification)" },
	{ "title", 0, OPT_VALUE, "TEXT", "its title (the first line)" },
	{ "task", 0, OPT_VALUE, "ID", "the task that it belongs to" },
	{ "source", 's', OPT_VALUE, "NAME", "who sends it" },
	{ "data", 'd', OPT_VALUE, "JSON", "an object with details" },
	{ "event", 'e', OPT_VALUE, "FILE", "the event as JSON; -: stdin" },
	{ "id", 0, OPT_VALUE, "ID", "its id (a new one)" },
	{ "ttl", 0, OPT_VALUE, "D", "try delivery for so long" },
	{ "silent", 0, OPT_FLAG, NULL, "deliver without a sound" },
	{ "to", 0, OPT_VALUE, "CHAT", "to this chat, not by the routes" },
	{ "file", 'f', OPT_VALUE, "FILE", "attach a file (repeatable)" },
	{ "wait", 'w', OPT_MAYBE, "D", "wait for the outcome (60s)" },
	{ NULL, 0, OPT_FLAG, NULL, NULL }
};

const struct verb verb_send = {
	.name = "send",
	.operands = "[OPTION]... [TEXT...|-]",
	.doc = "submit an event; prints its id when it is on disk",
	.options = send_options,
	.max = -1,
	.run = send_run,
};
