/*
 * The store's life: opening and closing the database, its schema, what its
 * errors mean, checkpoints.  Called by cctg-queue through store.h.
 *
 * A failed write or flush leaves the store usable: the transaction is rolled
 * back, and where the state of the file is in doubt it is closed, repaired
 * and opened again (store_suspend(), store_resume()).  Only what cannot be
 * opened at all makes store_open() return NULL.
 *
 * No other descriptor of queue.db may be opened and closed in this process
 * while SQLite has it: POSIX drops all of a process's locks on a file with
 * the first close().
 */
#include "config.h"

#include <sys/stat.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/scoreboard.h"
#include "workers/queue/store_int.h"

/*
 * A checkpoint copies about so many pages, which bounds how long it holds
 * up the next commit, and the WAL's size with it.
 */
#define CHECKPOINT_PAGES 1000
#define OVERDUE_PAGES (2 * CHECKPOINT_PAGES)
#define CACHE_KB 4096
#define QUICK_CHECK_BYTES (128 * 1024 * 1024)
#define CHECK_READ_MS 10000
#define KEY_FUTURE_MS (30 * 86400 * 1000LL)

static void	configure_sqlite(void);
static int	exec_sql(struct store *, const char *);
static int	read_version(struct store *);
static int	refuse_newer(struct store *, int);
static int	migrate(struct store *, int);
static int	set_up(struct store *);
static int	load_keys(struct store *);
static int	load_totals(struct store *);
static void	load_damage(struct store *);
static int	quick_check(struct store *);
static int	open_existing(struct store *);
static int	open_any(struct store *);
static int64_t	read_number(struct store *, enum store_query);
static bool	read_through(struct store *);
static int	note_frames(void *, sqlite3 *, const char *, int);
static const char *explain(int, int);

/* What brings a database from version i to i + 1. */
static const char *const migrations[STORE_VERSION] = { STORE_SCHEMA_1 };

static const char *const query_sql[NQUERIES] = {
#define QUERY_SQL(name, sql) [Q_##name] = sql,
	STORE_SQL(QUERY_SQL)
#undef QUERY_SQL
};

/* Before anything reads the file: no shared memory. */
static const char *const pragma_first = "PRAGMA locking_mode = EXCLUSIVE";

/* Of a new one only: they write to the file each time. */
static const char *const pragmas_new =
    "PRAGMA page_size = 4096;"		/* STORE_PAGE_BYTES */
    "PRAGMA auto_vacuum = INCREMENTAL";	/* for store_shrink() */

static const char *const pragmas =
    "PRAGMA journal_mode = WAL;"
    "PRAGMA synchronous = FULL;"	/* a commit is on disk */
    "PRAGMA foreign_keys = OFF;"
    "PRAGMA temp_store = MEMORY;"
    "PRAGMA mmap_size = 0;"
    "PRAGMA secure_delete = FAST;"	/* masked secrets do not linger */
    "PRAGMA cell_size_check = ON;"
    "PRAGMA wal_autocheckpoint = 0;"	/* store_checkpoint() does it */
    "PRAGMA journal_size_limit = 33554432;";

const char *
delivery_state_name(int state)
{
	switch (state) {
#define STATE_NAME(name, value, text) \
	case DS_##name:               \
		return (text);
	DELIVERY_STATES(STATE_NAME)
#undef STATE_NAME
	}
	return ("unknown");
}

/* One thread uses SQLite; no statistics of its allocations are wanted. */
static void
configure_sqlite(void)
{
	static bool done;

	if (done)
		return;
	done = true;
	sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	/* A file size limit is an error to report, not a reason to die. */
	signal(SIGXFSZ, SIG_IGN);
	if (store_register_vfs() == -1)
		fatalx("store: SQLite has no layer for files");
}

/*
 * Errors
 */

