/*
 * The credit arithmetic: every state that small windows can reach, with both
 * ends, the messages between them and the grants on their way back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/credit.h"
#include "ipc/messages.h"

#define SIZES 3		/* messages of 0, 1 and 2 bytes */
#define GRANTS 6	/* at most on their way at once */
#define SEEN_SIZE (1U << 20)

/* A whole direction of a link. */
struct world {
	struct credit_tx tx;
	struct credit_rx rx;
	uint8_t flying[SIZES], held[SIZES]; /* messages, by size */
	struct { uint32_t msgs, bytes; } grant[GRANTS];
	unsigned int ngrants;
};

static uint64_t *seen;
static size_t nseen;
static struct world *todo;
static size_t ntodo, todo_size;

/* What tells two states apart: differences, not totals. */
static uint64_t
world_key(const struct world *w)
{
	uint64_t k = 1;

	k = k * 8 + (w->tx.granted_msgs - w->tx.spent_msgs);
	k = k * 2 + (w->rx.window_msgs == w->rx.most_msgs);
	k = k * 8 + (w->tx.granted_bytes - w->tx.spent_bytes);
	for (int i = 0; i < SIZES; i++) {
		k = k * 6 + w->flying[i];
		k = k * 6 + w->held[i];
	}
	for (unsigned int i = 0; i < GRANTS; i++) {
		k = k * 6 + (i < w->ngrants ? w->grant[i].msgs : 0);
		k = k * 8 + (i < w->ngrants ? w->grant[i].bytes : 0);
	}
	return (k);
}

static void
world_visit(const struct world *w)
{
	uint64_t k = world_key(w), i;

	for (i = k * 0x9e3779b97f4a7c15ULL >> 44; seen[i] != 0;
	    i = (i + 1) % SEEN_SIZE)
		if (seen[i] == k)
			return;
	assert_true(++nseen < SEEN_SIZE);
	seen[i] = k;
	if (ntodo == todo_size) {
		todo_size = todo_size ? todo_size * 2 : 1024;
		todo = reallocarray(todo, todo_size, sizeof(*todo));
		assert_non_null(todo);
	}
	todo[ntodo++] = *w;
}

/* Nothing is lost and nothing appears: the window is all there. */
static void
world_check(const struct world *w)
{
	uint64_t msgs = w->tx.granted_msgs - w->tx.spent_msgs;
	uint64_t bytes = w->tx.granted_bytes - w->tx.spent_bytes;

	for (int i = 0; i < SIZES; i++) {
		msgs += w->flying[i] + w->held[i];
		bytes += (uint64_t)i * (w->flying[i] + w->held[i]);
	}
	for (unsigned int i = 0; i < w->ngrants; i++) {
		msgs += w->grant[i].msgs;
		bytes += w->grant[i].bytes;
	}
	msgs += w->rx.returned_msgs - w->rx.granted_msgs;
	bytes += w->rx.returned_bytes - w->rx.granted_bytes;
	assert_int_equal(msgs, w->rx.window_msgs);
	assert_int_equal(bytes, w->rx.window_bytes);
	assert_true(credit_tx_ok(&w->tx));
	assert_true(credit_rx_ok(&w->rx));
	assert_int_equal(credit_available(&w->tx),
	    w->tx.granted_msgs - w->tx.spent_msgs);
}

