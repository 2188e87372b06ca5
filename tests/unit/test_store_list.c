/*
 * The store's listings, archive and pruning.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/nitems.h"
#include "tests/scratch_dir.h"
#include "tests/unit/store_events.h"
#include "workers/queue/store_int.h"

static char dir[256];
static struct store *st;
static int64_t got[5000];
static int ngot;
static struct store_row last;

static int
setup(void **state)
{
	(void)state;
	scratch_dir_make(dir, sizeof(dir), NULL);
	st = store_open(dir);
	ngot = 0;
	return (st == NULL);
}

static int
teardown(void **state)
{
	(void)state;
	store_close(st);
	return (scratch_dir_remove(dir));
}

static void
note_row(const struct store_row *r, void *arg)
{
	(void)arg;
	got[ngot++] = r->delivery.id;
	last = *r;
	assert_string_equal(r->event.type, "task_progress");
	assert_int_equal(r->event.seq, DELIVERY_SEQ(r->delivery.id));
}

static void
note_event(const struct store_event *e, void *arg)
{
	(void)arg;
	got[ngot++] = e->seq;
}

static void
note_payload(const struct store_event *e, void *arg)
{
	(void)arg;
	assert_int_equal(e->payload_bytes, 400);
	got[ngot++] = e->seq;
}

/* 300 events for three chats: every fourth is open, then come delivered,
 * dead and suppressed. */
static void
fill(void)
{
	static const int states[] = { DS_QUEUED, DS_DELIVERED, DS_DEAD,
		DS_SUPPRESSED };
	struct store_chat c = { .id = 1, .chat_id = -1001, .thread = 7 };
	int i;

	store_put_chat(st, &c);
	for (i = 0; i < 300; i++)
		events_put(st, i, 1 + i % 3, i % 2, states[i % 4]);
	assert_int_equal(store_commit(st), 0);
}

static int
list(int state, bool open, bool final, int64_t before, int limit)
{
	ngot = 0;
	return (store_list(st, state, open, final, before, limit, note_row,
	    NULL));
}

static void
test_list_pages(void **state)
{
	int64_t before = 0, previous = INT64_MAX;
	int n, all = 0, i;

	(void)state;
	fill();
	while ((n = list(-1, false, false, before, 70)) > 0) {
		assert_int_equal(n, ngot);
		for (i = 0; i < n; i++) {
			assert_true(got[i] < previous);
			previous = got[i];
		}
		all += n;
		before = got[n - 1];
	}
	assert_int_equal(n, 0);
	assert_int_equal(all, 300);
	assert_int_equal(last.chat.id, 1);
	assert_int_equal(last.chat.chat_id, -1001);
	assert_int_equal(last.chat.thread, 7);
}

/* Their rows say that they are queued. */
static void
test_list_what_is_being_sent(void **state)
{
	int i, n;

	(void)state;
	fill();
	n = list(DS_QUEUED, true, false, 0, 1000);
	for (i = 0; i < 20; i++)
		store_put_sending(st, got[i], 1);
	assert_int_equal(store_commit(st), 0);
	assert_int_equal(list(-1, true, false, 0, 1000), n);
	assert_int_equal(list(DS_SENDING, true, false, 0, 1000), 20);
	assert_int_equal(last.delivery.state, DS_SENDING);
	assert_int_equal(list(DS_SENDING, true, false, got[9], 5), 5);
	assert_int_equal(list(DS_QUEUED, true, false, 0, 10), 10);
	assert_int_equal(last.delivery.state, DS_QUEUED);
	assert_int_equal(list(DS_QUEUED, true, false, 0, 1000), n - 20);
}

