/*
 * Normalisation, kinds and fingerprints of events, with the captured event
 * files among the samples.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <json.h>

#include "common/event.h"
#include "common/json.h"
#include "common/utf8.h"
#include "workers/analyze/judge.h"
#include "workers/analyze/normalise.h"

#define RECEIVED_MS 1763700608105 /* 2025-11-21T04:50:08.105Z */

static struct json_object *
normalised(const char *text)
{
	struct json_object *o;
	struct error e;

	o = event_parse(text, strlen(text), &e);
	assert_non_null(o);
	assert_int_equal(normalise_event(o, RECEIVED_MS), 0);
	return (o);
}

static void
check_data(const char *data, const char *want)
{
	struct json_object *o;
	char *text;

	assert_int_not_equal(asprintf(&text,
	    "{\"type\":\"x\",\"title\":\"t\",\"data\":%s}", data), -1);
	o = normalised(text);
	assert_string_equal(json_object_to_json_string_ext(
	    json_path(o, "data"), JSON_C_TO_STRING_PLAIN), want);
	json_object_put(o);
	free(text);
}

static void
test_a_decision_is_not_the_askers_to_say(void **state)
{
	struct json_object *o = normalised("{\"type\":\"approval_request\","
	    "\"title\":\"t\",\"decision\":\"approved\"}");

	(void)state;
	assert_null(json_path(o, "decision"));
	json_object_put(o);
}

