/*
 * render.c and the layouts: everything that an event says arrives, as HTML
 * that Telegram takes, whatever the event.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <json.h>
#include <stdio.h>

#include "common/event.h"
#include "tests/unit/format_renderer.h"
#include "tests/unit/telegram_html.h"
#include "workers/format/human.h"
#include "workers/format/split.h"

/* Render and check what must hold for every result. */
static const char *
render_json(struct json_object *o, enum format_what what, unsigned int flags)
{
	struct render_ask ask = {.what = what, .flags = flags, .json = o};
	const struct render_part *part;
	size_t i, len, total = 0;
	char *text;

	assert_int_equal(render(renderer, &ask, &result), 0);
	assert_in_range(result.nparts, 1, PARTS_MAX);
	assert_int_equal(result.part[0].kind, PART_TEXT);
	free(shown);
	assert_non_null(shown = calloc(1, 1 << 20));
	for (i = 0; i < result.nparts; i++) {
		part = &result.part[i];
		text = html_plain(part->html, part->html_len, &len);
		if (text == NULL)
			fail_msg("not HTML: %.*s", (int)part->html_len,
			    part->html);
		assert_false(utf_all_blank(text, len));
		if (part->kind == PART_DOCUMENT) {
			assert_in_range(part->document_len, 1,
			    RENDER_DOCUMENT_BYTES + 128);
			assert_true(utf16_length(text, len) <=
			    SPLIT_CAPTION_UNITS);
			assert_true(strlen(part->name) > 4 &&
			    strpbrk(part->name, "/\\\"\n ") == NULL);
		} else {
			assert_true(utf16_length(text, len) <=
			    SPLIT_TEXT_UNITS);
			memcpy(shown + total, text, len + 1);
			total += len;
		}
		free(text);
	}
	for (i = 0; i < result.noptions; i++)
		assert_true(result.option[i][0] != '\0');
	return (shown);
}

static const char *
render_text(const char *json, enum format_what what, unsigned int flags)
{
	struct json_object *o = json_tokener_parse(json);

	assert_non_null(o);
	render_json(o, what, flags);
	json_object_put(o);
	return (shown);
}

/* An event with this data, as analyze would pass it. */
static struct json_object *
event_new(const char *type, const char *title, const char *description,
    struct json_object *data)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "event_id", json_object_new_string("e-1"));
	json_object_object_add(o, "type", json_object_new_string(type));
	json_object_object_add(o, "task_id", json_object_new_string("t-1"));
	json_object_object_add(o, "source", json_object_new_string("src"));
	json_object_object_add(o, "title", json_object_new_string(title));
	json_object_object_add(o, "description",
	    json_object_new_string(description));
	json_object_object_add(o, "timestamp",
	    json_object_new_string("2026-11-21T04:50:08.105Z"));
	json_object_object_add(o, "severity", json_object_new_string("low"));
	json_object_object_add(o, "data", data);
	return (o);
}

static const char *
render_data(const char *type, const char *data, unsigned int flags)
{
	struct json_object *o = event_new(type, "Title", "Description",
	    json_tokener_parse(data));

	render_json(o, FMT_EVENT, flags);
	json_object_put(o);
	return (shown);
}

static void
assert_shown(const char *what, const char *key)
{
	if (strstr(shown, what) == NULL)
		fail_msg("%s: \"%s\" is not in:\n%s", key, what, shown);
}

