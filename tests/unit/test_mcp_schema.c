/*
 * The arguments of the tools: what the table says, what clients are told of
 * it, and what is made of what they send.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/nitems.h"
#include "ctl/mcp.h"

/* What the tools do is of no interest here. */
#define NOT_CALLED(name)                                                   \
	struct json_object *name(struct ctl *ctl, struct json_object *args, \
	    bool *failed)                                                  \
	{                                                                  \
		(void)ctl;                                                 \
		(void)args;                                                \
		(void)failed;                                              \
		fail();                                                    \
		return (NULL);                                             \
	}
NOT_CALLED(mcp_send_event)
NOT_CALLED(mcp_send_message)
NOT_CALLED(mcp_send_completion)
NOT_CALLED(mcp_send_alert)
NOT_CALLED(mcp_send_approval)
NOT_CALLED(mcp_switch_local)
NOT_CALLED(mcp_switch_nomad)
NOT_CALLED(mcp_switch_mute)
NOT_CALLED(mcp_ask)
NOT_CALLED(mcp_get_event)
NOT_CALLED(mcp_bridge_start)
NOT_CALLED(mcp_bridge_stop)
NOT_CALLED(mcp_bridge_restart)
NOT_CALLED(mcp_bridge_ensure)
NOT_CALLED(mcp_bridge_check)
NOT_CALLED(mcp_bridge_status)
NOT_CALLED(mcp_responses_get)
NOT_CALLED(mcp_responses_process)
NOT_CALLED(mcp_responses_clear)
NOT_CALLED(mcp_task_status)
NOT_CALLED(mcp_todo)
NOT_CALLED(mcp_register_todos)

/* That of ctl/talk.c, which wants more than is linked here. */
void
talk_add(struct json_object *o, const char *key, const char *value)
{
	if (value != NULL)
		json_object_object_add(o, key, json_object_new_string(value));
}

static const char *const colours[] = { "red", "green", NULL };
static const struct mcp_param params[] = {
	{ .name = "text", .type = MCP_STRING, .required = true, .max = 4,
	    .doc = "d" },
	{ .name = "n", .type = MCP_NUMBER, .min = 1, .max = 10, .def = "5",
	    .doc = "d" },
	{ .name = "any", .type = MCP_NUMBER, .doc = "d" },
	{ .name = "yes", .type = MCP_BOOLEAN, .doc = "d" },
	{ .name = "o", .type = MCP_OBJECT, .doc = "d" },
	{ .name = "colour", .type = MCP_STRING, .words = colours,
	    .doc = "d" },
	{ .name = "list", .type = MCP_STRINGS, .min = 1, .max = 2,
	    .item_max = 3, .doc = "d" },
	{ .name = "objects", .type = MCP_OBJECTS, .doc = "d" },
	{ .name = NULL }
};
static const struct mcp_tool tool = { .name = "t", .doc = "d",
	.params = params };

static struct json_object *
parse(const char *text)
{
	struct json_object *o;
	const char *why;

	if ((o = json_parse(text, strlen(text), &why)) == NULL)
		fail_msg("%s: %s", text, why);
	return (o);
}

/* The result as text is want; or, for an error, "field: error". */
static void
gives(const char *given, const char *want)
{
	struct json_object *in = parse(given), *out;
	char error[256], text[400];
	const char *field;

	out = mcp_arguments(&tool, in, &field, error, sizeof(error));
	if (out == NULL)
		snprintf(text, sizeof(text), "%s: %s", field, error);
	else
		strlcpy(text, json_object_to_json_string_ext(out,
		    JSON_C_TO_STRING_PLAIN), sizeof(text));
	assert_string_equal(text, want);
	json_object_put(out);
	json_object_put(in);
}

static void
test_defaults_and_conversions(void **state)
{
	struct json_object *out;
	const char *field;
	char error[64];

	(void)state;
	gives("{\"text\":\"a\"}", "{\"text\":\"a\",\"n\":5}");
	gives("{\"text\":\"a\",\"n\":null}", "{\"text\":\"a\",\"n\":5}");
	gives("{\"text\":\"a\",\"n\":\"7\",\"more\":1}",
	    "{\"text\":\"a\",\"n\":7}");
	gives("{\"text\":\"a\",\"n\":\"2.5\",\"yes\":\"true\"}",
	    "{\"text\":\"a\",\"n\":2.5,\"yes\":true}");
	gives("{\"text\":\"a\",\"any\":-1e300}",
	    "{\"text\":\"a\",\"n\":5,\"any\":-1e300}");
	/* In UTF-16 units: of the last two, one has two. */
	gives("{\"text\":\"äöü€\"}", "{\"text\":\"äöü€\",\"n\":5}");
	gives("{\"text\":\"😀😀\"}", "{\"text\":\"😀😀\",\"n\":5}");
	gives("{\"text\":\"😀😀a\"}", "text: it is longer than 4 characters");
	assert_null(mcp_arguments(&tool, NULL, &field, error, sizeof(error)));
	assert_string_equal(field, "text");
	out = mcp_arguments(mcp_tool_find("get_bridge_status"), NULL, &field,
	    error, sizeof(error));
	assert_int_equal(json_object_object_length(out), 0);
	json_object_put(out);
}

