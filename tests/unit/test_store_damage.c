/*
 * A store whose file was damaged: it opens, says so, keeps the old file, and
 * has what could be read.
 */
#include "config.h"

#include <sys/stat.h>
#include <sys/wait.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/scratch_dir.h"
#include "tests/unit/store_events.h"
#include "workers/queue/store_int.h"

#define EVENTS 2000

static char dir[256], path[300];
static int ngot;

static int
setup(void **state)
{
	struct store *st;
	int i;

	(void)state;
	scratch_dir_make(dir, sizeof(dir), NULL);
	snprintf(path, sizeof(path), "%s/queue.db", dir);
	if ((st = store_open(dir)) == NULL)
		return (1);
	for (i = 0; i < EVENTS; i++)
		events_put(st, i, 1, LANE_BULK,
		    i % 2 ? DS_DELIVERED : DS_QUEUED);
	store_put_chat(st, &(struct store_chat){ .id = 1, .chat_id = 10 });
	store_put_meta(st, "mode", "nomad");
	if (store_commit(st) == -1)
		return (1);
	store_close(st);
	return (0);
}

static int
teardown(void **state)
{
	(void)state;
	return (scratch_dir_remove(dir));
}

static void
scribble(off_t at, size_t len, int byte)
{
	char *garbage = malloc(len);
	int fd = open(path, O_WRONLY);
	size_t i;

	for (i = 0; i < len; i++)
		garbage[i] = (char)(byte < 0 ? rand() : byte);
	assert_true(fd != -1);
	assert_int_equal(pwrite(fd, garbage, len, at), len);
	close(fd);
	free(garbage);
}

static int
count_whole(struct store *st)
{
	int i, n = 0;

	for (i = 0; i < EVENTS; i++)
		n += events_whole(st, i);
	return (n);
}

static int
count_aside(void)
{
	struct dirent *e;
	DIR *d = opendir(dir);
	int n = 0;

	while ((e = readdir(d)) != NULL)
		if (strncmp(e->d_name, "queue.db.damaged-", 17) == 0 &&
		    strstr(e->d_name, ".page1") == NULL &&
		    strstr(e->d_name, "-wal") == NULL)
			n++;
	closedir(d);
	return (n);
}

static void
count_event(const struct store_event *e, void *arg)
{
	(void)arg;
	assert_true(e->seq > 0);
	ngot++;
}

/* It works like any other, and the damage is told until it is forgotten. */
static void
check_works(struct store *st)
{
	char *mode;

	assert_non_null(st);
	assert_non_null(store_damaged(st));
	assert_non_null(strstr(store_damaged(st), "queue.db.damaged-"));
	assert_int_equal(count_aside(), 1);
	assert_false(store_is_broken(st));
	assert_string_equal(store_check(st), "ok");
	events_put(st, EVENTS, 1, LANE_BULK, DS_QUEUED);
	assert_int_equal(store_commit(st), 0);
	assert_true(events_whole(st, EVENTS));
	store_close(st);

	st = store_open(dir);
	assert_non_null(st);
	assert_non_null(store_damaged(st));
	assert_int_equal(store_forget_damage(st), 0);
	assert_int_equal(store_commit(st), 0);
	mode = store_get_meta(st, "mode");
	free(mode);
	store_close(st);
	st = store_open(dir);
	assert_null(store_damaged(st));
	store_close(st);
	assert_int_equal(count_aside(), 1);
}

static void
test_garbage_in_the_middle(void **state)
{
	struct store *st;
	struct stat sb;
	int n;

	(void)state;
	assert_int_equal(stat(path, &sb), 0);
	scribble(sb.st_size / 2 / 4096 * 4096, 3 * 4096, -1);
	st = store_open(dir);
	assert_non_null(st);
	n = count_whole(st);
	/* Three pages hold some 30 events, or 400 deliveries. */
	assert_in_range(n, EVENTS - 60, EVENTS);
	check_works(st);
}

static void
test_garbage_all_over(void **state)
{
	struct store *st;
	struct stat sb;
	off_t at;

	(void)state;
	assert_int_equal(stat(path, &sb), 0);
	for (at = 20 * 4096; at < sb.st_size; at += 20 * 4096)
		scribble(at, 4096, -1);
	st = store_open(dir);
	assert_non_null(st);
	assert_in_range(count_whole(st), EVENTS * 8 / 10, EVENTS);
	check_works(st);
}

static void
test_header_zeroed(void **state)
{
	struct store *st;

	(void)state;
	scribble(0, 100, 0);
	st = store_open(dir);
	assert_non_null(st);
	assert_int_equal(count_whole(st), EVENTS);
	check_works(st);
}