/* The documented form of a member of data, or of one within it. */
static void
check_leaf(const char *type, const char *key, struct json_object *v,
    bool nested)
{
	char buf[HUMAN_SIZE];
	const char *json;
	double n = -1;
	size_t i;

	if (v == NULL)
		return;
	if (!json_object_is_type(v, json_type_boolean))
		human_number(json_object_get_string(v),
		    strlen(json_object_get_string(v)), &n);
	if (strcmp(key, "requires_response") == 0 &&
	    strcmp(type, "approval_request") == 0)
		return;
	if (json_object_is_type(v, json_type_object)) {
		json_object_object_foreach(v, name, member)
			check_leaf(type, name, member, true);
	} else if (json_object_is_type(v, json_type_array)) {
		for (i = 0; i < json_object_array_length(v); i++)
			check_leaf(type, key,
			    json_object_array_get_idx(v, i), true);
	} else if (!nested && strcmp(key, "duration_ms") == 0 &&
	    human_duration(buf, sizeof(buf), n)) {
		assert_shown(buf, key);
	} else if (!nested && strcmp(key, "timeout_minutes") == 0 &&
	    strcmp(type, "approval_request") == 0 &&
	    human_duration(buf, sizeof(buf), n * 60e3)) {
		assert_shown(buf, key);
	} else if (nested && json_object_is_type(v, json_type_string) &&
	    strstr(shown, json_object_get_string(v)) == NULL) {
		/* within compact JSON: quoted as there */
		json = json_object_to_json_string_ext(v,
		    JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
		assert_shown(json, key);
	} else
		assert_shown(json_object_get_string(v), key);
}

static void
check_event(struct json_object *o, unsigned int flags)
{
	const char *type =
	    json_object_get_string(json_object_object_get(o, "type"));

	render_json(o, FMT_EVENT, flags);
	assert_shown(json_object_get_string(json_object_object_get(o,
	    "title")), "title");
	assert_shown(json_object_get_string(json_object_object_get(o,
	    "description")), "description");
	json_object_object_foreach(json_object_object_get(o, "data"), key,
	    member)
		check_leaf(type, key, member, false);
}

/* Every event file that the MCP server really wrote. */
static void
captured_events(void **state)
{
	struct json_object *o;
	struct dirent *entry;
	char path[4096];
	int n = 0;
	DIR *dir;

	(void)state;
	assert_non_null(dir = opendir(FIXTURES));
	while ((entry = readdir(dir)) != NULL) {
		if (strstr(entry->d_name, ".json") == NULL)
			continue;
		snprintf(path, sizeof(path), "%s/%s", FIXTURES,
		    entry->d_name);
		assert_non_null(o = json_object_from_file(path));
		check_event(o, 0);
		assert_int_equal(result.nparts, 1);
		assert_shown("⏰ 21/Nov/26 05:50 · ", "time");
		check_event(o, FMT_DETAILED);
		assert_shown(json_object_get_string(json_object_object_get(o,
		    "event_id")), "event_id");
		assert_shown("Time: 2026-11-21T04:50:08.", "timestamp");
		json_object_put(o);
		n++;
	}
	closedir(dir);
	assert_int_equal(n, 37);
}

/* All keys that have a form of their own, and some that have none. */
#define EVERYTHING                                                            \
	"{\"status\":\"failed\",\"results\":\"r1\\nr2 **x**\","               \
	"\"file_path\":\"src/a.c\",\"line_number\":42,\"directory\":\"/d\","  \
	"\"language\":\"python\",\"function_name\":\"fn\",\"class_name\":"    \
	"\"Cls\",\"module_name\":\"mod\",\"code_snippet\":\"if a < b:\\n  "   \
	"pass\",\"commit_hash\":\"0123abcd\",\"branch_name\":\"feat/x\","     \
	"\"author\":\"A <a@b>\",\"commit_message\":\"fix\\n\\nlong\","        \
	"\"build_target\":\"all\",\"error_message\":\"boom\",\"error_code\":" \
	"17,\"stack_trace\":\"at x\\n at y\",\"severity\":\"high\","          \
	"\"approval_prompt\":\"May I?\",\"user_id\":4711,\"command\":"        \
	"\"make a\\nmake b\",\"priority\":\"p1\",\"category\":\"cat\","       \
	"\"url\":\"https://x/?a=1&b=2\",\"service_name\":\"svc\","            \
	"\"endpoint\":\"/v1\",\"request_id\":\"rq\",\"files_affected\":"      \
	"[\"f1\",\"f2\"],\"files_changed\":\"f3\",\"options\":[\"o1\","       \
	"\"o2\"],\"response_options\":[\"p1\",\"p2\"],\"arguments\":[\"-v\"," \
	"7],\"tags\":[\"t1\"],\"exit_code\":3,\"success\":false,"             \
	"\"test_count\":120,\"tests_passed\":117,\"tests_failed\":3,"         \
	"\"duration_ms\":\"65000.5\",\"network_bytes\":1572864,"              \
	"\"response_code\":503,\"coverage_percentage\":81.25,"                \
	"\"memory_usage_mb\":512.5,\"cpu_usage_percent\":\"93%\","            \
	"\"disk_usage_mb\":10,\"actions\":[{\"text\":\"Retry\",\"action\":"   \
	"\"rt\",\"data\":{\"n\":[1,\"q\"]},\"style\":null},\"plain\",{\"x\":" \
	"9}],\"metadata\":{\"current\":5,\"total\":10,\"host\":\"h1\","       \
	"\"deep\":{\"list\":[1,{\"k\":\"v\\n\\\"w\"}]}},\"current_value\":"   \
	"91.5,\"threshold\":80,\"requested_mode\":\"nomad\",\"message\":"     \
	"\"msg\",\"progress\":45,\"percent\":46,\"current\":8,\"total\":9,"   \
	"\"step\":1,\"total_steps\":77,\"timeout_minutes\":30,"               \
	"\"requires_response\":true,\"custom_key\":\"cv\",\"nothing\":null,"  \
	"\"yes\":true,\"objects\":[{\"a\":1},{\"b\":2.50}],\"nested\":"       \
	"[[1,2],[3]],\"\":\"keyless\",\"title\":\"other title\"}"

/* Every type, known or not, shows all of it in both styles. */
static void
every_type_and_key(void **state)
{
	struct json_object *o;
	const char *type;
	int i;

	(void)state;
	for (i = 0; i <= NEVENTTYPES; i++) {
		type = i < ET_UNKNOWN ? event_type_name((enum event_type)i) :
		    i == ET_UNKNOWN ? "brand_new" : "";
		o = event_new(type, "T <b>&amp; *x*", "D _y_ [z](u)",
		    json_tokener_parse(EVERYTHING));
		check_event(o, 0);
		assert_int_equal(result.nparts, 1);
		if (i < ET_UNKNOWN && i != ET_TASK_COMPLETION)
			assert_memory_equal(shown,
			    event_type_emoji((enum event_type)i),
			    strlen(event_type_emoji((enum event_type)i)));
		if (i == ET_UNKNOWN)
			assert_shown(" · brand_new\n", "type");
		check_event(o, FMT_DETAILED);
		json_object_put(o);
	}
}

/* Each key with a value of each JSON type: never lost, never malformed. */
static void
every_key_every_type(void **state)
{
	static const char *const values[] = {"\"text\"", "\"a\\nb\"", "12",
	    "12.5", "true", "[\"l1\",\"l2\"]", "[[1],{\"a\":2}]",
	    "{\"o\":\"p\"}", "[]", "{}", "\"\"", "-1", "1e40", "[null]"};
	struct json_object *all = json_tokener_parse(EVERYTHING), *o, *data;
	size_t i;

	(void)state;
	json_object_object_foreach(all, key, unused) {
		(void)unused;
		for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
			data = json_object_new_object();
			json_object_object_add(data, key,
			    json_tokener_parse(values[i]));
			o = event_new(i % 2 ? "task_completion" :
			    "approval_request", "Title", "Description", data);
			check_event(o, i % 3 ? FMT_DETAILED : 0);
			json_object_put(o);
		}
	}
	json_object_put(all);
}

