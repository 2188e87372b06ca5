/*
 * The rules of an event: types, severities, acceptance, fields.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <json.h>

#include "common/event.h"
#include "common/json.h"
#include "ipc/messages.h"

static struct json_object *
parse(const char *text)
{
	struct json_object *o;
	const char *error;

	o = json_parse(text, strlen(text), &error);
	assert_non_null(o);
	return (o);
}

static void
test_every_type_is_found(void **state)
{
	int t;

	(void)state;
	assert_int_equal(ET_UNKNOWN, 47);
	for (t = 0; t < ET_UNKNOWN; t++) {
		assert_int_equal(event_type_find(event_type_name(t)), t);
		assert_true(event_type_emoji(t)[0] != '\0');
		assert_true(event_type_category(t)[0] != '\0');
	}
	assert_int_equal(event_type_find("nothing"), ET_UNKNOWN);
	assert_int_equal(event_type_find(""), ET_UNKNOWN);
	assert_int_equal(event_type_find("task_completio"), ET_UNKNOWN);
	assert_string_equal(event_type_name(999), "unknown");
}

static void
test_severity(void **state)
{
	static const struct {
		const char *type, *data;
		enum severity want;
	} rows[] = {
		{ "approval_request", "{}", SEV_CRITICAL },
		{ "approval_request", "{\"severity\":\"low\"}",
		    SEV_CRITICAL },
		{ "task_failed", "{}", SEV_HIGH },
		{ "build_failed", "{}", SEV_HIGH },
		{ "test_failed", "{}", SEV_HIGH },
		{ "error_occurred", "{}", SEV_HIGH },
		{ "security_alert", "{}", SEV_HIGH },
		{ "alert_notification", "{}", SEV_HIGH },
		{ "deployment_failed", "{}", SEV_HIGH },
		{ "deployment_failed", "{\"severity\":\"low\"}", SEV_LOW },
		{ "task_completion", "{}", SEV_NORMAL },
		{ "task_started", "{}", SEV_NORMAL },
		{ "build_completed", "{}", SEV_NORMAL },
		{ "code_deployment", "{}", SEV_NORMAL },
		{ "user_response", "{}", SEV_NORMAL },
		{ "performance_alert", "{}", SEV_NORMAL },
		{ "performance_alert", "{\"severity\":\"medium\"}",
		    SEV_NORMAL },
		{ "performance_alert", "{\"severity\":\"CRITICAL\"}",
		    SEV_CRITICAL },
		{ "info_notification", "{}", SEV_LOW },
		{ "info_notification", "{\"severity\":\"high\"}", SEV_HIGH },
		{ "info_notification", "{\"severity\":\"loud\"}", SEV_LOW },
		{ "info_notification", "{\"severity\":7}", SEV_LOW },
		{ "no_such_type", "{}", SEV_LOW },
		{ "no_such_type", "\"text\"", SEV_LOW }
	};
	struct json_object *data;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		data = parse(rows[i].data);
		assert_int_equal(event_severity(rows[i].type, data),
		    rows[i].want);
		json_object_put(data);
	}
	assert_int_equal(event_severity("task_failed", NULL), SEV_HIGH);
	assert_int_equal(severity_find("normal"), SEV_NORMAL);
	assert_int_equal(severity_find("medium"), -1);
	assert_string_equal(severity_name(SEV_CRITICAL), "critical");
}

static void
test_acceptance(void **state)
{
	static const struct {
		const char *text, *field; /* field NULL: accepted */
	} rows[] = {
		{ "{\"type\":\"x\",\"title\":\"t\"}", NULL },
		{ "{\"type\":\"x\",\"description\":\"d\"}", NULL },
		{ "{\"type\":\"x\",\"data\":{\"a\":1}}", NULL },
		{ "{\"type\":\"x\",\"data\":5}", NULL },
		{ "{\"type\":\"x\",\"data\":\"text\"}", NULL },
		{ "{\"type\":7,\"title\":\"t\"}", NULL },
		{ "{\"type\":\"x\",\"title\":7,\"data\":{}}", NULL },
		{ "{\"type\":\"x\",\"title\":\"t\",\"task_id\":[1]}", NULL },
		{ "{\"title\":\"t\"}", "type" },
		{ "{\"type\":null,\"title\":\"t\"}", "type" },
		{ "{\"type\":\"\",\"title\":\"t\"}", "type" },
		{ "{\"type\":\"  \",\"title\":\"t\"}", "type" },
		{ "{\"type\":{},\"title\":\"t\"}", "type" },
		{ "{\"type\":true,\"title\":\"t\"}", "type" },
		{ "{\"type\":\"x\"}", "title" },
		{ "{\"type\":\"x\",\"title\":\"\",\"description\":\"\","
		  "\"data\":{}}", "title" },
		{ "{\"type\":\"x\",\"title\":\" \",\"data\":[]}", "title" },
		{ "[]", "" },
		{ "\"x\"", "" },
		{ "{\"type\":", "" },
		{ "", "" }
	};
	struct json_object *o;
	struct error e;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		o = event_parse(rows[i].text, strlen(rows[i].text), &e);
		if (rows[i].field == NULL) {
			assert_non_null(o);
			json_object_put(o);
			continue;
		}
		assert_null(o);
		assert_int_equal(e.code, 65);
		assert_string_equal(e.field, rows[i].field);
		assert_true(e.text[0] != '\0');
	}
}

