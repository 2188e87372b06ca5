/*
 * digest.c through render(): many events in one message.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <json.h>
#include <stdio.h>

#include "tests/unit/format_renderer.h"
#include "tests/unit/telegram_html.h"
#include "workers/format/split.h"

static struct json_object *members;

static void
member(const char *type, const char *title, const char *description,
    const char *source)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "type", json_object_new_string(type));
	json_object_object_add(o, "title", json_object_new_string(title));
	json_object_object_add(o, "description",
	    json_object_new_string(description));
	json_object_object_add(o, "source", json_object_new_string(source));
	json_object_object_add(o, "severity", json_object_new_string("low"));
	json_object_object_add(o, "timestamp",
	    json_object_new_string("2026-11-21T04:50:08.105Z"));
	if (members == NULL)
		members = json_object_new_array();
	json_object_array_add(members, o);
}

/* Render what was collected; the plain text is valid until the next call. */
static const char *
text(enum format_what what, int64_t total)
{
	struct render_ask ask = {.what = what};

	ask.json = json_object_new_object();
	json_object_object_add(ask.json, "members", members);
	json_object_object_add(ask.json, "total",
	    json_object_new_int64(total));
	members = NULL;
	assert_int_equal(render(renderer, &ask, &result), 0);
	json_object_put(ask.json);
	assert_int_equal(result.nparts, 1);
	assert_int_equal(result.noptions, 0);
	assert_int_equal(result.part[0].kind, PART_TEXT);
	free(shown);
	shown = html_plain(result.part[0].html, result.part[0].html_len,
	    NULL);
	assert_non_null(shown);
	assert_true(utf16_length(shown, strlen(shown)) <= SPLIT_TEXT_UNITS);
	return (shown);
}

static void
a_few(void **state)
{
	(void)state;
	member("build_completed", "web <1>", "took **2** min", "ci");
	member("task_progress", "Step", "", "ci");
	member("build_completed", "api", "api", "ci");
	member("task_progress", "Step", "", "ci");
	member("brand_new", "What", "is this", "ci");
	member("build_completed", "web <1>", "took 3 min", "ci");
	assert_string_equal(text(FMT_DIGEST, 6),
	    "🗞️ 6 events\n"
	    "⏰ 21/Nov/26 05:50 · ci\n"
	    "\n"
	    "✅ Build completed (3)\n"
	    "• web <1> ×2\n"
	    "  – took **2** min\n"
	    "  – took 3 min\n"
	    "• api\n"
	    "\n"
	    "📊 Task progress (2)\n"
	    "• Step ×2\n"
	    "\n"
	    "❓ Other events (1)\n"
	    "• What (brand_new) — is this");
	assert_int_equal(result.named, 6);
}

static void
sources_and_severities(void **state)
{
	struct json_object *last;

	(void)state;
	member("code_review", "low one", "", "a");
	member("task_failed", "high one", "why", "b");
	last = json_object_array_get_idx(members, 1);
	json_object_object_add(last, "severity",
	    json_object_new_string("high"));
	json_object_object_add(last, "timestamp",
	    json_object_new_string("2026-11-21T05:07:00Z"));
	assert_string_equal(text(FMT_SUMMARY, 2),
	    "🔔 While muted: 2 events\n"
	    "⏰ 21/Nov/26 05:50 – 06:07\n"
	    "\n"
	    "❌ Task failed (1)\n"
	    "• high one — why · b\n"
	    "\n"
	    "👁️ Code review (1)\n"
	    "• low one · a");
}

static void
nothing_and_nonsense(void **state)
{
	struct render_ask ask = {.what = FMT_SUMMARY};

	(void)state;
	assert_string_equal(text(FMT_SUMMARY, 0), "🔔 While muted: 0 events");
	member("task_failed", "\x01", "", "");
	assert_string_equal(text(FMT_DIGEST, 0), "🗞️ 1 event\n"
	    "⏰ 21/Nov/26 05:50\n\n❌ Task failed (1)\n• Task failed");
	ask.json = json_tokener_parse("{\"members\":[1,null,\"x\",[],{}],"
	    "\"total\":\"many\"}");
	assert_int_equal(render(renderer, &ask, &result), 0);
	assert_int_equal(result.named, 5);
	json_object_put(ask.json);
	ask.json = NULL;
	assert_int_equal(render(renderer, &ask, &result), 0);
}

/* All members are named while there is room: a flood of 200 with titles of
 * usual length, in one message. */
static void
two_hundred(void **state)
{
	char title[64], want[64];
	int i;

	(void)state;
	for (i = 0; i < 200; i++) {
		snprintf(title, sizeof(title), "flood %03d", i);
		member("info_notification", title, "some description", "s");
	}
	text(FMT_DIGEST, 200);
	assert_int_equal(result.named, 200);
	for (i = 0; i < 200; i++) {
		snprintf(want, sizeof(want), "\n• flood %03d", i);
		assert_non_null(strstr(shown, want));
	}
}

/* The rest is counted, and a large group does not hide the small ones. */
static void
too_many(void **state)
{
	char title[300];
	int i, more;
	const char *at;

	(void)state;
	for (i = 0; i < 900; i++) {
		memset(title, 'x', sizeof(title));
		snprintf(title, sizeof(title), "title %d ", i);
		title[strlen(title)] = 'x';
		title[200] = '\0';
		member("info_notification", title, "", "s");
	}
	member("git_push", "pushed", "", "s");
	text(FMT_SUMMARY, 1000);
	assert_non_null(strstr(shown, "While muted: 1000 events"));
	assert_non_null(strstr(shown, "Info notification (900)"));
	assert_non_null(strstr(shown, "\n• pushed"));
	assert_non_null(strstr(shown, "\n\n… and 99 more"));
	assert_non_null(at = strstr(shown, "\n… and "));
	assert_int_equal(sscanf(at, "\n… and %d more", &more), 1);
	assert_int_equal(more + (int)result.named, 901);
	/* the room is used */
	assert_true(utf16_length(shown, strlen(shown)) > 3800);
}

/* Whatever the sizes: within the limit, every type's count shown, named and
 * counted make the whole. */
static void
random_digests(void **state)
{
	static const char *const types[] = {"task_failed", "git_push",
	    "info_notification", "odd", "test_passed", "odder",
	    "code_review"};
	static const char *const words[] = {"a ", "<b>", "😀", "&", "long ",
	    "\n", "\xff", "ééé", "e\xcc\x81"};
	char title[400], *at;
	int round, n, i, w;
	unsigned int more, sum;

	(void)state;
	srandom(3);
	for (round = 0; round < 300; round++) {
		n = 1 + (int)(random() % (round % 10 == 0 ? 2000 : 150));
		for (i = 0; i < n; i++) {
			title[0] = '\0';
			for (w = (int)(random() % 30); w > 0; w--)
				strlcat(title, words[random() % 9],
				    sizeof(title));
			member(types[random() % 7], title,
			    words[random() % 9], words[random() % 2]);
		}
		text(FMT_DIGEST, n);
		sum = result.named;
		for (at = shown; (at = strstr(at, "\n… and ")) != NULL; at++)
			if (sscanf(at, "\n… and %u more", &more) == 1)
				sum += more;
		assert_int_equal(sum, n);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_few),
		cmocka_unit_test(sources_and_severities),
		cmocka_unit_test(nothing_and_nonsense),
		cmocka_unit_test(two_hundred),
		cmocka_unit_test(too_many),
		cmocka_unit_test(random_digests),
	};

	return (cmocka_run_group_tests(tests, renderer_setup,
	    renderer_teardown));
}
