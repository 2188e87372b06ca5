/*
 * The store when the disk fails: nothing is acknowledged that is not there,
 * nothing of a failed commit comes back, and it goes on when the disk does.
 * tests/functional/faultfs.c is linked in.
 */
#include "config.h"

#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

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

static char dir[256], control[300];
static struct store *st;

static int
setup(void **state)
{
	int i;

	(void)state;
	scratch_dir_make(dir, sizeof(dir), NULL);
	snprintf(control, sizeof(control), "%s.faults", dir);
	setenv("CCTG_FAULT_CONTROL", control, 1);
	st = store_open(dir);
	for (i = 0; st != NULL && i < 100; i++)
		events_put(st, i, 1, LANE_BULK, DS_QUEUED);
	return (st == NULL || store_commit(st) == -1);
}

static int
teardown(void **state)
{
	(void)state;
	unlink(control);
	store_close(st);
	return (scratch_dir_remove(dir));
}

static void
faults(const char *text)
{
	FILE *f;

	unlink(control);
	if (text == NULL)
		return;
	f = fopen(control, "w");
	fputs(text, f);
	fclose(f);
}

/* So many of the first n events are there. */
static int
count(int n)
{
	int i, there = 0;

	for (i = 0; i < n; i++)
		there += events_whole(st, i);
	return (there);
}

/*
 * Refused while the disk fails, in these words; the events are dropped, an
 * update is kept and done when the disk works again, and none of the refused
 * ones is there, also after a crash right then.
 */
static void
check_refusal(const char *fault_lines, const char *words)
{
	struct store_delivery d;
	int i;

	assert_int_equal(store_put_sending(st, DELIVERY_ID(5, 0), 1), 0);
	for (i = 100; i < 200; i++)
		events_put(st, i, 1, LANE_BULK, DS_QUEUED);
	faults(fault_lines);
	for (i = 0; i < 3; i++) {
		assert_int_equal(store_commit(st), -1);
		assert_non_null(strstr(store_error(st), words));
	}
	store_drop_accepts(st, NULL, NULL);
	assert_int_equal(store_commit(st), -1);
	assert_int_equal(store_pending_ops(st), 1);
	faults(NULL);
	assert_int_equal(store_commit(st), 0);
	assert_string_equal(store_error(st), "");
	assert_int_equal(count(200), 100);
	assert_int_equal(store_get_delivery(st, DELIVERY_ID(5, 0), &d), 1);
	assert_int_equal(d.state, DS_SENDING);
	for (i = 200; i < 300; i++)
		events_put(st, i, 1, LANE_BULK, DS_QUEUED);
	assert_int_equal(store_commit(st), 0);
	assert_string_equal(store_check(st), "ok");
	store_close(st);
	st = store_open(dir);
	assert_null(store_damaged(st));
	assert_int_equal(count(300), 200);
	for (i = 100; i < 200; i++)
		assert_false(events_whole(st, i));
	assert_string_equal(store_check(st), "ok");
}

static void
test_flush_fails(void **state)
{
	(void)state;
	check_refusal("sync EIO\n", "Input/output error");
}

static void
test_journal_flush_fails(void **state)
{
	(void)state;
	check_refusal("sync EIO -wal\n", "Input/output error");
}

static void
test_write_fails(void **state)
{
	(void)state;
	check_refusal("write EIO\n", "Input/output error");
}

static void
test_disk_full(void **state)
{
	(void)state;
	check_refusal("write ENOSPC\n", "disk full");
}

static void
test_quota(void **state)
{
	(void)state;
	check_refusal("write EDQUOT\nsync EDQUOT\n", "disk full");
}

static void
test_read_only(void **state)
{
	(void)state;
	check_refusal("write EROFS\nsync EROFS\ntruncate EROFS\n",
	    "Read-only file system");
}

/*
 * The frames of a transaction whose flush failed stood in the WAL, and a
 * recovery took them for committed.
 */
