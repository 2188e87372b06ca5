/* Base64: the examples of RFC 4648 section 10, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base64.h"

static const struct {
	const char *plain, *text;
} rows[] = {
	{ "", "" },
	{ "f", "Zg==" },
	{ "fo", "Zm8=" },
	{ "foo", "Zm9v" },
	{ "foob", "Zm9vYg==" },
	{ "fooba", "Zm9vYmE=" },
	{ "foobar", "Zm9vYmFy" }
};

static void
check_decode(const char *text, const char *plain)
{
	char out[64];
	ssize_t n = base64_decode(text, strlen(text), out);

	assert_int_equal(n, strlen(plain));
	assert_memory_equal(out, plain, (size_t)n);
}

static void
test_examples(void **state)
{
	char text[16];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		base64_encode(rows[i].plain, strlen(rows[i].plain), text);
		assert_string_equal(text, rows[i].text);
		assert_int_equal(strlen(text) + 1,
		    BASE64_SIZE(strlen(rows[i].plain)));
		check_decode(text, rows[i].plain);
	}
}

static void
test_lenient(void **state)
{
	(void)state;
	check_decode("Zm9v\r\nYmFy\n", "foobar"); /* as mail has it */
	check_decode(" Zg = = ", "f");
	check_decode("Zg", "f");
	check_decode("Zm8", "fo");
}

static void
test_none(void **state)
{
	static const char *const bad[] = { "Z", "Zm9vY", "Zm9v!", "Zg=", "=",
		"====", "Zg===", "Zg==Zg==", "Zm9v=", "Zm-_", "\xc3\xa4",
		"Zm9vYmE=x" };
	char out[64];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(base64_decode(bad[i], strlen(bad[i]), out),
		    -1);
	assert_int_equal(base64_decode("Zg\0=", 4, out), -1);
}

/* Every byte, every length; exactly as much memory as is asked for. */
static void
test_round_trip(void **state)
{
	uint8_t data[300], *back;
	char *text;
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 151 + i / 256);
	for (n = 0; n <= sizeof(data); n++) {
		text = malloc(BASE64_SIZE(n));
		back = malloc(BASE64_BYTES(BASE64_SIZE(n) - 1));
		assert_non_null(text);
		assert_non_null(back);
		base64_encode(data, n, text);
		assert_int_equal(base64_decode(text, strlen(text), back), n);
		assert_memory_equal(back, data, n);
		free(text);
		free(back);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_lenient),
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_round_trip)
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
