/*
 * The events directory: decisions, the table of known files, the scan and
 * rejected/.  workers/intake/verdict.c, filetab.c, scan.c, reject.c.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/nitems.h"
#include "common/uuid.h"
#include "tests/scratch_dir.h"
#include "workers/intake/files.h"

static char dir[64];
static int events_fd;

static int
setup(void **state)
{
	(void)state;
	scratch_dir_make(dir, sizeof(dir), NULL);
	events_fd = open(dir, O_RDONLY | O_DIRECTORY);
	return (events_fd == -1 ? -1 : 0);
}

static int
teardown(void **state)
{
	(void)state;
	close(events_fd);
	return (scratch_dir_remove(dir));
}

static void
put(const char *name, const char *text, time_t mtime)
{
	const struct timespec ts[2] = { { mtime, 0 }, { mtime, 0 } };
	int fd = openat(events_fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_true(fd != -1);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(futimens(fd, ts), 0);
	close(fd);
}

static void
test_names(void **state)
{
	static const char *const good[] = { "a.json", "a b.json",
	    "\xff.json", "a..json", "x.tmp.json" };
	static const char *const bad[] = { "", ".json", "json", "a.jso",
	    ".a.json", "a.json.tmp", "a.json~", "a.JSON", "a.jsonx",
	    "b/a.json" };

	(void)state;
	for (size_t i = 0; i < nitems(good); i++)
		assert_true(verdict_name(good[i]));
	for (size_t i = 0; i < nitems(bad); i++)
		assert_false(verdict_name(bad[i]));
}

static void
test_names_of_responses(void **state)
{
	static const char *const good[] = { "a.json",
	    "telegram_callback_42_20261121_045000_000001_ab12.json" };
	static const char *const bad[] = { "", ".json", "json", "a.jso",
	    ".a.json", "a.json.tmp", "../a.json", "a/b.json", "/a.json",
	    "a b.json", "a\n.json", "\xff.json" };
	char name[NAME_MAX + 1];

	(void)state;
	for (size_t i = 0; i < nitems(good); i++)
		assert_true(verdict_response(good[i], strlen(good[i])));
	for (size_t i = 0; i < nitems(bad); i++)
		assert_false(verdict_response(bad[i], strlen(bad[i])));
	assert_false(verdict_response("a\0b.json", 8));
	/* With the dot and the suffix of what is still written. */
	memset(name, 'a', sizeof(name));
	memcpy(name + NAME_MAX - 10, ".json", 6);
	assert_true(verdict_response(name, NAME_MAX - 5));
	memset(name, 'a', sizeof(name));
	memcpy(name + NAME_MAX - 9, ".json", 6);
	assert_false(verdict_response(name, NAME_MAX - 4));
	assert_true(verdict_ours("telegram_response_1_2.json"));
	assert_false(verdict_ours("xtelegram_response_1_2.json"));
	assert_false(verdict_ours("telegram_response_1_2.json.tmp"));
	assert_false(verdict_ours("bridge_mode.json"));
}

static void
test_broken_is_looked_at_for_5_s(void **state)
{
	int64_t due;

	(void)state;
	assert_int_equal(verdict_broken(1000, 1000, &due), FV_WAIT);
	assert_int_equal(due, 2000);
	assert_int_equal(verdict_broken(1000, 5500, &due), FV_WAIT);
	assert_int_equal(due, 6000);
	assert_int_equal(verdict_broken(1000, 5999, &due), FV_WAIT);
	assert_int_equal(verdict_broken(1000, 6000, &due), FV_REJECT);
	assert_int_equal(verdict_broken(1000, 99999, &due), FV_REJECT);
}

static void
test_removed_no_earlier_than_300_ms(void **state)
{
	const int64_t ms = 1000000, wall = 1800000000000;

	(void)state;
	/* Just written, in the middle of a millisecond. */
	assert_int_equal(verdict_remove_ms(wall * ms, wall, 50), 350);
	assert_int_equal(verdict_remove_ms(wall * ms + 999999, wall, 50),
	    350);
	/* 100 ms ago: 201 to go, rounded up. */
	assert_int_equal(verdict_remove_ms((wall - 100) * ms, wall, 50), 251);
	assert_int_equal(verdict_remove_ms((wall - 300) * ms, wall, 50), 51);
	assert_int_equal(verdict_remove_ms((wall - 301) * ms, wall, 50), 50);
	assert_int_equal(verdict_remove_ms(0, wall, 50), 50);
	/* The future counts as now. */
	assert_int_equal(verdict_remove_ms((wall + 86400000) * ms, wall, 50),
	    350);
}

