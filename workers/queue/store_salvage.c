/*
 * Reading a damaged database, row by row, into a new one.
 *
 * Tables are walked by their keys.  Where SQLite meets damage, the next key
 * that can be reached again is searched for, first in growing steps, then by
 * halving, so that what is lost is what lay on the damaged pages.  Where the
 * first page is gone (header, schema), that of an empty database takes its
 * place: the tables' root pages are where they always are, since the schema
 * is always made by the same statements in the same order.
 *
 * The file is read, not repaired; only its first page may be replaced, and
 * is kept in FILE.page1 then.  Called by store_repair.c.
 */
#include "config.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/scoreboard.h"
#include "workers/queue/store_int.h"

#define BATCH_ROWS 4096
#define KEY_STEP_MAX (INT64_C(1) << 44)

/* T(name, key, columns, check): tables with an integer key. */
#define KEYED_TABLES(T)                 \
	T(event, seq, 15, sane_event)   \
	T(delivery, id, 12, sane_delivery) \
	T(chat, id, 5, sane_any)        \
	T(segment, id, 6, sane_any)

/* T(name, key, columns): small ones without, read from both ends. */
#define OTHER_TABLES(T)               \
	T(task, "chat, task_id", "chat DESC, task_id DESC", 5) \
	T(meta, "key", "key DESC", 2)

struct table {
	const char *name, *select, *insert;
	int columns;
	bool (*sane)(sqlite3_stmt *);
};

struct copy {
	struct store *to;
	sqlite3 *from;
	sqlite3_stmt *select, *insert;
	const struct table *table;
	int64_t rows;
	bool failed; /* to write; damage to read is not a failure */
};

static bool	sane_any(sqlite3_stmt *);
static bool	sane_event(sqlite3_stmt *);
static bool	sane_delivery(sqlite3_stmt *);
static int	put_row(struct copy *);
static int	probe(struct copy *, int64_t);
static int	copy_from(struct copy *, int64_t, int64_t *);
static int64_t	next_readable(struct copy *, int64_t);
static int64_t	copy_table(struct copy *, const struct table *);
static void	copy_both_ends(struct copy *, const char *, const char *,
		    const char *);
static void	copy_others(struct copy *);
static int	open_damaged(sqlite3 **, const char *);
static int	replace_first_page(const char *,
		    const uint8_t [STORE_PAGE_BYTES]);
static int	settle_totals(struct copy *);

#define QUESTION_MARKS_15 "?,?,?,?,?,?,?,?,?,?,?,?,?,?,?"
#define QUESTION_MARKS_12 "?,?,?,?,?,?,?,?,?,?,?,?"
#define QUESTION_MARKS_6 "?,?,?,?,?,?"
#define QUESTION_MARKS_5 "?,?,?,?,?"
#define QUESTION_MARKS_2 "?,?"

static const struct table keyed[] = {
#define KEYED_ENTRY(name, key, n, check)                                   \
	{ #name, "SELECT * FROM " #name " NOT INDEXED WHERE " #key         \
	    " >= ? ORDER BY " #key,                                        \
	    "INSERT OR IGNORE INTO " #name " VALUES(" QUESTION_MARKS_##n   \
	    ")", n, check },
	KEYED_TABLES(KEYED_ENTRY)
#undef KEYED_ENTRY
};

static bool
sane_any(sqlite3_stmt *s)
{
	(void)s;
	return (true);
}

static bool
sane_event(sqlite3_stmt *s)
{
	return (sqlite3_column_int64(s, 0) > 0 &&
	    sqlite3_column_type(s, 2) == SQLITE_TEXT);
}

/* One that is not is left out; its event is routed anew. */
static bool
sane_delivery(sqlite3_stmt *s)
{
	int lane = sqlite3_column_int(s, 2), state = sqlite3_column_int(s, 3);

	return (sqlite3_column_int64(s, 0) > 0 && lane >= 0 && lane < NLANES &&
	    strcmp(delivery_state_name(state), "unknown") != 0);
}

static int
put_row(struct copy *c)
{
	int i, rc;

	if (c->rows % BATCH_ROWS == BATCH_ROWS - 1) {
		slot_turn();
		rc = sqlite3_exec(c->to->db, "COMMIT; BEGIN", NULL, NULL,
		    NULL);
		if (rc != SQLITE_OK)
			goto fail;
	}
	for (i = 0; i < sqlite3_column_count(c->select); i++)
		sqlite3_bind_value(c->insert, i + 1,
		    sqlite3_column_value(c->select, i));
	sqlite3_step(c->insert);
	if ((rc = sqlite3_reset(c->insert)) != SQLITE_OK)
		goto fail;
	c->rows += sqlite3_changes(c->to->db);
	return (0);
fail:
	store_fail(c->to, rc, "salvage");
	c->failed = true;
	return (-1);
}

