/*
 * The store: what is put comes back, now and after opening again.
 */
#include "config.h"

#include <sys/stat.h>
#include <sys/wait.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/event_types.h"
#include "common/uuid.h"
#include "common/nitems.h"
#include "tests/scratch_dir.h"
#include "workers/queue/store_int.h"

static char dir[256];

static int
setup(void **state)
{
	(void)state;
	scratch_dir_make(dir, sizeof(dir), NULL);
	return (0);
}

static int
teardown(void **state)
{
	(void)state;
	return (scratch_dir_remove(dir));
}

static struct store_event
make_event(struct store *st, const char *id)
{
	struct store_event e = {
		.seq = store_next_seq(st), .id = id, .type = "build_failed",
		.source = "ci", .task_id = id, .title = "Build broken",
		.severity = SEV_HIGH, .flags = EV_TRUSTED,
		.received_ms = 1700000000000, .expires_ms = 1700600000000,
		.encoding = ENC_RAW, .payload = "{\"a\":1}",
		.payload_bytes = 7, .raw_bytes = 7,
	};

	return (e);
}

static int64_t
put_one(struct store *st, const char *id, int32_t chat, int lane)
{
	struct store_event e = make_event(st, id);
	struct store_delivery d = { .id = DELIVERY_ID(e.seq, 0),
		.chat = chat, .lane = lane };

	assert_int_equal(store_put_event(st, &e, &d, 1), 0);
	return (e.seq);
}

static int64_t
find(struct store *st, const char *id)
{
	return (store_find_id(st, id, strlen(id)));
}

static int seen;
static struct store_delivery last_seen;

static void
note_delivery(const struct store_delivery *d, void *arg)
{
	int64_t *ids = arg;

	if (ids != NULL)
		ids[seen] = d->id;
	last_seen = *d;
	seen++;
}

/* Every statement of the table is valid against the schema. */
static void
test_statements(void **state)
{
	struct store *st = store_open(dir);
	int q;

	(void)state;
	assert_non_null(st);
	for (q = 0; q < NQUERIES; q++)
		assert_non_null(store_stmt(st, q));
	assert_string_equal(store_check(st), "ok");
	store_close(st);
}

static void
test_event_survives(void **state)
{
	struct store *st = store_open(dir);
	struct store_event e;
	int64_t seq;

	(void)state;
	seq = put_one(st, "0190a1b2-0000-7000-8000-000000000001", 3, LANE_HIGH);
	assert_int_equal(store_pending_ops(st), 1);
	assert_int_equal(find(st, "0190a1b2-0000-7000-8000-000000000001"),
	    seq);
	assert_int_equal(store_get_event(st, seq, false, &e), 0);
	assert_int_equal(store_commit(st), 0);
	assert_int_equal(store_pending_ops(st), 0);
	store_close(st);

	st = store_open(dir);
	assert_int_equal(find(st, "0190a1b2-0000-7000-8000-000000000001"),
	    seq);
	assert_int_equal(find(st, "0190a1b2-0000-7000-8000-000000000002"), 0);
	assert_int_equal(store_get_event(st, seq, true, &e), 1);
	assert_string_equal(e.id, "0190a1b2-0000-7000-8000-000000000001");
	assert_string_equal(e.task_id, e.id);
	assert_string_equal(e.type, "build_failed");
	assert_string_equal(e.source, "ci");
	assert_string_equal(e.title, "Build broken");
	assert_int_equal(e.severity, SEV_HIGH);
	assert_int_equal(e.flags, EV_TRUSTED);
	assert_int_equal(e.received_ms, 1700000000000);
	assert_int_equal(e.expires_ms, 1700600000000);
	assert_int_equal(e.payload_bytes, 7);
	assert_memory_equal(e.payload, "{\"a\":1}", 7);
	assert_int_equal(e.segment, 0);
	assert_int_equal(store_oldest_open(st), 1700000000000);
	assert_int_equal(st->events, 1);
	assert_true(store_next_seq(st) > seq);
	store_close(st);
}

/* Ids with equal keys are told apart, also before the commit. */
static void
test_find_compares_ids(void **state)
{
	static const char *const ids[] = {
		"0190a1b2-0000-7000-8000-000000000001",
		"0190a1b2-0000-7000-9000-000000000001",
		"0190A1B2-0000-7000-8000-000000000001", "short", "" };
	struct store *st = store_open(dir);
	int64_t seq[nitems(ids)];
	size_t i;

	(void)state;
	for (i = 0; i < nitems(ids); i++) {
		assert_int_equal(find(st, ids[i]), 0);
		seq[i] = put_one(st, ids[i], 1, LANE_BULK);
	}
	for (i = 0; i < nitems(ids); i++)
		assert_int_equal(find(st, ids[i]), seq[i]);
	assert_int_equal(store_commit(st), 0);
	for (i = 0; i < nitems(ids); i++)
		assert_int_equal(find(st, ids[i]), seq[i]);
	store_close(st);
}