static void
test_list_filters(void **state)
{
	static const struct {
		int state;
		bool open, final;
		int want;
	} cases[] = { { -1, true, false, 75 }, { -1, false, true, 225 },
		{ DS_QUEUED, false, false, 75 }, { DS_SENDING, true, false, 0 },
		{ DS_DELIVERED, false, false, 75 },
		{ DS_DEAD, false, true, 75 },
		{ DS_SUPPRESSED, false, false, 75 },
		{ DS_UNCERTAIN, false, false, 0 }, { DS_DEAD, true, false, 0 },
		{ DS_QUEUED, false, true, 0 } };
	size_t i;
	int k;

	(void)state;
	fill();
	for (i = 0; i < nitems(cases); i++) {
		assert_int_equal(list(cases[i].state, cases[i].open,
		    cases[i].final, 0, 1000), cases[i].want);
		for (k = 1; k < ngot; k++)
			assert_true(got[k] < got[k - 1]);
		if (cases[i].want == 0)
			continue;
		assert_int_equal(list(cases[i].state, cases[i].open,
		    cases[i].final, 0, 10), 10);
		assert_int_equal(list(cases[i].state, cases[i].open,
		    cases[i].final, got[9], 1000), cases[i].want - 10);
	}
}

/* A step ends when it has taken its time: as many as it takes for limit, or
 * for the whole pass. */
static int
load_archivable(int limit)
{
	int n = 0, step;

	ngot = 0;
	do {
		step = store_load_archivable(st, EVENTS_BASE_MS + 200,
		    limit - n, note_payload, NULL);
		assert_true(step >= 0);
		n += step;
	} while (n < limit && st->archive_cursor != 0);
	return (n);
}

static void
test_archive(void **state)
{
	struct store_segment g;
	struct store_event e;
	int64_t first[64];

	(void)state;
	fill();
	/* Events 0, 4, 8 … are open, the last 100 are too young. */
	assert_int_equal(load_archivable(64), 64);
	memcpy(first, got, sizeof(first));
	assert_int_equal(store_put_segment(st, first, 64, 64 * 400, "DATA",
	    4), 0);
	assert_int_equal(store_commit(st), 0);
	assert_int_equal(load_archivable(1000), 149 - 64);
	assert_true(got[0] > first[63]);
	/* The pass is over; the next begins at the front again. */
	assert_int_equal(load_archivable(1000), 149 - 64);
	assert_true(got[0] > first[63]);

	assert_int_equal(store_get_event(st, first[0], true, &e), 1);
	assert_null(e.payload);
	assert_int_equal(e.raw_bytes, 400);
	assert_true(e.segment > 0);
	assert_int_equal(store_get_segment(st, e.segment, &g), 1);
	assert_int_equal(g.len, 4);
	assert_memory_equal(g.data, "DATA", 4);
	assert_int_equal(g.raw_bytes, 64 * 400);
	assert_int_equal(store_get_segment(st, 99, &g), 0);
	assert_string_equal(store_check(st), "ok");
}

static int64_t
prune_all(struct store_prune *p, int64_t now, bool dry)
{
	int steps = 0, n;

	p->cursor = p->found = 0;
	do {
		n = store_prune(st, p, now, 50, dry);
		assert_in_range(n, 0, 50);
		if (!dry)
			assert_int_equal(store_commit(st), 0);
		assert_true(++steps < 100);
	} while (p->cursor != 0);
	return (p->found);
}

static void
test_prune_age(void **state)
{
	struct store_prune p = { .max_age_ms = 1000 };

	(void)state;
	fill();
	/* 200 of them are older, 50 of those open. */
	assert_int_equal(prune_all(&p, EVENTS_BASE_MS + 1200, true), 150);
	assert_int_equal(list(-1, false, false, 0, 1000), 300);
	assert_int_equal(prune_all(&p, EVENTS_BASE_MS + 1200, false), 150);
	assert_int_equal(list(-1, false, false, 0, 1000), 150);
	assert_int_equal(list(-1, true, false, 0, 1000), 75);
	assert_int_equal(prune_all(&p, EVENTS_BASE_MS + 1200, false), 0);
	assert_int_equal(store_find_id(st, "event-1", 7), 0);
	assert_int_not_equal(store_find_id(st, "event-0", 7), 0);
	assert_string_equal(store_check(st), "ok");
}