static void
test_typed_keys_are_converted(void **state)
{
	static const char *const rows[][2] = {
		{ "{\"duration_ms\":12.5}", "{\"duration_ms\":13}" },
		{ "{\"duration_ms\":\"65000\"}", "{\"duration_ms\":65000}" },
		{ "{\"duration_ms\":\"1e3\"}", "{\"duration_ms\":1000}" },
		{ "{\"duration_ms\":\"soon\"}", "{\"duration_ms\":\"soon\"}" },
		{ "{\"duration_ms\":\"\"}", "{\"duration_ms\":\"\"}" },
		{ "{\"duration_ms\":\"inf\"}", "{\"duration_ms\":\"inf\"}" },
		{ "{\"exit_code\":\"007\"}", "{\"exit_code\":\"007\"}" },
		{ "{\"exit_code\":\"-7 \"}", "{\"exit_code\":\"-7 \"}" },
		{ "{\"exit_code\":\"-7\"}", "{\"exit_code\":-7}" },
		{ "{\"duration_ms\":1e300}", "{\"duration_ms\":1e300}" },
		{ "{\"duration_ms\":[5]}", "{\"duration_ms\":[5]}" },
		{ "{\"duration_ms\":null}", "{\"duration_ms\":null}" },
		{ "{\"user_id\":424242}", "{\"user_id\":\"424242\"}" },
		{ "{\"user_id\":1.5}", "{\"user_id\":\"1.5\"}" },
		{ "{\"status\":true}", "{\"status\":\"true\"}" },
		{ "{\"results\":{\"a\":1}}", "{\"results\":{\"a\":1}}" },
		{ "{\"coverage_percentage\":\"91.2\"}",
		    "{\"coverage_percentage\":91.2}" },
		{ "{\"coverage_percentage\":\"91.20\",\"threshold\":\"5.0\"}",
		    "{\"coverage_percentage\":91.20,\"threshold\":5.0}" },
		{ "{\"coverage_percentage\":91.2,\"a\":{\"b\":[91.2,0.1]}}",
		    "{\"coverage_percentage\":91.2,\"a\":{\"b\":[91.2,0.1]}}" },
		{ "{\"coverage_percentage\":\"91\"}",
		    "{\"coverage_percentage\":91}" },
		{ "{\"coverage_percentage\":\"91 %\"}",
		    "{\"coverage_percentage\":\"91 %\"}" },
		{ "{\"coverage_percentage\":90.5}",
		    "{\"coverage_percentage\":90.5}" },
		{ "{\"success\":\"yes\"}", "{\"success\":true}" },
		{ "{\"success\":0}", "{\"success\":false}" },
		{ "{\"success\":1}", "{\"success\":true}" },
		{ "{\"success\":-1}", "{\"success\":-1}" },
		{ "{\"success\":\"maybe\"}", "{\"success\":\"maybe\"}" },
		{ "{\"files_affected\":\"a.c\"}",
		    "{\"files_affected\":[\"a.c\"]}" },
		{ "{\"options\":[1,\"b\",null,{\"c\":2}]}",
		    "{\"options\":[\"1\",\"b\",null,{\"c\":2}]}" },
		{ "{\"exit_code\":-1.0}", "{\"exit_code\":-1}" },
		{ "{\"own_key\":1.5,\"other\":\"5\"}",
		    "{\"own_key\":1.5,\"other\":\"5\"}" },
		{ "[1,2]", "{\"value\":[1,2]}" },
		{ "\"text\"", "{\"value\":\"text\"}" },
		{ "7", "{\"value\":7}" },
		{ "null", "{}" },
		/* numbers that are none of JSON */
		{ "{\"a\":NaN,\"b\":-Infinity,\"c\":[1.,NaN]}",
		    "{\"a\":\"NaN\",\"b\":\"-Infinity\",\"c\":[1.0,\"NaN\"]}" }
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_data(rows[i][0], rows[i][1]);
}

static void
test_defaults(void **state)
{
	struct json_object *o;

	(void)state;
	o = normalised("{\"type\":\"task_completion\",\"data\":{\"a\":1}}");
	assert_string_equal(json_str(o, "title", ""), "Task completion");
	assert_string_equal(json_str(o, "source", ""), "unknown");
	assert_string_equal(json_str(o, "description", "-"), "");
	assert_string_equal(json_str(o, "severity", ""), "normal");
	assert_string_equal(json_str(o, "timestamp", ""),
	    "2025-11-21T04:50:08.105Z");
	assert_int_equal(strlen(json_str(o, "event_id", "")), 36);
	assert_string_equal(json_str(o, "task_id", ""),
	    json_str(o, "event_id", "-"));
	json_object_put(o);
}

static void
test_other_types_of_the_top_keys(void **state)
{
	struct json_object *o;

	(void)state;
	o = normalised("{\"type\":5,\"event_id\":12,\"title\":7.5,"
		       "\"description\":{\"a\":1},\"source\":null,"
		       "\"severity\":9,\"own\":[1]}");
	assert_string_equal(json_str(o, "type", ""), "5");
	assert_string_equal(json_str(o, "event_id", ""), "12");
	assert_string_equal(json_str(o, "task_id", ""), "12");
	assert_string_equal(json_str(o, "title", ""), "7.5");
	assert_string_equal(json_str(o, "description", ""), "{\"a\":1}");
	assert_string_equal(json_str(o, "source", ""), "unknown");
	assert_string_equal(json_str(o, "severity", ""), "low");
	assert_true(json_object_is_type(json_path(o, "own"),
	    json_type_array));
	json_object_put(o);
}

static void
test_timestamps(void **state)
{
	static const char *const rows[][2] = {
		{ "\"2026-11-21T04:50:08.105Z\"", "2026-11-21T04:50:08.105Z" },
		{ "\"2026-11-21T04:50:08+02:00\"",
		    "2026-11-21T04:50:08+02:00" },
		{ "1763700609", "2025-11-21T04:50:09.000Z" },
		{ "1763700609250", "2025-11-21T04:50:09.250Z" },
		{ "\"1763700609\"", "2025-11-21T04:50:09.000Z" },
		{ "\"yesterday\"", "2025-11-21T04:50:08.105Z" },
		{ "\"2026-13-41T04:50:08Z\"", "2025-11-21T04:50:08.105Z" },
		{ "{}", "2025-11-21T04:50:08.105Z" },
		{ "true", "2025-11-21T04:50:08.105Z" },
		{ "-5", "2025-11-21T04:50:08.105Z" },
		{ "1e300", "2025-11-21T04:50:08.105Z" },
		{ "NaN", "2025-11-21T04:50:08.105Z" }
	};
	struct json_object *o;
	char text[200];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(text, sizeof(text), "{\"type\":\"x\",\"title\":\"t\","
		    "\"timestamp\":%s}", rows[i][0]);
		o = normalised(text);
		assert_string_equal(json_str(o, "timestamp", ""), rows[i][1]);
		json_object_put(o);
	}
}

