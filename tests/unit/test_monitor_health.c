/* Health: what makes the tree degraded or unhealthy, and what is said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <json-c/json.h>

#include "common/json.h"
#include "common/nitems.h"
#include "ipc/link.h"
#include "workers/monitor/health.h"

static const enum process_class classes[] = { PC_QUEUE, PC_INTAKE,
	PC_TELEGRAM, PC_MONITOR, PC_ANALYZE, PC_FORMAT, PC_COMPRESS };

static struct view view;

/* All well, nothing done yet. */
static int
setup(void **state)
{
	(void)state;
	memset(&view, 0, sizeof(view));
	view.wall_ms = 1700000000000;
	view.uptime_ms = 60000;
	view.own[PC_QUEUE][M_queue_accepting] = 1;
	view.own[PC_TELEGRAM][M_telegram_state] = 1;
	for (size_t i = 0; i < nitems(classes); i++) {
		strlcpy(view.worker[i].name, class_name(classes[i]),
		    VIEW_NAME_SIZE);
		view.worker[i].class = classes[i];
		view.worker[i].state = WS_READY;
		view.worker[i].was_ready = true;
		view.worker[i].silent_ms = 1500;
	}
	view.nworkers = nitems(classes);
	return (0);
}

static struct view_worker *
worker(enum process_class class)
{
	for (size_t i = 0; i < view.nworkers; i++)
		if (view.worker[i].class == class)
			return (&view.worker[i]);
	fail();
	return (NULL);
}

static void
expect(enum health_status status, const char *said)
{
	struct health h;

	health_judge(&view, &h);
	assert_int_equal(h.status, status);
	assert_int_equal(h.nissues == 0, status == HEALTHY);
	if (said != NULL) {
		assert_non_null(strstr(h.issue[0].text, said));
		assert_true(strlen(h.issue[0].advice) > 0);
	}
}

static void
expect_ready(bool yes)
{
	const char *why;

	assert_int_equal(health_ready(&view, &why), yes);
	assert_int_equal(*why == '\0', yes);
}

static void
test_healthy(void **state)
{
	(void)state;
	expect(HEALTHY, NULL);
	expect_ready(true);
}

/* Events wait the while that a restart takes: nobody is refused. */
static void
test_short_restart_is_healthy_but_not_ready(void **state)
{
	(void)state;
	for (size_t i = 0; i < nitems(classes); i++) {
		setup(NULL);
		worker(classes[i])->state = WS_STARTING;
		worker(classes[i])->unready_ms = 900;
		expect(HEALTHY, NULL);
		expect_ready(false);
	}
}

static void
test_long_absence(void **state)
{
	(void)state;
	for (size_t i = 0; i < nitems(classes); i++) {
		setup(NULL);
		worker(classes[i])->state = WS_BACKOFF;
		worker(classes[i])->unready_ms = 1100;
		expect(classes[i] == PC_QUEUE || classes[i] == PC_INTAKE ?
		    UNHEALTHY : DEGRADED, "is backoff");
		expect_ready(false);
	}
}

static void
test_failed_and_throttled_count_at_once(void **state)
{
	static const enum worker_state states[] = { WS_FAILED, WS_THROTTLED };

	(void)state;
	for (size_t i = 0; i < nitems(states); i++) {
		setup(NULL);
		worker(PC_FORMAT)->state = states[i];
		expect(DEGRADED, "worker format is");
		worker(PC_QUEUE)->state = states[i];
		expect(UNHEALTHY, "not accepted: worker queue is");
	}
}

static void
test_before_the_first_readiness(void **state)
{
	(void)state;
	worker(PC_QUEUE)->state = WS_STARTING;
	worker(PC_QUEUE)->was_ready = false;
	view.own[PC_QUEUE][M_queue_accepting] = 0;
	expect(UNHEALTHY, "worker queue is starting");
	expect_ready(false);
	view.nworkers = 0;
	expect(UNHEALTHY, "missing");
	expect_ready(false);
}

static void
test_store_that_refuses(void **state)
{
	(void)state;
	view.own[PC_QUEUE][M_queue_accepting] = 0;
	expect(UNHEALTHY, "the store refuses");
	expect_ready(false);
	/* Neither yes nor no: not believed. */
	view.own[PC_QUEUE][M_queue_accepting] = UINT64_MAX;
	expect(UNHEALTHY, "the store refuses");
}

static void
test_telegram(void **state)
{
	static const struct {
		int64_t state, poller;
		enum health_status status;
	} cases[] = {
		{ 0, 0, HEALTHY }, { 1, 1, HEALTHY }, { 2, 1, HEALTHY },
		{ 3, 1, DEGRADED }, { 1, 2, DEGRADED }, { 9, 9, HEALTHY },
		{ -1, -1, HEALTHY },
	};

	(void)state;
	for (size_t i = 0; i < nitems(cases); i++) {
		view.own[PC_TELEGRAM][M_telegram_state] =
		    (uint64_t)cases[i].state;
		view.own[PC_TELEGRAM][M_telegram_poller] =
		    (uint64_t)cases[i].poller;
		expect(cases[i].status, NULL);
		expect_ready(true);
	}
}

static void
test_silent_worker(void **state)
{
	(void)state;
	worker(PC_QUEUE)->silent_ms = 4100;
	expect(DEGRADED, "queue has been silent for 4 s");
	worker(PC_QUEUE)->silent_ms = 0;
	worker(PC_ANALYZE)->silent_ms = 60000;
	expect(DEGRADED, "analyze has been silent for 60 s");
}

