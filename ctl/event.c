/*
 * From the options of send to an event.  A lone text is shown best as a
 * title, since lists and digests name events by it: its first line becomes
 * the title unless it is too long or --title was given.
 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base64.h"
#include "common/event.h"
#include "common/json.h"
#include "common/uuid.h"
#include "ctl/send.h"
#include "ipc/messages.h"

#define DEFAULT_TYPE "info_notification"
#define TITLE_MAX_BYTES 200

/* What fits a request as Base64. */
#define FILES_MAX_BYTES (SEND_MAX_BYTES / 4 * 3)

/* Options that are members of the event. */
static const struct {
	const char *option;
	const char *member;
} members[] = {
	{ "type", "type" },
	{ "title", "title" },
	{ "task", "task_id" },
	{ "source", "source" },
	{ "id", "event_id" },
};

/* All of a file or, for "-", of the standard input; one more than max bytes
 * shows that it is too long. */
static char *
read_all(struct ctl *ctl, const char *path, size_t max, size_t *len)
{
	char *buf;
	ssize_t n;
	int fd = STDIN_FILENO;

	if (strcmp(path, "-") != 0 &&
	    (fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		ctl_fail(ctl, XC_FAILED, "%s: %s", path, strerror(errno));
	if ((buf = malloc(max + 2)) == NULL)
		ctl_fail(ctl, XC_FAILED, "out of memory");
	for (*len = 0; *len <= max; *len += (size_t)n) {
		while ((n = read(fd, buf + *len, max + 1 - *len)) == -1 &&
		    errno == EINTR)
			continue;
		if (n == -1)
			ctl_fail(ctl, XC_FAILED, "%s: %s", path,
			    strerror(errno));
		if (n == 0)
			break;
	}
	if (fd != STDIN_FILENO)
		close(fd);
	if (*len > max)
		ctl_fail(ctl, XC_FAILED, "%s: too large: %zu KiB at most fit "
		    "into an event (1 MiB)", path, max / 1024);
	buf[*len] = '\0';
	return (buf);
}

static struct json_object *
event_read(struct ctl *ctl, const char *path)
{
	struct json_object *event;
	const char *why;
	size_t len;
	char *text;

	text = read_all(ctl, path, EVENT_MAX_BYTES, &len);
	if ((event = json_parse(text, len, &why)) == NULL)
		ctl_fail(ctl, XC_FAILED, "%s: not JSON: %s", path, why);
	if (!json_object_is_type(event, json_type_object))
		ctl_fail(ctl, XC_FAILED, "%s: not a JSON object", path);
	free(text);
	return (event);
}

/* The operands, divided by blanks as echo(1) does it; "-" is the input. */
static char *
text_read(struct ctl *ctl)
{
	size_t len = 1;
	char *text;
	int i;

	if (ctl->noperands == 1 && strcmp(ctl->operand[0], "-") == 0) {
		text = read_all(ctl, "-", EVENT_MAX_BYTES, &len);
		while (len > 0 && text[len - 1] == '\n')
			text[--len] = '\0';
		return (text);
	}
	for (i = 0; i < ctl->noperands; i++)
		len += strlen(ctl->operand[i]) + 1;
	if ((text = calloc(1, len)) == NULL)
		ctl_fail(ctl, XC_FAILED, "out of memory");
	for (i = 0; i < ctl->noperands; i++) {
		if (i > 0)
			strlcat(text, " ", len);
		strlcat(text, ctl->operand[i], len);
	}
	return (text);
}

static void
text_put(struct json_object *event, char *text, bool titled)
{
	char *body = text;
	size_t first = strcspn(text, "\n");

	if (!titled && first > 0 && first <= TITLE_MAX_BYTES) {
		json_object_object_add(event, "title",
		    json_object_new_string_len(text, (int)first));
		body += first + strspn(text + first, "\n");
	}
	if (*body != '\0')
		talk_add(event, "description", body);
}

static void
data_put(struct ctl *ctl, struct json_object *event, const char *text)
{
	struct json_object *data;
	const char *why;

	if ((data = json_parse(text, strlen(text), &why)) == NULL)
		ctl_usage(ctl, "--data: not JSON: %s", why);
	if (!json_object_is_type(data, json_type_object))
		ctl_usage(ctl, "--data: a JSON object is wanted");
	json_object_object_add(event, "data", data);
}

static void
attachment_put(struct ctl *ctl, struct json_object *list, const char *path)
{
	struct json_object *o = json_object_new_object();
	const char *slash = strrchr(path, '/');
	char *content, *encoded;
	size_t len;

	content = read_all(ctl, path, FILES_MAX_BYTES, &len);
	if ((encoded = malloc(BASE64_SIZE(len))) == NULL)
		ctl_fail(ctl, XC_FAILED, "out of memory");
	base64_encode(content, len, encoded);
	talk_add(o, "name", strcmp(path, "-") == 0 ? "stdin.txt" :
	    slash != NULL ? slash + 1 : path);
	talk_add(o, "content_base64", encoded);
	json_object_array_add(list, o);
	free(content);
	free(encoded);
}

static void
attachments_put(struct ctl *ctl, struct json_object *event)
{
	struct json_object *list = json_object_new_array();
	const char *path;
	size_t n;

	for (n = 0; (path = ctl_option_nth(ctl, "file", n)) != NULL; n++) {
		if (n == ATTACHMENTS_MAX)
			ctl_usage(ctl, "--file: at most %d files",
			    ATTACHMENTS_MAX);
		attachment_put(ctl, list, path);
	}
	if (n > 0)
		json_object_object_add(event, "attachments", list);
	else
		json_object_put(list);
}

/* A file that comes without a word is called by its name. */
static void
title_put(struct json_object *event)
{
	struct json_object *files = json_path(event, "attachments");
	const char *name;
	char title[TITLE_MAX_BYTES] = "";
	size_t i, n = files == NULL ? 0 : json_object_array_length(files);

	if (n == 0 || json_path(event, "title") != NULL ||
	    json_path(event, "description") != NULL)
		return;
	for (i = 0; i < n; i++) {
		name = json_str(json_object_array_get_idx(files, i), "name",
		    "");
		if (strlen(title) + strlen(name) + 3 > sizeof(title))
			break;
		if (i > 0)
			strlcat(title, ", ", sizeof(title));
		strlcat(title, name, sizeof(title));
	}
	talk_add(event, "title", *title != '\0' ? title : "Files");
}

struct json_object *
event_build(struct ctl *ctl)
{
	const char *from = ctl_option(ctl, "event"), *value;
	struct json_object *event;
	char *text = NULL, id[UUID_SIZE];
	size_t i;

	if (from != NULL && ctl->noperands > 0)
		ctl_usage(ctl, "--event and a text exclude each other");
	event = from != NULL ? event_read(ctl, from) :
	    json_object_new_object();
	if (from == NULL)
		talk_add(event, "type", DEFAULT_TYPE);
	for (i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		value = ctl_option(ctl, members[i].option);
		if (value != NULL && *value == '\0')
			ctl_usage(ctl, "--%s: an empty text",
			    members[i].option);
		talk_add(event, members[i].member, value);
	}
	if (ctl->noperands > 0) {
		text = text_read(ctl);
		text_put(event, text, ctl_option(ctl, "title") != NULL);
	}
	if ((value = ctl_option(ctl, "data")) != NULL)
		data_put(ctl, event, value);
	attachments_put(ctl, event);
	title_put(event);
	if (json_path(event, "event_id") == NULL) {
		uuid_v7(id);
		talk_add(event, "event_id", id);
	}
	free(text);
	return (event);
}