static void
test_first_page_garbage(void **state)
{
	struct store *st;

	(void)state;
	scribble(0, 4096, -1);
	st = store_open(dir);
	assert_non_null(st);
	assert_int_equal(count_whole(st), EVENTS);
	check_works(st);
}

static void
test_truncated(void **state)
{
	struct store *st;
	struct stat sb;

	(void)state;
	assert_int_equal(stat(path, &sb), 0);
	assert_int_equal(truncate(path, sb.st_size * 6 / 10 + 77), 0);
	st = store_open(dir);
	assert_non_null(st);
	assert_in_range(count_whole(st), EVENTS / 3, EVENTS);
	check_works(st);
}

static void
test_truncated_to_nothing(void **state)
{
	struct store *st;

	(void)state;
	assert_int_equal(truncate(path, 0), 0);
	st = store_open(dir);
	assert_non_null(st);
	assert_int_equal(count_whole(st), 0);
	check_works(st);
}

static void
test_all_garbage(void **state)
{
	struct store *st;
	struct stat sb;

	(void)state;
	assert_int_equal(stat(path, &sb), 0);
	scribble(0, (size_t)sb.st_size, -1);
	st = store_open(dir);
	assert_non_null(st);
	assert_int_equal(count_whole(st), 0);
	check_works(st);
}

/* Every page of the database in turn, one after the other. */
static void
test_each_page(void **state)
{
	uint8_t page[4096];
	struct store *st;
	struct stat sb;
	char command[1400];
	off_t at;
	int fd, n;

	(void)state;
	assert_int_equal(stat(path, &sb), 0);
	snprintf(command, sizeof(command), "cp %s %s.saved", path, path);
	assert_int_equal(system(command), 0);
	for (at = 0; at < sb.st_size; at += 4096 * 11) {
		snprintf(command, sizeof(command), "rm -f %s/queue.db "
		    "%s/queue.db.damaged* && cp %s.saved %s", dir, dir, path,
		    path);
		assert_int_equal(system(command), 0);
		scribble(at, 4096, -1);
		st = store_open(dir);
		assert_non_null(st);
		n = count_whole(st);
		assert_in_range(n, EVENTS - 450, EVENTS);
		assert_string_equal(store_check(st), "ok");
		store_close(st);
	}
	fd = open(path, O_RDONLY);
	assert_int_equal(read(fd, page, sizeof(page)), sizeof(page));
	close(fd);
	/* The schema fits the first page: replace_first_page() needs that. */
	assert_int_equal(page[100], 0x0d);
}

/* Deliveries that were lost are made anew by the caller. */
static void
test_orphans(void **state)
{
	struct store_delivery d = { .chat = 1 };
	struct store *st;
	sqlite3 *db;

	(void)state;
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "DELETE FROM delivery WHERE id < 640;"
	    "DELETE FROM event WHERE seq > 1990; PRAGMA journal_mode = DELETE",
	    NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	scribble(0, 100, 0);
	st = store_open(dir);
	assert_non_null(st);
	ngot = 0;
	assert_int_equal(store_load_orphans(st, 0, 100, count_event, NULL), 9);
	assert_int_equal(ngot, 9);
	d.id = DELIVERY_ID(3, 0);
	assert_int_equal(store_put_routes(st, 3, &d, 1), 0);
	assert_int_equal(store_commit(st), 0);
	assert_int_equal(store_get_delivery(st, DELIVERY_ID(3, 0), &d), 1);
	assert_int_equal(store_load_orphans(st, 0, 100, count_event, NULL), 0);
	/* Those whose event is gone cannot be sent. */
	assert_int_equal(store_get_delivery(st, DELIVERY_ID(1995, 0), &d), 1);
	assert_int_equal(d.state, DS_DEAD);
	assert_string_equal(d.reason, "lost in a damaged store");
	assert_true(store_next_seq(st) > EVENTS);
	store_close(st);
}

/* A delivery for a chat that nobody knows any more is made anew, too. */
static void
test_chat_lost(void **state)
{
	struct store *st;
	sqlite3 *db;

	(void)state;
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "DELETE FROM chat;"
	    "PRAGMA journal_mode = DELETE", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	scribble(0, 100, 0);
	st = store_open(dir);
	assert_non_null(st);
	assert_int_equal(store_load_orphans(st, 0, EVENTS, count_event, NULL),
	    EVENTS / 2);
	store_close(st);
}

/* Met while running: the store says so, and the next start salvages. */
static void
test_damage_while_running(void **state)
{
	struct store *st = store_open(dir);
	struct store_event e;
	struct stat sb;
	int i, broken = 0;

	(void)state;
	assert_int_equal(stat(path, &sb), 0);
	scribble(4096 * 20, (size_t)sb.st_size - 4096 * 20, -1);
	sqlite3_db_release_memory(st->db); /* what the check has read */
	for (i = 1; i <= EVENTS && !broken; i++) {
		store_get_event(st, i, true, &e);
		broken = store_is_broken(st);
	}
	assert_true(broken);
	events_put(st, EVENTS, 1, LANE_BULK, DS_QUEUED);
	assert_int_equal(store_commit(st), -1);
	assert_non_null(strstr(store_error(st), "damaged"));
	store_close(st);
	st = store_open(dir);
	check_works(st);
}

