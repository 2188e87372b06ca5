/*
 * Events handed over and not yet answered, with a queue that dies and credit
 * that runs out: workers/intake/pending.c, turns.c.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include <event2/event.h>

#include "workers/intake/intake.h"
#include "workers/worker.h"

/* The link, as far as pending.c uses it. */
static uint64_t sent[8 * PENDING_MAX];
static size_t nsent;
static size_t credit;
static int send_errno = EAGAIN;

int
link_send(struct link *l, enum msg_type type, uint64_t id, const void *data,
    size_t len)
{
	assert_non_null(l);
	assert_int_equal(type, INTAKE_EVENT_SUBMIT);
	assert_non_null(data);
	assert_true(len >= 39);
	if (credit == 0) {
		errno = send_errno;
		return (-1);
	}
	credit--;
	sent[nsent++] = id;
	return (0);
}

static struct peer queue = { .class = PC_QUEUE,
    .link = (struct link *)&queue };

static uint64_t last_accepted_arg, naccepted, nrefused;
static char last_id[64], last_error[200];
static bool last_duplicate;

static void
on_accepted(void *arg, struct span id, bool duplicate)
{
	last_accepted_arg = (uintptr_t)arg;
	naccepted++;
	memcpy(last_id, id.p, id.len);
	last_id[id.len] = '\0';
	last_duplicate = duplicate;
}

static void
on_refused(void *arg, const struct error *e)
{
	(void)arg;
	nrefused++;
	strlcpy(last_error, e->text, sizeof(last_error));
}

static const struct pending_ops ops = { on_accepted, on_refused };

static uint64_t
add(const char *id, uintptr_t arg)
{
	static struct packer p;

	pack_reset(&p);
	pack_u8(&p, 0);
	pack_u8(&p, 0);
	pack_u8(&p, 0);
	pack_u64(&p, 0);
	pack_str(&p, id);
	for (int i = 0; i < 6; i++)
		pack_str(&p, "");
	return (pending_add(&p, &ops, (void *)arg, 1));
}

static enum link_verdict
accept_it(uint64_t token, uint8_t duplicate)
{
	struct packer p = { 0 };
	struct frame f = { .type = QUEUE_EVENT_ACCEPT, .id = token, .fd = -1 };
	enum link_verdict v;

	pack_u64(&p, 1);
	pack_u8(&p, duplicate);
	f.data = p.buf;
	f.len = p.len;
	v = pending_answer(&f);
	pack_free(&p);
	return (v);
}

static int
setup(void **state)
{
	(void)state;
	nsent = 0;
	naccepted = nrefused = 0;
	credit = SIZE_MAX;
	send_errno = EAGAIN;
	pending_set_queue(&queue);
	return (0);
}

/* Answer what a test left behind. */
static int
teardown(void **state)
{
	(void)state;
	for (uint64_t t = 0; t < 200000 && pending_count() > 0; t++)
		(void)accept_it(t, 0);
	return (pending_count() == 0 ? 0 : -1);
}

static void
test_accepted(void **state)
{
	uint64_t a = add("one", 11), b = add("two", 22);

	(void)state;
	assert_true(a != 0 && b == a + 1);
	assert_int_equal(pending_count(), 2);
	assert_int_equal(accept_it(b, 1), LINK_DONE);
	assert_int_equal(last_accepted_arg, 22);
	assert_string_equal(last_id, "two");
	assert_true(last_duplicate);
	assert_int_equal(accept_it(a, 0), LINK_DONE);
	assert_string_equal(last_id, "one");
	assert_false(last_duplicate);
	assert_int_equal(pending_count(), 0);
	/* Twice, or never given: the queue before may have said it. */
	assert_int_equal(accept_it(a, 0), LINK_DONE);
	assert_int_equal(accept_it(a + 1000, 0), LINK_DONE);
	assert_int_equal(accept_it(0, 0), LINK_DONE);
	assert_int_equal(naccepted, 2);
}

static void
test_refused(void **state)
{
	struct packer p = { 0 };
	struct frame f = { .type = QUEUE_EVENT_REFUSE, .fd = -1 };

	(void)state;
	f.id = add("x", 1);
	pack_u16(&p, 75);
	pack_str(&p, "full\n\x1b");
	pack_str(&p, "");
	f.data = p.buf;
	f.len = p.len - 1;
	assert_int_equal(pending_answer(&f), LINK_BAD);
	f.len = p.len;
	assert_int_equal(pending_answer(&f), LINK_DONE);
	assert_int_equal(nrefused, 1);
	assert_string_equal(last_error, "full\\x0a\\x1b");
	pack_free(&p);
}

static void
test_a_malformed_answer_costs_the_link(void **state)
{
	struct frame f = { .type = QUEUE_EVENT_ACCEPT, .fd = -1,
	    .data = "12345678", .len = 8 };

	(void)state;
	f.id = add("x", 1);
	assert_int_equal(pending_answer(&f), LINK_BAD);
	assert_int_equal(naccepted, 0);
}

static void
test_disowned(void **state)
{
	uint64_t a = add("one", 11);

	(void)state;
	pending_disown(a);
	pending_disown(a + 1);
	assert_int_equal(accept_it(a, 0), LINK_DONE);
	assert_int_equal(naccepted, 0);
	assert_int_equal(pending_count(), 0);
	pending_disown(a);
}

