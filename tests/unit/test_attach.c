/* The files of events: what is attached, and what becomes a note. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <json.h>

#include "common/base64.h"
#include "common/event.h"
#include "common/json.h"
#include "workers/analyze/attach.h"
#include "workers/analyze/judge.h"
#include "workers/analyze/normalise.h"

static struct json_object *
normalised(const char *type, const char *attachments)
{
	struct json_object *o;
	struct error e;
	char *text;

	assert_int_not_equal(asprintf(&text, "{\"type\":\"%s\",\"title\":\"t\""
	    ",\"event_id\":\"e\",\"attachments\":%s}", type, attachments), -1);
	assert_non_null(o = event_parse(text, strlen(text), &e));
	assert_int_equal(normalise_event(o, 0), 0);
	free(text);
	return (o);
}

static void
check(const char *attachments, const char *want)
{
	struct json_object *o = normalised("x", attachments);

	assert_string_equal(json_object_to_json_string_ext(
	    json_path(o, "attachments"), JSON_C_TO_STRING_PLAIN |
	    JSON_C_TO_STRING_NOSLASHESCAPE), want);
	json_object_put(o);
}

#define FILE_OF(name) "[{\"name\":" name ",\"content_base64\":\"Zg==\"}]"

static void
test_names_are_file_names(void **state)
{
	static const char *const rows[][2] = {
		{ FILE_OF("\"a.txt\""), FILE_OF("\"a.txt\"") },
		{ FILE_OF("\".env\""), FILE_OF("\".env\"") },
		{ FILE_OF("\"/etc/passwd\""), FILE_OF("\"passwd\"") },
		{ FILE_OF("\"..\\\\x\\\\b c.txt\""), FILE_OF("\"b c.txt\"") },
		{ FILE_OF("\"a\\u0000\\u001b[31m\\n \\tb\\u007f \""),
		    FILE_OF("\"a b\"") },
		{ FILE_OF("\"a\\u202etxt.exe\""), FILE_OF("\"atxt.exe\"") },
		{ FILE_OF("\"\""), FILE_OF("\"attachment-1\"") },
		{ FILE_OF("\"x/..\""), FILE_OF("\"attachment-1\"") },
		{ FILE_OF("7"), FILE_OF("\"attachment-1\"") },
		{ FILE_OF("\"Grüße.txt\""), FILE_OF("\"Grüße.txt\"") }
	};
	char given[1000], want[1000], a[401];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check(rows[i][0], rows[i][1]);
	memset(a, 0, sizeof(a));
	for (i = 0; i < 200; i++)
		memcpy(a + 2 * i, "ä", 2);
	snprintf(given, sizeof(given), FILE_OF("\"%s.tar\""), a);
	snprintf(want, sizeof(want), FILE_OF("\"%.116s.tar\""), a);
	check(given, want);
}

static void
test_what_is_none_becomes_a_note(void **state)
{
	(void)state;
	check("\"x\"", "[{\"name\":\"attachments\",\"error\":"
	    "\"it is not an array\"}]");
	check("{\"name\":\"a\"}", "[{\"name\":\"attachments\",\"error\":"
	    "\"it is not an array\"}]");
	/* An event with a secret in it is stored as it was analysed, and
	 * analysed again by the next queue. */
	check("[{\"name\":\"a\",\"error\":\"it is empty\"}]",
	    "[{\"name\":\"a\",\"error\":\"it is empty\"}]");
	check("[{\"name\":\"a\",\"content_base64\":1,\"error\":\"\"}]",
	    "[{\"name\":\"a\",\"error\":\"it has no content_base64\"}]");
	check("[1,{\"name\":\"a\"},{\"name\":\"b\",\"content_base64\":\"!\"},"
	    "{\"name\":\"c\",\"content_base64\":\" \"},"
	    "{\"name\":\"d\",\"content_base64\":\"Zm9v\",\"more\":1}]",
	    "[{\"name\":\"attachment-1\",\"error\":"
	    "\"it has no content_base64\"},"
	    "{\"name\":\"a\",\"error\":\"it has no content_base64\"},"
	    "{\"name\":\"b\",\"error\":\"its content_base64 is not Base64\"},"
	    "{\"name\":\"c\",\"error\":\"it is empty\"},"
	    "{\"name\":\"d\",\"content_base64\":\"Zm9v\"}]");
}