/* Whatever a broken peer says in this state is refused and changes nothing. */
static void
world_hostile(const struct world *w)
{
	static const uint32_t extra[] = { 1, 2, 1000, UINT32_MAX };
	struct world x = *w;
	uint32_t free_msgs = (uint32_t)(w->tx.most_msgs +
	    w->tx.spent_msgs - w->tx.granted_msgs);
	uint32_t free_bytes = (uint32_t)(w->tx.window_bytes +
	    w->tx.spent_bytes - w->tx.granted_bytes);
	uint32_t left_msgs = (uint32_t)(w->rx.window_msgs +
	    w->rx.granted_msgs - w->rx.taken_msgs);
	uint32_t left_bytes = (uint32_t)(w->rx.window_bytes +
	    w->rx.granted_bytes - w->rx.taken_bytes);

	for (int i = 0; i < 4; i++) {
		uint32_t more = extra[i] == UINT32_MAX ? 0 : extra[i];

		assert_int_equal(credit_receive_grant(&x.tx,
		    more ? free_msgs + more : UINT32_MAX, 0), -1);
		assert_int_equal(credit_receive_grant(&x.tx, 0,
		    more ? free_bytes + more : UINT32_MAX), -1);
		assert_int_equal(credit_take(&x.rx,
		    more ? left_msgs + more : UINT32_MAX, 0), -1);
		assert_int_equal(credit_take(&x.rx, 0,
		    more ? left_bytes + more : UINT32_MAX), -1);
	}
	assert_memory_equal(&x, w, sizeof(x));
	/* A handler that gives back what was never taken is noticed. */
	credit_release(&x.rx, (uint32_t)(x.rx.taken_msgs -
	    x.rx.returned_msgs) + 1, 0);
	assert_false(credit_rx_ok(&x.rx));
}

/* Try every step from here. */
static void
world_steps(const struct world *w)
{
	struct world x;
	uint32_t msgs, bytes;

	for (int i = 0; i < SIZES; i++) {
		if (credit_can_spend(&w->tx, 1, (uint32_t)i)) {
			x = *w;
			credit_spend(&x.tx, 1, (uint32_t)i);
			x.flying[i]++;
			world_visit(&x);
		}
		if (w->flying[i] > 0) {
			x = *w;
			assert_int_equal(credit_take(&x.rx, 1, (uint32_t)i), 0);
			x.flying[i]--;
			x.held[i]++;
			world_visit(&x);
		}
		if (w->held[i] > 0) {
			x = *w;
			credit_release(&x.rx, 1, (uint32_t)i);
			x.held[i]--;
			world_visit(&x);
		}
	}
	for (int force = 0; force < 2; force++) {
		x = *w;
		if (x.ngrants == GRANTS ||
		    !credit_grant_due(&x.rx, force, &msgs, &bytes))
			continue;
		assert_true(msgs > 0 || bytes > 0);
		x.grant[x.ngrants].msgs = msgs;
		x.grant[x.ngrants++].bytes = bytes;
		world_visit(&x);
	}
	if (w->ngrants > 0) {
		x = *w;
		assert_int_equal(credit_receive_grant(&x.tx, x.grant[0].msgs,
		    x.grant[0].bytes), 0);
		memmove(x.grant, x.grant + 1, --x.ngrants * sizeof(*x.grant));
		world_visit(&x);
	}
}

/* When all is quiet and the receiver has nothing to return, anything that
 * fits three quarters of the window can be sent. */
static void
world_progress(const struct world *w)
{
	struct world x = *w;
	uint32_t msgs, bytes;

	for (int i = 0; i < SIZES; i++)
		if (w->flying[i] + w->held[i] > 0)
			return;
	if (w->ngrants > 0 || credit_grant_due(&x.rx, false, &msgs, &bytes))
		return;
	assert_true(credit_can_spend(&w->tx, 1,
	    w->rx.window_bytes - w->rx.window_bytes / CREDIT_BYTES_PART));
}

static void
explore(uint32_t msgs, uint32_t most, uint32_t bytes)
{
	struct world w = { 0 };

	memset(seen, 0, SEEN_SIZE * sizeof(*seen));
	nseen = ntodo = 0;
	credit_tx_init(&w.tx, msgs, most, bytes);
	credit_rx_init(&w.rx, msgs, most, bytes);
	world_visit(&w);
	while (ntodo > 0) {
		w = todo[--ntodo];
		world_check(&w);
		world_hostile(&w);
		world_progress(&w);
		world_steps(&w);
	}
}

