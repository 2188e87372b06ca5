/* Hung or starved?  The judgement on made-up processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include <cmocka.h>

#include "supervisor/liveness.h"

#define S INT64_C(1000000000)
#define LIMIT (3 * S)

/*
 * Watch a process that stops turning at 0, once a second from first_ns on: of
 * each second it runs cpu_ms and waits for a processor wait_ms.  Returns when
 * it is found hung or stopped, in ns, or 0 if not within a minute.
 */
static int64_t
found_after(char proc_state, int cpu_ms, int wait_ms, int64_t first_ns,
    enum live_verdict expected)
{
	struct live_track t = {0};
	struct live_sample s = {.state = proc_state};
	enum live_verdict v;
	int64_t now_ns;

	live_reset(&t, 0);
	for (now_ns = first_ns; now_ns < 60 * S; now_ns += S) {
		v = live_look(&t, 0, now_ns, LIMIT);
		if (v == LIVE_SUSPECT) {
			s.now_ns = now_ns;
			s.cpu_ns = now_ns / 1000 * cpu_ms;
			s.wait_ns = now_ns / 1000 * wait_ms;
			v = live_judge(&t, &s, LIMIT);
		}
		if (v == expected)
			return (now_ns);
		assert_true(v != LIVE_HUNG && v != LIVE_STOPPED &&
		    v != LIVE_DOOMED);
	}
	return (0);
}

static void
test_turning_is_ok(void **state)
{
	struct live_track t = {0};

	(void)state;
	live_reset(&t, 0);
	for (uint64_t i = 1; i < 100; i++)
		assert_int_equal(live_look(&t, i, (int64_t)i * S, LIMIT),
		    LIVE_OK);
}

/* A loop without end, on a processor of its own. */
static void
test_spin_is_found_within_four_seconds(void **state)
{
	int64_t at_ns;

	(void)state;
	for (int64_t first_ns = 0; first_ns < S; first_ns += S / 16) {
		at_ns = found_after('R', 1000, 0, first_ns, LIVE_HUNG);
		assert_in_range(at_ns, LIMIT, 4 * S);
	}
}

/* A deadlock sleeps and wants no processor. */
static void
test_deadlock_is_found_within_four_seconds(void **state)
{
	int64_t at_ns;

	(void)state;
	for (int64_t first_ns = 0; first_ns < S; first_ns += S / 16) {
		at_ns = found_after('S', 0, 0, first_ns, LIVE_HUNG);
		assert_in_range(at_ns, LIMIT, 4 * S);
	}
}

/* Runnable, but never run: that is not its fault. */
static void
test_starved_is_not_killed(void **state)
{
	(void)state;
	assert_int_equal(found_after('R', 0, 1000, 0, LIVE_HUNG), 0);
	assert_int_equal(found_after('S', 0, 1000, 0, LIVE_HUNG), 0);
	assert_int_equal(found_after('R', 10, 990, 0, LIVE_HUNG), 0);
}

/* A loop that gets a tenth of a processor is found, only later. */
static void
test_slow_spin_is_found_later(void **state)
{
	int64_t at_ns = found_after('R', 100, 900, 0, LIVE_HUNG);

	(void)state;
	assert_in_range(at_ns, 5 * S, 15 * S);
}

static void
test_disk_wait_gets_longer(void **state)
{
	int64_t at_ns = found_after('D', 0, 0, 0, LIVE_HUNG);

	(void)state;
	assert_int_equal(at_ns, LIVE_BLOCKED_NS);
}

static void
test_job_control_stop_is_found(void **state)
{
	(void)state;
	assert_in_range(found_after('T', 0, 0, 0, LIVE_STOPPED), LIMIT,
	    4 * S);
}

static void
test_debugger_is_left_alone(void **state)
{
	(void)state;
	assert_int_equal(found_after('t', 0, 0, 0, LIVE_HUNG), 0);
}

/* One turn after a silence, and the suspicion is over. */
static void
test_turn_ends_suspicion(void **state)
{
	struct live_track t = {0};
	struct live_sample s = {2 * S, 0, 0, 'S'};

	(void)state;
	live_reset(&t, 0);
	assert_int_equal(live_look(&t, 0, 2 * S, LIMIT), LIVE_SUSPECT);
	assert_int_equal(live_judge(&t, &s, LIMIT), LIVE_SUSPECT);
	assert_int_equal(live_look(&t, 1, 3 * S, LIMIT), LIVE_OK);
	assert_false(t.suspected);
	assert_int_equal(live_look(&t, 1, 5 * S, LIMIT), LIVE_SUSPECT);
	s.now_ns = 5 * S;
	assert_int_equal(live_judge(&t, &s, LIMIT), LIVE_SUSPECT);
}