static void
concise_layout(void **state)
{
	(void)state;
	assert_string_equal(render_text("{\"type\":\"task_completion\","
	    "\"title\":\"Refactor **auth** (v2.0)!\",\"source\":\"cc\","
	    "\"timestamp\":\"2026-11-21T04:50:08.099Z\",\"description\":"
	    "\"Task done\",\"data\":{\"status\":\"completed\",\"results\":"
	    "\"All 12 pass.\\n- a.c\",\"files_affected\":[\"src/a.c\","
	    "\"src/b.c\"],\"duration_ms\":65000}}", FMT_EVENT, 0),
	    "✅ Refactor **auth** (v2.0)!\n"
	    "⏰ 21/Nov/26 05:50 · cc\n"
	    "\n"
	    "Task done\n"
	    "\n"
	    "All 12 pass.\n- a.c\n"
	    "\n"
	    "Status: completed · Duration: 1 min 5 s\n"
	    "Files: src/a.c, src/b.c");
	assert_int_equal(memcmp(result.part[0].html, "✅ <b>Refactor **auth",
	    20), 0);
}

static void
repetitions_are_shown_once(void **state)
{
	static const char *const echoes[] = {
	    "{\"message\":\"Description\"}", "{\"results\":\"Description\"}",
	    "{\"error_message\":\"Description\"}",
	    "{\"command\":\" Description\\n\"}",
	    "{\"description\":\"Description\"}"};
	const char *first;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(echoes) / sizeof(echoes[0]); i++) {
		render_data("info_notification", echoes[i], 0);
		assert_non_null(first = strstr(shown, "Description"));
		assert_null(strstr(first + 1, "Description"));
	}
}

