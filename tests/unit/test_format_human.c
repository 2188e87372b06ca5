/*
 * human.c and progress.c: numbers, durations, times, bars.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <json.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "workers/format/human.h"
#include "workers/format/layout.h"

static void
durations(void **state)
{
	static const struct {
		double ms;
		const char *want;
	} rows[] = {{0, "0 ms"}, {0.4, "0.4 ms"}, {12.5, "12.5 ms"},
	    {99.96, "100 ms"}, {850, "850 ms"}, {850.7, "851 ms"},
	    {999.4, "999 ms"}, {999.5, "1 s"}, {999.9, "1 s"},
	    {1000, "1 s"}, {1049, "1 s"}, {1050, "1.1 s"},
	    {12345, "12.3 s"}, {12000, "12 s"}, {59949, "59.9 s"},
	    {59950, "1 min"}, {60000, "1 min"}, {65000, "1 min 5 s"},
	    {65432.1, "1 min 5 s"}, {3599499, "59 min 59 s"},
	    {3599500, "1 h"}, {7380000, "2 h 3 min"},
	    {86369999, "23 h 59 min"}, {86370000, "1 d"},
	    {86400000, "1 d"}, {273600000, "3 d 4 h"}};
	char buf[HUMAN_SIZE] = "kept";
	size_t i;

	(void)state;
	assert_false(human_duration(buf, sizeof(buf), -1));
	assert_false(human_duration(buf, sizeof(buf), NAN));
	assert_false(human_duration(buf, sizeof(buf), INFINITY));
	assert_false(human_duration(buf, sizeof(buf), 1e300));
	assert_string_equal(buf, "kept");
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_true(human_duration(buf, sizeof(buf), rows[i].ms));
		assert_string_equal(buf, rows[i].want);
	}
}

static void
numbers(void **state)
{
	static const char *const bad[] = {"", " ", "x", "1x", "0x10", "inf",
	    "nan", "-", "1e999", "1 ", " 1", "1,5", "1.5.2", "--1"};
	char buf[HUMAN_SIZE];
	double n;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(human_number(bad[i], strlen(bad[i]), &n));
	assert_true(human_number("-1.5e2", 6, &n) && n == -150);
	assert_true(human_number("65000", 5, &n) && n == 65000);
	assert_false(human_number("1\0", 2, &n));
	assert_false(human_bytes(buf, sizeof(buf), 1023));
	assert_true(human_bytes(buf, sizeof(buf), 1572864));
	assert_string_equal(buf, "1.5 MiB");
	assert_true(human_bytes(buf, sizeof(buf), 1048575));
	assert_string_equal(buf, "1.0 MiB");
}

static void
times(void **state)
{
	char buf[HUMAN_SIZE];

	(void)state;
	assert_int_equal(human_set_timezone("Europe/Berlin"), 0);
	human_time(buf, sizeof(buf), 1795236608105); /* 2026-11-21T04:50Z */
	assert_string_equal(buf, "21/Nov/26 05:50");
	human_time(buf, sizeof(buf), 1784609408000); /* 2026-07-21T04:50Z */
	assert_string_equal(buf, "21/Jul/26 06:50");
	human_clock(buf, sizeof(buf), 1795236608105);
	assert_string_equal(buf, "05:50");
	human_time(buf, sizeof(buf), 0);
	assert_string_equal(buf, "01/Jan/70 01:00");
	human_time(buf, sizeof(buf), -1);
	assert_string_equal(buf, "01/Jan/70 00:59");
	human_time(buf, sizeof(buf), INT64_MAX);
	human_time(buf, sizeof(buf), INT64_MIN);
	assert_int_equal(human_set_timezone("America/New_York"), 0);
	human_time(buf, sizeof(buf), 1795236608105);
	assert_string_equal(buf, "20/Nov/26 23:50");
	assert_int_equal(human_set_timezone("No/Such"), -1);
	human_time(buf, sizeof(buf), 1795236608105);
	assert_string_equal(buf, "21/Nov/26 04:50");
	assert_int_equal(human_set_timezone("../../etc/passwd"), -1);
	assert_int_equal(human_set_timezone(""), -1);
	assert_int_equal(human_set_timezone("UTC"), 0);
}

/* The line that data gives, "" if there is no bar. */
static const char *
line(const char *data, int64_t started_ms, int64_t now_ms)
{
	static struct text text;
	struct json_object *o, *value[NFIELDS] = {NULL};
	struct progress p;
	int name;

	assert_non_null(o = json_tokener_parse(data));
	json_object_object_foreach(o, key, member) {
		if ((name = show_lookup(key)) != -1)
			value[name] = member;
	}
	text_reset(&text, 4096, false);
	progress_read(value, &p);
	if (p.known)
		progress_line(&text, &p, started_ms, now_ms);
	buf_add(&text.plain, "", 1);
	json_object_put(o);
	return (text.plain.p);
}