static void
test_refused_is_not_recovered(void **state)
{
	int i;

	(void)state;
	for (i = 100; i < 200; i++)
		events_put(st, i, 1, LANE_BULK, DS_QUEUED);
	faults("sync EIO -wal\n");
	assert_int_equal(store_commit(st), -1);
	store_drop_accepts(st, NULL, NULL);
	faults(NULL);
	assert_int_equal(store_put_meta(st, "k", "v"), 0);
	assert_int_equal(store_commit(st), 0);
	assert_int_equal(count(200), 100);
}

/* With nothing left to do, a commit said that the disk worked again. */
static void
test_empty_commit_asks_the_disk(void **state)
{
	(void)state;
	events_put(st, 100, 1, LANE_BULK, DS_QUEUED);
	faults("write ENOSPC\n");
	assert_int_equal(store_commit(st), -1);
	store_drop_accepts(st, NULL, NULL);
	assert_int_equal(store_pending_ops(st), 0);
	assert_int_equal(store_commit(st), -1);
	faults(NULL);
	assert_int_equal(store_commit(st), 0);
	assert_string_equal(store_error(st), "");
}

/* A refused one is not recovered when it was the first in a restarted WAL. */
static void
test_refused_after_checkpoint(void **state)
{
	int i, k, next = 100, frames;

	(void)state;
	/* Until a commit has checkpointed. */
	do {
		frames = (int)st->wal_frames;
		for (i = 0; i < 200; i++)
			events_put(st, next++, 1, LANE_BULK, DS_QUEUED);
		assert_int_equal(store_commit(st), 0);
	} while (st->wal_frames > frames);
	assert_int_equal(st->wal_frames, 0);
	for (k = 0; k < 2; k++) {
		for (i = 0; i < 50; i++)
			events_put(st, 100000 + i, 1, LANE_BULK, DS_QUEUED);
		faults("sync EIO\n");
		assert_int_equal(store_commit(st), -1);
		store_drop_accepts(st, NULL, NULL);
		faults(NULL);
		store_put_meta(st, "k", "v");
		assert_int_equal(store_commit(st), 0);
		assert_int_equal(events_whole(st, 100000), 0);
		assert_int_equal(count(next), next);
	}
	assert_string_equal(store_check(st), "ok");
}

/* A checkpoint that fails costs nothing: the commits stand in the WAL. */
static void
test_checkpoint_fails(void **state)
{
	static const char *const lines[] = { "write EIO queue.db$\n",
		"sync EIO queue.db$\n", "write ENOSPC queue.db$\n" };
	int k, round, next = 100;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(lines); i++) {
		faults(lines[i]);
		for (round = 0; round < 12; round++) {
			for (k = 0; k < 500; k++)
				events_put(st, next++, 1, LANE_BULK,
				    DS_QUEUED);
			assert_int_equal(store_commit(st), 0);
		}
		assert_true(st->wal_frames > 1000);
		store_checkpoint(st);
		assert_true(st->wal_frames > 1000);
		faults(NULL);
		events_put(st, next++, 1, LANE_BULK, DS_QUEUED);
		assert_int_equal(store_commit(st), 0);
		store_checkpoint(st);
		assert_int_equal(st->wal_frames, 0);
	}
	store_close(st);
	st = store_open(dir);
	assert_int_equal(count(next), next);
	assert_string_equal(store_check(st), "ok");
}

/*
 * The disk fails from the n-th write of a commit and its checkpoint on, for
 * each n; by turns the events are given up or tried again.
 */
