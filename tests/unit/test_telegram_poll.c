/*
 * pollstate.c: every event, alone and in the courses that occur; the bodies
 * of what the poller asks; the list of commands.
 */
#include <json-c/json.h>

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/nitems.h"
#include "workers/queue/update.h"
#include "workers/telegram/bot_commands.h"
#include "workers/telegram/telegram.h"

#define FULL_S 50

static struct pollstate s;
static int64_t now;
static uint32_t dice;

static int
setup(void **state)
{
	(void)state;
	pollstate_init(&s);
	now = 5000000;
	dice = 512; /* in the middle: neither more nor less */
	return (0);
}

/* A poll that takes so long and ends so; returns the wait. */
static int64_t
poll_once(enum poll_event e, int64_t took_ms)
{
	struct poll_end end = { .event = e, .began_ms = now,
	    .asked_s = pollstate_timeout_s(&s, FULL_S) };
	int64_t wait_ms;

	now += took_ms;
	end.now_ms = now;
	wait_ms = pollstate_event(&s, &end, dice);
	now += wait_ms;
	return (wait_ms);
}

static void
test_first_poll_asks_for_an_answer_at_once(void **state)
{
	(void)state;
	assert_int_equal(s.shown, POLL_OFF);
	assert_int_equal(pollstate_timeout_s(&s, FULL_S), 0);
	assert_int_equal(poll_once(PE_ANSWERED, 3), 0);
	assert_int_equal(s.shown, POLL_POLLING);
	assert_int_equal(pollstate_timeout_s(&s, FULL_S), FULL_S);
}

static void
test_after_any_failure_polling_is_not_shown(void **state)
{
	(void)state;
	for (int e = 0; e < NPOLLEVENTS; e++) {
		pollstate_init(&s);
		poll_once(PE_ANSWERED, 1);
		poll_once((enum poll_event)e, 1);
		assert_int_equal(s.shown == POLL_POLLING, e == PE_ANSWERED);
		assert_int_equal(s.shown == POLL_CONFLICT,
		    e == PE_CONFLICT);
	}
}

static void
test_an_offset_is_dropped_after_a_silent_week(void **state)
{
	const int64_t day_ms = 86400000, heard = 1800000000000;

	(void)state;
	/* Telegram keeps updates for a day: until then it is needed. */
	assert_int_equal(pollstate_offset(77, heard, heard), 77);
	assert_int_equal(pollstate_offset(77, heard, heard + day_ms), 77);
	/* After seven it numbers them anew, perhaps lower. */
	assert_int_equal(pollstate_offset(77, heard, heard + 7 * day_ms), 0);
	/* A clock that was put back. */
	assert_int_equal(pollstate_offset(77, heard, heard - day_ms), 77);
	assert_int_equal(pollstate_offset(0, heard, heard), 0);
}

static void
test_waits_double_up_to_a_minute(void **state)
{
	static const struct {
		enum poll_event e;
		int64_t ms[8];
	} rows[] = {
		{ PE_FAILED, { 1000, 2000, 4000, 8000, 16000, 32000, 60000,
		    60000 } },
		{ PE_GARBAGE, { 1000, 2000, 4000, 8000, 16000, 32000, 60000,
		    60000 } },
		{ PE_LIMITED, { 1000, 2000, 4000, 8000, 16000, 32000, 60000,
		    60000 } },
		{ PE_STALLED, { 0, 1000, 2000, 4000, 8000, 16000, 32000,
		    60000 } },
		{ PE_CONFLICT, { 3000, 6000, 12000, 24000, 48000, 60000,
		    60000, 60000 } },
	};

	(void)state;
	for (size_t r = 0; r < nitems(rows); r++) {
		pollstate_init(&s);
		for (size_t i = 0; i < nitems(rows[r].ms); i++)
			assert_int_equal(poll_once(rows[r].e, 1),
			    rows[r].ms[i]);
	}
}

static void
test_waits_stay_within_their_bounds_whatever_the_dice(void **state)
{
	static const int64_t first_ms[NPOLLEVENTS] = {
		[PE_CONFLICT] = 3000, [PE_LIMITED] = 1000,
		[PE_GARBAGE] = 1000, [PE_FAILED] = 1000 };
	int64_t ms;

	(void)state;
	for (int e = PE_CONFLICT; e < NPOLLEVENTS; e++)
		for (uint32_t d = 0; d < 1024; d += 11) {
			pollstate_init(&s);
			dice = d * 4097;
			for (int i = 0; i < 100; i++) {
				ms = poll_once((enum poll_event)e, 1);
				assert_true(ms >= first_ms[e]);
				assert_true(ms <= 60000);
			}
		}
}