/* An id older than others that are there was taken for new. */
static void
test_find_out_of_order(void **state)
{
	struct store *st = store_open(dir);
	char newer[UUID_SIZE];
	char future[] = "7fffffff-0000-7000-8000-00000000000f";
	static const char older[] = "0190a1b2-0000-7000-8000-000000000001";
	int64_t a, b, c;

	(void)state;
	uuid_v7(newer);
	assert_int_equal(find(st, newer), 0);
	a = put_one(st, newer, 1, LANE_BULK);
	assert_int_equal(find(st, older), 0);
	b = put_one(st, older, 1, LANE_BULK);
	assert_int_equal(find(st, future), 0);
	c = put_one(st, future, 1, LANE_BULK);
	assert_int_equal(find(st, newer), a);
	assert_int_equal(store_commit(st), 0);
	assert_int_equal(find(st, newer), a);
	assert_int_equal(find(st, older), b);
	assert_int_equal(find(st, future), c);
	store_close(st);
	st = store_open(dir);
	assert_int_equal(find(st, newer), a);
	assert_int_equal(find(st, older), b);
	assert_int_equal(find(st, future), c);
	uuid_v7(newer);
	assert_int_equal(find(st, newer), 0);
	store_close(st);
}

/* The table of pending ids grows and is emptied by a commit. */
static void
test_many_pending(void **state)
{
	struct store *st = store_open(dir);
	char id[5000][UUID_SIZE];
	int64_t seq[nitems(id)];
	size_t i;

	(void)state;
	for (i = 0; i < nitems(id); i++) {
		uuid_v7(id[i]);
		seq[i] = put_one(st, id[i], 1, LANE_BULK);
	}
	for (i = 0; i < nitems(id); i++)
		assert_int_equal(find(st, id[i]), seq[i]);
	assert_int_equal(store_commit(st), 0);
	assert_int_equal(st->npending, 0);
	for (i = 0; i < nitems(id); i += 100)
		assert_int_equal(find(st, id[i]), seq[i]);
	store_close(st);
}

static void
test_lanes(void **state)
{
	struct store *st = store_open(dir);
	int64_t ids[10], a, b, c;
	struct store_delivery d;

	(void)state;
	a = put_one(st, "a", 1, LANE_BULK);
	put_one(st, "h", 1, LANE_HIGH);
	b = put_one(st, "b", 1, LANE_BULK);
	put_one(st, "o", 2, LANE_BULK);
	c = put_one(st, "c", 1, LANE_BULK);
	assert_int_equal(store_commit(st), 0);
	seen = 0;
	assert_int_equal(store_load_open(st, 1, LANE_BULK, 0, 10,
	    note_delivery, ids), 3);
	assert_int_equal(ids[0], DELIVERY_ID(a, 0));
	assert_int_equal(ids[1], DELIVERY_ID(b, 0));
	assert_int_equal(ids[2], DELIVERY_ID(c, 0));
	seen = 0;
	assert_int_equal(store_load_open(st, 1, LANE_BULK, ids[0], 1,
	    note_delivery, ids), 1);
	assert_int_equal(ids[0], DELIVERY_ID(b, 0));

	/* A final one is not open any more. */
	assert_int_equal(store_get_delivery(st, DELIVERY_ID(a, 0), &d), 1);
	d.state = DS_DELIVERED;
	d.done_ms = 1700000001000;
	d.messages = "17,18";
	d.parts_done = 2;
	assert_int_equal(store_put_delivery(st, &d), 0);
	assert_int_equal(store_put_sending(st, DELIVERY_ID(b, 0), 3), 0);
	assert_int_equal(store_commit(st), 0);
	seen = 0;
	assert_int_equal(store_load_open(st, 1, LANE_BULK, 0, 10,
	    note_delivery, ids), 2);
	assert_int_equal(ids[0], DELIVERY_ID(b, 0));
	seen = 0;
	assert_int_equal(store_load_sending(st, note_delivery, ids), 1);
	assert_int_equal(ids[0], DELIVERY_ID(b, 0));
	assert_int_equal(last_seen.attempts, 3);
	assert_int_equal(last_seen.state, DS_SENDING);
	assert_int_equal(store_get_delivery(st, DELIVERY_ID(a, 0), &d), 1);
	assert_string_equal(d.messages, "17,18");
	assert_null(d.reason);
	assert_int_equal(d.parts_done, 2);
	assert_int_equal(store_get_delivery(st, 999999, &d), 0);
	store_close(st);
}

