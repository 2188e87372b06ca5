/*
 * Pairing: a code's one hour and one use, five wrong ones and the hour's lock
 * that follows, with a clock that the test moves.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "workers/queue/pairing.h"

#define HOUR_MS 3600000
#define CODE "ABCD2345"

static struct pairing p;
static int64_t now;
static int gone; /* codes */
static int64_t kept_ms; /* of the code that was said last */
static struct pairing_sender kept; /* what was said last */

static void
code_changed(const char *code, int64_t expires_ms)
{
	assert_int_equal(strlen(code), 8);
	kept_ms = expires_ms;
	gone += expires_ms == 0;
}

static void
sender_changed(const struct pairing_sender *s)
{
	kept = *s;
}

static int
setup(void **state)
{
	struct pairing_code *c;

	(void)state;
	while ((c = LIST_FIRST(&p.codes)) != NULL) {
		LIST_REMOVE(c, entry);
		free(c);
	}
	memset(&p, 0, sizeof(p));
	p.code_changed = code_changed;
	p.sender_changed = sender_changed;
	memset(&kept, 0, sizeof(kept));
	gone = 0;
	now = 1800000000000;
	assert_int_equal(pairing_add_code(&p, CODE, now + PAIRING_CODE_MS), 0);
	return (0);
}

static int
try(int64_t user, const char *text)
{
	return ((int)pairing_try(&p, user, text, now));
}

static void
test_a_code_is_good_for_an_hour(void **state)
{
	(void)state;
	assert_int_equal(PAIRING_CODE_MS, HOUR_MS);
	now += HOUR_MS - 1;
	assert_int_equal(try(7, CODE), PAIRING_RIGHT);
}

static void
test_after_an_hour_it_is_wrong_and_gone(void **state)
{
	(void)state;
	now += HOUR_MS;
	assert_int_equal(try(7, CODE), PAIRING_WRONG);
	assert_int_equal(gone, 1);
	assert_true(LIST_EMPTY(&p.codes));
	/* A clock that is put back does not bring it again. */
	now -= HOUR_MS;
	assert_int_equal(try(7, CODE), PAIRING_WRONG);
}

static void
test_a_code_is_good_once(void **state)
{
	(void)state;
	assert_int_equal(try(7, CODE), PAIRING_RIGHT);
	assert_int_equal(gone, 1);
	assert_int_equal(try(8, CODE), PAIRING_WRONG);
}

static void
test_typed_by_hand(void **state)
{
	static const char *const good[] = { "abcd2345", "ABCD2345 ",
		"aBcD2345\nand thanks", CODE };
	static const char *const bad[] = { "", " ABCD2345", "ABCD234",
		"ABCD23456", "ABCD-2345", "\xc3\xa4" };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		setup(NULL);
		assert_int_equal(try(7, good[i]), PAIRING_RIGHT);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		setup(NULL);
		assert_int_equal(try(7, bad[i]), PAIRING_WRONG);
		assert_int_equal(gone, 0);
	}
}

static void
test_five_wrong_ones_lock_for_an_hour(void **state)
{
	(void)state;
	for (int i = 1; i <= 5; i++) {
		now += 60000;
		assert_int_equal(try(7, "WRONGXXX"), PAIRING_WRONG);
		assert_int_equal(kept.wrong, i);
		assert_int_equal(kept.until_ms, now + HOUR_MS);
	}
	/* The right one does not help, and is not used up. */
	assert_int_equal(try(7, CODE), PAIRING_LOCKED);
	now += HOUR_MS - 1;
	assert_int_equal(pairing_add_code(&p, "NEWC2345", now + HOUR_MS), 0);
	assert_int_equal(try(7, "NEWC2345"), PAIRING_LOCKED);
	assert_int_equal(gone, 0);
	assert_int_equal(pairing_wrong(&p, 7, now), 5);
	/* Somebody else is not concerned. */
	assert_int_equal(try(8, "WRONGXXX"), PAIRING_WRONG);
	now += 1;
	assert_int_equal(pairing_wrong(&p, 7, now), 0);
	assert_int_equal(try(7, "NEWC2345"), PAIRING_RIGHT);
}