static void
test_ids_depend_on_all_of_it(void **state)
{
	struct file_stamp s = { 1, 2, 3 };
	char a[UUID_SIZE], b[UUID_SIZE];

	(void)state;
	verdict_id(a, "x.json", &s, 4);
	verdict_id(b, "x.json", &s, 4);
	assert_string_equal(a, b);
	verdict_id(b, "y.json", &s, 4);
	assert_string_not_equal(a, b);
	verdict_id(b, "x.json", &s, 5);
	assert_string_not_equal(a, b);
	s.mtime_ns++;
	verdict_id(b, "x.json", &s, 4);
	assert_string_not_equal(a, b);
	s.mtime_ns--;
	s.size++;
	verdict_id(b, "x.json", &s, 4);
	assert_string_not_equal(a, b);
	/* A copy of the directory has other inodes. */
	s.size--;
	s.ino++;
	verdict_id(b, "x.json", &s, 4);
	assert_string_equal(a, b);
}

static void
test_hash_sees_every_byte(void **state)
{
	char text[100];
	uint64_t whole;

	(void)state;
	memset(text, 'x', sizeof(text));
	for (size_t len = 1; len <= sizeof(text); len++) {
		whole = verdict_hash(text, len);
		assert_true(whole != verdict_hash(text, len - 1));
		for (size_t i = 0; i < len; i++) {
			text[i] ^= 1;
			assert_true(whole != verdict_hash(text, len));
			text[i] ^= 1;
		}
	}
}

static void
drop_all(void)
{
	struct file *f;

	for (int s = 0; s < NFILESTATES; s++)
		while ((f = filetab_first(s)) != NULL)
			filetab_drop(f);
}

static struct file *
insert(const char *name)
{
	struct file *f = filetab_new(name);

	assert_non_null(f);
	assert_int_equal(filetab_insert(f), 0);
	return (f);
}

static void
test_table(void **state)
{
	struct file *a = insert("a.json"), *b = insert("b.json"), *c;

	(void)state;
	assert_ptr_equal(filetab_find("a.json"), a);
	assert_null(filetab_find("c.json"));
	assert_ptr_equal(filetab_first(FS_QUEUED), a);
	filetab_move(a, FS_SENT);
	assert_int_equal(filetab_count(FS_QUEUED), 1);
	assert_int_equal(filetab_count(FS_SENT), 1);
	assert_ptr_equal(filetab_find("a.json"), a);
	filetab_move_first(a, FS_QUEUED);
	assert_ptr_equal(filetab_first(FS_QUEUED), a);
	assert_ptr_equal(filetab_next(a), b);
	assert_ptr_equal(filetab_last(FS_QUEUED), b);
	filetab_drop(a);
	assert_null(filetab_find("a.json"));
	assert_int_equal(filetab_size(), 1);
	filetab_drop(b);
	for (int i = 0; i < FILES_MAX; i++) {
		char name[32];

		snprintf(name, sizeof(name), "%d.json", i);
		insert(name);
	}
	assert_non_null(filetab_find("4711.json"));
	c = filetab_new("one too many.json");
	assert_int_equal(filetab_insert(c), -1);
	free(c);
	drop_all();
	assert_int_equal(filetab_size(), 0);
}

static void
scan_all(void)
{
	int rc;

	assert_int_equal(scan_begin(events_fd), 0);
	while ((rc = scan_step(events_fd)) == 1)
		;
	assert_int_equal(rc, 0);
	assert_false(scan_active());
}

static void
test_scan_is_oldest_first(void **state)
{
	struct file *f;
	char name[32];

	(void)state;
	for (int i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "%04d.json", i * 1237 % 3000);
		put(name, "{}", 100000 + i * 1237 % 3000);
	}
	put("same2.json", "{}", 50);
	put("same1.json", "{}", 50);
	put("other.txt", "{}", 1);
	mkdirat(events_fd, "dir.json", 0755);
	scan_all();
	assert_int_equal(filetab_count(FS_QUEUED), 3002);
	f = filetab_first(FS_QUEUED);
	assert_string_equal(f->name, "same1.json");
	f = filetab_next(f);
	assert_string_equal(f->name, "same2.json");
	for (int i = 0; i < 3000; i++) {
		f = filetab_next(f);
		snprintf(name, sizeof(name), "%04d.json", i);
		assert_string_equal(f->name, name);
	}
	drop_all();
}

