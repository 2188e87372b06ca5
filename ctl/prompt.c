/* Asking people; see prompt.h. */
#include <ctype.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/nitems.h"
#include "ctl/prompt.h"

#define ACCEPT_MS 30000	   /* a daemon under pressure reads slowly */
#define RECONNECT_MS 10000 /* so long the daemon keeps the question open */
#define AGAIN_EVERY_MS 100
#define GRACE_MS 5000 /* the daemon keeps the time; in case it does not */
#define LOST ((enum ctl_exit) - 1)

struct asking {
	struct prompt *prompt;
	struct talk talk;
	struct json_object *answer;
	int64_t deadline_ms; /* TALK_FOREVER: none */
	bool been;	     /* it was there */
	bool accepted;	     /* and has the question */
	char *error;
	size_t size;
};

static enum ctl_exit round_ask(struct asking *, const char *socket);
static enum ctl_exit request(struct asking *, struct json_object *);
static enum ctl_exit round_send(struct asking *);
static enum ctl_exit round_accept(struct asking *);
static enum ctl_exit round_wait(struct asking *);
static struct json_object *round_answer(struct asking *, int64_t deadline_ms);
static enum ctl_exit outcome(struct asking *);

bool
prompt_is_negative(const char *option)
{
	static const char *const words[] = { "deny", "no", "nein", "reject",
		"cancel", "abort", "stop", "decline" };
	size_t i, len;

	while (*option != '\0' && !isalpha((unsigned char)*option))
		option++; /* an emoji or a number may stand first */
	for (len = 0; isalpha((unsigned char)option[len]) ||
	    (unsigned char)option[len] >= 0x80; len++)
		continue;
	for (i = 0; i < nitems(words); i++)
		if (strlen(words[i]) == len &&
		    strncasecmp(words[i], option, len) == 0)
			return (true);
	return (false);
}

enum ctl_exit
prompt_ask(const char *socket, struct prompt *prompt,
    struct json_object **answer, char *error, size_t size)
{
	const struct timespec pause = { 0, AGAIN_EVERY_MS * 1000000L };
	struct asking a = { .prompt = prompt, .talk = { .fd = -1 },
		.error = error, .size = size };
	int64_t lost_ms = 0;
	enum ctl_exit code;

	*answer = NULL;
	a.deadline_ms = prompt->timeout_ms == 0 ? TALK_FOREVER :
	    clock_mono_ms() + prompt->timeout_ms;
	strlcpy(error, "cctgd has gone", size);
	for (;;) {
		code = round_ask(&a, socket);
		talk_close(&a.talk);
		if (code != LOST)
			break;
		/* It was there until now: its time begins anew. */
		if (a.accepted || lost_ms == 0)
			lost_ms = clock_mono_ms();
		a.accepted = false;
		if (clock_mono_ms() - lost_ms > RECONNECT_MS) {
			code = XC_DOWN;
			break;
		}
		nanosleep(&pause, NULL);
	}
	if (code == XC_OK || code == XC_DENIED)
		*answer = a.answer;
	else
		json_object_put(a.answer);
	return (code);
}

/* One connection. */
static enum ctl_exit
round_ask(struct asking *a, const char *socket)
{
	enum ctl_exit code;

	if (talk_open(&a->talk, socket, clock_mono_ms() + ACCEPT_MS) == -1) {
		code = talk_exit(errno);
		if (a->been && code != XC_NOT_ALLOWED)
			return (LOST);
		snprintf(a->error, a->size, "%s%s: %s", code == XC_DOWN ?
		    "cctgd is not running: " : "", socket, strerror(errno));
		return (code == XC_TIMED_OUT ? XC_BUSY : code);
	}
	a->been = true;
	if ((code = round_send(a)) == XC_OK &&
	    (code = round_accept(a)) == XC_OK)
		code = round_wait(a);
	return (code);
}