static const char *
explain(int rc, int error)
{
	switch (rc & 0xff) {
	case SQLITE_FULL:
		return ("disk full");
	case SQLITE_READONLY:
		return ("the store is read-only");
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return ("the store is locked by another process");
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return ("the store is damaged");
	case SQLITE_NOMEM:
		return ("out of memory");
	case SQLITE_CANTOPEN:
		return ("the store cannot be opened");
	}
	if (error == ENOSPC || error == EDQUOT)
		return ("disk full");
	if (error == EFBIG)
		return ("file size limit reached");
	if (rc == SQLITE_IOERR_FSYNC || rc == SQLITE_IOERR_DIR_FSYNC)
		return ("the disk failed to flush");
	if ((rc & 0xff) == SQLITE_IOERR)
		return ("disk error");
	return ("store error");
}

void
store_fail(struct store *st, int rc, const char *doing)
{
	char text[sizeof(st->error)];
	int error = errno;

	if (st->db != NULL && (sqlite3_errcode(st->db) & 0xff) == (rc & 0xff))
		rc = sqlite3_extended_errcode(st->db);
	/* SQLite keeps errno for most errors, but not for those of COMMIT;
	 * there it is still what the system call left. */
	if ((rc & 0xff) != SQLITE_IOERR && (rc & 0xff) != SQLITE_CANTOPEN)
		error = 0;
	else if (st->db != NULL && sqlite3_system_errno(st->db) != 0)
		error = sqlite3_system_errno(st->db);
	snprintf(text, sizeof(text), "%s (%s: %s%s%s)", explain(rc, error),
	    doing, st->db == NULL ? sqlite3_errstr(rc) :
	    sqlite3_errmsg(st->db), error ? ", " : "",
	    error ? strerror(error) : "");
	if (strcmp(text, st->error) != 0)
		log_warnx("store: %s", text);
	strlcpy(st->error, text, sizeof(st->error));
	if ((rc & 0xff) == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_NOTADB)
		store_mark_broken(st);
}

const char *
store_error(const struct store *st)
{
	return (st->error);
}

bool
store_is_broken(const struct store *st)
{
	return (st->broken);
}

const char *
store_damaged(const struct store *st)
{
	return (st->damaged[0] == '\0' ? NULL : st->damaged);
}

int
store_forget_damage(struct store *st)
{
	st->damaged[0] = '\0';
	return (store_put_meta(st, META_DAMAGED, NULL));
}

/*
 * Statements
 */

sqlite3_stmt *
store_stmt(struct store *st, enum store_query q)
{
	int rc;

	if (st->db == NULL)
		return (NULL);
	if (st->stmt[q] == NULL) {
		rc = sqlite3_prepare_v3(st->db, query_sql[q], -1,
		    SQLITE_PREPARE_PERSISTENT, &st->stmt[q], NULL);
		if (rc != SQLITE_OK)
			store_fail(st, rc, "prepare");
	}
	return (st->stmt[q]);
}

void
store_settle(struct store *st)
{
	if (st->held != NULL) {
		sqlite3_reset(st->held);
		st->held = NULL;
	}
}

static int
exec_sql(struct store *st, const char *sql)
{
	int rc = sqlite3_exec(st->db, sql, NULL, NULL, NULL);

	if (rc == SQLITE_OK)
		return (0);
	store_fail(st, rc, "open");
	return (-1);
}

/*
 * Schema
 */

static int
read_version(struct store *st)
{
	sqlite3_stmt *s;
	int version = -1;

	if (sqlite3_prepare_v2(st->db, "PRAGMA user_version", -1, &s, NULL) !=
	    SQLITE_OK) {
		store_fail(st, sqlite3_errcode(st->db), "open");
		return (-1);
	}
	if (sqlite3_step(s) == SQLITE_ROW)
		version = sqlite3_column_int(s, 0);
	else
		store_fail(st, sqlite3_errcode(st->db), "open");
	sqlite3_finalize(s);
	return (version);
}