static void
test_size_is_bounded(void **state)
{
	struct json_object *o;
	struct error e;
	char *text;

	(void)state;
	text = malloc(EVENT_MAX_BYTES + 1);
	memset(text, ' ', EVENT_MAX_BYTES + 1);
	memcpy(text, "{\"type\":\"x\",\"title\":\"t\"}", 24);
	o = event_parse(text, EVENT_MAX_BYTES, &e);
	assert_non_null(o);
	json_object_put(o);
	assert_null(event_parse(text, EVENT_MAX_BYTES + 1, &e));
	assert_int_equal(e.code, 65);
	free(text);
}

static void
test_fields_of_a_full_event(void **state)
{
	struct event_fields f;
	struct json_object *o;

	(void)state;
	o = parse("{\"type\":\"task_failed\",\"event_id\":\"e\","
		  "\"task_id\":\"t\",\"source\":\"ci\",\"title\":\" T \","
		  "\"to\":\"ops\",\"silent\":true,\"ttl\":\"90s\"}");
	assert_int_equal(event_fields_read(&f, o), 0);
	assert_string_equal(f.id, "e");
	assert_false(f.id_new);
	assert_string_equal(f.task_id, "t");
	assert_true(f.has_task);
	assert_string_equal(f.source, "ci");
	assert_string_equal(f.title, "T");
	assert_string_equal(f.to, "ops");
	assert_true(f.silent);
	assert_int_equal(f.ttl_ms, 90000);
	assert_int_equal(f.kind, ET_TASK_FAILED);
	assert_int_equal(f.severity, SEV_HIGH);
	event_fields_free(&f);
	json_object_put(o);
}

static void
test_fields_have_defaults(void **state)
{
	struct event_fields f;
	struct json_object *o;

	(void)state;
	o = parse("{\"type\":\"task_completion\",\"data\":1,\"ttl\":0}");
	assert_int_equal(event_fields_read(&f, o), 0);
	assert_int_equal(strlen(f.id), 36);
	assert_true(f.id_new);
	assert_string_equal(f.task_id, f.id);
	assert_false(f.has_task);
	assert_string_equal(f.source, "unknown");
	assert_string_equal(f.title, "Task completion");
	assert_string_equal(f.to, "");
	assert_false(f.silent);
	assert_int_equal(f.ttl_ms, 0);
	event_fields_free(&f);
	json_object_put(o);
}

static void
test_fields_of_other_types(void **state)
{
	struct event_fields f;
	struct json_object *o;

	(void)state;
	o = parse("{\"type\":12,\"event_id\":34,\"task_id\":{\"a\":1},"
		  "\"source\":5.5,\"title\":[1],\"to\":-100,\"ttl_ms\":1500,"
		  "\"silent\":\"yes\"}");
	assert_int_equal(event_fields_read(&f, o), 0);
	assert_string_equal(f.type, "12");
	assert_string_equal(f.id, "34");
	assert_string_equal(f.task_id, "{\"a\":1}");
	assert_string_equal(f.source, "5.5");
	assert_string_equal(f.title, "[1]");
	assert_string_equal(f.to, "-100");
	assert_int_equal(f.ttl_ms, 1500);
	assert_false(f.silent);
	event_fields_free(&f);
	json_object_put(o);
}

