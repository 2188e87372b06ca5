/*
 * Inside the store: what its files share.  The face is store.h.
 *
 *	store.c		open, close, schema, errors
 *	store_ops.c	collecting the operations
 *	store_exec.c	the transaction that does them
 *	store_sending.c	the marks of what is being sent
 *	store_read.c	reads
 *	store_list.c	listings, archive, pruning
 *	store_vfs.c	gathers writes on their way to the system
 *	store_repair.c	doubt and damage: WAL's end, setting aside
 *	store_salvage.c	reading a damaged database row by row
 */
#ifndef QUEUE_STORE_INT_H
#define QUEUE_STORE_INT_H

#include <sys/queue.h>

#include <sqlite3.h>

#include "workers/queue/store.h"
#include "workers/queue/store_sql.h"

#define STORE_VERSION 1
#define STORE_PAGE_BYTES 4096
#define STORE_WAL_HEADER 32	/* of the file, sqlite.org/fileformat2.html */
#define STORE_FRAME_HEADER 24	/* of each page in it */

/* Events among the operations by the key of their id. */
struct pending {
	int64_t key, seq;
	uint32_t record; /* where in the arena; the table's 0 is a free place */
};

/* Marks: a delivery that is being sent, by its attempts. */
#define SENDING_ROW 64	    /* marks in one row at most */
#define SENDING_BUCKETS 256 /* power of 2, about what can be under way */

struct sending {
	int64_t id;
	int attempts;
	struct sending_row *row;
	struct sending *next; /* of its bucket */
};

struct sending_row {
	int64_t number;
	size_t n, live; /* live: marks that hold */
	TAILQ_ENTRY(sending_row) entry;
	struct sending mark[SENDING_ROW];
};

TAILQ_HEAD(sending_rows, sending_row);

struct store {
	sqlite3 *db; /* NULL: closed after an I/O error, to be reopened */
	sqlite3_stmt *stmt[NQUERIES];
	sqlite3_stmt *held; /* its row is what the caller looks at */
	char dir[1024], path[1100];
	int64_t next_seq;
	int64_t wal_frames; /* committed ones in the WAL; 0: all checkpointed */
	bool broken;  /* SQLite met damage */
	bool doubt;   /* the WAL's end may not be what was committed */
	bool failed;  /* the last commit */
	bool orphans; /* a salvage left events without deliveries */
	char error[256];
	char damaged[256], checked[256];

	/* Operations: records one behind the other, see store_ops.c. */
	uint8_t *arena;
	size_t arena_used, arena_size, nops;
	struct pending *pending; /* open addressing; a power of two */
	size_t npending, pending_size;
	int64_t key_max, key_end; /* see store_find_id() */
	struct sending *sending[SENDING_BUCKETS];
	size_t nsending;
	int64_t sending_next; /* number of the next row */
	struct sending_rows sending_fresh, sending_rows, sending_over;
	struct store_totals total, delta;
	int64_t events, events_delta; /* rows of the event table */
	int64_t pruned; /* deletions among the operations */
	int64_t archive_cursor;
	int64_t pages, free_pages; /* after the last commit */
};

/* Keys of meta that are the store's own. */
#define META_DAMAGED "store.damaged"
#define META_ORPHANS "store.orphans"

/* store.c */
/* Open st->path and bring its schema up to date; -1 with st->error, and
 * st->broken when it is damaged, errno ENOTSUP when it is too new. */
int store_connect(struct store *);
void store_disconnect(struct store *);
sqlite3_stmt *store_stmt(struct store *, enum store_query);
/* Let go of the row that the caller was looking at. */
void store_settle(struct store *);
/* Note for store_error() and the log what rc meant while doing that. */
void store_fail(struct store *, int rc, const char *doing);
/* The WAL has become so long that a commit has to see to it. */
bool store_is_overdue(const struct store *);
/* Bring pages and free_pages up to date. */
void store_measure(struct store *);

/* store_repair.c */
/* Close after a failed write or flush, and open again (resume: 0 or -1). */
void store_suspend(struct store *);
int store_resume(struct store *);
/* Leave a mark that the next store_open() has to salvage. */
void store_mark_broken(struct store *);
bool store_is_marked(struct store *);
/* Create the database, empty or with what the damaged one still holds. */
int store_create(struct store *);
int store_salvage(struct store *);
/* Go on with a salvage that was cut short; 0: none, 1: done, -1. */
int store_salvage_pending(struct store *);

/* store_salvage.c */
/* Copy what is readable in the database at path into st, which is open and
 * empty; template is the first page of such an empty one.  0 or -1. */
int store_copy_readable(struct store *st, const char *path,
    const uint8_t template[STORE_PAGE_BYTES], int64_t *events,
    int64_t *deliveries);

/* store_vfs.c */
#define STORE_VFS "cctg"
int store_register_vfs(void);

/* store_ops.c */
int64_t store_find_pending(const struct store *, int64_t key, const char *id,
    size_t len);

int store_put_prune_event(struct store *, int64_t seq);
int store_put_prune_tasks(struct store *, int64_t before_ms);

/* store_sending.c */
void store_sending_init(struct store *);
/* On start, once the store is open; 0 or -1. */
int store_sending_load(struct store *);
void store_sending_free(struct store *);
/* Within a transaction: before it, for each mark, at its end; the last two
 * return what SQLite does.  And when it is committed. */
void store_sending_begin(struct store *);
int store_sending_put(struct store *, int64_t id, int attempts);
int store_sending_end(struct store *);
void store_sending_done(struct store *);
/* 0: this delivery is not being sent. */
int store_sending_attempts(struct store *, int64_t id);
/* st->nsending of them, rising, to be freed; NULL without memory. */
int64_t *store_sending_ids(struct store *);

/* store_read.c */
/* 1: a row, 0: no more, -1: error, noted; the statement is reset unless 1. */
int store_step(struct store *, sqlite3_stmt *);
/* The oldest open delivery of the next chat and lane after those given (begin
 * with INT64_MIN, 0).  1: found, 0: no more, -1: error. */
int store_next_open(struct store *, int64_t *chat, int64_t *lane,
    int64_t *id);
/* From the columns that begin at first: EVENT_COLUMNS and the payload. */
void store_read_event(sqlite3_stmt *, int first, struct store_event *);
void store_read_delivery(struct store *, sqlite3_stmt *, int first,
    struct store_delivery *);

#endif