#define EACH 400 /* more than the store writes at once */
static void
each_call_fails(const char *call)
{
	int n, k, begin, failed, there = 100, last = 0;
	char line[64];

	for (n = 1; n < 200; n += n < 20 ? 1 : 7) {
		snprintf(line, sizeof(line), "%s queue.db %d\n", call, n);
		begin = 1000 * n;
		for (k = 0; k < EACH; k++)
			events_put(st, begin + k, 1, LANE_BULK, DS_QUEUED);
		st->wal_frames = 5000; /* with a checkpoint */
		faults(line);
		failed = store_commit(st) == -1;
		last = failed ? n : last;
		if (failed && n % 2)
			store_drop_accepts(st, NULL, NULL);
		faults(NULL);
		store_put_meta(st, "k", line);
		assert_int_equal(store_commit(st), 0);
		for (k = 0; k < EACH; k++)
			assert_int_equal(events_whole(st, begin + k),
			    !(failed && n % 2));
		there += failed && n % 2 ? 0 : EACH;
	}
	assert_true(last > 1);
	assert_int_equal(st->events, there);
	store_close(st);
	st = store_open(dir);
	assert_int_equal(st->events, there);
	assert_string_equal(store_check(st), "ok");
	assert_int_equal(count(100), 100);
}

static void
test_each_write_fails(void **state)
{
	(void)state;
	each_call_fails("write EIO");
}

static void
test_each_write_finds_disk_full(void **state)
{
	(void)state;
	each_call_fails("write ENOSPC");
}

static void
test_file_size_limit(void **state)
{
	struct rlimit old, small = { 0, 0 };
	int i, next = 100, failed = 0;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small.rlim_cur = 600 * 1024;
	small.rlim_max = old.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	for (i = 0; i < 50 && !failed; i++) {
		for (int k = 0; k < 100; k++)
			events_put(st, next++, 1, LANE_BULK, DS_QUEUED);
		failed = store_commit(st) == -1;
	}
	assert_true(failed);
	assert_non_null(strstr(store_error(st), "file size limit"));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(store_commit(st), 0);
	assert_int_equal(count(next), next);
	assert_string_equal(store_check(st), "ok");
}

/* A real full disk, where this may be mounted. */
static void
test_full_tmpfs(void **state)
{
	char place[300];
	int i, next = 0, failed = 0;

	(void)state;
	snprintf(place, sizeof(place), "%s.full", dir);
	if (mkdir(place, 0700) == -1 ||
	    mount("tmpfs", place, "tmpfs", 0, "size=1M") == -1) {
		rmdir(place);
		skip();
	}
	store_close(st);
	st = store_open(place);
	assert_non_null(st);
	for (i = 0; i < 100 && !failed; i++) {
		for (int k = 0; k < 50; k++)
			events_put(st, next++, 1, LANE_BULK, DS_QUEUED);
		failed = store_commit(st) == -1;
	}
	assert_true(failed);
	assert_non_null(strstr(store_error(st), "disk full"));
	store_drop_accepts(st, NULL, NULL);
	assert_int_equal(count(next), next - 50);
	assert_int_equal(mount("tmpfs", place, "tmpfs", MS_REMOUNT,
	    "size=16M"), 0);
	events_put(st, next, 1, LANE_BULK, DS_QUEUED);
	assert_int_equal(store_commit(st), 0);
	assert_true(events_whole(st, next));
	assert_string_equal(store_check(st), "ok");
	store_close(st);
	st = NULL;
	umount(place);
	rmdir(place);
}

/* A full disk at start: said, not damaged. */
static void
test_open_on_full_disk(void **state)
{
	(void)state;
	store_close(st);
	faults("write ENOSPC\nsync ENOSPC\n");
	st = store_open(dir);
	faults(NULL);
	store_close(st);
	st = store_open(dir);
	assert_non_null(st);
	assert_null(store_damaged(st));
	assert_int_equal(count(100), 100);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	static const struct CMUnitTest tests[] = {
		TEST(test_flush_fails),
		TEST(test_journal_flush_fails),
		TEST(test_write_fails),
		TEST(test_disk_full),
		TEST(test_quota),
		TEST(test_read_only),
		TEST(test_refused_is_not_recovered),
		TEST(test_empty_commit_asks_the_disk),
		TEST(test_refused_after_checkpoint),
		TEST(test_checkpoint_fails),
		TEST(test_each_write_fails),
		TEST(test_each_write_finds_disk_full),
		TEST(test_file_size_limit),
		TEST(test_full_tmpfs),
		TEST(test_open_on_full_disk),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