static void
status_chooses_the_emoji(void **state)
{
	static const struct {
		const char *data, *emoji;
	} rows[] = {{"{}", "✅ "}, {"{\"status\":\"completed\"}", "✅ "},
	    {"{\"status\":\"FAILED\"}", "❌ "},
	    {"{\"status\":\"partial\"}", "⚠️ "},
	    {"{\"status\":\"whatever\"}", "ℹ️ "},
	    {"{\"status\":7}", "ℹ️ "}, {"{\"status\":null}", "✅ "}};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		render_data("task_completion", rows[i].data, 0);
		assert_memory_equal(shown, rows[i].emoji,
		    strlen(rows[i].emoji));
	}
}

/* 91.2 that came as a string is a fraction of 17 digits when it gets here. */
static void
fractions_without_noise(void **state)
{
	(void)state;
	render_data("test_suite_run", "{\"coverage_percentage\":"
	    "91.200000000000003,\"custom\":0.10000000000000001,"
	    "\"exact\":1.2345678901234567}", 0);
	assert_shown("Coverage: 91.2%", "coverage");
	assert_shown("Custom: 0.1 ·", "custom");
	assert_shown("Exact: 1.2345678901234567", "exact");
}

static void
links(void **state)
{
	static const char *const refused[] = {"javascript:alert(1)",
	    "tg://user?id=1", "http://a b", "https://x/\xc3\xa9", "ftp://x",
	    "https"};
	char data[200];
	size_t i;

	(void)state;
	render_data("api_call", "{\"url\":\"HTTPS://x/?a=\\\"1\\\"&b\"}", 0);
	assert_non_null(strstr(result.part[0].html,
	    "<a href=\"HTTPS://x/?a=&quot;1&quot;&amp;b\">"
	    "HTTPS://x/?a=\"1\"&amp;b</a>"));
	for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		snprintf(data, sizeof(data), "{\"url\":\"%s\"}", refused[i]);
		render_data("api_call", data, 0);
		assert_shown(refused[i], "url");
		assert_null(strstr(result.part[0].html, "<a"));
	}
}

static void
long_lists(void **state)
{
	struct json_object *o, *files = json_object_new_array();
	struct json_object *data = json_object_new_object();
	char name[64];
	int i, shown_names = 0, more;

	(void)state;
	for (i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "src/file-%03d.c", i);
		json_object_array_add(files, json_object_new_string(name));
	}
	json_object_object_add(data, "files_affected", files);
	o = event_new("task_completion", "T", "D", data);
	render_json(o, FMT_EVENT, 0);
	assert_int_equal(result.nparts, 1);
	assert_shown("Files: 300\n• src/file-000.c\n", "files");
	for (i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "• src/file-%03d.c", i);
		shown_names += strstr(shown, name) != NULL;
	}
	assert_int_equal(sscanf(strstr(shown, "\n+"), "\n+%d more", &more),
	    1);
	assert_int_equal(shown_names + more, 300);
	assert_true(shown_names >= 80);
	render_json(o, FMT_EVENT, FMT_DETAILED);
	assert_shown("src/file-299.c", "files");
	json_object_put(o);
}