static void
add_open(int32_t chat, int lane, int64_t n, void *arg)
{
	int64_t (*count)[NLANES] = arg;

	count[chat][lane] = n;
}

static void
test_count_open(void **state)
{
	struct store *st = store_open(dir);
	int64_t count[4][NLANES] = { { 0 } };
	char id[16];
	int i;

	(void)state;
	assert_int_equal(store_oldest_open(st), 0);
	for (i = 0; i < 60; i++) {
		snprintf(id, sizeof(id), "e%d", i);
		put_one(st, id, i % 3 + 1, i % 2);
	}
	assert_int_equal(store_commit(st), 0);
	assert_int_equal(store_count_open(st, add_open, count), 6);
	for (i = 1; i <= 3; i++) {
		assert_int_equal(count[i][LANE_BULK], 10);
		assert_int_equal(count[i][LANE_HIGH], 10);
	}
	store_close(st);
}

static void
test_fanout(void **state)
{
	struct store *st = store_open(dir);
	struct store_event e = make_event(st, "wide");
	struct store_delivery d[STORE_FANOUT] = { { 0 } };
	int64_t ids[STORE_FANOUT];
	int i;

	(void)state;
	put_one(st, "next", 1, LANE_BULK);
	for (i = 0; i < STORE_FANOUT; i++) {
		d[i].id = DELIVERY_ID(e.seq, i);
		d[i].chat = i + 1;
		d[i].reason = "why";
	}
	assert_int_equal(store_put_event(st, &e, d, STORE_FANOUT), 0);
	assert_int_equal(store_commit(st), 0);
	seen = 0;
	assert_int_equal(store_event_deliveries(st, e.seq, note_delivery,
	    ids), STORE_FANOUT);
	for (i = 0; i < STORE_FANOUT; i++)
		assert_int_equal(DELIVERY_SEQ(ids[i]), e.seq);
	store_close(st);
}

static void
note_chat(const struct store_chat *c, void *arg)
{
	struct store_chat *out = arg;

	if (c->reason != NULL)
		assert_string_equal(c->reason, "bot was blocked");
	out[c->id] = *c;
}

static void
test_chats_tasks_meta(void **state)
{
	struct store *st = store_open(dir);
	struct store_chat c = { .id = 1, .chat_id = -100123, .thread = 7 };
	struct store_chat got[3];
	struct store_task t = { .chat = 1, .task_id = "t1", .message_id = 55,
		.started_ms = 12 };
	char *value;

	(void)state;
	assert_int_equal(store_put_chat(st, &c), 0);
	c = (struct store_chat){ .id = 2, .chat_id = 5, .suspended = true,
		.reason = "bot was blocked" };
	assert_int_equal(store_put_chat(st, &c), 0);
	assert_int_equal(store_put_task(st, &t), 0);
	assert_int_equal(store_put_meta(st, "mode", "nomad"), 0);
	assert_int_equal(store_put_meta(st, "mode", "mute"), 0);
	assert_int_equal(store_commit(st), 0);
	assert_int_equal(store_load_chats(st, note_chat, got), 2);
	assert_int_equal(got[1].chat_id, -100123);
	assert_int_equal(got[1].thread, 7);
	assert_false(got[1].suspended);
	assert_true(got[2].suspended);
	assert_int_equal(store_get_task(st, 1, "t1", &t), 1);
	assert_int_equal(t.message_id, 55);
	assert_false(t.closed);
	t.closed = true;
	assert_int_equal(store_put_task(st, &t), 0);
	assert_int_equal(store_commit(st), 0);
	assert_int_equal(store_get_task(st, 1, "t1", &t), 1);
	assert_true(t.closed);
	assert_int_equal(store_get_task(st, 1, "t2", &t), 0);
	value = store_get_meta(st, "mode");
	assert_string_equal(value, "mute");
	free(value);
	assert_null(store_get_meta(st, "none"));
	store_close(st);
}