static void
test_dice_spread_the_waits(void **state)
{
	int64_t low, high;

	(void)state;
	poll_once(PE_FAILED, 1);
	dice = 0;
	low = poll_once(PE_FAILED, 1);
	pollstate_init(&s);
	poll_once(PE_FAILED, 1);
	dice = 1023;
	high = poll_once(PE_FAILED, 1);
	assert_int_equal(low, 1500);
	assert_in_range(high, 2490, 2500);
}

static void
test_an_answer_ends_the_wait(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++)
		poll_once(PE_FAILED, 1);
	assert_int_equal(poll_once(PE_ANSWERED, 1), 0);
	assert_int_equal(poll_once(PE_FAILED, 1), 1000);
}

static void
test_retry_after_is_obeyed(void **state)
{
	struct poll_end end = { .event = PE_LIMITED,
	    .retry_after_ms = 77000 };

	(void)state;
	assert_int_equal(pollstate_event(&s, &end, dice), 77000);
	end.retry_after_ms = 500;
	assert_int_equal(pollstate_event(&s, &end, dice), 2000);
}

static void
test_a_conflict_is_shown_until_polls_are_left_alone(void **state)
{
	(void)state;
	poll_once(PE_ANSWERED, 1);
	assert_int_equal(poll_once(PE_CONFLICT, 10000), 3000);
	assert_int_equal(s.shown, POLL_CONFLICT);
	assert_int_equal(pollstate_timeout_s(&s, FULL_S), POLL_PROBE_S);
	assert_int_equal(pollstate_timeout_s(&s, 2), 2);
	/* Updates come, but for how long? */
	poll_once(PE_ANSWERED, 100);
	assert_int_equal(s.shown, POLL_CONFLICT);
	poll_once(PE_ANSWERED, 100);
	assert_int_equal(s.shown, POLL_CONFLICT);
	poll_once(PE_ANSWERED, 5000);
	assert_int_equal(s.shown, POLL_POLLING);
	assert_true(s.conflict); /* perhaps it just pauses */
	/* It did: the same episode, and the wait goes on growing. */
	assert_int_equal(poll_once(PE_CONFLICT, 20000), 6000);
	assert_int_equal(poll_once(PE_CONFLICT, 1), 12000);
	poll_once(PE_ANSWERED, 4999);
	assert_int_equal(s.shown, POLL_POLLING);
	poll_once(PE_ANSWERED, 50000);
	assert_true(s.conflict);
	poll_once(PE_ANSWERED, 50000);
	assert_false(s.conflict);
	assert_int_equal(poll_once(PE_CONFLICT, 1), 3000);
}

static void
test_two_pollers_never_give_up(void **state)
{
	(void)state;
	for (int i = 0; i < 100000; i++) {
		assert_in_range(poll_once(PE_CONFLICT, 50), 3000, 60000);
		assert_int_equal(s.shown, POLL_CONFLICT);
	}
	poll_once(PE_ANSWERED, 5000);
	assert_int_equal(s.shown, POLL_POLLING);
}

static void
test_a_conflict_outlives_other_trouble(void **state)
{
	(void)state;
	poll_once(PE_CONFLICT, 1);
	poll_once(PE_FAILED, 1);
	assert_int_equal(s.shown, POLL_OFF);
	poll_once(PE_ANSWERED, 1);
	assert_int_equal(s.shown, POLL_CONFLICT);
	poll_once(PE_ANSWERED, 5000);
	assert_int_equal(s.shown, POLL_POLLING);
}

static void
test_what_cannot_be_read_is_asked_for_in_smaller_parts(void **state)
{
	static const unsigned int limit[] = { 50, 25, 12, 6, 3, 1, 1 };

	(void)state;
	assert_int_equal(s.limit, POLL_LIMIT_MAX);
	for (size_t i = 0; i < nitems(limit); i++) {
		poll_once(PE_GARBAGE, 1);
		assert_int_equal(s.limit, limit[i]);
	}
	for (int i = 0; i < 10; i++)
		poll_once(PE_ANSWERED, 1);
	assert_int_equal(s.limit, POLL_LIMIT_MAX);
}

static void
test_answers_that_do_not_wait_are_not_asked_for_at_once(void **state)
{
	struct poll_end end = { .event = PE_ANSWERED, .asked_s = 50,
	    .began_ms = 1000, .now_ms = 1001 };

	(void)state;
	assert_int_equal(pollstate_event(&s, &end, dice), 1000);
	end.updates = 3;
	assert_int_equal(pollstate_event(&s, &end, dice), 0);
	end.updates = 0;
	end.now_ms = 51000;
	assert_int_equal(pollstate_event(&s, &end, dice), 0);
}