static void
test_fields_are_clean_text(void **state)
{
	struct event_fields f, g;
	struct json_object *o;
	char long_id[EVENT_ID_MAX + 100];

	(void)state;
	o = parse("{\"type\":\"x\\u0007y\",\"event_id\":\"a\\u0000b\","
		  "\"task_id\":\"\xff\",\"title\":\"\\u001b[1m\\u0001\"}");
	memset(long_id, 'i', sizeof(long_id) - 1);
	long_id[sizeof(long_id) - 1] = '\0';
	assert_int_equal(event_fields_read(&f, o), 0);
	assert_string_equal(f.type, "xy");
	assert_string_equal(f.title, "Xy");
	assert_int_equal(strlen(f.id), 36);
	assert_false(f.id_new);
	assert_int_equal(strlen(f.task_id), 36);
	/* The same bad id is always replaced by the same. */
	assert_int_equal(event_fields_read(&g, o), 0);
	assert_string_equal(f.id, g.id);
	event_fields_free(&g);
	json_object_object_add(o, "event_id", json_object_new_string(long_id));
	assert_int_equal(event_fields_read(&g, o), 0);
	assert_int_equal(strlen(g.id), 36);
	event_fields_free(&g);
	event_fields_free(&f);
	json_object_put(o);
}

static void
test_ttl(void **state)
{
	static const struct {
		const char *text;
		uint64_t want;
	} rows[] = {
		{ "{\"ttl\":\"6h\"}", 21600000 }, { "{\"ttl\":2.5}", 2500 },
		{ "{\"ttl\":\"soon\"}", 0 }, { "{\"ttl\":-1}", 0 },
		{ "{\"ttl\":null}", 0 }, { "{\"ttl\":{}}", 0 },
		{ "{\"ttl_ms\":\"700\"}", 700 },
		{ "{\"ttl_ms\":1e300}", 1000000000000000 },
		{ "{\"ttl_ms\":NaN}", 0 }
	};
	struct event_fields f;
	struct json_object *o;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		o = parse(rows[i].text);
		assert_int_equal(event_fields_read(&f, o), 0);
		assert_int_equal(f.ttl_ms, rows[i].want);
		event_fields_free(&f);
		json_object_put(o);
	}
}

static void
test_titles_from_types(void **state)
{
	static const char *const rows[][2] = {
		{ "task_completion", "Task completion" },
		{ "api-call", "Api call" }, { "-1.5", "-1.5" }, { "_", "_" },
		{ "x_", "X_" }, { "ärger", "ärger" }
	};
	char *title;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		title = event_title_make(rows[i][0]);
		assert_string_equal(title, rows[i][1]);
		free(title);
	}
}

static void
test_options(void **state)
{
	static const char *const rows[][2] = { { "\"Deny\"", "Deny" },
		{ "null", "null" }, { "2.5", "2.5" }, { "\"\"", "" },
		{ "{\"text\":\"No\",\"value\":\"n\"}", "No" },
		{ "{\"value\":\"n\",\"label\":\"\"}", "n" },
		{ "{\"text\":7}", "{\"text\":7}" } };
	struct json_object *o;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		o = json_tokener_parse(rows[i][0]);
		assert_string_equal(event_option(o), rows[i][1]);
		json_object_put(o);
	}
}

static void
test_seal(void **state)
{
	static const char *const texts[] = { "{\"type\":\"x\",\"title\":1}",
		"{\"type\":\"x\",\"title\":\"}\"\n} \n",
		"{\"event_id\":\"\",\"type\":\"x\",\"title\":\"a\"}" };
	struct event_fields f;
	struct json_object *o;
	struct error e;
	char *sealed;
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		sealed = event_seal(texts[i], strlen(texts[i]), "id-1", &n);
		assert_int_equal(strlen(sealed), n);
		o = event_parse(sealed, n, &e);
		assert_non_null(o);
		assert_int_equal(event_fields_read(&f, o), 0);
		assert_string_equal(f.id, "id-1");
		assert_false(f.id_new);
		event_fields_free(&f);
		json_object_put(o);
		free(sealed);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_type_is_found),
		cmocka_unit_test(test_severity),
		cmocka_unit_test(test_acceptance),
		cmocka_unit_test(test_size_is_bounded),
		cmocka_unit_test(test_fields_of_a_full_event),
		cmocka_unit_test(test_fields_have_defaults),
		cmocka_unit_test(test_fields_of_other_types),
		cmocka_unit_test(test_fields_are_clean_text),
		cmocka_unit_test(test_ttl),
		cmocka_unit_test(test_titles_from_types),
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_seal),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
