/*
 * The store: every event and what became of it, in SQLite (WAL,
 * synchronous=FULL), owned by cctg-queue alone.
 *
 * Writes are collected as operations and done in one transaction by
 * store_commit() (group commit); reads see what is committed.  When a
 * transaction fails (full disk, failed fsync) it is rolled back as a whole,
 * nothing of it has happened, and the operations stay for the next try,
 * except STORE_ACCEPT, which the caller takes back with
 * store_drop_accepts() and refuses.
 *
 * Tables (store_sql.h has them; the schema's version is in PRAGMA
 * user_version, migrations are in store.c):
 *
 *  chat(id, chat_id, thread, suspended, reason, UNIQUE(chat_id, thread))
 *  event(seq, idkey, id, type, source, task_id, title, severity, flags,
 *      received_ms, expires_ms, encoding, raw_bytes, segment, payload)
 *      INDEX(idkey): uuid_index_key() of the id
 *  delivery(id, chat, lane, state, attempts, parts_done, flags, not_before,
 *      done_ms, digest, reason, messages)
 *      INDEX(chat, lane, id) WHERE state < 10: the open ones
 *      INDEX(state, id) WHERE state > 10: suppressed, uncertain, dead
 *  task(chat, task_id, message_id, started_ms, closed)
 *  segment(id, first_seq, last_seq, n, raw_bytes, data)
 *      n: how many events still refer to it
 *  meta(key, value);  total: one row of counters
 *      store.*: the store's own, among them the marks of what is being sent
 *
 * A delivery is one event for one chat.  Its id is seq * 64 + n, so that the
 * deliveries of an event are a range of the primary key and need no index.
 */
#ifndef QUEUE_STORE_H
#define QUEUE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc/messages.h"

#define STORE_FANOUT 64 /* chats that one event can go to */
#define DELIVERY_SEQ(id) ((int64_t)(id) / STORE_FANOUT)
#define DELIVERY_ID(seq, n) ((int64_t)(seq) * STORE_FANOUT + (n))

/* States of a delivery; final from 10 on.  S(NAME, value, "name"). */
#define DELIVERY_STATES(S)               \
	S(QUEUED, 0, "received")         \
	S(SENDING, 1, "sending")         \
	S(HELD, 2, "held")               \
	S(DELIVERED, 10, "delivered")    \
	S(SUPPRESSED, 11, "suppressed")  \
	S(UNCERTAIN, 12, "uncertain")    \
	S(DEAD, 13, "dead")

enum delivery_state {
#define DSTATE_ENUM(name, value, text) DS_##name = value,
	DELIVERY_STATES(DSTATE_ENUM)
#undef DSTATE_ENUM
};
#define DS_IS_FINAL(s) ((s) >= 10)
const char *delivery_state_name(int);

/* Lanes of a chat: a higher one goes first (DESIGN section 3). */
enum lane { LANE_BULK /* low, normal */, LANE_HIGH, LANE_CRITICAL };
#define NLANES 3

/* Delivery flags */
#define DF_SILENT 0x01	/* without notification */
#define DF_NODIGEST 0x02 /* its route forbids digests */
#define DF_MUTED 0x04	/* came while muted: belongs into the summary */
#define DF_AMBIGUOUS 0x08 /* an attempt's outcome is unknown: mark the next */

/* Event flags: EV_TRUSTED, EV_SILENT of ipc/messages.h, and */
#define EVF_REDACTED 0x10

struct store_event {
	int64_t seq; /* given by the caller: store_next_seq() */
	const char *id, *type, *source, *task_id, *title; /* NUL-terminated */
	int severity;
	int flags;
	int64_t received_ms, expires_ms; /* wall clock */
	int encoding; /* enum payload_encoding */
	uint32_t raw_bytes; /* of the payload before compression */
	const void *payload;
	size_t payload_bytes;
	int64_t segment; /* read only: where the payload is archived, or 0 */
};