/* A chat that moved to the address of another did not hold up the rest. */
static void
test_conflict_is_left_out(void **state)
{
	struct store *st = store_open(dir);
	struct store_chat c = { .id = 1, .chat_id = 10 }, got[3];

	(void)state;
	assert_int_equal(store_put_chat(st, &c), 0);
	c.id = 2;
	c.chat_id = 20;
	assert_int_equal(store_put_chat(st, &c), 0);
	assert_int_equal(store_commit(st), 0);
	c.chat_id = 10;
	assert_int_equal(store_put_chat(st, &c), 0);
	put_one(st, "after", 1, LANE_BULK);
	assert_int_equal(store_commit(st), 0);
	assert_int_not_equal(find(st, "after"), 0);
	assert_int_equal(store_load_chats(st, note_chat, got), 2);
	assert_int_equal(got[2].chat_id, 20);
	store_close(st);
}

static void
test_masked(void **state)
{
	struct store *st = store_open(dir);
	int64_t seq = put_one(st, "secret", 1, LANE_BULK);
	struct store_event e;

	(void)state;
	assert_int_equal(store_commit(st), 0);
	assert_int_equal(store_put_masked(st, seq, "masked", "{}", 2), 0);
	assert_int_equal(store_commit(st), 0);
	assert_int_equal(store_get_event(st, seq, true, &e), 1);
	assert_string_equal(e.title, "masked");
	assert_int_equal(e.payload_bytes, 2);
	assert_int_equal(e.raw_bytes, 2);
	assert_int_equal(e.flags & EVF_REDACTED, EVF_REDACTED);
	store_close(st);
}

static void
test_drop_accepts(void **state)
{
	struct store *st = store_open(dir);

	(void)state;
	put_one(st, "one", 1, LANE_BULK);
	assert_int_equal(store_put_meta(st, "k", "v"), 0);
	put_one(st, "two", 1, LANE_BULK);
	assert_int_equal(store_pending_ops(st), 3);
	store_drop_accepts(st, NULL, NULL);
	assert_int_equal(store_pending_ops(st), 1);
	assert_int_equal(find(st, "one"), 0);
	assert_int_equal(store_commit(st), 0);
	assert_int_equal(find(st, "two"), 0);
	assert_int_equal(st->events, 0);
	free(store_get_meta(st, "k"));
	store_close(st);
}

static void
test_totals(void **state)
{
	struct store_totals t = { .delivered = 3, .suppressed = 2,
		.uncertain = 1, .dead = 4, .duplicates = 5 };
	struct store *st = store_open(dir);

	(void)state;
	store_count(st, &t);
	assert_int_equal(store_commit(st), 0);
	store_count(st, &t);
	assert_int_equal(store_commit(st), 0);
	store_close(st);
	st = store_open(dir);
	store_get_totals(st, &t);
	assert_int_equal(t.delivered, 6);
	assert_int_equal(t.suppressed, 4);
	assert_int_equal(t.uncertain, 2);
	assert_int_equal(t.dead, 8);
	assert_int_equal(t.duplicates, 10);
	store_close(st);
}

static void
test_modes(void **state)
{
	struct store *st = store_open(dir);
	char path[300];
	struct stat sb;

	(void)state;
	put_one(st, "x", 1, LANE_BULK);
	assert_int_equal(store_commit(st), 0);
	snprintf(path, sizeof(path), "%s/queue.db", dir);
	assert_int_equal(stat(path, &sb), 0);
	assert_int_equal(sb.st_mode & 0777, 0600);
	strlcat(path, "-wal", sizeof(path));
	assert_int_equal(stat(path, &sb), 0);
	assert_int_equal(sb.st_mode & 0777, 0600);
	snprintf(path, sizeof(path), "%s/queue.db-shm", dir);
	assert_int_equal(stat(path, &sb), -1);
	assert_true(store_bytes(st) > 0);
	store_close(st);
}

static void
count_meta(const char *key, const char *value, void *arg)
{
	(void)key, (void)value;
	++*(int *)arg;
}

static int
attempts_of(struct store *st, int64_t seq)
{
	struct store_delivery d;

	assert_int_equal(store_get_delivery(st, DELIVERY_ID(seq, 0), &d), 1);
	return (d.state == DS_SENDING ? d.attempts : -d.state);
}

static void
put_state(struct store *st, int64_t seq, int state, int attempts)
{
	struct store_delivery d;

	assert_int_equal(store_get_delivery(st, DELIVERY_ID(seq, 0), &d), 1);
	d.state = state;
	d.attempts = attempts;
	assert_int_equal(store_put_delivery(st, &d), 0);
}

