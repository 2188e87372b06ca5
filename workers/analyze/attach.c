/*
 * Attachments: {"name","content_base64"} for each file.  One that cannot be
 * sent becomes a note about it, never a reason to refuse the event.  Pure;
 * called by normalise.c and analyze.c.
 */
#include <sys/types.h>

#include <json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base64.h"
#include "common/json.h"
#include "common/utf8.h"
#include "ipc/messages.h"
#include "workers/analyze/attach.h"
#include "workers/analyze/redact.h"

#define KEY "attachments"
#define NAME_BYTES 120 /* of a file name; file systems have 255 */
#define SUFFIX_BYTES 16 /* of a name too long: what is kept of its end */
#define TEXT_OF(x) #x
#define TOO_MANY(max) "an event may have " TEXT_OF(max) " files"

static bool hides(const char *);
static void name_fold(char *);
static void name_shorten(char *);
static char *name_make(const char *, size_t len, size_t number);
static struct json_object *note_new(const char *, const char *);
static const char *content_fault(const char *, size_t);
static struct json_object *attach_one(struct json_object *, size_t, int *);
static struct json_object *attach_list(struct json_object *);
static int redact_string(struct json_object *, struct redactor *);
static int redact_content(struct json_object *, struct redactor *);

/* Does this character turn the direction of what follows (U+202A..U+202E,
 * U+2066..U+2069), so that "fdp.exe" reads as "exe.pdf"? */
static bool
hides(const char *p)
{
	const unsigned char *u = (const unsigned char *)p;

	return (u[0] == 0xe2 && ((u[1] == 0x80 && u[2] >= 0xaa &&
	    u[2] <= 0xae) || (u[1] == 0x81 && u[2] >= 0xa6 && u[2] <= 0xa9)));
}

/* Leave out what nobody sees, in place. */
static void
name_fold(char *name)
{
	char *in = name, *out = name;

	while (*in != '\0') {
		if (hides(in))
			in += 3;
		else if (*in == '\n' || *in == '\t' || *in == ' ') {
			if (out > name && out[-1] != ' ')
				*out++ = ' ';
			in++;
		} else
			*out++ = *in++;
	}
	while (out > name && out[-1] == ' ')
		out--;
	*out = '\0';
}

/* Too long: its end stays if that is a suffix. */
static void
name_shorten(char *name)
{
	size_t len = strlen(name), cut = NAME_BYTES;
	char *dot = strrchr(name, '.');

	if (len <= NAME_BYTES)
		return;
	if (dot != NULL && strlen(dot) <= SUFFIX_BYTES)
		cut -= strlen(dot);
	else
		dot = name + len;
	while (((unsigned char)name[cut] & 0xc0) == 0x80)
		cut--;
	memmove(name + cut, dot, strlen(dot) + 1);
}

/* The name of the number-th file, malloc'd; NULL without memory. */
static char *
name_make(const char *text, size_t len, size_t number)
{
	char *name, *base;
	size_t i;

	for (i = len; i > 0; i--)
		if (text[i - 1] == '/' || text[i - 1] == '\\')
			break;
	if ((name = utf8_scrub(text + i, len - i, &len)) == NULL)
		return (NULL);
	name_fold(name);
	name_shorten(name);
	if (*name != '\0' && strcmp(name, ".") != 0 &&
	    strcmp(name, "..") != 0)
		return (name);
	free(name);
	return (asprintf(&base, "attachment-%zu", number) == -1 ? NULL :
	    base);
}

static struct json_object *
note_new(const char *name, const char *error)
{
	struct json_object *o = json_object_new_object();

	if (o == NULL)
		return (NULL);
	json_object_object_add(o, "name", json_object_new_string(name));
	json_object_object_add(o, "error", json_object_new_string(error));
	return (o);
}

/* Why this is no content of a file, or NULL; "" without memory. */
static const char *
content_fault(const char *text, size_t len)
{
	ssize_t n;
	char *p;

	if ((p = malloc(BASE64_BYTES(len))) == NULL)
		return ("");
	n = base64_decode(text, len, p);
	free(p);
	if (n == -1)
		return ("its content_base64 is not Base64");
	return (n == 0 ? "it is empty" : NULL);
}