/* An approval with no prompt, with ten and more options, with odd ones. */
static void
approvals(void **state)
{
	(void)state;
	render_data("approval_request", "{}", 0);
	assert_string_equal(shown, "🔐 Title\n⏰ 21/Nov/26 05:50 · src\n\n"
	    "Description\n\n1. Approve\n2. Deny");
	assert_int_equal(result.noptions, 2);
	assert_string_equal(result.option[0], "Approve");
	assert_string_equal(result.option[1], "Deny");
	render_data("approval_request", "{\"approval_prompt\":\"Ship?\","
	    "\"options\":[],\"response_options\":[\"Ja\",\"Nein\"],"
	    "\"requires_response\":true,\"timeout_minutes\":90}", 0);
	assert_string_equal(shown, "🔐 Title\n⏰ 21/Nov/26 05:50 · src\n\n"
	    "Ship?\n\nDescription\n\n1. Ja\n2. Nein\n\n"
	    "Expires in 1 h 30 min");
	assert_string_equal(result.option[1], "Nein");
	render_data("approval_request", "{\"options\":[\"1\",2,\"\",null,"
	    "{\"label\":\"five\"},{\"x\":6},\"s\\ne\\u0001ven\",\" \","
	    "\"9\",\"10\",\"eleven\",\"twelve\"]}", 0);
	assert_int_equal(result.noptions, 10);
	assert_string_equal(result.option[1], "2");
	assert_string_equal(result.option[2], "(empty)");
	assert_string_equal(result.option[3], "null");
	assert_string_equal(result.option[4], "five");
	assert_string_equal(result.option[5], "{\"x\":6}");
	assert_string_equal(result.option[6], "s even");
	assert_string_equal(result.option[7], "(empty)");
	assert_shown("10. 10\nNot offered, 10 at most:\n• eleven\n• twelve",
	    "options");
}

/* The question was printed again below the title when it was the same. */
static void
approvals_ask_once(void **state)
{
	static const char *const event[] = {
		"{\"type\":\"approval_request\",\"title\":\"Ship it?\"}",
		"{\"type\":\"approval_request\",\"title\":\"Ship it?\","
		"\"description\":\" Ship it?\\n\",\"data\":{}}",
		"{\"type\":\"approval_request\",\"title\":\"Ship it?\","
		"\"data\":{\"approval_prompt\":\"Ship it?\"}}"
	};
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		render_text(event[i], FMT_EVENT, 0);
		assert_string_equal(shown, "🔐 Ship it?\n⏰ \n\n"
		    "1. Approve\n2. Deny");
	}
}

static void
approvals_read_as_they_are(void **state)
{
	(void)state;
	render_data("approval_request", "{\"approval_prompt\":"
	    "\"rm \\u202Efr-\\u2066x\",\"options\":[\"\\u202Eyes\"]}", 0);
	assert_shown("rm �fr-�x", "prompt");
	assert_shown("1. �yes", "option");
	assert_string_equal(result.option[0], "�yes");
	/* elsewhere they are what the writer's language needs */
	render_data("info_notification", "{\"message\":\"\\u2066x\\u2069\"}",
	    0);
	assert_shown("\xe2\x81\xa6x\xe2\x81\xa9", "message");
}

static void
resent_mark(void **state)
{
	(void)state;
	render_data("task_failed", "{}", FMT_RESENT);
	assert_memory_equal(shown, "❌ Title ↻\n", 12);
	assert_non_null(strstr(result.part[0].html, "</b> ↻\n"));
}

/* A repetition has the same parts as the first attempt. */
static void
resent_mark_moves_no_cut(void **state)
{
	struct json_object *o, *data = json_object_new_object();
	char text[9001], *first[PARTS_MAX];
	size_t n, i;

	(void)state;
	memset(text, 'x', sizeof(text));
	text[9000] = '\0';
	json_object_object_add(data, "results",
	    json_object_new_string(text));
	o = event_new("task_completion", "T", "D", data);
	render_json(o, FMT_EVENT, 0);
	assert_int_equal(n = result.nparts, 3);
	for (i = 1; i < n; i++)
		first[i] = strndup(result.part[i].html,
		    result.part[i].html_len);
	render_json(o, FMT_EVENT, FMT_RESENT);
	assert_int_equal(result.nparts, n);
	for (i = 1; i < n; i++) {
		assert_memory_equal(result.part[i].html, first[i],
		    result.part[i].html_len);
		free(first[i]);
	}
	json_object_put(o);
}

