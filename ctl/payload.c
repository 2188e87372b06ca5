/*
 * What an agent tells a hook, and what every event of a hook takes from it;
 * see hook.h.  The input of the tool is only parsed for those who want it:
 * it may have a megabyte, and most hooks need no more than the session.
 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/nitems.h"
#include "ctl/ctl.h"
#include "ctl/hook.h"

#define PAYLOAD_MAX_BYTES (16U << 20)
#define PIPE_BYTES (1 << 20) /* so that the agent need not wait for us */
#define TEXT_MAX_BYTES (64U << 10)

static char *input_read(int64_t deadline_ms, size_t *len);
static char *session_name(const struct hook *);

/* All that comes until the end of the input, or the deadline. */
static char *
input_read(int64_t deadline_ms, size_t *len)
{
	struct pollfd pfd = { .fd = STDIN_FILENO, .events = POLLIN };
	size_t size = 65536;
	char *buf, *more;
	int64_t left_ms;
	ssize_t n;

	if ((buf = malloc(size)) == NULL)
		return (NULL);
	for (*len = 0;;) {
		left_ms = deadline_ms - clock_mono_ms();
		if (left_ms <= 0 || poll(&pfd, 1, (int)left_ms) <= 0)
			break;
		n = read(STDIN_FILENO, buf + *len, size - *len);
		if (n == -1 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			break;
		if ((*len += (size_t)n) < size)
			continue;
		if (*len == 65536) /* it is a large one */
			(void)fcntl(STDIN_FILENO, F_SETPIPE_SZ, PIPE_BYTES);
		if (size >= PAYLOAD_MAX_BYTES ||
		    (more = realloc(buf, size * 4)) == NULL) {
			free(buf);
			return (NULL);
		}
		buf = more;
		size *= 4;
	}
	return (buf);
}

bool
payload_read(struct hook *h, int64_t deadline_ms)
{
	/* What is large and not shown, and the input. */
	static struct call_part parts[] = {
		{ "tool_input", true, NULL, 0 },
		{ "tool_response", false, NULL, 0 },
		{ "prompt", false, NULL, 0 },
	};
	struct ctl *ctl = h->ctl;
	const char *why;
	size_t len = 0;
	char *text;

	if (ctl->noperands > 1) {
		text = strdup(ctl->operand[ctl->noperands - 1]);
		len = text != NULL ? strlen(text) : 0;
	} else
		text = input_read(deadline_ms, &len);
	if (text == NULL)
		return (false);
	len = call_cut(text, len, parts, nitems(parts), 2 * TEXT_MAX_BYTES);
	h->input = &parts[0];
	h->payload = json_parse(text, len, &why);
	free(text);
	return (json_object_is_type(h->payload, json_type_object));
}

void
payload_free(struct hook *h)
{
	json_object_put(h->payload);
	if (h->input != NULL)
		free(h->input->text);
}

struct json_object *
payload_input(struct hook *h)
{
	struct json_object *o = json_path(h->payload, "tool_input");
	const char *why;

	if (o != NULL || h->input->text == NULL)
		return (o);
	o = json_parse(h->input->text, h->input->len, &why);
	if (o != NULL)
		json_object_object_add(h->payload, "tool_input", o);
	free(h->input->text);
	h->input->text = NULL;
	return (o);
}

char *
payload_text(const struct hook *h, const char *name)
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

/* The name of the directory that the agent works in, to be freed; NULL if it
 * is not told. */
static char *
payload_project(const struct hook *h)
{
	char *cwd, *name, *slash;

	if (!json_object_is_type(json_path(h->payload, "cwd"),
	    json_type_string) || (cwd = payload_text(h, "cwd")) == NULL)
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
	char *name = payload_text(h, "session_name");
	struct json_object *id;

	if (name == NULL) /* Claude tells it at the start */
		name = payload_text(h, "session_title");
	if (name != NULL)
		return (name);
	id = json_object_new_string(h->session);
	name = call_clean(id, 8);
	json_object_put(id);
	return (name);
}

void
payload_title(const struct hook *h, struct json_object *event,
    const char *what, const char *tool)
{
	char *place = payload_project(h), *title;

	if (asprintf(&title, "%s%s%s %s%s%s", place != NULL ? place : "",
	    place != NULL ? ": " : "", h->agent->label, what, tool != NULL ?
	    " " : "", tool != NULL ? tool : "") != -1) {
		talk_add(event, "title", title);
		free(title);
	}
	free(place);
}

struct json_object *
payload_event(const struct hook *h, const char *type, const char *id)
{
	struct json_object *event = json_object_new_object();
	struct json_object *data = json_object_new_object();
	char *place = payload_project(h), *session = session_name(h);

	talk_add(event, "type", type);
	talk_add(event, "source", h->agent->source);
	talk_add(event, "event_id", id);
	talk_add(data, "project", place);
	if (session != NULL && *session != '\0')
		talk_add(data, "session", session);
	json_object_object_add(event, "data", data);
	free(place);
	free(session);
	return (event);
}
