/* Which topic an event belongs to, and what the end of a request means. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <json-c/json.h>

#include "common/json.h"
#include "workers/queue/topic_rule.h"

static void
check_name(const char *data, enum topic_by by, const char *wanted)
{
	struct json_object *o;
	const char *error;
	char text[4096], *name;

	snprintf(text, sizeof(text), "{\"type\":\"x\",\"data\":%s}", data);
	o = json_parse(text, strlen(text), &error);
	assert_non_null(o);
	name = topic_name(o, by);
	if (wanted == NULL)
		assert_null(name);
	else {
		assert_non_null(name);
		assert_string_equal(name, wanted);
	}
	free(name);
	json_object_put(o);
}

static void
test_names(void **state)
{
#define BOTH "{\"project\":\"app\",\"session\":\"s1\"}"
	static const struct {
		const char *data, *by_auto, *by_project, *by_session;
	} cases[] = {
		{ BOTH, "app", "app", "s1" },
		{ "{\"session\":\"s1\"}", "s1", NULL, "s1" },
		{ "{\"session_name\":\"n\",\"session_id\":\"i\"}", "n", NULL,
		    "n" },
		{ "{\"session_id\":12}", "12", NULL, "12" },
		{ "{\"project_name\":\"p\"}", "p", "p", NULL },
		{ "{\"repository\":\"me/app\"}", "me/app", "me/app", NULL },
		{ "{\"cwd\":\"/home/me/app\"}", "app", "app", NULL },
		{ "{\"cwd\":\"/home/me/app//\"}", "app", "app", NULL },
		{ "{\"cwd\":\"app\"}", "app", "app", NULL },
		{ "{\"cwd\":\"/\"}", NULL, NULL, NULL },
		{ "{\"cwd\":\"\"}", NULL, NULL, NULL },
		{ "{\"project\":\"  \",\"cwd\":\"/a/b\"}", "b", "b", NULL },
		{ "{\"project\":\" a\\n b\\t\"}", "a  b", "a  b", NULL },
		{ "{\"project\":{\"a\":1}}", NULL, NULL, NULL },
		{ "{\"project\":null}", NULL, NULL, NULL },
		{ "{}", NULL, NULL, NULL },
		{ "[]", NULL, NULL, NULL },
		{ "\"project\"", NULL, NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		check_name(cases[i].data, BY_AUTO, cases[i].by_auto);
		check_name(cases[i].data, BY_PROJECT, cases[i].by_project);
		check_name(cases[i].data, BY_SESSION, cases[i].by_session);
	}
}

/* At most 128 of UTF-16, cut between characters. */
static void
test_long_names(void **state)
{
	static const struct {
		const char *c;
		int n;
	} cases[] = {
		{ "a", 128 }, { "ä", 128 }, { "…", 128 }, { "🔥", 64 },
	};
	char data[2048], wanted[1024];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		strlcpy(data, "{\"project\":\"", sizeof(data));
		for (int n = 0; n < 200; n++)
			strlcat(data, cases[i].c, sizeof(data));
		strlcat(data, "\"}", sizeof(data));
		*wanted = '\0';
		for (int n = 0; n < cases[i].n; n++)
			strlcat(wanted, cases[i].c, sizeof(wanted));
		check_name(data, BY_AUTO, wanted);
	}
}

static void
test_words(void **state)
{
	(void)state;
	for (int by = BY_NONE; by <= BY_SESSION; by++)
		assert_int_equal(topic_by_name(topic_by_word(
		    (enum topic_by)by)), by);
	assert_int_equal(topic_by_name("x"), BY_NONE);
}

static void
test_every_outcome(void **state)
{
	struct topic_verdict v;

	(void)state;
	for (int o = 0; o < NOUTCOMES; o++)
		for (int attempts = 1; attempts < 100; attempts++) {
			v = topic_judge((enum call_outcome)o, attempts, 0,
			    true);
			assert_int_equal(v.action == TA_READY,
			    o == CO_DELIVERED);
			if (v.action == TA_AWAY)
				assert_in_range(v.wait_ms, TOPIC_AWAY_MS,
				    TOPIC_AWAY_MAX_MS);
			/* Nothing is asked again and again without a pause. */
			if (v.action == TA_AGAIN && attempts > 1)
				assert_in_range(v.wait_ms, 1000, 60000);
			v = topic_judge((enum call_outcome)o, attempts,
			    7200000, true);
			assert_true(v.wait_ms >= 7200000);
		}
}

/* What may exist is not made twice in a hurry; what does not, is. */
static void
test_unclear_is_not_asked_again_at_once(void **state)
{
	(void)state;
	assert_int_equal(topic_judge(CO_AMBIGUOUS, 1, 0, false).action,
	    TA_AWAY);
	assert_int_equal(topic_judge(CO_DELIVERED, 1, 0, false).action,
	    TA_AWAY);
	assert_int_equal(topic_judge(CO_NOT_SENT, 1, 0, false).action,
	    TA_AGAIN);
	assert_int_equal(topic_judge(CO_MIGRATED, 1, 0, false).wait_ms, 0);
	assert_int_equal(topic_judge(CO_REFUSED, 1, 0, false).wait_ms,
	    TOPIC_AWAY_MS);
	assert_int_equal(topic_judge(CO_REFUSED, 2, 0, false).wait_ms,
	    2 * TOPIC_AWAY_MS);
}

static void
test_refusals(void **state)
{
	bool gone = false;

	(void)state;
	assert_true(topic_is_refusal(
	    "Bad Request: message thread not found", &gone));
	assert_true(gone);
	assert_true(topic_is_refusal("Bad Request: TOPIC_CLOSED", &gone));
	assert_false(gone);
	assert_true(topic_is_refusal("Bad Request: TOPIC_DELETED", &gone));
	assert_true(gone);
	assert_false(topic_is_refusal("Bad Request: chat not found", &gone));
	assert_false(topic_is_refusal("", &gone));
}

int
main(void)
{
#define T(name) cmocka_unit_test(test_##name)
	const struct CMUnitTest tests[] = {
		T(names),
		T(long_names),
		T(words),
		T(every_outcome),
		T(unclear_is_not_asked_again_at_once),
		T(refusals),
	};

	return (cmocka_run_group_tests_name("topic_rule", tests, NULL, NULL));
}