static void
test_judge(void **state)
{
	static const struct {
		struct verdict v;
		bool has_list;
		enum poll_event e;
	} rows[] = {
		{ { .outcome = CO_DELIVERED, .code = 200 }, true,
		    PE_ANSWERED },
		{ { .outcome = CO_DELIVERED, .code = 200 }, false,
		    PE_GARBAGE },
		{ { .outcome = CO_AMBIGUOUS, .code = 200, .status = 200 },
		    false, PE_GARBAGE },
		/* 200, then cut off or larger than is taken */
		{ { .outcome = CO_AMBIGUOUS, .status = 200 }, false,
		    PE_GARBAGE },
		{ { .outcome = CO_RATE_LIMITED, .code = 429 }, false,
		    PE_LIMITED },
		{ { .outcome = CO_NOT_SENT, .code = 409 }, false,
		    PE_CONFLICT },
		{ { .outcome = CO_AMBIGUOUS, .timed_out = true }, false,
		    PE_STALLED },
		{ { .outcome = CO_AMBIGUOUS, .timed_out = true,
		    .status = 200 }, false, PE_STALLED },
		{ { .outcome = CO_UNAUTHORISED, .code = 401, .status = 401 },
		    false, PE_FAILED },
		{ { .outcome = CO_NOT_SENT, .code = 502, .status = 502 },
		    false, PE_FAILED },
		{ { .outcome = CO_NOT_SENT }, false, PE_FAILED },
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++)
		assert_int_equal(pollstate_judge(&rows[i].v,
		    rows[i].has_list), rows[i].e);
}

/* Bodies. */

static void
test_body_of_a_poll(void **state)
{
	struct buf t = { 0 };

	(void)state;
	body_updates(&t, 0, 100, 0);
	buf_add(&t, "", 1);
	assert_string_equal(t.p, "{\"timeout\":0,\"limit\":100,"
	    "\"allowed_updates\":[\"message\",\"edited_message\","
	    "\"callback_query\",\"my_chat_member\"]}");
	buf_reset(&t);
	body_updates(&t, 123456789012, 7, 50);
	buf_add(&t, "", 1);
	assert_non_null(strstr(t.p, "\"timeout\":50,\"limit\":7,"
	    "\"offset\":123456789012,"));
	buf_free(&t);
}

/* As the Bot API wants them (BotCommand). */
static void
test_commands(void **state)
{
	struct json_object *o, *list;
	struct buf t = { 0 };
	const char *name;
	size_t i, k, n;

	(void)state;
	body_commands(&t);
	buf_add(&t, "", 1);
	assert_false(t.failed);
	o = json_tokener_parse(t.p);
	assert_true(json_object_object_get_ex(o, "commands", &list));
	n = json_object_array_length(list);
	assert_int_equal(n, 17);
	for (i = 0; i < n; i++) {
		struct json_object *b = json_object_array_get_idx(list, i);

		name = json_object_get_string(
		    json_object_object_get(b, "command"));
		assert_in_range(strlen(name), 1, 32);
		for (k = 0; name[k] != '\0'; k++)
			assert_true(islower((unsigned char)name[k]) ||
			    isdigit((unsigned char)name[k]) ||
			    name[k] == '_');
		assert_in_range(json_object_get_string_len(
		    json_object_object_get(b, "description")), 1, 256);
	}
	json_object_put(o);
	buf_free(&t);
}

/* What is shown is understood, and the other way round. */
static void
test_commands_are_the_queues(void **state)
{
	static const char *const theirs[] = {
#define NAME(name, old, role, function, help) name,
		COMMANDS(NAME)
#undef NAME
	};
	static const char *const ours[] = {
#define NAME(name, what) #name,
		BOT_COMMANDS(NAME)
#undef NAME
	};
	size_t i, k;

	(void)state;
	assert_int_equal(nitems(ours), nitems(theirs));
	for (i = 0; i < nitems(ours); i++) {
		for (k = 0; k < nitems(theirs); k++)
			if (strcmp(ours[i], theirs[k]) == 0)
				break;
		if (k == nitems(theirs))
			fail_msg("/%s is not the queue's", ours[i]);
	}
}

/* The webhook. */

static void
check_hook(struct hookstate *h, enum hook_event e, enum hook_step step,
    enum poll_shown shown, int64_t low_ms, int64_t high_ms)
{
	int64_t ms = hookstate_event(h, e, 300000, 0, 512);

