/* The exposition: what each reader finds in it, and that it is well formed. */
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <json-c/json.h>

#include "common/nitems.h"
#include "workers/monitor/expose.h"
#include "workers/monitor/health.h"

static struct view view;

/* A tree of two workers in which each cell has another value. */
static int
setup(void **state)
{
	static const char *const names[] = { "queue", "format/0" };

	(void)state;
	memset(&view, 0, sizeof(view));
	for (size_t i = 0; i < NMETRICCELLS; i++)
		view.cell[i] = 1000 + i;
	view.own[PC_QUEUE][M_queue_accepting] = 1;
	view.wall_ms = 1700000000000;
	view.uptime_ms = 61234;
	view.memory_bytes = 123456789012;
	view.cpu_percent = 0.0626;
	for (size_t i = 0; i < nitems(names); i++) {
		strlcpy(view.worker[i].name, names[i], VIEW_NAME_SIZE);
		view.worker[i].class = i == 0 ? PC_QUEUE : PC_FORMAT;
		view.worker[i].state = WS_READY;
		view.worker[i].restarts = 7 + i;
		view.worker[i].cpu_us = 1500000;
	}
	view.nworkers = nitems(names);
	view.link[0] = (struct view_link){ "queue", "format/0", true, 77, 5 };
	view.link[1] = (struct view_link){ "format/0", "queue", false, 9, 6 };
	view.nlinks = 2;
	return (0);
}

/*
 * What the MCP server of co8/cctelegram reads: the first match of
 * NAME\s+(\d+(\.\d+)?), also within another name.
 */
static double
mcp_reads(const char *text, const char *name)
{
	char pattern[128], number[64];
	regmatch_t m[2];
	regex_t re;

	snprintf(pattern, sizeof(pattern),
	    "%s[[:space:]]+([0-9]+(\\.[0-9]+)?)", name);
	assert_int_equal(regcomp(&re, pattern, REG_EXTENDED), 0);
	assert_int_equal(regexec(&re, text, 2, m, 0), 0);
	regfree(&re);
	snprintf(number, sizeof(number), "%.*s",
	    (int)(m[1].rm_eo - m[1].rm_so), text + m[1].rm_so);
	return (strtod(number, NULL));
}

static void
check_mcp(const char *text)
{
	uint64_t processed = 0, errors = 0;

	for (unsigned int i = 0; i < FINAL_STATES; i++)
		processed += view.cell[M_events_final + i];
	for (unsigned int i = 0; i < TELEGRAM_ERRORS; i++)
		errors += view.cell[M_telegram_errors + i];
	errors += view.cell[M_intake_bad_requests] +
	    view.cell[M_intake_rejected_files] +
	    view.cell[M_intake_deferred_files];
	assert_float_equal(mcp_reads(text, "process_uptime_seconds"), 61.234,
	    1e-9);
	assert_float_equal(mcp_reads(text, "events_processed_total"),
	    processed, 0);
	assert_float_equal(mcp_reads(text, "telegram_messages_sent_total"),
	    view.cell[M_telegram_sent], 0);
	assert_float_equal(mcp_reads(text, "errors_total"), errors, 0);
	assert_float_equal(mcp_reads(text, "memory_usage_bytes"),
	    123456789012., 0);
	assert_float_equal(mcp_reads(text, "cpu_usage_percent"), 0.063, 1e-9);
}

static void
test_mcp_server_finds_its_figures(void **state)
{
	size_t len;
	char *text = expose_text(&view, &len);

	(void)state;
	assert_int_equal(len, strlen(text));
	check_mcp(text);
	free(text);
	text = expose_brief(&view, &len);
	check_mcp(text);
	assert_null(strstr(text, "{"));
	assert_null(strstr(text, "cctg_"));
	free(text);
}

static bool
has_line(const char *text, const char *line)
{
	const char *p = text;
	size_t n = strlen(line);

	while ((p = strstr(p, line)) != NULL) {
		if ((p == text || p[-1] == '\n') && p[n] == '\n')
			return (true);
		p += n;
	}
	return (false);
}