/* After SIGABRT there are two seconds, and no way back. */
static void
test_abort_then_kill(void **state)
{
	struct live_track t = {0};
	struct live_sample s = {11 * S, 0, 0, 'S'};

	(void)state;
	live_reset(&t, 0);
	t.aborted_ns = 10 * S;
	assert_int_equal(live_look(&t, 5, 11 * S, LIMIT), LIVE_SUSPECT);
	assert_int_equal(live_judge(&t, &s, LIMIT), LIVE_OK);
	s.now_ns = 12 * S;
	assert_int_equal(live_judge(&t, &s, LIMIT), LIVE_DOOMED);
}

/*
 * Every way in which two looks at a job can differ: only the same job, with
 * as much processor time as it may have, is overdue; whatever the time.
 */
static void
test_job_past_its_deadline(void **state)
{
	static const int64_t cpus_ns[] = {0, S, 2 * S - 1, 2 * S, 9 * S};
	static const uint64_t numbers[] = {0, 1, 2};
	struct live_sample s = {.state = 'R'};
	struct live_track t;
	struct live_job before, now;
	bool same, expected;

	(void)state;
	for (int i = 0; i < 3 * 3 * 3 * 3 * 5 * 2 * 2; i++) {
		int n = i;

		before.id = numbers[n % 3], n /= 3;
		before.done = numbers[n % 3], n /= 3;
		now.id = numbers[n % 3], n /= 3;
		now.done = numbers[n % 3], n /= 3;
		memset(&t, 0, sizeof(t));
		s.now_ns = S;
		s.cpu_ns = 7 * S;
		assert_int_equal(live_job(&t, &before, &s, 2 * S), LIVE_OK);
		s.now_ns = 1000 * S;
		s.cpu_ns += cpus_ns[n % 5];
		same = before.id == now.id && before.done == now.done &&
		    now.id != 0;
		expected = same && cpus_ns[n % 5] >= 2 * S;
		n /= 5;
		if (n % 2 == 1) { /* it has SIGABRT already */
			t.aborted_ns = S;
			expected = false;
		}
		n /= 2;
		if (n == 1) /* no deadline */
			expected = false;
		assert_int_equal(live_job(&t, &now, &s, n == 1 ? 0 : 2 * S),
		    expected ? LIVE_OVERDUE : LIVE_OK);
	}
}

/* A turn of the loop between two looks: another job, though of the same id. */
static void
test_turn_ends_a_job(void **state)
{
	const struct live_job job = {42, 7};
	struct live_sample s = {S, 0, 0, 'R'};
	struct live_track t = {0};

	(void)state;
	live_reset(&t, 0);
	assert_int_equal(live_job(&t, &job, &s, 2 * S), LIVE_OK);
	assert_int_equal(live_look(&t, 1, 2 * S, LIMIT), LIVE_OK);
	s.cpu_ns = 5 * S;
	assert_int_equal(live_job(&t, &job, &s, 2 * S), LIVE_OK);
	s.cpu_ns = 7 * S;
	assert_int_equal(live_job(&t, &job, &s, 2 * S), LIVE_OVERDUE);
}

static void
test_reads_this_process(void **state)
{
	struct live_sample s;

	(void)state;
	assert_int_equal(liveness_read(getpid(), &s), 0);
	assert_int_equal(s.state, 'R');
	assert_true(s.cpu_ns >= 0);
	assert_int_equal(liveness_read(-1, &s), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_turning_is_ok),
		cmocka_unit_test(test_spin_is_found_within_four_seconds),
		cmocka_unit_test(test_deadlock_is_found_within_four_seconds),
		cmocka_unit_test(test_starved_is_not_killed),
		cmocka_unit_test(test_slow_spin_is_found_later),
		cmocka_unit_test(test_disk_wait_gets_longer),
		cmocka_unit_test(test_job_control_stop_is_found),
		cmocka_unit_test(test_debugger_is_left_alone),
		cmocka_unit_test(test_turn_ends_suspicion),
		cmocka_unit_test(test_abort_then_kill),
		cmocka_unit_test(test_job_past_its_deadline),
		cmocka_unit_test(test_turn_ends_a_job),
		cmocka_unit_test(test_reads_this_process),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
