/*
 * The limit that the store is compared with: plain SQLite on the same disk,
 * WAL, synchronous=FULL, rows with 600 bytes.
 *
 *	limit_sqlite [-d directory] [-n rows] [-c commits]
 *
 * Prints the rate of inserts in transactions of 64 and the latency of a
 * transaction with one insert, as "name value unit" lines.
 */
#include "config.h"

#include <err.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/scratch_dir.h"
#include "common/clock.h"

#define BATCH 64
#define PAYLOAD 600

static void	run(sqlite3 *, const char *);
static int	compare(const void *, const void *);
static void	insert(sqlite3_stmt *);
static void	batches(sqlite3 *, sqlite3_stmt *, int64_t);
static void	singles(sqlite3 *, sqlite3_stmt *, int64_t);

static void
run(sqlite3 *db, const char *sql)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		errx(1, "%s: %s", sql, sqlite3_errmsg(db));
}

static int
compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return ((x > y) - (x < y));
}

static void
insert(sqlite3_stmt *s)
{
	static char payload[PAYLOAD];

	payload[0]++;
	sqlite3_bind_blob(s, 1, payload, sizeof(payload), SQLITE_STATIC);
	if (sqlite3_step(s) != SQLITE_DONE)
		errx(1, "insert");
	sqlite3_reset(s);
}

static void
batches(sqlite3 *db, sqlite3_stmt *s, int64_t rows)
{
	int64_t start = clock_mono_us(), n;
	int i;

	for (n = 0; n < rows; n += BATCH) {
		run(db, "BEGIN IMMEDIATE");
		for (i = 0; i < BATCH; i++)
			insert(s);
		run(db, "COMMIT");
	}
	printf("limit_sqlite_batch64 %.0f events/s\n",
	    (double)n * 1e6 / (double)(clock_mono_us() - start));
}

static void
singles(sqlite3 *db, sqlite3_stmt *s, int64_t commits)
{
	int64_t *us = calloc((size_t)commits, sizeof(*us)), i, start;

	if (us == NULL)
		err(1, "calloc");
	for (i = 0; i < commits; i++) {
		start = clock_mono_us();
		run(db, "BEGIN IMMEDIATE");
		insert(s);
		run(db, "COMMIT");
		us[i] = clock_mono_us() - start;
	}
	qsort(us, (size_t)commits, sizeof(*us), compare);
	printf("limit_sqlite_commit_p50 %lld us\n",
	    (long long)us[commits / 2]);
	printf("limit_sqlite_commit_p99 %lld us\n",
	    (long long)us[commits * 99 / 100]);
	free(us);
}

int
main(int argc, char *argv[])
{
	const char *parent = NULL;
	int64_t rows = 128000, commits = 1000;
	char dir[512], path[600];
	sqlite3_stmt *s;
	sqlite3 *db;
	int c;

	while ((c = getopt(argc, argv, "c:d:n:")) != -1) {
		switch (c) {
		case 'c':
			commits = strtoll(optarg, NULL, 10);
			break;
		case 'd':
			parent = optarg;
			break;
		case 'n':
			rows = strtoll(optarg, NULL, 10);
			break;
		default:
			errx(2, "usage: limit_sqlite [-d directory] "
			    "[-n rows] [-c commits]");
		}
	}
	scratch_dir_make(dir, sizeof(dir), parent);
	snprintf(path, sizeof(path), "%s/limit.db", dir);
	if (sqlite3_open(path, &db) != SQLITE_OK)
		errx(1, "%s", path);
	run(db, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;"
	    "PRAGMA synchronous = FULL;"
	    "CREATE TABLE t(id INTEGER PRIMARY KEY, payload BLOB)");
	if (sqlite3_prepare_v2(db, "INSERT INTO t(payload) VALUES(?)", -1, &s,
	    NULL) != SQLITE_OK)
		errx(1, "prepare");
	batches(db, s, rows);
	singles(db, s, commits);
	sqlite3_finalize(s);
	sqlite3_close(db);
	scratch_dir_remove(dir);
	return (0);
}