/* Copy from that key on: 0 to the end, -1 to damage; *last is the last key
 * that was read. */
static int
copy_from(struct copy *c, int64_t key, int64_t *last)
{
	int rc;

	sqlite3_bind_int64(c->select, 1, key);
	while ((rc = sqlite3_step(c->select)) == SQLITE_ROW) {
		*last = sqlite3_column_int64(c->select, 0);
		if (c->table->sane(c->select) && put_row(c) == -1)
			break;
	}
	sqlite3_reset(c->select);
	return (rc == SQLITE_DONE ? 0 : -1);
}

/* Can the first row at or behind that key be read, or is there none? */
static int
probe(struct copy *c, int64_t key)
{
	int rc;

	sqlite3_bind_int64(c->select, 1, key);
	rc = sqlite3_step(c->select);
	sqlite3_reset(c->select);
	return (rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : -1);
}

/* The first key behind bad from which reading works again, or 0. */
static int64_t
next_readable(struct copy *c, int64_t bad)
{
	int64_t good, middle, step;

	for (step = 1; probe(c, good = bad + step) == -1; step *= 2) {
		if (step > KEY_STEP_MAX)
			return (0);
		bad = good;
	}
	while (good - bad > 1) {
		middle = bad + (good - bad) / 2;
		if (probe(c, middle) == -1)
			bad = middle;
		else
			good = middle;
	}
	return (good);
}

static int64_t
copy_table(struct copy *c, const struct table *t)
{
	int64_t key = 0, last;

	c->table = t;
	c->rows = 0;
	c->select = c->insert = NULL;
	if (sqlite3_prepare_v2(c->from, t->select, -1, &c->select, NULL) !=
	    SQLITE_OK || sqlite3_prepare_v2(c->to->db, t->insert, -1,
	    &c->insert, NULL) != SQLITE_OK) {
		log_warnx("store: salvage of %s: %s", t->name,
		    sqlite3_errmsg(c->from));
	} else {
		for (;;) {
			last = key - 1;
			if (copy_from(c, key, &last) == 0 || c->failed)
				break;
			if ((key = next_readable(c, last + 1)) == 0)
				break;
			log_warnx("store: salvage of %s: damage after %lld, "
			    "going on at %lld", t->name, (long long)last,
			    (long long)key);
		}
	}
	sqlite3_finalize(c->select);
	sqlite3_finalize(c->insert);
	return (c->rows);
}

static void
copy_both_ends(struct copy *c, const char *select, const char *reverse,
    const char *insert)
{
	const char *sql[2] = { select, reverse };
	int i;

	c->rows = 0;
	for (i = 0; i < 2; i++) {
		c->select = c->insert = NULL;
		if (sqlite3_prepare_v2(c->from, sql[i], -1, &c->select,
		    NULL) == SQLITE_OK && sqlite3_prepare_v2(c->to->db, insert,
		    -1, &c->insert, NULL) == SQLITE_OK)
			while (sqlite3_step(c->select) == SQLITE_ROW)
				if (put_row(c) == -1)
					break;
		sqlite3_finalize(c->select);
		sqlite3_finalize(c->insert);
	}
}

