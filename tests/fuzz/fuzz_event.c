/*
 * Fuzz target: the way of an event through intake's check and analyze.
 * Whatever is accepted must come out as JSON that is clean, complete and the
 * same when it goes through again.
 */
#include <json.h>
#include <string.h>

#include "common/event.h"
#include "common/json.h"
#include "common/utf8.h"
#include "tests/fuzz/fuzz.h"
#include "workers/analyze/attach.h"
#include "workers/analyze/judge.h"
#include "workers/analyze/normalise.h"
#include "workers/analyze/redact.h"
#include "workers/analyze/tree.h"

#define PLAIN (JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)
#define RECEIVED_MS 1763700608105

static int text_redact(void *, const char *, size_t, const char *, char **,
    size_t *);
static struct json_object *number_keep(void *, struct json_object *,
    const char *);
static void check_fields(struct json_object *);
static char *analyzed(struct json_object *);

static const struct tree_ops redact_ops = { text_redact, number_keep };

static int
text_redact(void *arg, const char *p, size_t len, const char *label,
    char **out, size_t *outlen)
{
	return (redact_text(arg, p, len, label, out, outlen));
}

static struct json_object *
number_keep(void *arg, struct json_object *o, const char *label)
{
	(void)arg, (void)o, (void)label;
	return (NULL);
}

static void
check_fields(struct json_object *o)
{
	static const char *const strings[] = { "event_id", "type", "task_id",
		"source", "title", "description", "timestamp", "severity" };
	const char *s;
	size_t i;

	for (i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
		s = json_str(o, strings[i], NULL);
		FUZZ_CHECK(s != NULL);
		FUZZ_CHECK(s[0] != '\0' || i == 5);
	}
	FUZZ_CHECK(json_object_is_type(json_path(o, "data"),
	    json_type_object));
}

/* The text of an event after all steps; the caller frees it. */
static char *
analyzed(struct json_object *o)
{
	struct redactor r = { 0 };
	struct json_object *files;
	const char *mode;
	char *text;

	FUZZ_CHECK(normalise_event(o, RECEIVED_MS) == 0);
	check_fields(o);
	judge_fingerprint(o, judge_kind(o, true, &mode));
	files = attach_take(o);
	FUZZ_CHECK(tree_rewrite(o, &redact_ops, &r) == 0);
	FUZZ_CHECK(attach_redact(files, &r.masked) == 0);
	FUZZ_CHECK(attach_give(o, files) == 0);
	check_fields(o);
	text = strdup(json_object_to_json_string_ext(o, PLAIN));
	FUZZ_CHECK(text != NULL);
	FUZZ_CHECK(utf8_clean(text, strlen(text)));
	return (text);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	return (0);
}

size_t
fuzz_seed(const uint8_t *event, size_t len, uint8_t *buf, size_t size)
{
	static const char files[] = "{\"attachments\":[{\"name\":\"a/b\","
	    "\"content_base64\":\"Zm9v\"},{\"name\":\"c\",\"error\":\"x\"},"
	    "{\"content_base64\":\"!\"}],";
	size_t n = 0;

	/* One in two with files. */
	if (len % 2 == 0 && len > 0 && event[0] == '{' &&
	    size >= sizeof(files)) {
		n = sizeof(files) - 1;
		memcpy(buf, files, n);
		event++, len--;
	}
	len = len < size - n ? len : size - n;
	memcpy(buf + n, event, len);
	return (n + len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct event_fields f;
	struct json_object *o;
	struct error e;
	char *once, *twice, *sealed;
	size_t n;

	if ((o = event_parse((const char *)data, len, &e)) == NULL) {
		FUZZ_CHECK(e.code == 65 && e.text[0] != '\0');
		return (0);
	}
	FUZZ_CHECK(event_fields_read(&f, o) == 0);
	if (f.id_new) {
		sealed = event_seal((const char *)data, len, f.id, &n);
		json_object_put(o);
		o = event_parse(sealed, n, &e);
		FUZZ_CHECK(o != NULL);
		FUZZ_CHECK(strcmp(json_str(o, "event_id", ""), f.id_buf) ==
		    0);
		free(sealed);
	}
	event_fields_free(&f);
	once = analyzed(o);
	json_object_put(o);
	o = event_parse(once, strlen(once), &e);
	FUZZ_CHECK(o != NULL);
	twice = analyzed(o);
	json_object_put(o);
	FUZZ_CHECK(strcmp(once, twice) == 0);
	free(once);
	free(twice);
	return (0);
}