/* 5000 characters of two and of four bytes: in full, in order. */
static void
long_texts(void **state)
{
	static const char *const chars[] = {"é", "😀", "x"};
	struct json_object *o, *data;
	char *text, *at, *joined;
	size_t i, j, k;

	(void)state;
	for (k = 0; k < 3; k++) {
		assert_non_null(text = at = calloc(1, 30000));
		for (i = 0; i < 5000; i++) {
			at = stpcpy(at, chars[k]);
			if (i % 61 == 60)
				*at++ = ' ';
		}
		data = json_object_new_object();
		json_object_object_add(data, "results",
		    json_object_new_string(text));
		o = event_new("task_completion", "T", "D", data);
		render_json(o, FMT_EVENT, 0);
		assert_in_range(result.nparts, 2, 3);
		assert_non_null(joined = strdup(shown));
		for (i = j = 0; joined[i] != '\0'; i++)
			if (joined[i] != ' ' && joined[i] != '\n')
				joined[j++] = joined[i];
		joined[j] = '\0';
		for (i = j = 0; text[i] != '\0'; i++)
			if (text[i] != ' ')
				text[j++] = text[i];
		text[j] = '\0';
		assert_non_null(at = strstr(joined, text));
		free(joined);
		free(text);
		json_object_put(o);
	}
}

/* pre is closed at a cut and opened again behind it. */
static void
blocks_are_reopened(void **state)
{
	struct json_object *o, *data = json_object_new_object();
	static char text[6001];
	int i;

	(void)state;
	for (i = 0; i < 600; i++)
		memcpy(text + i * 10, "  a < b;\n\n", 10);
	json_object_object_add(data, "code_snippet",
	    json_object_new_string(text));
	json_object_object_add(data, "language", json_object_new_string("c"));
	o = event_new("code_review", "T", "D", data);
	render_json(o, FMT_EVENT, 0);
	assert_int_equal(result.nparts, 2);
	assert_int_equal(strncmp(result.part[1].html,
	    "<pre><code class=\"language-c\">  a &lt; b;", 38), 0);
	json_object_put(o);
}

/* Beyond four parts: the beginning, and all of it as a document. */
static void
documents(void **state)
{
	struct json_object *o, *data = json_object_new_object();
	static char text[60001];
	int i;

	(void)state;
	for (i = 0; i < 6000; i++)
		snprintf(text + i * 10, 11, "line %04d\n", i);
	json_object_object_add(data, "results",
	    json_object_new_string(text));
	o = event_new("task_completion", "Ein Täst: a/b \"c\"", "D", data);
	render_json(o, FMT_EVENT, FMT_RESENT);
	assert_int_equal(result.nparts, 2);
	assert_int_equal(result.part[1].kind, PART_DOCUMENT);
	assert_string_equal(result.part[1].name, "Ein-Täst-a-b-c.txt");
	assert_memory_equal(shown, "✅ Ein Täst: a/b \"c\" ↻\n", 26);
	assert_shown("line 0000\n", "beginning");
	assert_shown("…\n\n📎 Full text attached", "end");
	assert_in_range(utf16_length(shown, strlen(shown)), 1400, 1560);
	assert_non_null(memmem(result.part[1].document,
	    result.part[1].document_len, text, 59999));
	json_object_put(o);
	/* the options of an approval are in the message */
	data = json_object_new_object();
	json_object_object_add(data, "approval_prompt",
	    json_object_new_string(text));
	o = event_new("approval_request", "/// ...", "D", data);
	json_object_object_add(o, "task_id", json_object_new_string("id 7"));
	render_json(o, FMT_EVENT, 0);
	assert_int_equal(result.nparts, 2);
	assert_int_equal(result.noptions, 2);
	assert_string_equal(result.part[1].name, "id-7.txt");
	assert_shown("…\n\n1. Approve\n2. Deny\n\n📎", "options");
	json_object_put(o);
}