static void
progress_lines(void **state)
{
	static const struct {
		const char *data, *want;
	} rows[] = {
		{"{\"progress\":45}", "▓▓▓▓▓░░░░░ 45%"},
		{"{\"percent\":\"45%\"}", "▓▓▓▓▓░░░░░ 45%"},
		{"{\"percentage\":\"33.3 %\"}", "▓▓▓░░░░░░░ 33.3%"},
		{"{\"progress_percentage\":0}", "░░░░░░░░░░ 0%"},
		{"{\"progress\":100}", "▓▓▓▓▓▓▓▓▓▓ 100%"},
		{"{\"progress\":99.9}", "▓▓▓▓▓▓▓▓▓░ 99.9%"},
		{"{\"progress\":150}", "▓▓▓▓▓▓▓▓▓▓ 150%"},
		{"{\"progress\":-5}", "░░░░░░░░░░ -5%"},
		{"{\"progress\":0.45}", "▓▓▓▓▓░░░░░ 45%"},
		{"{\"percent\":0.45}", "░░░░░░░░░░ 0.45%"},
		{"{\"metadata\":{\"current\":5,\"total\":10}}",
		    "▓▓▓▓▓░░░░░ 50% · 5/10"},
		{"{\"metadata\":{\"current\":\"1\",\"total\":\"3\"}}",
		    "▓▓▓░░░░░░░ 33% · 1/3"},
		{"{\"current\":2,\"total\":8,\"percent\":26}",
		    "▓▓▓░░░░░░░ 26% · 2/8"},
		{"{\"step\":3,\"total_steps\":4}",
		    "▓▓▓▓▓▓▓▓░░ 75% · 3/4"},
		{"{\"step\":3,\"total_steps\":0}", ""},
		{"{\"current\":3}", ""}, {"{\"progress\":\"soon\"}", ""},
		{"{\"progress\":[1]}", ""}, {"{\"progress\":true}", ""},
		{"{\"progress\":null}", ""}, {"{}", ""},
		{"{\"metadata\":[5]}", ""},
		{"{\"current\":1e300,\"total\":1}",
		    "▓▓▓▓▓▓▓▓▓▓ ?% · 1e300/1"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_string_equal(line(rows[i].data, 0, 0), rows[i].want);
}

static void
estimates(void **state)
{
	double percent;
	int64_t eta;

	(void)state;
	assert_string_equal(line("{\"progress\":50}", 1000, 126000),
	    "▓▓▓▓▓░░░░░ 50% · ETA 2 min 5 s");
	assert_int_equal(progress_eta_ms(25, 1000, 11000), 30000);
	/* not yet, or not at all */
	assert_int_equal(progress_eta_ms(0, 1000, 11000), -1);
	assert_int_equal(progress_eta_ms(100, 1000, 11000), -1);
	assert_int_equal(progress_eta_ms(50, 0, 11000), -1);
	assert_int_equal(progress_eta_ms(50, 11000, 1000), -1);
	assert_int_equal(progress_eta_ms(50, 1000, 1500), -1);
	assert_int_equal(progress_eta_ms(NAN, 1000, 11000), -1);
	assert_int_equal(progress_eta_ms(1e-300, 1, INT64_MAX), -1);
	/* further along is never later at the same time */
	eta = INT64_MAX;
	for (percent = 1; percent < 100; percent += 0.5) {
		assert_true(progress_eta_ms(percent, 1, 60001) <= eta);
		eta = progress_eta_ms(percent, 1, 60001);
	}
}

static void
bars(void **state)
{
	static struct text text;
	double percent;
	size_t full, last = 0, i;

	(void)state;
	for (percent = -10; percent <= 110; percent += 0.25) {
		text_reset(&text, 4096, false);
		progress_bar(&text, percent);
		assert_int_equal(text.plain.len, PROGRESS_CELLS * 3);
		for (i = 0, full = 0; i < PROGRESS_CELLS; i++)
			full += memcmp(text.plain.p + i * 3, "▓", 3) == 0;
		assert_true(full >= last);
		assert_int_equal(full == PROGRESS_CELLS, percent >= 100);
		last = full;
	}
	text_free(&text);
}

static int
setup(void **state)
{
	(void)state;
	show_init();
	return (0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations),
		cmocka_unit_test(numbers),
		cmocka_unit_test(times),
		cmocka_unit_test(progress_lines),
		cmocka_unit_test(estimates),
		cmocka_unit_test(bars),
	};

	return (cmocka_run_group_tests(tests, setup, NULL));
}