static void
test_prune_count(void **state)
{
	struct store_prune p = { .max_events = 200 };

	(void)state;
	fill();
	assert_int_equal(prune_all(&p, EVENTS_BASE_MS, true), 100);
	assert_int_equal(prune_all(&p, EVENTS_BASE_MS, false), 100);
	assert_int_equal(list(-1, false, false, 0, 1000), 200);
	p.max_events = 10; /* less than are open */
	assert_int_equal(prune_all(&p, EVENTS_BASE_MS, false), 125);
	assert_int_equal(list(-1, false, false, 0, 1000), 75);
}

static void
test_prune_bytes(void **state)
{
	struct store_prune p = { .max_bytes = 400 * 1024 };
	int i;

	(void)state;
	for (i = 0; i < 3000; i++)
		events_put(st, i, 1, 0, DS_DELIVERED);
	assert_int_equal(store_commit(st), 0);
	assert_in_range(prune_all(&p, EVENTS_BASE_MS, true), 1500, 2700);
	assert_in_range(prune_all(&p, EVENTS_BASE_MS, false), 1500, 2800);
	assert_in_range(list(-1, false, false, 0, 5000), 200, 1500);
	/* The rest goes back to the file system. */
	while (store_shrink(st, 100) > 0)
		continue;
	store_close(st);
	st = store_open(dir);
	assert_in_range(store_bytes(st), 100 * 1024, 800 * 1024);
	assert_string_equal(store_check(st), "ok");
}

/* A segment goes with the last event that is in it. */
static void
test_prune_segments(void **state)
{
	struct store_prune p = { .max_events = 20 };
	struct store_segment g;
	int64_t seq[40];
	int i;

	(void)state;
	for (i = 0; i < 40; i++)
		seq[i] = events_put(st, i, 1, 0, DS_DELIVERED);
	assert_int_equal(store_commit(st), 0);
	store_put_segment(st, seq, 30, 30 * 400, "S", 1);
	assert_int_equal(store_commit(st), 0);
	assert_int_equal(prune_all(&p, EVENTS_BASE_MS, false), 20);
	assert_int_equal(store_get_segment(st, 1, &g), 1);
	p.max_events = 5;
	assert_int_equal(prune_all(&p, EVENTS_BASE_MS, false), 15);
	assert_int_equal(store_get_segment(st, 1, &g), 0);
	/* Of these, the compressor's answer came after their end. */
	store_put_segment(st, seq, 30, 30 * 400, "S", 1);
	store_put_segment(st, seq + 30, 10, 10 * 400, "T", 1);
	assert_int_equal(store_commit(st), 0);
	p.max_events = 1;
	assert_int_equal(prune_all(&p, EVENTS_BASE_MS, false), 4);
	events_put(st, 99, 1, 0, DS_DELIVERED);
	assert_int_equal(store_commit(st), 0);
	assert_int_equal(prune_all(&p, EVENTS_BASE_MS, false), 1);
	assert_int_equal(store_get_segment(st, 2, &g), 0);
	assert_int_equal(store_get_segment(st, 3, &g), 0);
}

static void
test_prune_tasks(void **state)
{
	struct store_task t = { .chat = 1, .task_id = "old", .closed = true,
		.started_ms = EVENTS_BASE_MS };
	struct store_prune p = { .max_age_ms = 1000 };

	(void)state;
	store_put_task(st, &t);
	t.task_id = "going on";
	t.closed = false;
	store_put_task(st, &t);
	assert_int_equal(store_commit(st), 0);
	prune_all(&p, EVENTS_BASE_MS + 5000, false);
	assert_int_equal(store_get_task(st, 1, "old", &t), 0);
	assert_int_equal(store_get_task(st, 1, "going on", &t), 1);
}

static void
test_orphans_only_after_salvage(void **state)
{
	(void)state;
	fill();
	assert_int_equal(store_load_orphans(st, 0, 10, note_event, NULL), 0);
	assert_null(store_damaged(st));
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	static const struct CMUnitTest tests[] = {
		TEST(test_list_pages),
		TEST(test_list_filters),
		TEST(test_list_what_is_being_sent),
		TEST(test_archive),
		TEST(test_prune_age),
		TEST(test_prune_count),
		TEST(test_prune_bytes),
		TEST(test_prune_segments),
		TEST(test_prune_tasks),
		TEST(test_orphans_only_after_salvage),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