static void
test_scan_passes_over_known_files(void **state)
{
	struct file *kept, *sent;

	(void)state;
	put("kept.json", "{}", 1);
	put("sent.json", "{}", 1);
	put("new.json", "{}", 1);
	kept = insert("kept.json");
	filetab_move(kept, FS_KEPT);
	sent = insert("sent.json");
	filetab_move(sent, FS_SENT);
	scan_all();
	assert_int_equal(kept->state, FS_QUEUED);
	assert_int_equal(sent->state, FS_SENT);
	assert_int_equal(kept->scan, scan_number());
	assert_int_equal(sent->scan, scan_number());
	assert_int_equal(filetab_size(), 3);
	drop_all();
}

/* Nothing is lost when there is no room: the same step goes on later. */
static void
test_scan_waits_for_room(void **state)
{
	char name[32];
	int rc;

	(void)state;
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "new%d.json", i);
		put(name, "{}", 1);
	}
	for (int i = 0; i < FILES_MAX - 10; i++) {
		snprintf(name, sizeof(name), "%d.json", i);
		filetab_move(insert(name), FS_SENT);
	}
	assert_int_equal(scan_begin(events_fd), 0);
	while ((rc = scan_step(events_fd)) == 1)
		;
	assert_int_equal(rc, -1);
	assert_int_equal(filetab_count(FS_QUEUED), 10);
	assert_int_equal(scan_step(events_fd), -1);
	for (int i = 0; i < 90; i++)
		filetab_drop(filetab_first(FS_SENT));
	assert_int_equal(scan_step(events_fd), 0);
	assert_int_equal(filetab_count(FS_QUEUED), 100);
	drop_all();
}

static void
assert_content(const char *name, const char *start)
{
	char path[512], text[512] = "";
	FILE *f;

	snprintf(path, sizeof(path), "%s/rejected/%s", dir, name);
	f = fopen(path, "r");
	if (f == NULL)
		fail_msg("no %s", path);
	assert_non_null(fgets(text, sizeof(text), f));
	fclose(f);
	assert_memory_equal(text, start, strlen(start));
}

static void
test_reject_never_replaces(void **state)
{
	struct error e = { 65, "title", "missing" };

	(void)state;
	put("a.json", "first", 1);
	assert_int_equal(reject_file(events_fd, "a.json", &e), 0);
	put("a.json", "second", 1);
	e.field[0] = '\0';
	assert_int_equal(reject_file(events_fd, "a.json", &e), 0);
	assert_content("a.json", "first");
	assert_content("a.json.reason", "title: missing; ");
	assert_content("a.json.1", "second");
	assert_content("a.json.1.reason", "missing; ");
	errno = 0;
	assert_int_equal(reject_file(events_fd, "a.json", &e), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(faccessat(events_fd, "rejected/a.json.2.reason", F_OK,
	    0), -1);
}

static void
test_reject_a_name_as_long_as_can_be(void **state)
{
	struct error e = { 65, "", "no" };
	char name[256];

	(void)state;
	memset(name, 'n', 250);
	strlcpy(name + 250, ".json", sizeof(name) - 250);
	for (int i = 0; i < 3; i++) {
		put(name, "x", 1);
		assert_int_equal(reject_file(events_fd, name, &e), 0);
	}
	assert_int_equal(faccessat(events_fd, name, F_OK, 0), -1);
}

static void
test_reject_with_something_in_the_way(void **state)
{
	struct error e = { 65, "", "no" };

	(void)state;
	put("a.json", "x", 1);
	put("rejected", "x", 1);
	assert_int_equal(reject_file(events_fd, "a.json", &e), -1);
	assert_int_equal(faccessat(events_fd, "a.json", F_OK, 0), 0);
}

#define FILE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_names_of_responses),
		cmocka_unit_test(test_broken_is_looked_at_for_5_s),
		cmocka_unit_test(test_removed_no_earlier_than_300_ms),
		cmocka_unit_test(test_ids_depend_on_all_of_it),
		cmocka_unit_test(test_hash_sees_every_byte),
		cmocka_unit_test(test_table),
		FILE_TEST(test_scan_is_oldest_first),
		FILE_TEST(test_scan_passes_over_known_files),
		FILE_TEST(test_scan_waits_for_room),
		FILE_TEST(test_reject_never_replaces),
		FILE_TEST(test_reject_a_name_as_long_as_can_be),
		FILE_TEST(test_reject_with_something_in_the_way),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