static void
test_none_is_no_key(void **state)
{
	static const char *const none[] = { "[]", "null" };
	struct json_object *o;
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		o = normalised("x", none[i]);
		assert_false(json_object_object_get_ex(o, "attachments",
		    NULL));
		assert_false(attach_any(o));
		json_object_put(o);
	}
}

static void
test_at_most_ten(void **state)
{
	char text[4000] = "[";
	struct json_object *o, *list;
	size_t i, files = 0;

	(void)state;
	for (i = 0; i < 40; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
		    "%s{\"name\":\"%zu\",\"content_base64\":\"Zg==\"}",
		    i > 0 ? "," : "", i);
	strlcat(text, "]", sizeof(text));
	o = normalised("x", text);
	list = json_path(o, "attachments");
	assert_int_equal(json_object_array_length(list), 21);
	for (i = 0; i < 21; i++)
		files += json_path(json_object_array_get_idx(list, i),
		    "content_base64") != NULL;
	assert_int_equal(files, 10);
	json_object_put(o);
}

static void
test_another_file_is_no_duplicate(void **state)
{
	struct json_object *a, *b;

	(void)state;
	a = normalised("x", FILE_OF("\"a\""));
	b = normalised("x", FILE_OF("\"b\""));
	assert_int_not_equal(judge_fingerprint(a, EK_PLAIN),
	    judge_fingerprint(b, EK_PLAIN));
	json_object_put(a);
	json_object_put(b);
}

static void
test_progress_with_a_file_is_a_message(void **state)
{
	struct json_object *o;
	const char *mode;

	(void)state;
	o = normalised("task_progress", FILE_OF("\"a\""));
	assert_int_equal(judge_kind(o, false, &mode), EK_PLAIN);
	json_object_put(o);
	o = normalised("task_progress", "[]");
	assert_int_equal(judge_kind(o, false, &mode), EK_PROGRESS);
	json_object_put(o);
}

/* Masked in texts; a file with a zero byte stays as it is. */
static void
test_secrets(void **state)
{
	static const char secret[] = "x ghp_0123456789abcdefABCD0123456789 y";
	char text[sizeof(secret) + 1], encoded[2][80], plain[200], *list;
	struct json_object *o, *files;
	unsigned int masked = 0;
	const char *b64;
	ssize_t n;

	(void)state;
	memcpy(text, secret, sizeof(secret));
	base64_encode(text, sizeof(secret) - 1, encoded[0]);
	base64_encode(text, sizeof(secret), encoded[1]);
	assert_int_not_equal(asprintf(&list,
	    "[{\"name\":\"a\",\"content_base64\":\"%s\"},"
	    "{\"name\":\"b\",\"content_base64\":\"%s\"},"
	    "{\"name\":\"%.36s\"}]", encoded[0], encoded[1], text), -1);
	o = normalised("x", list);
	files = attach_take(o);
	assert_null(json_path(o, "attachments"));
	assert_int_equal(attach_redact(files, &masked), 0);
	assert_int_equal(masked, 2);
	assert_int_equal(attach_give(o, files), 0);
	b64 = json_str(json_object_array_get_idx(files, 0), "content_base64",
	    "");
	n = base64_decode(b64, strlen(b64), plain);
	assert_int_equal(n, strlen("x [github token masked] y"));
	assert_memory_equal(plain, "x [github token masked] y", (size_t)n);
	assert_string_equal(json_str(json_object_array_get_idx(files, 1),
	    "content_base64", ""), encoded[1]);
	assert_string_equal(json_str(json_object_array_get_idx(files, 2),
	    "name", ""), "x [github token masked]");
	json_object_put(o);
	free(list);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_are_file_names),
		cmocka_unit_test(test_what_is_none_becomes_a_note),
		cmocka_unit_test(test_none_is_no_key),
		cmocka_unit_test(test_at_most_ten),
		cmocka_unit_test(test_another_file_is_no_duplicate),
		cmocka_unit_test(test_progress_with_a_file_is_a_message),
		cmocka_unit_test(test_secrets)
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