struct store_delivery {
	int64_t id;
	int32_t chat; /* chat.id */
	int lane, state, attempts;
	int64_t not_before_ms; /* wall clock, 0: at once */
	int parts_done;
	int64_t done_ms;
	int64_t digest; /* id of the leading delivery when in a digest, or 0 */
	int flags;
	const char *reason;   /* NULL: none */
	const char *messages; /* message ids, comma-separated; NULL: none */
};

struct store_chat {
	int32_t id;
	int64_t chat_id, thread;
	bool suspended;
	const char *reason;
};

struct store_task {
	int32_t chat;
	const char *task_id;
	int64_t message_id, started_ms;
	bool closed;
};

/* Totals of events by state, over the store's whole life. */
struct store_totals {
	int64_t accepted, delivered, suppressed, uncertain, dead, duplicates;
};

struct store;

/*
 * Open or create DIR/queue.db.  A damaged one is set aside as
 * queue.db.damaged-TIME, what can be read is copied into a new one, and
 * store_damaged() says so.  Returns NULL after logging; errno is ENOTSUP
 * when the database belongs to a newer version (it is left alone: exit 78).
 */
struct store *store_open(const char *dir);
/* Without store_commit(), operations are lost. */
void store_close(struct store *);
/* NULL, or what happened to the store: "damaged at …, set aside as …, 12
 * events recovered".  Stays until store_forget_damage(). */
const char *store_damaged(const struct store *);
/* Is the file that was set aside still there?  Fills its name; false, too,
 * when nothing was. */
bool store_damage_kept(const struct store *, char *name, size_t);
int store_forget_damage(struct store *);
/* Damage was met while running; only store_open() can repair it, so the
 * process should end. */
bool store_is_broken(const struct store *);
/* PRAGMA integrity_check, for at most 10 s: "ok", or the first complaint;
 * valid until the next call. */
const char *store_check(struct store *);
/* What the database has in use: its file without the pages that are free for
 * new rows.  Costs nothing. */
int64_t store_bytes(const struct store *);

/* Operations.  Each copies what it is given (payload included), and returns 0
 * or -1 when out of memory. */
int64_t store_next_seq(struct store *); /* unique, rising */
int store_put_event(struct store *, const struct store_event *,
    const struct store_delivery *, size_t n); /* STORE_ACCEPT */
/* Deliveries for an event that lost its own: store_load_orphans(). */
int store_put_routes(struct store *, int64_t seq,
    const struct store_delivery *, size_t n);
/* The delivery as a whole, by its id; it exists already. */
int store_put_delivery(struct store *, const struct store_delivery *);
/* Attempts and state SENDING only, before each request; it holds until the
 * delivery is put. */
int store_put_sending(struct store *, int64_t id, int attempts);
/* The masked form of an event in which secrets were found. */
int store_put_masked(struct store *, int64_t seq, const char *title,
    const void *payload, size_t);
int store_put_chat(struct store *, const struct store_chat *);
int store_put_task(struct store *, const struct store_task *);
/* value NULL: the key goes. */
int store_put_meta(struct store *, const char *key, const char *value);
/* Add to the totals. */
void store_count(struct store *, const struct store_totals *delta);

size_t store_pending_ops(const struct store *);
/* One transaction with all operations.  0 or -1 (store_error() says why,
 * for people: "disk full"); then nothing happened. */
int store_commit(struct store *);
const char *store_error(const struct store *);
/*
 * After store_commit(), when all who wait for it have been told: copy what
 * was committed into the database, if it has become much.  Takes as long as
 * some commits; they do it themselves if it is left out for long.
 */
void store_checkpoint(struct store *);
/* Forget the STORE_ACCEPT operations of a failed commit; each (NULL: nobody)
 * hears of their deliveries, of which only id, chat, lane and state count. */
void store_drop_accepts(struct store *,
    void (*each)(const struct store_delivery *, void *), void *);

/*
 * Reads.  Strings are valid until the next call on the same store, or within
 * the callback, and never NULL where no comment allows it.  A callback may
 * call other functions of the store, but not the one that called it, nor
 * store_commit().
 */
/* The seq of the event with that id, committed or among the operations;
 * 0: none. */
int64_t store_find_id(struct store *, const char *id, size_t len);
/* 1 found, 0 not, -1 error.  payload only when want_payload. */
int store_get_event(struct store *, int64_t seq, bool want_payload,
    struct store_event *);