static enum ctl_exit
request(struct asking *a, struct json_object *o)
{
	int64_t deadline_ms = clock_mono_ms() + ACCEPT_MS;
	const char *text;
	size_t len;
	int rc;

	text = json_object_to_json_string_length(o, JSON_C_TO_STRING_PLAIN |
	    JSON_C_TO_STRING_NOSLASHESCAPE, &len);
	rc = text == NULL ? -1 : talk_write(&a->talk, text, len, deadline_ms);
	if (rc == 0)
		rc = talk_write(&a->talk, "\n", 1, deadline_ms);
	json_object_put(o);
	return (rc == 0 ? XC_OK : LOST);
}

/* A question that the daemon has already is a duplicate for it, which does no
 * harm. */
static enum ctl_exit
round_send(struct asking *a)
{
	struct json_object *o = talk_op("send");

	json_object_object_add(o, "event", json_object_get(a->prompt->event));
	talk_add(o, "to", a->prompt->to);
	return (request(a, o));
}

/* The next answer; NULL with an error of talk_line(), or EBADMSG. */
static struct json_object *
round_answer(struct asking *a, int64_t deadline_ms)
{
	struct json_object *answer;
	const char *why;
	char *line;

	if ((line = talk_line(&a->talk, deadline_ms)) == NULL)
		return (NULL);
	answer = json_parse(line, strlen(line), &why);
	if (answer == NULL || !json_object_is_type(answer, json_type_object)) {
		json_object_put(answer);
		snprintf(a->error, a->size,
		    "this answer is not understood: %.60s", line);
		errno = EBADMSG;
		return (NULL);
	}
	return (answer);
}

static enum ctl_exit
round_accept(struct asking *a)
{
	struct json_object *answer;
	enum ctl_exit code;

	answer = round_answer(a, clock_mono_ms() + ACCEPT_MS);
	if (answer == NULL)
		return (errno == EBADMSG ? XC_FAILED : LOST);
	code = talk_code(answer);
	if (code != XC_OK)
		snprintf(a->error, a->size, "%s", json_str(answer, "error",
		    "it was refused"));
	a->accepted = code == XC_OK;
	a->prompt->taken = a->prompt->taken || a->accepted;
	json_object_put(answer);
	return (code);
}

static enum ctl_exit
round_wait(struct asking *a)
{
	struct json_object *o = talk_op("decision");
	int64_t left_ms;

	talk_add(o, "id", json_str(a->prompt->event, "event_id", ""));
	if (a->deadline_ms != TALK_FOREVER) {
		left_ms = a->deadline_ms - clock_mono_ms();
		json_object_object_add(o, "timeout_ms",
		    json_object_new_int64(left_ms < 1 ? 1 : left_ms));
	}
	if (request(a, o) != XC_OK)
		return (LOST);
	json_object_put(a->answer);
	a->answer = round_answer(a, a->deadline_ms == TALK_FOREVER ?
	    TALK_FOREVER : a->deadline_ms + GRACE_MS);
	if (a->answer == NULL) {
		if (errno == EBADMSG)
			return (XC_FAILED);
		if (errno != ETIMEDOUT)
			return (LOST);
		strlcpy(a->error, "timed out", a->size);
		return (XC_TIMED_OUT);
	}
	return (outcome(a));
}

static enum ctl_exit
outcome(struct asking *a)
{
	const char *error = json_str(a->answer, "error", "it failed");
	enum ctl_exit code = talk_code(a->answer);

	if (code == XC_OK)
		return (strcmp(json_str(a->answer, "action", ""), "deny") == 0 ?
		    XC_DENIED : XC_OK);
	strlcpy(a->error, error, a->size);
	if (strcmp(error, "expired") == 0)
		return (XC_TIMED_OUT);
	if (strcmp(error, "withdrawn") == 0)
		return (XC_FAILED);
	/* Its queue is being restarted. */
	return (code == XC_BUSY ? LOST : code);
}