static void
copy_others(struct copy *c)
{
#define OTHER_COPY(name, up, down, n)                                      \
	copy_both_ends(c, "SELECT * FROM " #name " ORDER BY " up,          \
	    "SELECT * FROM " #name " ORDER BY " down,                      \
	    "INSERT OR IGNORE INTO " #name " VALUES(" QUESTION_MARKS_##n ")");
	OTHER_TABLES(OTHER_COPY)
#undef OTHER_COPY
}

/* With the schema read; the file stays as it is, also on closing. */
static int
open_damaged(sqlite3 **dbp, const char *path)
{
	int rc;

	rc = sqlite3_open_v2(path, dbp, SQLITE_OPEN_READWRITE |
	    SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE, NULL);
	if (rc == SQLITE_OK) {
		sqlite3_db_config(*dbp, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1,
		    NULL);
		rc = sqlite3_exec(*dbp, "PRAGMA locking_mode = EXCLUSIVE;"
		    "PRAGMA cache_size = -1024;"
		    "SELECT 1 FROM sqlite_schema", NULL, NULL, NULL);
	}
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(*dbp, "SELECT 1 FROM total", NULL, NULL,
		    NULL);
	if (rc == SQLITE_OK)
		return (0);
	sqlite3_close(*dbp);
	*dbp = NULL;
	return (-1);
}

/*
 * Give the file the template's first page, with its own number of pages and
 * no free ones.  See sqlite.org/fileformat2.html for the offsets.
 */
static int
replace_first_page(const char *path, const uint8_t template[STORE_PAGE_BYTES])
{
	uint8_t page[STORE_PAGE_BYTES], old[STORE_PAGE_BYTES];
	char keep[1200];
	struct stat sb;
	int64_t pages;
	ssize_t had;
	int fd, out;

	memcpy(page, template, sizeof(page));
	if ((fd = open(path, O_RDWR | O_CLOEXEC)) == -1)
		return (-1);
	if (fstat(fd, &sb) == -1)
		goto fail;
	had = pread(fd, old, sizeof(old), 0);
	snprintf(keep, sizeof(keep), "%s.page1", path);
	out = open(keep, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (out != -1) {
		if (had > 0 && write(out, old, (size_t)had) != had)
			log_warn("store: %s", keep);
		close(out);
	} else if (errno != EEXIST)
		goto fail;
	pages = sb.st_size / STORE_PAGE_BYTES;
	if (pages < 1)
		pages = 1;
	page[28] = (uint8_t)(pages >> 24);
	page[29] = (uint8_t)(pages >> 16);
	page[30] = (uint8_t)(pages >> 8);
	page[31] = (uint8_t)pages;
	memset(page + 32, 0, 8);
	if (pwrite(fd, page, sizeof(page), 0) != (ssize_t)sizeof(page))
		goto fail;
	close(fd);
	return (0);
fail:
	close(fd);
	return (-1);
}

/*
 * What the counters say if they were lost, and what becomes of deliveries
 * whose chat was (the event is routed anew) or whose event was.
 */
static int
settle_totals(struct copy *c)
{
	static const char *const sql =
	    "DELETE FROM delivery WHERE state < 10 AND chat NOT IN"
	    " (SELECT id FROM chat);"
	    "UPDATE delivery SET state = 13, reason = 'lost in a damaged"
	    " store' WHERE state < 10 AND NOT EXISTS (SELECT 1 FROM event"
	    " WHERE seq = delivery.id / 64);"
	    "UPDATE total SET dead = dead + changes();"
	    "UPDATE total SET events = (SELECT count(*) FROM event),"
	    " accepted = max(accepted, (SELECT count(*) FROM event)),"
	    " delivered = max(delivered, (SELECT count(*) FROM delivery"
	    "  WHERE state = 10)),"
	    " suppressed = max(suppressed, (SELECT count(*) FROM delivery"
	    "  WHERE state = 11)),"
	    " uncertain = max(uncertain, (SELECT count(*) FROM delivery"
	    "  WHERE state = 12)),"
	    " dead = max(dead, (SELECT count(*) FROM delivery"
	    "  WHERE state = 13));"
	    "COMMIT";
	int rc = sqlite3_exec(c->to->db, sql, NULL, NULL, NULL);

	if (rc != SQLITE_OK)
		store_fail(c->to, rc, "salvage");
	return (rc == SQLITE_OK ? 0 : -1);
}

int
store_copy_readable(struct store *st, const char *path,
    const uint8_t template[STORE_PAGE_BYTES], int64_t *events,
    int64_t *deliveries)
{
	struct copy c = { .to = st };
	int64_t rows[sizeof(keyed) / sizeof(keyed[0])] = { 0 };
	size_t i;
	int rc;

	if (open_damaged(&c.from, path) == -1) {
		log_notice("store: the first page of %s is damaged", path);
		if (replace_first_page(path, template) == -1 ||
		    open_damaged(&c.from, path) == -1) {
			log_warnx("store: nothing of %s can be read", path);
			return (0);
		}
	}
	sqlite3_exec(st->db, "BEGIN", NULL, NULL, NULL);
	for (i = 0; i < sizeof(keyed) / sizeof(keyed[0]) && !c.failed; i++)
		rows[i] = copy_table(&c, &keyed[i]);
	if (!c.failed)
		copy_others(&c);
	if (!c.failed)
		copy_both_ends(&c, "SELECT * FROM total",
		    "SELECT * FROM total",
		    "REPLACE INTO total VALUES(?,?,?,?,?,?,?,?,?)");
	rc = c.failed ? -1 : settle_totals(&c);
	sqlite3_close(c.from);
	*events = rows[0];
	*deliveries = rows[1];
	return (rc);
}