int store_get_delivery(struct store *, int64_t id, struct store_delivery *);
/* All deliveries of an event, in order. */
int store_event_deliveries(struct store *, int64_t seq,
    void (*each)(const struct store_delivery *, void *arg), void *arg);
/*
 * Open deliveries of a chat and lane with id > after, oldest first, at most
 * limit.  Returns how many.
 */
int store_load_open(struct store *, int32_t chat, int lane, int64_t after,
    int limit, void (*each)(const struct store_delivery *, void *arg),
    void *arg);
/* How many open deliveries each (chat, lane) has; on start. */
int store_count_open(struct store *,
    void (*each)(int32_t chat, int lane, int64_t n, void *arg), void *arg);
/* Deliveries in state SENDING: what a crash left unclear; on start. */
int store_load_sending(struct store *,
    void (*each)(const struct store_delivery *, void *arg), void *arg);
int store_load_chats(struct store *,
    void (*each)(const struct store_chat *, void *arg), void *arg);
int store_get_task(struct store *, int32_t chat, const char *task_id,
    struct store_task *);
/* A copy, to be freed; NULL if there is none. */
char *store_get_meta(struct store *, const char *key);
/* Every committed key that begins with prefix, which each() sees without it.
 * each() must not call the store. */
int store_each_meta(struct store *, const char *prefix,
    void (*each)(const char *key, const char *value, void *arg), void *arg);
void store_get_totals(struct store *, struct store_totals *);
/* When the oldest open event was received, wall ms; 0: none. */
int64_t store_oldest_open(struct store *);

/*
 * After a salvage: events whose deliveries were lost, with seq > after.  They
 * are to be routed anew with store_put_routes().  Costs nothing when there
 * was no salvage.
 */
int store_load_orphans(struct store *, int64_t after, int limit,
    void (*each)(const struct store_event *, void *arg), void *arg);

/*
 * Listing for people, newest first: state < 0 any; before: only ids below
 * (0: from the end).  Joined with the event.
 */
struct store_row {
	struct store_event event; /* no payload */
	struct store_delivery delivery;
	struct store_chat chat;
};
int store_list(struct store *, int state, bool only_open, bool only_final,
    int64_t before, int limit,
    void (*each)(const struct store_row *, void *arg), void *arg);

/*
 * History: archiving and pruning, in steps of a few milliseconds, so that
 * the loop never waits long.
 *
 * The payloads of events that ended before before_ms and are not archived
 * yet; limit at most, oldest first, each call going on where the one before
 * ended.  Returns how many; fewer than limit when there are no more or the
 * step has taken its time.
 */
int store_load_archivable(struct store *, int64_t before_ms, int limit,
    void (*each)(const struct store_event *, void *arg), void *arg);
/* These events' payloads are in this segment from now on; how they lie in
 * it is the caller's affair. */
int store_put_segment(struct store *, const int64_t *seq, size_t n,
    uint32_t raw_bytes, const void *data, size_t len);
struct store_segment {
	int64_t id;
	uint32_t raw_bytes;
	const void *data;
	size_t len;
};
int store_get_segment(struct store *, int64_t id, struct store_segment *);

/*
 * Pruning.  An event that has ended goes when it is older than max_age_ms,
 * or the oldest ones go until the store has at most max_bytes in use and
 * max_events events, open ones included.  0: no bound.
 */
struct store_prune {
	int64_t max_age_ms, max_bytes, max_events;
	int64_t cursor, found; /* the store's, over the steps; 0 to begin */
};
/*
 * One step: puts the deletion of at most limit events among the operations,
 * or only counts them (dry_run).  Returns how many, -1 on error.  All is
 * done when cursor is 0 again; found is how many in all.
 */
int store_prune(struct store *, struct store_prune *, int64_t now_ms,
    int limit, bool dry_run);
/*
 * Give back to the file system at most so many pages of 4 KiB when a
 * quarter of the file is free.  Commits by itself.  Returns how many.
 */
int store_shrink(struct store *, int pages);

#endif