static void
test_every_state_of_small_windows(void **state)
{
	(void)state;
	seen = calloc(SEEN_SIZE, sizeof(*seen));
	assert_non_null(seen);
	for (uint32_t msgs = 2; msgs <= 3; msgs++) {
		for (uint32_t bytes = 2; bytes <= 5; bytes++) {
			explore(msgs, msgs, bytes);
			assert_true(nseen > 30);
			explore(msgs, msgs + 1, bytes);
			assert_true(nseen > 100);
		}
	}
	free(seen);
	free(todo);
}

/* What was owed below half of the window once kept a message of 3 MiB from
 * ever leaving. */
static void
test_largest_message_leaves_an_idle_link(void **state)
{
	struct credit_tx tx;
	struct credit_rx rx;
	uint32_t msgs, bytes, size;

	(void)state;
	for (size = 1; size <= MSG_MAX_BYTES; size += 4093) {
		credit_tx_init(&tx, CREDIT_MSGS, CREDIT_MSGS,
		    CREDIT_BYTES);
		credit_rx_init(&rx, CREDIT_MSGS, CREDIT_MSGS,
		    CREDIT_BYTES);
		credit_spend(&tx, 1, size);
		assert_int_equal(credit_take(&rx, 1, size), 0);
		credit_release(&rx, 1, size);
		if (credit_grant_due(&rx, false, &msgs, &bytes))
			assert_int_equal(credit_receive_grant(&tx, msgs,
			    bytes), 0);
		assert_true(credit_can_spend(&tx, 1, MSG_MAX_BYTES));
	}
}

static void
test_grants_come_in_bulk(void **state)
{
	struct credit_rx rx;
	uint32_t msgs, bytes;
	int grants = 0;

	(void)state;
	credit_rx_init(&rx, CREDIT_MSGS, CREDIT_MSGS, CREDIT_BYTES);
	assert_false(credit_grant_due(&rx, true, &msgs, &bytes));
	for (int i = 0; i < CREDIT_MSGS * 10; i++) {
		assert_int_equal(credit_take(&rx, 1, 600), 0);
		credit_release(&rx, 1, 600);
		if (!credit_grant_due(&rx, false, &msgs, &bytes))
			continue;
		assert_int_equal(msgs, CREDIT_MSGS / 2);
		assert_int_equal(bytes, CREDIT_MSGS / 2 * 600);
		grants++;
	}
	assert_int_equal(grants, 20);
}

/* Only a sender that has nothing left gets a larger window, once. */
static void
test_window_grows_under_load(void **state)
{
	struct credit_rx rx;
	uint32_t msgs, bytes;

	(void)state;
	credit_rx_init(&rx, CREDIT_MSGS, CREDIT_MSGS_MAX, CREDIT_BYTES);
	for (int i = 0; i < CREDIT_MSGS / 2; i++) {
		assert_int_equal(credit_take(&rx, 1, 1), 0);
		credit_release(&rx, 1, 1);
	}
	assert_true(credit_grant_due(&rx, false, &msgs, &bytes));
	assert_int_equal(msgs, CREDIT_MSGS / 2);
	assert_int_equal(rx.window_msgs, CREDIT_MSGS);
	for (int i = 0; i < CREDIT_MSGS; i++)
		assert_int_equal(credit_take(&rx, 1, 1), 0);
	assert_int_equal(credit_take(&rx, 1, 1), -1);
	/* A receiver that is blocked itself grants nothing all the same. */
	credit_release(&rx, CREDIT_MSGS / 2 - 1, CREDIT_MSGS / 2 - 1);
	assert_false(credit_grant_due(&rx, false, &msgs, &bytes));
	credit_release(&rx, 1, 1);
	assert_true(credit_grant_due(&rx, false, &msgs, &bytes));
	assert_int_equal(msgs, CREDIT_MSGS / 2 + CREDIT_MSGS_MAX -
	    CREDIT_MSGS);
	assert_int_equal(rx.window_msgs, CREDIT_MSGS_MAX);
	assert_true(credit_rx_ok(&rx));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_state_of_small_windows),
		cmocka_unit_test(test_largest_message_leaves_an_idle_link),
		cmocka_unit_test(test_grants_come_in_bulk),
		cmocka_unit_test(test_window_grows_under_load),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