/* Many at once, some end, some are tried again: it is so on disk, too. */
static void
test_what_is_being_sent_is_known_after_a_restart(void **state)
{
	struct store *st = store_open(dir);
	int64_t seq[150], ids[150];
	int i, rows = 0;
	char id[16];

	(void)state;
	for (i = 0; i < 150; i++) {
		snprintf(id, sizeof(id), "s%d", i);
		seq[i] = put_one(st, id, 1, LANE_BULK);
		assert_int_equal(store_put_sending(st,
		    DELIVERY_ID(seq[i], 0), 1), 0);
	}
	assert_int_equal(store_commit(st), 0);
	/* An end, a retry that waits, one that is under way again. */
	put_state(st, seq[0], DS_DELIVERED, 1);
	put_state(st, seq[1], DS_QUEUED, 1);
	put_state(st, seq[2], DS_QUEUED, 1);
	assert_int_equal(store_put_sending(st, DELIVERY_ID(seq[2], 0), 2), 0);
	assert_int_equal(store_commit(st), 0);
	for (int again = 0; again < 2; again++) {
		assert_int_equal(attempts_of(st, seq[0]), -DS_DELIVERED);
		assert_int_equal(attempts_of(st, seq[1]), -DS_QUEUED);
		assert_int_equal(attempts_of(st, seq[2]), 2);
		assert_int_equal(attempts_of(st, seq[149]), 1);
		seen = 0;
		assert_int_equal(store_load_sending(st, note_delivery, ids),
		    148);
		assert_int_equal(ids[0], DELIVERY_ID(seq[2], 0));
		assert_int_equal(ids[147], DELIVERY_ID(seq[149], 0));
		assert_int_equal(last_seen.state, DS_SENDING);
		store_close(st);
		st = store_open(dir);
	}
	/* When all have ended nothing is left of them. */
	for (i = 1; i < 150; i++)
		put_state(st, seq[i], DS_DELIVERED, 2);
	assert_int_equal(store_commit(st), 0);
	assert_int_equal(store_load_sending(st, note_delivery, ids), 0);
	put_one(st, "next", 1, LANE_BULK);
	assert_int_equal(store_commit(st), 0);
	assert_int_equal(store_each_meta(st, "store.sending.", count_meta,
	    &rows), 0);
	assert_int_equal(rows, 0);
	store_close(st);
}

/* The row of a transaction goes when the last of its marks is over. */
static void
test_mark_and_end_in_one_transaction(void **state)
{
	struct store *st = store_open(dir);
	int64_t a, b;
	int rows = 0;

	(void)state;
	a = put_one(st, "a", 1, LANE_BULK);
	b = put_one(st, "b", 1, LANE_BULK);
	assert_int_equal(store_commit(st), 0);
	store_put_sending(st, DELIVERY_ID(a, 0), 1);
	put_state(st, a, DS_DELIVERED, 1);
	store_put_sending(st, DELIVERY_ID(b, 0), 1);
	put_state(st, b, DS_QUEUED, 1);
	store_put_sending(st, DELIVERY_ID(b, 0), 2);
	assert_int_equal(store_commit(st), 0);
	assert_int_equal(attempts_of(st, a), -DS_DELIVERED);
	assert_int_equal(attempts_of(st, b), 2);
	store_close(st);
	st = store_open(dir);
	assert_int_equal(attempts_of(st, a), -DS_DELIVERED);
	assert_int_equal(attempts_of(st, b), 2);
	put_state(st, b, DS_DEAD, 2);
	assert_int_equal(store_commit(st), 0);
	put_one(st, "c", 1, LANE_BULK);
	assert_int_equal(store_commit(st), 0);
	assert_int_equal(store_each_meta(st, "store.sending.", count_meta,
	    &rows), 0);
	assert_int_equal(rows, 0);
	store_close(st);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	static const struct CMUnitTest tests[] = {
		TEST(test_statements),
		TEST(test_event_survives),
		TEST(test_find_compares_ids),
		TEST(test_find_out_of_order),
		TEST(test_many_pending),
		TEST(test_lanes),
		TEST(test_what_is_being_sent_is_known_after_a_restart),
		TEST(test_mark_and_end_in_one_transaction),
		TEST(test_count_open),
		TEST(test_fanout),
		TEST(test_chats_tasks_meta),
		TEST(test_conflict_is_left_out),
		TEST(test_masked),
		TEST(test_drop_accepts),
		TEST(test_totals),
		TEST(test_modes),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
