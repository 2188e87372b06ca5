/* The restart policy: every state with every event, and the backing off. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "supervisor/policy.h"

static const enum policy_goal goals[] = {GOAL_RUN, GOAL_STOP};

#define EACH(s, e, g)                                                     \
	for (unsigned int s = 0; s < NWORKERSTATES; s++)                  \
		for (unsigned int e = 0; e < NPOLICYEVENTS; e++)          \
			for (unsigned int g = 0; g < 2; g++)

static int
has_process(enum worker_state s)
{
	return (s == WS_STARTING || s == WS_READY || s == WS_DRAINING ||
	    s == WS_STOPPING);
}

static int
is_end(enum policy_event e)
{
	return (e == PE_EXIT || e == PE_EXIT_CONFIG || e == PE_CRASH);
}

/* The whole table stays within its types. */
static void
test_closed(void **state)
{
	(void)state;
	EACH(s, e, g) {
		struct policy_step step = policy_step(s, e, goals[g]);

		assert_true(step.next < NWORKERSTATES);
		assert_true(step.action <= PA_GIVE_UP);
	}
}

/* Never two processes: a new one is only started where there is none. */
static void
test_spawn_only_without_process(void **state)
{
	(void)state;
	EACH(s, e, g) {
		struct policy_step step = policy_step(s, e, goals[g]);

		if (step.action == PA_SPAWN) {
			assert_true(!has_process(s) || is_end(e));
			assert_int_equal(step.next, WS_STARTING);
		}
	}
}

/* After the end of the process no state claims that there is one, unless
 * another is started. */
static void
test_end_leaves_no_ghost(void **state)
{
	(void)state;
	EACH(s, e, g) {
		struct policy_step step = policy_step(s, e, goals[g]);

		if (!has_process(s) || !is_end(e))
			continue;
		if (step.action == PA_SPAWN)
			continue;
		assert_false(has_process(step.next));
	}
}

/* A process is talked to or killed only where there is one. */
static void
test_actions_need_a_process(void **state)
{
	(void)state;
	EACH(s, e, g) {
		struct policy_step step = policy_step(s, e, goals[g]);

		if (step.action == PA_DRAIN || step.action == PA_STOP ||
		    step.action == PA_KILL || step.action == PA_ANNOUNCE)
			assert_true(has_process(s) && !is_end(e));
	}
}

/* A state without a process is not left but by a start. */
static void
test_processless_states(void **state)
{
	(void)state;
	EACH(s, e, g) {
		struct policy_step step = policy_step(s, e, goals[g]);

		if (!has_process(s) && has_process(step.next))
			assert_int_equal(step.action, PA_SPAWN);
	}
}

/* Whoever asks for a stop gets one from every state, within three steps of
 * time running out, however stubborn the worker. */
static void
test_stop_reaches_its_end(void **state)
{
	(void)state;
	for (unsigned int s = 0; s < NWORKERSTATES; s++) {
		struct policy_step step = policy_step(s, PE_STOP, GOAL_STOP);
		int killed = 0;

		for (int i = 0; i < 3 && has_process(step.next); i++) {
			step = policy_step(step.next, PE_TIMER, GOAL_STOP);
			killed |= step.action == PA_KILL;
		}
		if (killed)
			step = policy_step(step.next, PE_CRASH, GOAL_STOP);
		assert_false(has_process(step.next));
	}
}

/* Whoever asks for a start or restart gets one, from every state. */
static void
test_restart_reaches_ready(void **state)
{
	(void)state;
	for (unsigned int s = 0; s < NWORKERSTATES; s++) {
		struct policy_step step = policy_step(s, PE_RESTART, GOAL_RUN);

		for (int i = 0; i < 4 && step.action != PA_SPAWN; i++)
			step = policy_step(step.next,
			    step.action == PA_KILL ? PE_CRASH : PE_TIMER,
			    GOAL_RUN);
		assert_int_equal(step.action, PA_SPAWN);
		step = policy_step(step.next, PE_READY, GOAL_RUN);
		assert_int_equal(step.next, WS_READY);
		assert_int_equal(step.action, PA_ANNOUNCE);
	}
}

static void
test_bad_configuration_waits_for_reload(void **state)
{
	struct policy_step step;

	(void)state;
	step = policy_step(WS_STARTING, PE_EXIT_CONFIG, GOAL_RUN);
	assert_int_equal(step.next, WS_FAILED);
	for (unsigned int e = 0; e < NPOLICYEVENTS; e++) {
		step = policy_step(WS_FAILED, e, GOAL_RUN);
		if (e == PE_RELOAD || e == PE_START || e == PE_RESTART)
			assert_int_equal(step.action, PA_SPAWN);
		else
			assert_int_not_equal(step.action, PA_SPAWN);
	}
}