/* 0, or -1 with errno ENOTSUP; then nothing was written. */
static int
refuse_newer(struct store *st, int version)
{
	if (version <= STORE_VERSION)
		return (0);
	snprintf(st->error, sizeof(st->error), "queue.db is of a newer "
	    "version of cctg (schema %d, this one knows %d); it is left "
	    "alone", version, STORE_VERSION);
	log_errx("store: %s: %s", st->dir, st->error);
	errno = ENOTSUP;
	return (-1);
}

/* Each step is a transaction with the new version in it. */
static int
migrate(struct store *st, int version)
{
	char sql[64];

	for (; version < STORE_VERSION; version++) {
		snprintf(sql, sizeof(sql), "PRAGMA user_version = %d; COMMIT",
		    version + 1);
		if (exec_sql(st, "BEGIN IMMEDIATE") == -1)
			return (-1);
		if (exec_sql(st, migrations[version]) == -1 ||
		    exec_sql(st, sql) == -1) {
			sqlite3_exec(st->db, "ROLLBACK", NULL, NULL, NULL);
			return (-1);
		}
	}
	return (0);
}

/*
 * For store_find_id().  key_end stays what it is for this process's life, and
 * key_max only rises, also when the database is opened again: it covers
 * the operations, too.
 */
static int
load_keys(struct store *st)
{
	sqlite3_stmt *s = store_stmt(st, Q_KEY_MAX);

	if (s == NULL)
		return (-1);
	if (st->key_end == 0) {
		/* The first 48 bits of a UUIDv7 are milliseconds. */
		st->key_end = (clock_wall_ms() + KEY_FUTURE_MS) << 16;
		st->key_max = INT64_MIN;
	}
	sqlite3_bind_int64(s, 1, st->key_end);
	if (store_step(st, s) != 1)
		return (-1);
	if (sqlite3_column_type(s, 0) != SQLITE_NULL &&
	    sqlite3_column_int64(s, 0) > st->key_max)
		st->key_max = sqlite3_column_int64(s, 0);
	sqlite3_reset(s);
	return (0);
}

static int
load_totals(struct store *st)
{
	sqlite3_stmt *s = store_stmt(st, Q_TOTAL_GET);
	int64_t last = 0, max = 0;

	if (s == NULL || store_step(st, s) != 1)
		return (-1);
	last = sqlite3_column_int64(s, 0);
	st->events = sqlite3_column_int64(s, 1);
	st->total.accepted = sqlite3_column_int64(s, 2);
	st->total.delivered = sqlite3_column_int64(s, 3);
	st->total.suppressed = sqlite3_column_int64(s, 4);
	st->total.uncertain = sqlite3_column_int64(s, 5);
	st->total.dead = sqlite3_column_int64(s, 6);
	st->total.duplicates = sqlite3_column_int64(s, 7);
	sqlite3_reset(s);
	max = read_number(st, Q_SEQ_MAX);
	if (max < last)
		max = last;
	if (st->next_seq <= max)
		st->next_seq = max + 1;
	return (0);
}

static void
load_damage(struct store *st)
{
	char *text = store_get_meta(st, META_DAMAGED);
	char *orphans = store_get_meta(st, META_ORPHANS);

	if (text != NULL)
		strlcpy(st->damaged, text, sizeof(st->damaged));
	st->orphans = orphans != NULL;
	free(text);
	free(orphans);
}

/*
 * Opening and closing
 */

static int
note_frames(void *arg, sqlite3 *db, const char *name, int frames)
{
	struct store *st = arg;

	(void)db;
	(void)name;
	st->wal_frames = frames;
	return (SQLITE_OK);
}

static int
set_up(struct store *st)
{
	char sql[64];
	int version;

	snprintf(sql, sizeof(sql), "PRAGMA cache_size = -%d", CACHE_KB);
	if (exec_sql(st, pragma_first) == -1 ||
	    (version = read_version(st)) == -1 ||
	    refuse_newer(st, version) == -1 ||
	    (version == 0 && exec_sql(st, pragmas_new) == -1) ||
	    exec_sql(st, pragmas) == -1 || exec_sql(st, sql) == -1 ||
	    migrate(st, version) == -1)
		return (-1);
	return (load_keys(st) == -1 ? -1 : load_totals(st));
}