static void
check_type(const char *text, const char *name, const char *suffix,
    const char *type)
{
	char line[192];

	snprintf(line, sizeof(line), "# TYPE cctg_%s%s %s", name, suffix,
	    type);
	if (!has_line(text, line))
		fail_msg("no line \"%s\"", line);
}

/* Every metric of the table, under a name that its kind gives it. */
static void
test_whole_table(void **state)
{
	size_t len, n;
	char *text = expose_text(&view, &len), name[128];

	(void)state;
#define TEST_C(m, help) \
	check_type(text, #m, "_total", "counter");
#define TEST_G(m, help)                                             \
	n = strlen(#m);                                             \
	strlcpy(name, #m, sizeof(name));                            \
	if (n > 3 && strcmp(name + n - 3, "_ms") == 0) {            \
		name[n - 3] = '\0';                                 \
		check_type(text, name, "_timestamp_seconds", "gauge"); \
	} else                                                      \
		check_type(text, name, "", "gauge");
#define TEST_V(m, label, count, help)                 \
	check_type(text, #m, "_total", "counter");    \
	assert_non_null(metrics_label(M_##m, 0));     \
	assert_non_null(metrics_label(M_##m, count - 1));
#define TEST_H(m, help) \
	check_type(text, #m, "_seconds", "histogram");
	METRICS(TEST_C, TEST_G, TEST_V, TEST_H)
	free(text);
}

static void
test_values(void **state)
{
	char line[128];
	size_t len;
	char *text;

	(void)state;
	view.cell[M_queue_last_event_ms] = 1700000000123;
	view.cell[M_queue_pending] = (uint64_t)-5;
	view.cell[M_events_accepted + ET_BUILD_FAILED] = 42;
	memset(&view.cell[M_send_latency], 0, HIST_CELLS * sizeof(uint64_t));
	view.cell[M_send_latency] = 3;		       /* to 0.1 ms */
	view.cell[M_send_latency + 6] = 4;	       /* to 10 ms */
	view.cell[M_send_latency + HIST_NBOUNDS] = 1; /* beyond all */
	view.cell[M_send_latency + HIST_NBOUNDS + 1] = 400000123;
	text = expose_text(&view, &len);
	snprintf(line, sizeof(line), "cctg_intake_files_total %llu",
	    (unsigned long long)view.cell[M_intake_files]);
	assert_true(has_line(text, line));
	assert_true(has_line(text,
	    "cctg_queue_last_event_timestamp_seconds 1700000000.123"));
	assert_true(has_line(text, "cctg_queue_pending -5"));
	assert_true(has_line(text,
	    "cctg_events_accepted_total{type=\"build_failed\"} 42"));
	for (unsigned int i = 0; i < 2; i++) {
		static const char *const names[] = {
			"cctg_send_latency_seconds",
			"cc_telegram_message_duration_seconds" };
		static const char *const ends[] = {
			"_bucket{le=\"0.0001\"} 3", "_bucket{le=\"0.005\"} 3",
			"_bucket{le=\"0.01\"} 7", "_bucket{le=\"300\"} 7",
			"_bucket{le=\"+Inf\"} 8", "_sum 400.000123",
			"_count 8" };

		for (unsigned int e = 0; e < nitems(ends); e++) {
			snprintf(line, sizeof(line), "%s%s", names[i],
			    ends[e]);
			assert_true(has_line(text, line));
		}
	}
	assert_true(has_line(text, "cctg_worker_up{worker=\"format/0\"} 1"));
	assert_true(has_line(text,
	    "cctg_worker_restarts_total{worker=\"format/0\"} 8"));
	assert_true(has_line(text,
	    "cctg_worker_state{worker=\"queue\",state=\"ready\"} 1"));
	assert_true(has_line(text,
	    "cctg_worker_cpu_seconds_total{worker=\"queue\"} 1.500000"));
	assert_true(has_line(text,
	    "cctg_link_credit{worker=\"queue\",peer=\"format/0\"} 77"));
	assert_true(has_line(text,
	    "cctg_link_credit{worker=\"format/0\",peer=\"queue\"} 0"));
	assert_true(has_line(text, "cctg_link_peer_stalls_total"
	    "{worker=\"format/0\",peer=\"queue\"} 6"));
	free(text);
}

/*
 * Names of the predecessor.  All bare figures or histograms.
 */
static void
test_names_of_the_bridge(void **state)
{
	static const char *const names[] = { "events_processed_total",
		"event_processing_duration_seconds_count",
		"event_processing_duration_seconds_sum",
		"messages_sent_total", "message_duration_seconds_count",
		"message_duration_seconds_sum", "memory_usage_bytes",
		"cpu_usage_percent", "file_watcher_events_total",
		"errors_total" };
	size_t len;
	char *text = expose_text(&view, &len), name[96];

	(void)state;
	for (unsigned int i = 0; i < nitems(names); i++) {
		snprintf(name, sizeof(name), "\ncc_telegram_%s ", names[i]);
		assert_non_null(strstr(text, name));
	}
	free(text);
}

/* Each line is a comment or a sample, and no sample comes twice. */
static void
check_form(char *text)
{
	char *line, *rest = text, *space, *seen;
	size_t len = strlen(text), at = 0;
	regex_t re;

	assert_int_equal(regcomp(&re, "^(# (HELP [a-z0-9_]+ [^ ].*|"
	    "TYPE [a-z0-9_]+ (counter|gauge|histogram))|"
	    "[a-z_][a-z0-9_]*(\\{[a-z_]+=\"[^\"\\]+\"(,[a-z_]+=\"[^\"\\]+\")*"
	    "\\})? -?[0-9]+(\\.[0-9]+)?)$", REG_EXTENDED | REG_NOSUB), 0);
	assert_int_equal(text[len - 1], '\n');
	text[len - 1] = '\0';
	assert_non_null(seen = malloc(len + 2));
	seen[at++] = '\n';
	while ((line = strsep(&rest, "\n")) != NULL) {
		if (regexec(&re, line, 0, NULL, 0) != 0)
			fail_msg("malformed: \"%s\"", line);
		if (line[0] == '#' && line[2] == 'H')
			continue;
		/* Its name, between two line ends. */
		if ((space = strrchr(line, ' ')) != NULL)
			*space = '\0';
		seen[at] = '\0';
		len = strlen(line);
		for (char *p = seen; (p = strstr(p, line)) != NULL; p++)
			if (p[-1] == '\n' && p[len] == '\n')
				fail_msg("twice: \"%s\"", line);
		memcpy(seen + at, line, len);
		at += len;
		seen[at++] = '\n';
	}
	free(seen);
	regfree(&re);
}

static void
test_form(void **state)
{
	size_t len;
	char *text = expose_text(&view, &len);

	(void)state;
	check_form(text);
	free(text);
}

/* Whatever the cells hold. */
static void
test_form_of_garbage(void **state)
{
	size_t len;
	char *text;

	(void)state;
	srandom(1);
	for (unsigned int round = 0; round < 20; round++) {
		for (size_t i = 0; i < NMETRICCELLS; i++)
			view.cell[i] = (uint64_t)random() << 33 ^
			    (uint64_t)random() << 20 ^ (uint64_t)random();
		text = expose_text(&view, &len);
		check_form(text);
		free(text);
	}
}

static void
test_json_has_the_whole_table(void **state)
{
	struct json_object *o = expose_json(&view), *p;

	(void)state;
#define IN_JSON(name, ...) \
	assert_true(json_object_object_get_ex(o, #name, &p));
	METRICS(IN_JSON, IN_JSON, IN_JSON, IN_JSON)
	assert_true(json_object_object_get_ex(o, "events_final", &p));
	assert_true(json_object_object_get_ex(p, "dead", &p));
	assert_int_equal(json_object_get_int64(p), 1000 + M_events_final + 3);
	json_object_put(o);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_mcp_server_finds_its_figures,
		    setup),
		cmocka_unit_test_setup(test_whole_table, setup),
		cmocka_unit_test_setup(test_values, setup),
		cmocka_unit_test_setup(test_names_of_the_bridge, setup),
		cmocka_unit_test_setup(test_form, setup),
		cmocka_unit_test_setup(test_form_of_garbage, setup),
		cmocka_unit_test_setup(test_json_has_the_whole_table, setup),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