static void
test_text_is_cleaned_everywhere(void **state)
{
	struct json_object *o;

	(void)state;
	o = normalised("{\"type\":\"x\",\"title\":\"  a\\u0000\xff \","
		       "\"description\":\" b\\r\\n\","
		       "\"data\":{\"k\xfe\":{\"l\":[\"\\u001b[1mbold\"]},"
		       "\"k\xfd\":1,\"z\":2}}");
	assert_string_equal(json_str(o, "title", ""), "a\ufffd");
	assert_string_equal(json_str(o, "description", ""), " b\n");
	/* Two keys became one text: none is lost, and the order stays. */
	assert_string_equal(json_object_to_json_string_ext(
	    json_path(o, "data"), JSON_C_TO_STRING_PLAIN),
	    "{\"k\ufffd\":{\"l\":[\"bold\"]},\"k\ufffd #2\":1,\"z\":2}");
	json_object_put(o);
}

static void
test_twice_is_the_same(void **state)
{
	struct json_object *o;
	char *once;

	(void)state;
	o = normalised("{\"type\":\"x\",\"title\":\" t \",\"data\":[NaN,1.],"
		       "\"event_id\":4}");
	once = strdup(json_object_to_json_string(o));
	assert_int_equal(normalise_event(o, RECEIVED_MS + 1), 0);
	assert_string_equal(json_object_to_json_string(o), once);
	free(once);
	json_object_put(o);
}

static void
test_kinds(void **state)
{
	static const struct {
		const char *text;
		enum event_kind kind;
		const char *mode;
	} rows[] = {
		{ "{\"type\":\"task_progress\",\"title\":\"t\"}",
		    EK_PROGRESS, "" },
		{ "{\"type\":\"progress_update\",\"title\":\"t\"}",
		    EK_PROGRESS, "" },
		{ "{\"type\":\"approval_request\",\"title\":\"t\"}",
		    EK_APPROVAL, "" },
		{ "{\"type\":\"task_failed\",\"title\":\"t\"}", EK_FINAL, "" },
		{ "{\"type\":\"task_started\",\"title\":\"t\"}", EK_PLAIN,
		    "" },
		{ "{\"type\":\"nonsense\",\"title\":\"t\"}", EK_PLAIN, "" },
		{ "{\"type\":\"info_notification\",\"data\":{\"command\":"
		  "\"/cct:nomad\",\"requested_mode\":\"nomad\"}}", EK_MODE,
		    "nomad" },
		{ "{\"type\":\"info_notification\",\"data\":{"
		  "\"requested_mode\":\"muted\"}}", EK_MODE, "mute" },
		{ "{\"type\":\"status_change\",\"data\":{\"command\":"
		  "\"/cct:local\"}}", EK_MODE, "local" },
		{ "{\"type\":\"info_notification\",\"data\":{\"command\":"
		  "\"/cct:fly\"}}", EK_PLAIN, "" },
		{ "{\"type\":\"command_executed\",\"data\":{\"command\":"
		  "\"make\"}}", EK_PLAIN, "" },
		{ "{\"type\":\"task_completion\",\"data\":{\"command\":"
		  "\"/cct:mute\"}}", EK_FINAL, "" }
	};
	struct json_object *o;
	const char *mode;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		o = normalised(rows[i].text);
		assert_int_equal(judge_kind(o, true, &mode), rows[i].kind);
		assert_string_equal(mode, rows[i].mode);
		/* Strangers do not switch modes. */
		assert_int_not_equal(judge_kind(o, false, &mode), EK_MODE);
		assert_string_equal(mode, "");
		json_object_put(o);
	}
}

static uint64_t
fingerprint(const char *text)
{
	struct json_object *o = normalised(text);
	enum event_kind kind;
	const char *mode;
	uint64_t f;

	kind = judge_kind(o, true, &mode);
	f = judge_fingerprint(o, kind);
	json_object_put(o);
	return (f);
}

#define BASE "{\"type\":\"x\",\"title\":\"t\",\"description\":\"d\"," \
	     "\"source\":\"s\",\"data\":{\"a\":1,\"b\":[1,2]}"