static void
progress_messages(void **state)
{
	struct render_ask ask = {.what = FMT_PROGRESS, .started_ms = 1000,
	    .now_ms = 126000};

	(void)state;
	assert_string_equal(render_text("{\"type\":\"progress_update\","
	    "\"title\":\"T\",\"description\":\"half\",\"source\":\"s\","
	    "\"timestamp\":\"2026-11-21T04:50:08Z\",\"data\":{\"metadata\":"
	    "{\"current\":5,\"total\":10,\"file\":\"a.c\"}}}", FMT_PROGRESS,
	    0), "🔄 T\n⏰ 21/Nov/26 05:50 · s\n\n▓▓▓▓▓░░░░░ 50% · 5/10\n\n"
	    "half\n\nFile: a.c");
	ask.flags = FMT_CLOSING;
	ask.json = event_new("task_failed", "T", "why", NULL);
	assert_int_equal(render(renderer, &ask, &result), 0);
	assert_non_null(strstr(result.part[0].html,
	    "src\n\nFailed after 2 min 5 s\n\nwhy"));
	json_object_put(ask.json);
	ask.json = event_new("task_cancelled", "T", "why", NULL);
	assert_int_equal(render(renderer, &ask, &result), 0);
	assert_non_null(strstr(result.part[0].html, "\n\nCancelled after"));
	json_object_put(ask.json);
	ask.json = event_new("task_completion", "T", "why", NULL);
	assert_int_equal(render(renderer, &ask, &result), 0);
	assert_non_null(strstr(result.part[0].html,
	    "\n\n▓▓▓▓▓▓▓▓▓▓ Completed after 2 min 5 s\n\nwhy"));
	json_object_put(ask.json);
}

/* A progress message is edited in place: always one part. */
static void
progress_is_one_part(void **state)
{
	struct json_object *o, *data = json_object_new_object();
	static char text[20001];

	(void)state;
	memset(text, 'y', 20000);
	json_object_object_add(data, "progress", json_object_new_int(5));
	o = event_new("task_progress", "T", text, data);
	render_json(o, FMT_PROGRESS, FMT_RESENT);
	assert_int_equal(result.nparts, 1);
	json_object_put(o);
}

static void
not_even_an_event(void **state)
{
	static const char *const odd[] = {"{}", "[]", "1", "\"x\"",
	    "{\"data\":[1,2]}", "{\"data\":\"text\",\"title\":\"\\u0001\"}",
	    "{\"type\":5,\"title\":[],\"timestamp\":{},\"data\":null}",
	    "{\"title\":\"x\",\"timestamp\":\"yesterday\"}"};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		render_text(odd[i], FMT_EVENT, 0);
		render_text(odd[i], FMT_PROGRESS, FMT_DETAILED);
		render_text(odd[i], FMT_DIGEST, 0);
	}
	assert_memory_equal(render_text(odd[7], FMT_EVENT, 0),
	    "❓ x\n⏰ yesterday", 20);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(captured_events),
		cmocka_unit_test(every_type_and_key),
		cmocka_unit_test(every_key_every_type),
		cmocka_unit_test(concise_layout),
		cmocka_unit_test(repetitions_are_shown_once),
		cmocka_unit_test(status_chooses_the_emoji),
		cmocka_unit_test(fractions_without_noise),
		cmocka_unit_test(links),
		cmocka_unit_test(long_lists),
		cmocka_unit_test(approvals),
		cmocka_unit_test(approvals_ask_once),
		cmocka_unit_test(approvals_read_as_they_are),
		cmocka_unit_test(resent_mark),
		cmocka_unit_test(resent_mark_moves_no_cut),
		cmocka_unit_test(long_texts),
		cmocka_unit_test(blocks_are_reopened),
		cmocka_unit_test(documents),
		cmocka_unit_test(progress_messages),
		cmocka_unit_test(progress_is_one_part),
		cmocka_unit_test(not_even_an_event),
	};

	return (cmocka_run_group_tests(tests, renderer_setup,
	    renderer_teardown));
}