static void
test_what_is_wrong(void **state)
{
	(void)state;
	gives("{}", "text: it is required");
	gives("{\"text\":null}", "text: it is required");
	gives("{\"text\":5}", "text: a string is wanted");
	gives("{\"text\":\"\"}", "text: it is empty");
	gives("{\"text\":\"a\\u0000b\"}",
	    "text: it contains a NUL character");
	gives("{\"text\":\"a\",\"n\":0}", "n: it must be from 1 to 10");
	gives("{\"text\":\"a\",\"n\":10.5}", "n: it must be from 1 to 10");
	gives("{\"text\":\"a\",\"n\":\"x\"}", "n: a number is wanted");
	gives("{\"text\":\"a\",\"n\":\"\"}", "n: a number is wanted");
	gives("{\"text\":\"a\",\"n\":true}", "n: a number is wanted");
	gives("{\"text\":\"a\",\"any\":\"inf\"}", "any: a number is wanted");
	gives("{\"text\":\"a\",\"any\":\"1e999\"}",
	    "any: a number is wanted");
	gives("{\"text\":\"a\",\"yes\":1}", "yes: true or false is wanted");
	gives("{\"text\":\"a\",\"yes\":\"yes\"}",
	    "yes: true or false is wanted");
	gives("{\"text\":\"a\",\"o\":[]}", "o: an object is wanted");
	gives("{\"text\":\"a\",\"colour\":\"blue\"}",
	    "colour: \"blue\" is none of its values");
	gives("{\"text\":\"a\",\"list\":\"x\"}", "list: a list is wanted");
	gives("{\"text\":\"a\",\"list\":[]}",
	    "list: it has 0 members, 1 to 2 are possible");
	gives("{\"text\":\"a\",\"list\":[\"a\",\"b\",\"c\"]}",
	    "list: it has 3 members, 1 to 2 are possible");
	gives("{\"text\":\"a\",\"list\":[\"abcd\"]}",
	    "list: it is longer than 3 characters");
	gives("{\"text\":\"a\",\"list\":[null]}",
	    "list: a string is wanted");
	gives("{\"text\":\"a\",\"objects\":[{},5]}",
	    "objects: a list of objects is wanted");
}

static void
test_the_schema_says_so(void **state)
{
	struct json_object *o = mcp_schema(&tool);

	(void)state;
	assert_string_equal(json_object_to_json_string_ext(o,
	    JSON_C_TO_STRING_PLAIN), "{\"type\":\"object\",\"properties\":{"
	    "\"text\":{\"type\":\"string\",\"description\":\"d\","
	    "\"minLength\":1,\"maxLength\":4},"
	    "\"n\":{\"type\":\"number\",\"description\":\"d\","
	    "\"minimum\":1,\"maximum\":10,\"default\":5},"
	    "\"any\":{\"type\":\"number\",\"description\":\"d\"},"
	    "\"yes\":{\"type\":\"boolean\",\"description\":\"d\"},"
	    "\"o\":{\"type\":\"object\",\"description\":\"d\"},"
	    "\"colour\":{\"type\":\"string\",\"description\":\"d\","
	    "\"enum\":[\"red\",\"green\"]},"
	    "\"list\":{\"type\":\"array\",\"description\":\"d\","
	    "\"items\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":3},"
	    "\"minItems\":1,\"maxItems\":2},"
	    "\"objects\":{\"type\":\"array\",\"description\":\"d\","
	    "\"items\":{\"type\":\"object\"}}},\"required\":[\"text\"]}");
	json_object_put(o);
}

/* Each row can be told and checked: its default fits its own rules. */
static void
test_the_table_is_sound(void **state)
{
	const struct mcp_param *p, *other;
	const struct mcp_tool *t;
	struct json_object *in, *out, *o;
	const char *field;
	char error[256];
	size_t n = 0;

	(void)state;
	for (t = mcp_tools; t->name != NULL; t++, n++) {
		assert_ptr_equal(mcp_tool_find(t->name), t);
		assert_true(t->doc != NULL && t->run != NULL);
		o = mcp_schema(t);
		assert_true(json_object_is_type(o, json_type_object));
		json_object_put(o);
		for (p = t->params; p != NULL && p->name != NULL; p++) {
			const struct mcp_param row[] = { *p,
				{ .name = NULL } };
			const struct mcp_tool alone = { .params = row };

			assert_non_null(p->doc);
			assert_true(p->max == 0 || p->min <= p->max);
			assert_false(p->required && p->def != NULL);
			for (other = t->params; other < p; other++)
				assert_string_not_equal(other->name, p->name);
			if (p->def == NULL)
				continue;
			in = json_object_new_object();
			json_object_object_add(in, p->name, parse(p->def));
			out = mcp_arguments(&alone, in, &field, error,
			    sizeof(error));
			if (out == NULL)
				fail_msg("%s.%s: %s", t->name, field, error);
			json_object_put(out);
			json_object_put(in);
		}
	}
	assert_int_equal(n, 23);
	assert_null(mcp_tool_find("nosuch"));
	assert_null(mcp_tool_find(""));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults_and_conversions),
		cmocka_unit_test(test_what_is_wrong),
		cmocka_unit_test(test_the_schema_says_so),
		cmocka_unit_test(test_the_table_is_sound),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