static void
test_same_content_has_the_same_fingerprint(void **state)
{
	static const char *const same[] = {
		BASE ",\"timestamp\":\"2026-11-21T04:50:08.105Z\"}",
		BASE ",\"event_id\":\"e\",\"task_id\":\"e\"}",
		BASE ",\"own\":1}",
		"{\"data\":{\"b\":[1,2],\"a\":1.0},\"source\":\"s\","
		"\"description\":\"d\",\"title\":\" t \",\"type\":\"x\"}"
	};
	uint64_t f = fingerprint(BASE "}");
	size_t i;

	(void)state;
	assert_int_not_equal(f, 0);
	for (i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		assert_int_equal(fingerprint(same[i]), f);
}

static void
test_other_content_has_another_fingerprint(void **state)
{
	static const char *const other[] = {
		BASE "}",
		BASE ",\"event_id\":\"e\",\"task_id\":\"f\"}",
		BASE ",\"event_id\":\"e\",\"task_id\":\"g\"}",
		"{\"type\":\"y\",\"title\":\"t\",\"description\":\"d\","
		"\"source\":\"s\",\"data\":{\"a\":1,\"b\":[1,2]}}",
		"{\"type\":\"x\",\"title\":\"d\",\"description\":\"t\","
		"\"source\":\"s\",\"data\":{\"a\":1,\"b\":[1,2]}}",
		"{\"type\":\"x\",\"title\":\"t\",\"description\":\"d\","
		"\"source\":\"s\",\"data\":{\"a\":1,\"b\":[2,1]}}",
		"{\"type\":\"x\",\"title\":\"t\",\"description\":\"d\","
		"\"source\":\"s\",\"data\":{\"a\":\"1\",\"b\":[1,2]}}",
		"{\"type\":\"x\",\"title\":\"t\",\"description\":\"d\","
		"\"source\":\"s\",\"data\":{\"b\":1,\"a\":[1,2]}}",
		"{\"type\":\"x\",\"title\":\"t\",\"description\":\"d\","
		"\"source\":\"s\",\"data\":{\"a\":true,\"b\":[1,2]}}",
		"{\"type\":\"x\",\"title\":\"t\",\"description\":\"d\","
		"\"source\":\"s\",\"data\":{\"a\":null,\"b\":[1,2]}}",
		"{\"type\":\"x\",\"title\":\"t\",\"description\":\"d\","
		"\"source\":\"s\",\"data\":{\"a\":1,\"b\":[[1],2]}}",
		"{\"type\":\"x\",\"title\":\"t\",\"description\":\"d\","
		"\"source\":\"s\",\"data\":{}}"
	};
	uint64_t seen[sizeof(other) / sizeof(other[0])];
	size_t i, j;

	(void)state;
	for (i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
		seen[i] = fingerprint(other[i]);
		for (j = 0; j < i; j++)
			assert_int_not_equal(seen[i], seen[j]);
	}
}

static void
test_approvals_and_modes_are_never_duplicates(void **state)
{
	(void)state;
	assert_int_equal(fingerprint("{\"type\":\"approval_request\","
				     "\"title\":\"t\"}"), 0);
	assert_int_equal(fingerprint("{\"type\":\"info_notification\","
				     "\"data\":{\"command\":\"/cct:mute\"}}"),
	    0);
}

static void
test_captured_events_keep_their_text(void **state)
{
	static const char *const keep[] = { "type", "source", "timestamp",
		"task_id", "title", "description", "event_id" };
	struct dirent *d;
	struct json_object *o, *was;
	char path[1024];
	int n = 0;
	size_t i;
	DIR *list;

	(void)state;
	assert_non_null(list = opendir(FIXTURES));
	while ((d = readdir(list)) != NULL) {
		if (d->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), FIXTURES "/%s", d->d_name);
		o = json_object_from_file(path);
		was = json_object_from_file(path);
		assert_non_null(o);
		assert_int_equal(normalise_event(o, RECEIVED_MS), 0);
		for (i = 0; i < sizeof(keep) / sizeof(keep[0]); i++)
			assert_string_equal(json_str(o, keep[i], "-"),
			    json_str(was, keep[i], "+"));
		assert_true(json_object_equal(json_path(o, "data"),
		    json_path(was, "data")));
		json_object_put(o);
		json_object_put(was);
		n++;
	}
	closedir(list);
	assert_int_equal(n, 37);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_decision_is_not_the_askers_to_say),
		cmocka_unit_test(test_typed_keys_are_converted),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_other_types_of_the_top_keys),
		cmocka_unit_test(test_timestamps),
		cmocka_unit_test(test_text_is_cleaned_everywhere),
		cmocka_unit_test(test_twice_is_the_same),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_same_content_has_the_same_fingerprint),
		cmocka_unit_test(test_other_content_has_another_fingerprint),
		cmocka_unit_test(
		    test_approvals_and_modes_are_never_duplicates),
		cmocka_unit_test(test_captured_events_keep_their_text),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