/* Killed between any two steps of a salvage, the next start goes on. */
static void
test_salvage_interrupted(void **state)
{
	char mark[400], aside[400], new[400];
	struct store *st;
	FILE *f;

	(void)state;
	snprintf(mark, sizeof(mark), "%s/queue.db.salvage", dir);
	snprintf(new, sizeof(new), "%s/queue.db.new", dir);
	snprintf(aside, sizeof(aside), "%s/queue.db.damaged-20260101T000000Z",
	    dir);
	f = fopen(mark, "w");
	fputs("queue.db.damaged-20260101T000000Z\n", f);
	fclose(f);
	/* Set aside, the new one half made. */
	assert_int_equal(rename(path, aside), 0);
	f = fopen(new, "w");
	fputs("half", f);
	fclose(f);
	st = store_open(dir);
	assert_non_null(st);
	assert_int_equal(count_whole(st), EVENTS);
	assert_int_equal(access(mark, F_OK), -1);
	assert_int_equal(access(new, F_OK), -1);
	store_close(st);
	/* Complete, but the mark is still there. */
	f = fopen(mark, "w");
	fputs("queue.db.damaged-20260101T000000Z\n", f);
	fclose(f);
	st = store_open(dir);
	assert_non_null(st);
	assert_int_equal(count_whole(st), EVENTS);
	assert_int_equal(access(mark, F_OK), -1);
	store_close(st);
	/* Three times tried and not survived: begin anew, keep the file. */
	assert_int_equal(rename(path, aside), 0);
	f = fopen(mark, "w");
	fputs("queue.db.damaged-20260101T000000Z\n"
	    "queue.db.damaged-20260101T000000Z\n"
	    "queue.db.damaged-20260101T000000Z\n", f);
	fclose(f);
	st = store_open(dir);
	assert_non_null(st);
	assert_int_equal(count_whole(st), 0);
	check_works(st);
}

static void
test_newer_schema_is_left_alone(void **state)
{
	struct stat before, after;
	struct store *st;
	sqlite3 *db;

	(void)state;
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 99", NULL,
	    NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	assert_int_equal(stat(path, &before), 0);
	errno = 0;
	assert_null(store_open(dir));
	assert_int_equal(errno, ENOTSUP);
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(before.st_size, after.st_size);
	assert_int_equal(count_aside(), 0);
	sqlite3_open(path, &db);
	sqlite3_exec(db, "PRAGMA user_version = 1", NULL, NULL, NULL);
	sqlite3_close(db);
	st = store_open(dir);
	assert_int_equal(count_whole(st), EVENTS);
	store_close(st);
}

/* Damaged twice within a second: both files are kept. */
static void
test_damaged_twice(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 2; i++) {
		scribble(0, 100, 0);
		store_close(store_open(dir));
	}
	assert_int_equal(count_aside(), 2);
}

/* A second process is told; after the first was killed it gets in. */
static void
test_one_owner(void **state)
{
	struct store *st;
	sqlite3 *db;
	int ready[2], status;
	pid_t pid;
	char c;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	if ((pid = fork()) == 0) {
		if ((st = store_open(dir)) == NULL)
			_exit(1);
		events_put(st, EVENTS, 1, LANE_BULK, DS_QUEUED);
		if (store_commit(st) == -1 || write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "SELECT count(*) FROM event", NULL,
	    NULL, NULL), SQLITE_BUSY);
	assert_string_equal(sqlite3_errmsg(db), "database is locked");
	sqlite3_close(db);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	st = store_open(dir);
	assert_non_null(st);
	assert_null(store_damaged(st));
	assert_true(events_whole(st, EVENTS));
	store_close(st);
	close(ready[0]);
	close(ready[1]);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	static const struct CMUnitTest tests[] = {
		TEST(test_garbage_in_the_middle),
		TEST(test_garbage_all_over),
		TEST(test_header_zeroed),
		TEST(test_first_page_garbage),
		TEST(test_truncated),
		TEST(test_truncated_to_nothing),
		TEST(test_all_garbage),
		TEST(test_each_page),
		TEST(test_orphans),
		TEST(test_chat_lost),
		TEST(test_damage_while_running),
		TEST(test_salvage_interrupted),
		TEST(test_newer_schema_is_left_alone),
		TEST(test_damaged_twice),
		TEST(test_one_owner),
	};

	srand(1);
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