/* What somebody stopped stays stopped over a reload. */
static void
test_stopped_survives_reload(void **state)
{
	struct policy_step step = policy_step(WS_STOPPED, PE_RELOAD, GOAL_STOP);

	(void)state;
	assert_int_equal(step.next, WS_STOPPED);
	assert_int_equal(step.action, PA_NONE);
}

static void
test_proven_is_restarted_at_once(void **state)
{
	struct policy_history h = {0};
	struct policy_retry r;

	(void)state;
	r = policy_crashed(&h, 1000, POLICY_PROVEN_MS);
	assert_int_equal(r.delay_ms, 0);
	r = policy_crashed(&h, 2000, POLICY_PROVEN_MS - 1);
	assert_int_equal(r.delay_ms, 100);
	r = policy_crashed(&h, 3000, -1);
	assert_int_equal(r.delay_ms, 200);
	/* Proven again: the doubling begins anew. */
	r = policy_crashed(&h, 20000, POLICY_PROVEN_MS);
	assert_int_equal(r.delay_ms, 0);
	r = policy_crashed(&h, 20001, 0);
	assert_int_equal(r.delay_ms, 100);
}

static void
test_delay_doubles_up_to_its_cap(void **state)
{
	static const unsigned int expected[] = {100, 200, 400, 800, 1600, 3200,
		4000, 4000, 4000};
	struct policy_history h = {0};
	int64_t now_ms = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		struct policy_retry r = policy_crashed(&h, now_ms, -1);

		assert_false(r.throttled);
		assert_int_equal(r.delay_ms, expected[i]);
		now_ms += POLICY_WINDOW_MS; /* never throttled */
	}
}

/* Every spacing of crashes from 0 to 30 s: throttled exactly when more than
 * five fall within a minute. */
static void
test_throttled_after_five_in_a_minute(void **state)
{
	(void)state;
	for (int64_t gap_ms = 0; gap_ms <= 30000; gap_ms += 250) {
		struct policy_history h = {0};

		for (int i = 0; i < 20; i++) {
			struct policy_retry r = policy_crashed(&h, i * gap_ms,
			    POLICY_PROVEN_MS);
			int expected = i >= POLICY_CRASHES &&
			    gap_ms * POLICY_CRASHES < POLICY_WINDOW_MS;

			assert_int_equal(r.throttled, expected);
			assert_int_equal(h.throttled, expected);
			if (expected)
				assert_int_equal(r.delay_ms, 4000);
		}
	}
}

static void
test_forgiven_starts_afresh(void **state)
{
	struct policy_history h = {0};
	struct policy_retry r;

	(void)state;
	for (int i = 0; i < 10; i++)
		policy_crashed(&h, i, -1);
	policy_forgive(&h);
	r = policy_crashed(&h, 20, -1);
	assert_false(r.throttled);
	assert_int_equal(r.delay_ms, POLICY_DELAY_MIN_MS);
}

/* The counter of crashes may run for years. */
static void
test_counter_wraps(void **state)
{
	struct policy_history h = {.ncrashes = UINT32_MAX - 2};

	(void)state;
	for (int i = 0; i < 30; i++) {
		struct policy_retry r = policy_crashed(&h,
		    1000000 + i * POLICY_WINDOW_MS, POLICY_PROVEN_MS);

		assert_false(r.throttled);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_closed),
		cmocka_unit_test(test_spawn_only_without_process),
		cmocka_unit_test(test_end_leaves_no_ghost),
		cmocka_unit_test(test_actions_need_a_process),
		cmocka_unit_test(test_processless_states),
		cmocka_unit_test(test_stop_reaches_its_end),
		cmocka_unit_test(test_restart_reaches_ready),
		cmocka_unit_test(test_bad_configuration_waits_for_reload),
		cmocka_unit_test(test_stopped_survives_reload),
		cmocka_unit_test(test_proven_is_restarted_at_once),
		cmocka_unit_test(test_delay_doubles_up_to_its_cap),
		cmocka_unit_test(test_throttled_after_five_in_a_minute),
		cmocka_unit_test(test_forgiven_starts_afresh),
		cmocka_unit_test(test_counter_wraps),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