static void
test_trying_while_locked_does_not_make_it_longer(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++)
		(void)try(7, "WRONGXXX");
	now += HOUR_MS / 2;
	assert_int_equal(try(7, "WRONGXXX"), PAIRING_LOCKED);
	now += HOUR_MS / 2;
	assert_int_equal(try(7, "WRONGXXX"), PAIRING_WRONG);
	assert_int_equal(kept.wrong, 1);
}

static void
test_wrong_ones_of_long_ago_do_not_count(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++) {
		assert_int_equal(try(7, "WRONGXXX"), PAIRING_WRONG);
		assert_int_equal(kept.wrong, 1);
		now += HOUR_MS;
	}
}

static void
test_the_right_one_forgives(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++)
		(void)try(7, "WRONGXXX");
	assert_int_equal(try(7, CODE), PAIRING_RIGHT);
	assert_int_equal(kept.wrong, 0); /* and nothing is kept */
	assert_int_equal(pairing_wrong(&p, 7, now), 0);
}

static void
test_the_lock_outlives_a_restart(void **state)
{
	struct pairing_sender s;

	(void)state;
	for (int i = 0; i < 5; i++)
		(void)try(7, "WRONGXXX");
	s = kept;
	setup(NULL);
	assert_int_equal(pairing_add_sender(&p, &s), 0);
	assert_int_equal(try(7, CODE), PAIRING_LOCKED);
}

static void
test_many_strangers_do_not_free_one_who_is_locked(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++)
		(void)try(7, "WRONGXXX");
	for (int64_t user = 1000; user < 4000; user++) {
		now++;
		assert_int_equal(try(user, "WRONGXXX"), PAIRING_WRONG);
	}
	assert_int_equal(try(7, CODE), PAIRING_LOCKED);
	/* There is room for a last one, whoever is locked. */
	for (int64_t user = 5000; user < 7000; user++)
		for (int i = 0; i < 5; i++)
			assert_int_equal(try(user, "WRONGXXX"),
			    PAIRING_WRONG);
}

static void
test_a_clock_that_is_set_changes_no_hour(void **state)
{
	const int64_t by_ms[] = { 50LL * 365 * 86400000, -7200000 };

	(void)state;
	for (size_t i = 0; i < sizeof(by_ms) / sizeof(by_ms[0]); i++) {
		setup(NULL);
		for (int k = 0; k < 5; k++)
			(void)try(7, "WRONGXXX");
		now += by_ms[i];
		pairing_shift(&p, by_ms[i]);
		assert_int_equal(kept_ms, now + HOUR_MS);
		assert_int_equal(kept.until_ms, now + HOUR_MS);
		assert_int_equal(try(7, CODE), PAIRING_LOCKED);
		now += HOUR_MS - 1;
		assert_int_equal(try(8, CODE), PAIRING_RIGHT);
	}
}

static void
test_what_the_store_has_lost_is_no_code(void **state)
{
	(void)state;
	assert_int_equal(pairing_add_code(&p, "SHORT", now + 1), -1);
	assert_int_equal(pairing_add_code(&p, "MUCHTOOLONG", now + 1), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_a_code_is_good_for_an_hour, setup),
		cmocka_unit_test_setup(test_after_an_hour_it_is_wrong_and_gone,
		    setup),
		cmocka_unit_test_setup(test_a_code_is_good_once, setup),
		cmocka_unit_test_setup(test_typed_by_hand, setup),
		cmocka_unit_test_setup(test_five_wrong_ones_lock_for_an_hour,
		    setup),
		cmocka_unit_test_setup(
		    test_trying_while_locked_does_not_make_it_longer, setup),
		cmocka_unit_test_setup(
		    test_wrong_ones_of_long_ago_do_not_count, setup),
		cmocka_unit_test_setup(test_the_right_one_forgives, setup),
		cmocka_unit_test_setup(test_the_lock_outlives_a_restart,
		    setup),
		cmocka_unit_test_setup(
		    test_many_strangers_do_not_free_one_who_is_locked, setup),
		cmocka_unit_test_setup(test_a_clock_that_is_set_changes_no_hour,
		    setup),
		cmocka_unit_test_setup(
		    test_what_the_store_has_lost_is_no_code, setup),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