/* One attachment in its normal form; NULL without memory.  *files counts. */
static struct json_object *
attach_one(struct json_object *given, size_t number, int *files)
{
	struct json_object *name = json_path(given, "name"), *o;
	struct json_object *content = json_path(given, "content_base64");
	const char *fault = NULL;
	char *clean;

	if (json_object_is_type(name, json_type_string))
		clean = name_make(json_object_get_string(name),
		    (size_t)json_object_get_string_len(name), number);
	else
		clean = name_make("", 0, number);
	if (clean == NULL)
		return (NULL);
	if (!json_object_is_type(content, json_type_string))
		content = NULL;
	if (content != NULL)
		fault = content_fault(json_object_get_string(content),
		    (size_t)json_object_get_string_len(content));
	else /* analysed before, it may be a note already */
		fault = json_str(given, "error", "");
	if (fault != NULL && content == NULL && *fault == '\0')
		fault = "it has no content_base64";
	if (fault == NULL && *files == ATTACHMENTS_MAX)
		fault = TOO_MANY(ATTACHMENTS_MAX);
	if (fault != NULL)
		o = *fault != '\0' ? note_new(clean, fault) : NULL;
	else if ((o = json_object_new_object()) != NULL) {
		++*files;
		json_object_object_add(o, "name",
		    json_object_new_string(clean));
		json_object_object_add(o, "content_base64",
		    json_object_get(content));
	}
	free(clean);
	return (o);
}

static struct json_object *
attach_list(struct json_object *given)
{
	struct json_object *list = json_object_new_array(), *o;
	size_t i, n = json_object_array_length(given);
	int files = 0;

	if (list == NULL)
		return (NULL);
	for (i = 0; i < n; i++) {
		if (i == 2 * ATTACHMENTS_MAX)
			/* Enough said. */
			o = note_new("…", TOO_MANY(ATTACHMENTS_MAX));
		else
			o = attach_one(json_object_array_get_idx(given, i),
			    i + 1, &files);
		if (o == NULL || json_object_array_add(list, o) == -1) {
			json_object_put(o);
			json_object_put(list);
			return (NULL);
		}
		if (i == 2 * ATTACHMENTS_MAX)
			break;
	}
	return (list);
}

int
attach_normalise(struct json_object *event)
{
	struct json_object *given, *list, *note;

	if (!json_object_object_get_ex(event, KEY, &given))
		return (0);
	if (json_object_is_type(given, json_type_array) &&
	    json_object_array_length(given) > 0)
		list = attach_list(given);
	else if (given == NULL ||
	    json_object_is_type(given, json_type_array)) {
		json_object_object_del(event, KEY);
		return (0);
	} else if ((list = json_object_new_array()) != NULL) {
		note = note_new(KEY, "it is not an array");
		json_object_array_add(list, note);
	}
	return (list == NULL ? -1 : attach_give(event, list));
}

bool
attach_any(struct json_object *event)
{
	struct json_object *list = json_path(event, KEY);
	size_t i, n = list == NULL ? 0 : json_object_array_length(list);

	for (i = 0; i < n; i++)
		if (json_path(json_object_array_get_idx(list, i),
		    "content_base64") != NULL)
			return (true);
	return (false);
}

struct json_object *
attach_take(struct json_object *event)
{
	struct json_object *list = json_object_get(json_path(event, KEY));

	json_object_object_del(event, KEY);
	return (list);
}

int
attach_give(struct json_object *event, struct json_object *list)
{
	if (list == NULL || json_object_object_add(event, KEY, list) == 0)
		return (0);
	json_object_put(list);
	return (-1);
}

static int
redact_string(struct json_object *o, struct redactor *r)
{
	size_t len;
	char *out;
	int rc;

	rc = redact_text(r, json_object_get_string(o),
	    (size_t)json_object_get_string_len(o), NULL, &out, &len);
	if (rc != 1)
		return (rc);
	rc = json_object_set_string_len(o, out, (int)len);
	free(out);
	return (rc == 1 ? 0 : -1);
}

/* A file without a zero byte is text, whatever its encoding. */
static int
redact_content(struct json_object *content, struct redactor *r)
{
	size_t len = (size_t)json_object_get_string_len(content), outlen;
	char *text, *out, *encoded;
	ssize_t n;
	int rc;

	if ((text = malloc(BASE64_BYTES(len))) == NULL)
		return (-1);
	n = base64_decode(json_object_get_string(content), len, text);
	rc = n < 1 || memchr(text, '\0', (size_t)n) != NULL ? 0 :
	    redact_text(r, text, (size_t)n, NULL, &out, &outlen);
	free(text);
	if (rc != 1)
		return (rc);
	if ((encoded = malloc(BASE64_SIZE(outlen))) != NULL) {
		base64_encode(out, outlen, encoded);
		rc = json_object_set_string(content, encoded);
	}
	free(out);
	free(encoded);
	return (encoded != NULL && rc == 1 ? 0 : -1);
}

int
attach_redact(struct json_object *list, unsigned int *masked)
{
	struct json_object *file, *content;
	size_t i, n = list == NULL ? 0 : json_object_array_length(list);
	struct redactor r;

	for (i = 0; i < n; i++) {
		/* No key that is begun in one file goes on in another. */
		memset(&r, 0, sizeof(r));
		file = json_object_array_get_idx(list, i);
		content = json_path(file, "content_base64");
		if (redact_string(json_path(file, "name"), &r) == -1 ||
		    (content != NULL && redact_content(content, &r) == -1))
			return (-1);
		*masked += r.masked;
	}
	return (0);
}