	assert_int_equal(h->step, step);
	assert_int_equal(h->shown, shown);
	assert_in_range(ms, low_ms, high_ms);
}

static void
test_webhook_is_set_and_looked_after(void **state)
{
	struct hookstate h;

	(void)state;
	hookstate_init(&h, true, false);
	assert_int_equal(h.step, HOOK_SET);
	assert_int_equal(h.shown, POLL_OFF);
	check_hook(&h, HE_FAILED, HOOK_SET, POLL_OFF, 750, 1250);
	check_hook(&h, HE_REFUSED, HOOK_SET, POLL_OFF, 1500, 2500);
	check_hook(&h, HE_DONE, HOOK_LOOK, POLL_WEBHOOK, 300000, 300000);
	check_hook(&h, HE_SAME, HOOK_LOOK, POLL_WEBHOOK, 300000, 300000);
	check_hook(&h, HE_FAILED, HOOK_LOOK, POLL_WEBHOOK, 750, 1250);
	check_hook(&h, HE_NONE, HOOK_SET, POLL_OFF, 0, 0);
	check_hook(&h, HE_DONE, HOOK_LOOK, POLL_WEBHOOK, 300000, 300000);
	check_hook(&h, HE_OTHER, HOOK_SET, POLL_CONFLICT, 0, 0);
	for (int i = 0; i < 100; i++)
		check_hook(&h, HE_FAILED, HOOK_SET, POLL_OFF, 750, 60000);
	assert_int_equal(hookstate_event(&h, HE_FAILED, 1, 99000, 0), 99000);
}

static void
test_our_webhook_goes_before_polling(void **state)
{
	struct hookstate h;

	(void)state;
	hookstate_init(&h, false, false);
	assert_int_equal(h.step, HOOK_REST);
	hookstate_init(&h, false, true);
	assert_int_equal(h.step, HOOK_LOOK);
	check_hook(&h, HE_FAILED, HOOK_LOOK, POLL_OFF, 750, 1250);
	check_hook(&h, HE_SAME, HOOK_DELETE, POLL_OFF, 0, 0);
	check_hook(&h, HE_FAILED, HOOK_DELETE, POLL_OFF, 750, 1250);
	check_hook(&h, HE_DONE, HOOK_REST, POLL_OFF, 0, 0);
	/* Somebody else's, none, or a server that knows no webhooks. */
	for (int e = HE_OTHER; e <= HE_REFUSED; e++) {
		hookstate_init(&h, false, true);
		check_hook(&h, (enum hook_event)e, HOOK_REST, POLL_OFF, 0, 0);
	}
}

static void
test_what_a_request_about_the_webhook_tells(void **state)
{
	struct verdict good = { .outcome = CO_DELIVERED };
	struct verdict bad = { .outcome = CO_NOT_SENT };
	struct verdict no = { .outcome = CO_REFUSED };
	struct hookstate h;

	(void)state;
	hookstate_init(&h, true, false);
	assert_int_equal(hookstate_judge(&h, &good, "", "u"), HE_DONE);
	assert_int_equal(hookstate_judge(&h, &bad, "", "u"), HE_FAILED);
	assert_int_equal(hookstate_judge(&h, &no, "", "u"), HE_REFUSED);
	h.step = HOOK_LOOK;
	assert_int_equal(hookstate_judge(&h, &good, "u", "u"), HE_SAME);
	assert_int_equal(hookstate_judge(&h, &good, "v", "u"), HE_OTHER);
	assert_int_equal(hookstate_judge(&h, &good, "", "u"), HE_NONE);
	assert_int_equal(hookstate_judge(&h, &bad, "", "u"), HE_FAILED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup(test_##name, setup)
		T(first_poll_asks_for_an_answer_at_once),
		T(after_any_failure_polling_is_not_shown),
		T(an_offset_is_dropped_after_a_silent_week),
		T(waits_double_up_to_a_minute),
		T(waits_stay_within_their_bounds_whatever_the_dice),
		T(dice_spread_the_waits),
		T(an_answer_ends_the_wait),
		T(retry_after_is_obeyed),
		T(a_conflict_is_shown_until_polls_are_left_alone),
		T(two_pollers_never_give_up),
		T(webhook_is_set_and_looked_after),
		T(our_webhook_goes_before_polling),
		T(what_a_request_about_the_webhook_tells),
		T(a_conflict_outlives_other_trouble),
		T(what_cannot_be_read_is_asked_for_in_smaller_parts),
		T(answers_that_do_not_wait_are_not_asked_for_at_once),
		T(judge),
		T(body_of_a_poll),
		T(commands),
		T(commands_are_the_queues),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
