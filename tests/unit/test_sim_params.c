/*
 * The simulator's parameters: query, form, JSON and multipart.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include <cmocka.h>

#include "tests/sim/buf.h"
#include "tests/sim/params.h"

static int
parse(struct params *p, const char *query, const char *type, const char *body)
{
	const char	*error = NULL;
	int		 ret;

	ret = params_parse(p, query, type, body, strlen(body), &error);
	if (ret == -1)
		assert_non_null(error);
	return (ret);
}

static void
done(struct params *p)
{
	params_clear(p);
	free(p->mem);
	memset(p, 0, sizeof(*p));
}

static void
test_form(void **state)
{
	struct params	p = { 0 };
	int64_t		v;

	(void)state;
	assert_int_equal(parse(&p, "a=1&b=%41+%2b&c",
	    "application/x-www-form-urlencoded; charset=utf-8",
	    "text=a%26b%3D+%F0%9F%8F%9F&d=%zz&empty=&=x"), 0);
	assert_string_equal(params_str(&p, "b"), "A +");
	assert_string_equal(params_str(&p, "text"), "a&b= 🏟");
	assert_string_equal(params_str(&p, "d"), "%zz");
	assert_string_equal(params_str(&p, "empty"), "");
	assert_null(params_str(&p, "c"));
	assert_int_equal(params_int(&p, "a", &v), 0);
	assert_int_equal(v, 1);
	assert_int_equal(params_int(&p, "b", &v), -1);
	done(&p);
}

static void
test_json(void **state)
{
	struct json_object	*obj;
	struct params		 p = { 0 };
	int64_t			 v;
	bool			 broken;

	(void)state;
	assert_int_equal(parse(&p, "q=1", "application/json", "{\"chat_id\":"
	    "-1001234567890123,\"text\":\"a\\u0000b\",\"silent\":true,"
	    "\"none\":null,\"o\":{\"x\":[1]},\"s\":\"[2]\",\"bad\":\"{\"}"), 0);
	assert_int_equal(params_int(&p, "chat_id", &v), 0);
	assert_true(v == -1001234567890123LL);
	assert_int_equal(params_find(&p, "text")->len, 3);
	assert_true(params_bool(&p, "silent"));
	assert_false(params_bool(&p, "none"));
	assert_string_equal(params_str(&p, "q"), "1");
	obj = params_json(&p, "o", &broken);
	assert_true(json_object_is_type(obj, json_type_object));
	json_object_put(obj);
	obj = params_json(&p, "s", &broken);
	assert_true(json_object_is_type(obj, json_type_array));
	json_object_put(obj);
	assert_null(params_json(&p, "bad", &broken));
	assert_true(broken);
	assert_null(params_json(&p, "absent", &broken));
	assert_false(broken);
	done(&p);
	assert_int_equal(parse(&p, NULL, "application/json", "[1]"), -1);
	done(&p);
	assert_int_equal(parse(&p, NULL, "application/json", "{"), -1);
	done(&p);
}

static void
test_multipart(void **state)
{
	static const char	 type[] = "multipart/form-data; boundary=XyZ";
	const struct param	*q;
	struct params		 p = { 0 };

	(void)state;
	assert_int_equal(parse(&p, NULL, type,
	    "--XyZ\r\nContent-Disposition: form-data; name=\"chat_id\"\r\n\r\n"
	    "5\r\n--XyZ\r\nContent-Disposition: form-data; name=\"document\"; "
	    "filename=\"a b.txt\"\r\nContent-Type: text/plain\r\n\r\n"
	    "line\r\n--XyY\r\n\r\n--XyZ--\r\n"), 0);
	assert_string_equal(params_str(&p, "chat_id"), "5");
	q = params_find(&p, "document");
	assert_non_null(q);
	assert_string_equal(q->file, "a b.txt");
	assert_string_equal(q->mime, "text/plain");
	assert_string_equal(q->value, "line\r\n--XyY\r\n");
	done(&p);
	assert_int_equal(parse(&p, NULL, "multipart/form-data", "x"), -1);
	done(&p);
	assert_int_equal(parse(&p, NULL, type, "--XyZ\r\nno end"), -1);
	done(&p);
	assert_int_equal(parse(&p, NULL, type, "--Xy"), -1);
	done(&p);
}

/* More parameters than there is room for: the rest is left out. */
static void
test_many(void **state)
{
	struct params	p = { 0 };
	struct buf	b = { 0 };
	int		i;

	(void)state;
	for (i = 0; i < 500; i++)
		buf_puts(&b, "a=&");
	buf_putc(&b, '\0');
	assert_int_equal(parse(&p, NULL, "application/x-www-form-urlencoded",
	    b.p), 0);
	assert_int_equal(p.n, PARAMS_MAX);
	buf_free(&b);
	done(&p);
}

int
main(void)
{
	const struct CMUnitTest	tests[] = {
		cmocka_unit_test(test_form),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_multipart),
		cmocka_unit_test(test_many),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