/* What only the supervisor knows is told, but nothing twice. */
static void
test_reason_of_the_supervisor(void **state)
{
	struct health h;

	(void)state;
	view.degraded = true;
	strlcpy(view.reason, "cannot listen on http:[::1]:80: Address in use",
	    sizeof(view.reason));
	expect(DEGRADED, "cannot listen on http:[::1]:80");
	worker(PC_FORMAT)->state = WS_THROTTLED;
	health_judge(&view, &h);
	assert_int_equal(h.nissues, 1);
	setup(NULL);
	view.degraded = true;
	expect(DEGRADED, "degraded");
}

static void
test_more_issues_than_are_told(void **state)
{
	struct json_object *o;
	struct health h;

	(void)state;
	for (size_t i = 0; i < BOARD_ROWS; i++) {
		view.worker[i].class = PC_FORMAT;
		view.worker[i].state = WS_FAILED;
		memset(view.worker[i].name, 'x', VIEW_NAME_SIZE - 1);
	}
	view.nworkers = BOARD_ROWS;
	health_judge(&view, &h);
	assert_int_equal(h.status, UNHEALTHY);
	assert_int_equal(h.nissues, HEALTH_ISSUES);
	o = health_json(&view);
	assert_string_equal(json_str(o, "status", ""), "unhealthy");
	json_object_put(o);
}

static bool
has(struct json_object *o, const char *key)
{
	return (json_object_object_get_ex(o, key, NULL));
}

static bool
is_null(struct json_object *o, const char *key)
{
	struct json_object *value = o;

	return (json_object_object_get_ex(o, key, &value) && value == NULL);
}

/* The keys that the bridge of co8/cctelegram has, and those of ours. */
static void
test_json(void **state)
{
	static const char *const keys[] = { "status", "timestamp",
		"uptime_seconds", "memory_usage_mb", "cpu_usage_percent",
		"events_processed", "error_rate_percent", "health_details",
		"recommendations", "version", "mode", "workers", "queue",
		"telegram" };
	struct json_object *o = health_json(&view);

	(void)state;
	for (size_t i = 0; i < nitems(keys); i++)
		assert_true(has(o, keys[i]));
	assert_string_equal(json_str(o, "status", ""), "healthy");
	assert_string_equal(json_str(o, "timestamp", ""),
	    "2023-11-14T22:13:20.000Z");
	assert_true(is_null(o, "error_rate_percent"));
	assert_true(is_null(o, "health_details"));
	assert_false(has(o, "last_event_time"));
	assert_false(has(o, "build_info"));
	assert_int_equal(json_i64(o, "workers.total", -1), nitems(classes));
	assert_string_equal(json_str(o, "telegram.state", ""), "connected");
	json_object_put(o);

	view.own[PC_QUEUE][M_queue_last_event_ms] = 1699999999000;
	view.own[PC_QUEUE][M_queue_mode] = 2;
	view.own[PC_QUEUE][M_queue_oldest_ms] = (uint64_t)view.wall_ms - 2500;
	view.cell[M_telegram_sent] = 3;
	view.cell[M_telegram_errors + 4] = 1;
	strlcpy(view.bot, "@a_bot", sizeof(view.bot));
	worker(PC_TELEGRAM)->state = WS_BACKOFF;
	o = health_json(&view);
	assert_string_equal(json_str(o, "last_event_time", ""),
	    "2023-11-14T22:13:19.000Z");
	assert_string_equal(json_str(o, "mode", ""), "mute");
	assert_float_equal(json_num(o, "error_rate_percent", 0), 25, 1e-9);
	assert_float_equal(json_num(o, "queue.oldest_s", 0), 2.5, 1e-9);
	assert_string_equal(json_str(o, "telegram.state", ""), "down");
	assert_string_equal(json_str(o, "telegram.bot", ""), "@a_bot");
	json_object_put(o);
}

/* Gauges that make no sense become harmless values. */
static void
test_json_of_garbage(void **state)
{
	struct json_object *o;

	(void)state;
	memset(view.cell, 0xff, sizeof(view.cell));
	memset(view.own, 0xff, sizeof(view.own));
	o = health_json(&view);
	assert_string_equal(json_str(o, "mode", ""), "local");
	assert_int_equal(json_i64(o, "queue.pending", -1), 0);
	assert_false(has(o, "last_event_time"));
	json_object_put(o);
	memset(view.own, 0x7f, sizeof(view.own));
	o = health_report(&view);
	assert_string_equal(json_str(o, "health.mode", ""), "local");
	assert_true(is_null(json_path(o, "health.telegram"), "last_update"));
	json_object_put(o);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_healthy, setup),
		cmocka_unit_test_setup(
		    test_short_restart_is_healthy_but_not_ready, setup),
		cmocka_unit_test_setup(test_long_absence, setup),
		cmocka_unit_test_setup(
		    test_failed_and_throttled_count_at_once, setup),
		cmocka_unit_test_setup(test_before_the_first_readiness,
		    setup),
		cmocka_unit_test_setup(test_store_that_refuses, setup),
		cmocka_unit_test_setup(test_telegram, setup),
		cmocka_unit_test_setup(test_silent_worker, setup),
		cmocka_unit_test_setup(test_reason_of_the_supervisor, setup),
		cmocka_unit_test_setup(test_more_issues_than_are_told, setup),
		cmocka_unit_test_setup(test_json, setup),
		cmocka_unit_test_setup(test_json_of_garbage, setup),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
