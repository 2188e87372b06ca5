/*
 * Files of an event: documents behind the text, notes about what is not
 * attached, and neither where a message is edited.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <json.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/format_renderer.h"

#define EVENT(type, files)                                                \
	"{\"type\":\"" type "\",\"title\":\"T\",\"description\":\"\","    \
	"\"data\":{\"percent\":5},\"attachments\":" files "}"
#define TWO                                                               \
	"[{\"name\":\"a b.txt\",\"content_base64\":\"Zm9vYg==\"},"        \
	"{\"name\":\"c<.bin\",\"content_base64\":\"AAEC\"},"              \
	"{\"name\":\"d&\",\"error\":\"it is empty\"}]"

static void
render_text(const char *json, enum format_what what, unsigned int flags)
{
	struct render_ask ask = {.what = what, .flags = flags};

	assert_non_null(ask.json = json_tokener_parse(json));
	assert_int_equal(render(renderer, &ask, &result), 0);
	json_object_put(ask.json);
}

static void
check_document(const struct render_part *part, const char *name,
    const void *content, size_t len)
{
	assert_int_equal(part->kind, PART_DOCUMENT);
	assert_string_equal(part->name, name);
	assert_int_equal(part->html_len, 0);
	assert_string_equal(part->html, "");
	assert_int_equal(part->document_len, len);
	assert_memory_equal(part->document, content, len);
}

static void
behind_the_text(void **state)
{
	(void)state;
	render_text(EVENT("custom_event", TWO), FMT_EVENT, FMT_RESENT);
	assert_int_equal(result.nparts, 3);
	assert_int_equal(result.part[0].kind, PART_TEXT);
	assert_non_null(strstr(result.part[0].html,
	    "\n📎 d&amp; is not attached: it is empty"));
	assert_null(strstr(result.part[0].html, "bin"));
	check_document(&result.part[1], "a b.txt", "foob", 4);
	check_document(&result.part[2], "c<.bin", "\0\1\2", 3);
}

static void
behind_the_full_text(void **state)
{
	struct json_object *o = json_tokener_parse(EVENT("x", TWO));
	struct render_ask ask = {.what = FMT_EVENT, .json = o};
	char *text = malloc(40000);

	(void)state;
	memset(text, 'x', 40000);
	json_object_object_add(o, "description",
	    json_object_new_string_len(text, 40000));
	assert_int_equal(render(renderer, &ask, &result), 0);
	assert_int_equal(result.nparts, 4);
	assert_true(result.part[1].document_len > 40000);
	check_document(&result.part[3], "c<.bin", "\0\1\2", 3);
	json_object_put(o);
	free(text);
}

static void
ten_at_most(void **state)
{
	struct json_object *o, *list = json_object_new_array();
	struct render_ask ask = {.what = FMT_EVENT};
	int i;

	(void)state;
	for (i = 0; i < 12; i++)
		json_object_array_add(list, json_tokener_parse(
		    "{\"name\":\"n\",\"content_base64\":\"Zg==\"}"));
	ask.json = o = json_tokener_parse(EVENT("x", "[]"));
	json_object_object_add(o, "attachments", list);
	assert_int_equal(render(renderer, &ask, &result), 0);
	assert_int_equal(result.nparts, 1 + ATTACHMENTS_MAX);
	json_object_put(o);
}

static void
not_where_a_message_is_edited(void **state)
{
	(void)state;
	render_text(EVENT("task_progress", TWO), FMT_PROGRESS, 0);
	assert_int_equal(result.nparts, 1);
	render_text(EVENT("task_completion", TWO), FMT_PROGRESS,
	    FMT_CLOSING);
	assert_int_equal(result.nparts, 1);
}

/* analyze lets none of these pass. */
static void
what_is_no_file_is_left_out(void **state)
{
	static const char *const odd[] = {
		EVENT("x", "7"), EVENT("x", "{\"name\":\"a\"}"),
		EVENT("x", "[null,1,\"a\",[],{}]"),
		EVENT("x", "[{\"name\":1,\"content_base64\":\"!\"}]"),
		EVENT("x", "[{\"content_base64\":[\"Zg==\"]}]")
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		render_text(odd[i], FMT_EVENT, 0);
		assert_int_equal(result.nparts, 1);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(behind_the_text),
		cmocka_unit_test(behind_the_full_text),
		cmocka_unit_test(ten_at_most),
		cmocka_unit_test(not_where_a_message_is_edited),
		cmocka_unit_test(what_is_no_file_is_left_out),
	};

	return (cmocka_run_group_tests(tests, renderer_setup,
	    renderer_teardown));
}