/* Some events are made ready beyond the credit, then no more are taken. */
static void
test_no_credit(void **state)
{
	uint64_t first;
	size_t n = 0;

	(void)state;
	credit = 2;
	first = add("1", 1);
	add("2", 2);
	while (pending_ready()) {
		assert_true(add("x", 3) != 0);
		n++;
	}
	assert_in_range(n, 64, 256);
	assert_int_equal(nsent, 2);
	pending_pump();
	assert_false(pending_ready());
	credit = 1;
	pending_pump();
	assert_true(pending_ready());
	assert_int_equal(nsent, 3);
	credit = SIZE_MAX;
	pending_pump();
	assert_int_equal(nsent, n + 2);
	for (size_t i = 0; i < nsent; i++)
		assert_int_equal(sent[i], first + i);
}

static void
test_a_lost_queue_gets_nothing_and_the_next_gets_all_in_order(void **state)
{
	uint64_t t[10];

	(void)state;
	for (int i = 0; i < 10; i++)
		t[i] = add("x", 1);
	accept_it(t[0], 0);
	accept_it(t[4], 0);
	pending_set_queue(NULL);
	assert_false(pending_ready());
	nsent = 0;
	pending_pump();
	assert_int_equal(nsent, 0);
	credit = 3;
	pending_set_queue(&queue);
	assert_int_equal(nsent, 3);
	credit = SIZE_MAX;
	pending_pump();
	assert_true(pending_ready());
	assert_int_equal(nsent, 8);
	for (size_t i = 1; i < nsent; i++)
		assert_true(sent[i] > sent[i - 1]);
	assert_int_equal(sent[0], t[1]);
	assert_int_equal(sent[3], t[5]);
}

/* The link is gone before anybody said that the queue is. */
static void
test_a_closed_link(void **state)
{
	struct link *l = queue.link;

	(void)state;
	add("x", 1);
	queue.link = NULL;
	assert_false(pending_ready());
	assert_true(add("y", 2) != 0);
	assert_int_equal(nsent, 1);
	queue.link = l;
	pending_set_queue(&queue);
	assert_int_equal(nsent, 3);
}

static void
test_bounded(void **state)
{
	uint64_t first = 0, t;
	int n = 0;

	(void)state;
	while (pending_ready()) {
		t = add("x", 1);
		assert_true(t != 0);
		first = first ? first : t;
		n++;
	}
	assert_int_equal(n, PENDING_MAX);
	assert_int_equal(add("x", 1), 0);
	/* A straggler keeps its place: the ring does not run over it. */
	for (t = first + 1; t < first + PENDING_MAX; t++)
		accept_it(t, 0);
	assert_int_equal(pending_count(), 1);
	assert_false(pending_ready());
	accept_it(first, 0);
	assert_true(pending_ready());
	for (int i = 0; i < 5000; i++)
		accept_it(add("x", 1), 0);
	assert_int_equal(pending_count(), 0);
}

/* Turns. */

struct source {
	struct producer producer;
	int left, runs;
	uint64_t tokens;
};
static char order[64];

static bool
source_run(struct producer *p, unsigned int quota)
{
	struct source *s = (struct source *)p;

	s->runs++;
	for (; quota > 0 && s->left > 0 && pending_ready(); quota--) {
		assert_true(add("x", 1) != 0);
		s->left--;
	}
	if (strlen(order) < sizeof(order) - 1)
		strlcat(order, s->tokens == 1 ? "a" : "b", sizeof(order));
	return (s->left > 0);
}

static void
test_producers_take_turns(void **state)
{
	struct event_base *base = event_base_new();
	struct source a = { .producer.run = source_run, .left = 48,
	    .tokens = 1 };
	struct source b = { .producer.run = source_run, .left = 20,
	    .tokens = 2 };

	(void)state;
	turns_init(base);
	order[0] = '\0';
	turns_want(&a.producer);
	turns_want(&a.producer);
	turns_want(&b.producer);
	event_base_loop(base, EVLOOP_NONBLOCK);
	assert_string_equal(order, "ababa");
	assert_int_equal(a.left + b.left, 0);
	/* No credit: nobody runs, until it is there again. */
	credit = 0;
	while (pending_ready())
		add("x", 1);
	a.left = b.left = 8;
	turns_want(&a.producer);
	turns_want(&b.producer);
	event_base_loop(base, EVLOOP_NONBLOCK);
	event_base_loop(base, EVLOOP_NONBLOCK);
	assert_int_equal(a.left + b.left, 16);
	credit = SIZE_MAX;
	pending_pump();
	turns_wake();
	event_base_loop(base, EVLOOP_NONBLOCK);
	assert_int_equal(a.left + b.left, 0);
	/* Forgotten before its turn. */
	a.left = 5;
	turns_want(&a.producer);
	turns_forget(&a.producer);
	event_base_loop(base, EVLOOP_NONBLOCK);
	assert_int_equal(a.left, 5);
}

#define PENDING_TEST(name) \
	cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		PENDING_TEST(test_accepted),
		PENDING_TEST(test_refused),
		PENDING_TEST(test_a_malformed_answer_costs_the_link),
		PENDING_TEST(test_disowned),
		PENDING_TEST(test_no_credit),
		PENDING_TEST(
		    test_a_lost_queue_gets_nothing_and_the_next_gets_all_in_order),
		PENDING_TEST(test_a_closed_link),
		PENDING_TEST(test_bounded),
		PENDING_TEST(test_producers_take_turns),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