int
store_connect(struct store *st)
{
	int rc;

	rc = sqlite3_open_v2(st->path, &st->db,
	    SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
	    SQLITE_OPEN_PRIVATECACHE, STORE_VFS);
	if (rc != SQLITE_OK) {
		store_fail(st, rc, "open");
		store_disconnect(st);
		return (-1);
	}
	sqlite3_extended_result_codes(st->db, 1);
	/* The one before, just killed, may not be quite gone. */
	sqlite3_busy_timeout(st->db, 2000);
	if (set_up(st) == -1) {
		store_disconnect(st);
		return (-1);
	}
	load_damage(st);
	store_measure(st);
	sqlite3_wal_hook(st->db, note_frames, st);
	/* What an earlier process left is copied now, so that wal_frames
	 * and the file agree. */
	st->wal_frames = INT64_MAX;
	rc = sqlite3_wal_checkpoint_v2(st->db, NULL,
	    SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	if (rc == SQLITE_OK)
		st->wal_frames = 0;
	else
		store_fail(st, rc, "checkpoint");
	return (0);
}

void
store_disconnect(struct store *st)
{
	int i, error = errno;

	st->held = NULL;
	for (i = 0; i < NQUERIES; i++) {
		sqlite3_finalize(st->stmt[i]);
		st->stmt[i] = NULL;
	}
	sqlite3_close(st->db);
	st->db = NULL;
	errno = error;
}

/*
 * The whole of a small database is looked through, in 0.1 s at most; in a
 * large one damage shows when it is met.
 */
static int
quick_check(struct store *st)
{
	sqlite3_stmt *s;

	if (st->pages > QUICK_CHECK_BYTES / STORE_PAGE_BYTES)
		return (0);
	if (sqlite3_prepare_v2(st->db, "PRAGMA quick_check(1)", -1, &s,
	    NULL) != SQLITE_OK) {
		store_fail(st, SQLITE_CORRUPT, "check");
		return (-1);
	}
	if (store_step(st, s) != 1) {
		st->broken = true;
	} else if (strcmp((const char *)sqlite3_column_text(s, 0), "ok") != 0) {
		log_warnx("store: damaged: %s", sqlite3_column_text(s, 0));
		st->broken = true;
	}
	sqlite3_finalize(s);
	return (st->broken ? -1 : 0);
}

/* 0: open and sound; -1: not, with st->broken when salvage is the answer. */
static int
open_existing(struct store *st)
{
	struct stat sb;

	if (store_is_marked(st)) {
		st->broken = true;
		return (-1);
	}
	/* It is never empty: store_create() makes it under another name. */
	if (stat(st->path, &sb) == 0 && sb.st_size == 0) {
		log_warnx("store: %s is empty", st->path);
		st->broken = true;
		return (-1);
	}
	/* POSIX says that chmod(2) is for the owner; the rest is told. */
	if ((sb.st_mode & 0077) != 0 && chmod(st->path, 0600) == -1)
		log_warn("store: chmod %s", st->path);
	if (store_connect(st) == -1)
		return (-1);
	if (quick_check(st) == -1) {
		store_disconnect(st);
		return (-1);
	}
	return (0);
}

static int
open_any(struct store *st)
{
	if (mkdir(st->dir, 0700) == -1 && errno != EEXIST) {
		log_warn("store: mkdir %s", st->dir);
		return (-1);
	}
	if (store_salvage_pending(st) == -1)
		return (-1);
	if (access(st->path, F_OK) == -1 && errno == ENOENT &&
	    store_create(st) == -1)
		return (-1);
	if (open_existing(st) == 0)
		return (0);
	if (!st->broken || store_salvage(st) == -1)
		return (-1);
	st->broken = false;
	return (store_connect(st));
}

struct store *
store_open(const char *dir)
{
	struct store *st = calloc(1, sizeof(*st));
	int error;

	if (st == NULL)
		return (NULL);
	st->next_seq = 1;
	store_sending_init(st);
	if (strlcpy(st->dir, dir, sizeof(st->dir)) >= sizeof(st->dir)) {
		log_warnx("store: path too long: %s", dir);
		free(st);
		errno = ENAMETOOLONG;
		return (NULL);
	}
	snprintf(st->path, sizeof(st->path), "%s/queue.db", st->dir);
	configure_sqlite();
	if (open_any(st) == -1 || store_sending_load(st) == -1) {
		error = errno;
		store_close(st);
		errno = error;
		return (NULL);
	}
	st->error[0] = '\0';
	return (st);
}

void
store_close(struct store *st)
{
	if (st == NULL)
		return;
	store_disconnect(st);
	store_sending_free(st);
	free(st->arena);
	free(st->pending);
	free(st);
}

/*
 * With one connection and no reader a passive checkpoint copies everything.
 * If it fails the commits are in the WAL all the same, and the next one
 * copies them.
 */
void
store_checkpoint(struct store *st)
{
	int log = 0, done = 0, rc;

	if (st->db == NULL || st->wal_frames < CHECKPOINT_PAGES)
		return;
	rc = sqlite3_wal_checkpoint_v2(st->db, NULL,
	    SQLITE_CHECKPOINT_PASSIVE, &log, &done);
	if (rc != SQLITE_OK)
		store_fail(st, rc, "checkpoint");
	else if (log == done)
		st->wal_frames = 0;
}

bool
store_is_overdue(const struct store *st)
{
	return (st->wal_frames >= OVERDUE_PAGES);
}

static int64_t
read_number(struct store *st, enum store_query q)
{
	sqlite3_stmt *s = store_stmt(st, q);
	int64_t n = 0;

	if (s != NULL && store_step(st, s) == 1) {
		n = sqlite3_column_int64(s, 0);
		sqlite3_reset(s);
	}
	return (n);
}

void
store_measure(struct store *st)
{
	st->pages = read_number(st, Q_PAGE_COUNT);
	st->free_pages = read_number(st, Q_FREE_COUNT);
}

int64_t
store_bytes(const struct store *st)
{
	return ((st->pages - st->free_pages) * STORE_PAGE_BYTES);
}

/*
 * Have the file in the page cache, so that the check behind it, one long
 * step within SQLite, does not wait for the disk while nobody sees a turn.
 */
static bool
read_through(struct store *st)
{
	static uint8_t block[256 * 1024];
	int64_t end = clock_mono_ms() + CHECK_READ_MS;
	sqlite3_file *file = NULL;
	sqlite3_int64 size = 0, at;

	if (sqlite3_file_control(st->db, "main", SQLITE_FCNTL_FILE_POINTER,
	    &file) != SQLITE_OK || file == NULL || file->pMethods == NULL ||
	    file->pMethods->xFileSize(file, &size) != SQLITE_OK)
		return (true);
	for (at = 0; at < size; at += (sqlite3_int64)sizeof(block)) {
		if (clock_mono_ms() > end)
			return (false);
		slot_turn();
		file->pMethods->xRead(file, block, sizeof(block), at);
	}
	return (true);
}

const char *
store_check(struct store *st)
{
	sqlite3_stmt *s;

	store_settle(st);
	if (st->db == NULL)
		return ("the store is not open");
	if (!read_through(st))
		return ("not checked: the disk is too slow for it to be done "
		    "while running");
	if (sqlite3_prepare_v2(st->db, "PRAGMA integrity_check(1)", -1, &s,
	    NULL) != SQLITE_OK)
		return ("the store cannot be read");
	if (store_step(st, s) == 1)
		strlcpy(st->checked, (const char *)sqlite3_column_text(s, 0),
		    sizeof(st->checked));
	else
		strlcpy(st->checked, st->error, sizeof(st->checked));
	sqlite3_finalize(s);
	return (st->checked);
}
