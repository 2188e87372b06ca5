/*
 * The store read in bulk: listings for people, and what archiving, pruning
 * and repair look for.  Each step here takes a few milliseconds at most,
 * however much the store holds, except a listing of delivered events behind
 * a long backlog (about 0.2 s for a million).
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/scoreboard.h"
#include "workers/queue/store_int.h"

#define STEP_US 3000 /* how long one step looks for something to do */
#define SEGMENT_US 15000 /* and for the rest of a segment, once begun */
#define STEP_ROWS 64 /* rows between two looks at the clock */
#define TURN_ROWS 4096 /* a long listing is progress, not a hang */
#define SHRINK_MIN 64 /* pages: less is not worth a transaction */
#define TASK_KEEP_MS (7 * 86400 * 1000LL)

struct ids {
	int64_t *id;
	size_t n, size;
};

static void	read_row(struct store *, sqlite3_stmt *, struct store_row *);
static int	list_query(struct store *, enum store_query, int, int64_t, int,
		    void (*)(const struct store_row *, void *), void *);
static int	ids_add(struct ids *, int64_t);
static int	collect_sending(struct store *, int64_t, struct ids *);
static int	collect_open(struct store *, int, int64_t, int, struct ids *);
static int	compare_down(const void *, const void *);
static int	list_open(struct store *, int, int64_t, int,
		    void (*)(const struct store_row *, void *), void *);
static int64_t	excess(struct store *, const struct store_prune *, bool);
static int	prune_scan(struct store *, struct store_prune *, int64_t, int,
		    bool);

static void
read_row(struct store *st, sqlite3_stmt *s, struct store_row *r)
{
	store_read_delivery(st, s, 0, &r->delivery);
	store_read_event(s, 12, &r->event);
	r->chat.id = r->delivery.chat;
	r->chat.chat_id = sqlite3_column_int64(s, 26);
	r->chat.thread = sqlite3_column_int64(s, 27);
	r->chat.suspended = sqlite3_column_int(s, 28) != 0;
	r->chat.reason = (const char *)sqlite3_column_text(s, 29);
}

static int
list_query(struct store *st, enum store_query q, int state, int64_t before,
    int limit, void (*each)(const struct store_row *, void *), void *arg)
{
	sqlite3_stmt *s = store_stmt(st, q);
	struct store_row row;
	int n = 0, more;

	if (s == NULL)
		return (-1);
	sqlite3_bind_int64(s, 1, before);
	sqlite3_bind_int(s, 2, limit);
	if (q != Q_LIST_ALL)
		sqlite3_bind_int(s, 3, state);
	while ((more = store_step(st, s)) == 1) {
		read_row(st, s, &row);
		each(&row, arg);
		if (++n % TURN_ROWS == 0)
			slot_turn();
	}
	return (more == -1 ? -1 : n);
}

static int
ids_add(struct ids *ids, int64_t id)
{
	size_t size = ids->size ? ids->size * 2 : 256;
	int64_t *grown;

	if (ids->n == ids->size) {
		grown = reallocarray(ids->id, size, sizeof(*grown));
		if (grown == NULL)
			return (-1);
		ids->id = grown;
		ids->size = size;
	}
	ids->id[ids->n++] = id;
	return (0);
}

static int
compare_down(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return ((x < y) - (x > y));
}

/* Those whose rows still say that they are queued. */
static int
collect_sending(struct store *st, int64_t before, struct ids *ids)
{
	int64_t *id = store_sending_ids(st);
	size_t i;
	int rc = 0;

	if (id == NULL)
		return (-1);
	for (i = 0; i < st->nsending && id[i] < before && rc == 0; i++)
		rc = ids_add(ids, id[i]);
	free(id);
	return (rc);
}

/*
 * The index of open deliveries is sorted by chat and lane first: take the
 * newest of each and merge them.
 */
static int
collect_open(struct store *st, int state, int64_t before, int limit,
    struct ids *ids)
{
	int64_t chat = INT64_MIN, lane = 0, oldest;
	sqlite3_stmt *s;
	int64_t id;
	int found;

	s = store_stmt(st, state < 0 ? Q_LIST_OPEN : Q_LIST_OPEN_STATE);
	if (s == NULL || (state == DS_SENDING &&
	    collect_sending(st, before, ids) == -1))
		return (-1);
	while ((found = store_next_open(st, &chat, &lane, &oldest)) == 1) {
		sqlite3_bind_int64(s, 1, chat);
		sqlite3_bind_int64(s, 2, lane);
		sqlite3_bind_int64(s, 3, before);
		/* As many more as may be left out. */
		sqlite3_bind_int64(s, 4, limit + (int64_t)st->nsending);
		if (state >= 0)
			sqlite3_bind_int(s, 5, state);
		while ((found = store_step(st, s)) == 1) {
			id = sqlite3_column_int64(s, 0);
			if (state == DS_QUEUED &&
			    store_sending_attempts(st, id) > 0)
				continue;
			if (ids_add(ids, id) == -1)
				break;
		}
		sqlite3_reset(s);
		if (found != 0)
			return (-1);
		if (ids->n > 1)
			qsort(ids->id, ids->n, sizeof(*ids->id),
			    compare_down);
		if (ids->n > (size_t)limit)
			ids->n = (size_t)limit;
	}
	return (found);
}

static int
list_open(struct store *st, int state, int64_t before, int limit,
    void (*each)(const struct store_row *, void *), void *arg)
{
	struct ids ids = { NULL, 0, 0 };
	struct store_row row;
	sqlite3_stmt *s;
	int n = 0, found = 0;
	size_t i;

	s = store_stmt(st, Q_LIST_ONE);
	if (s == NULL || collect_open(st, state, before, limit, &ids) == -1) {
		free(ids.id);
		return (-1);
	}
	for (i = 0; i < ids.n && found != -1; i++) {
		sqlite3_bind_int64(s, 1, ids.id[i]);
		if ((found = store_step(st, s)) != 1)
			continue;
		read_row(st, s, &row);
		each(&row, arg);
		sqlite3_reset(s);
		if (++n % TURN_ROWS == 0)
			slot_turn();
	}
	free(ids.id);
	return (found == -1 ? -1 : n);
}

int
store_list(struct store *st, int state, bool only_open, bool only_final,
    int64_t before, int limit,
    void (*each)(const struct store_row *, void *), void *arg)
{
	store_settle(st);
	if (before <= 0)
		before = INT64_MAX;
	if (limit <= 0 || (only_open && state >= 10) ||
	    (only_final && state >= 0 && state < 10))
		return (0);
	if (state > 10)
		return (list_query(st, Q_LIST_FAILED, state, before, limit,
		    each, arg));
	if (only_open || (state >= 0 && state < 10))
		return (list_open(st, state, before, limit, each, arg));
	if (only_final || state == 10)
		return (list_query(st, Q_LIST_FINAL, state, before, limit,
		    each, arg));
	return (list_query(st, Q_LIST_ALL, state, before, limit, each, arg));
}

int
store_load_orphans(struct store *st, int64_t after, int limit,
    void (*each)(const struct store_event *, void *), void *arg)
{
	struct store_event e;
	sqlite3_stmt *s;
	int n = 0, more;

	store_settle(st);
	if (!st->orphans)
		return (0);
	if ((s = store_stmt(st, Q_ORPHAN_LOAD)) == NULL)
		return (-1);
	sqlite3_bind_int64(s, 1, after);
	sqlite3_bind_int(s, 2, limit);
	while ((more = store_step(st, s)) == 1) {
		store_read_event(s, 0, &e);
		each(&e, arg);
		n++;
	}
	/* With the next commit, which has what the caller made of them. */
	if (more == 0 && n < limit &&
	    store_put_meta(st, META_ORPHANS, NULL) == 0)
		st->orphans = false;
	return (more == -1 ? -1 : n);
}

/*
 * Archiving
 */

int
store_load_archivable(struct store *st, int64_t before_ms, int limit,
    void (*each)(const struct store_event *, void *), void *arg)
{
	int64_t end = clock_mono_us() + STEP_US, seq = 0;
	sqlite3_stmt *s, *get;
	struct store_event e;
	int n = 0, rows = 0, more, got = 0;

	store_settle(st);
	s = store_stmt(st, Q_ARCHIVE_NEXT);
	get = store_stmt(st, Q_EVENT_GET_PAYLOAD);
	if (s == NULL || get == NULL)
		return (-1);
	sqlite3_bind_int64(s, 1, st->archive_cursor);
	sqlite3_bind_int64(s, 2, before_ms);
	while ((more = store_step(st, s)) == 1 && n < limit) {
		if (++rows % STEP_ROWS == 0 && clock_mono_us() > end +
		    (n > 0 ? SEGMENT_US : 0))
			break;
		if (sqlite3_column_int64(s, 1) >= before_ms) {
			more = 0; /* nothing behind it is older */
			break;
		}
		seq = sqlite3_column_int64(s, 0);
		if (sqlite3_column_int(s, 2) && sqlite3_column_int(s, 3)) {
			sqlite3_bind_int64(get, 1, seq);
			if ((got = store_step(st, get)) == -1)
				break;
			store_read_event(get, 0, &e);
			each(&e, arg);
			sqlite3_reset(get);
			n++;
		}
		st->archive_cursor = seq;
	}
	sqlite3_reset(s);
	if (more == 0)
		st->archive_cursor = 0;
	return (more == -1 || got == -1 ? -1 : n);
}

int
store_get_segment(struct store *st, int64_t id, struct store_segment *g)
{
	sqlite3_stmt *s;
	int found;

	store_settle(st);
	if ((s = store_stmt(st, Q_SEGMENT_GET)) == NULL)
		return (-1);
	sqlite3_bind_int64(s, 1, id);
	if ((found = store_step(st, s)) == 1) {
		st->held = s;
		g->id = sqlite3_column_int64(s, 0);
		g->raw_bytes = (uint32_t)sqlite3_column_int64(s, 1);
		g->data = sqlite3_column_blob(s, 2);
		g->len = (size_t)sqlite3_column_bytes(s, 2);
	}
	return (found);
}

/*
 * Pruning
 */

/*
 * How many of the oldest events have to go.  What a deletion frees is known
 * only afterwards; until then an event counts as the average of all.
 */
static int64_t
excess(struct store *st, const struct store_prune *p, bool dry_run)
{
	int64_t gone = dry_run ? p->found : st->pruned;
	int64_t events = st->events, used, average, n = 0;

	if (events <= 0)
		return (0);
	if (p->max_events > 0)
		n = events - p->max_events;
	if (p->max_bytes > 0) {
		used = store_bytes(st);
		average = used / events + 1;
		if (used > p->max_bytes &&
		    (used - p->max_bytes) / average + 1 > n)
			n = (used - p->max_bytes) / average + 1;
	}
	return (n - gone);
}

static int
prune_scan(struct store *st, struct store_prune *p, int64_t now_ms, int limit,
    bool dry_run)
{
	int64_t end = clock_mono_us() + STEP_US, seq;
	int64_t too_many = excess(st, p, dry_run);
	sqlite3_stmt *s = store_stmt(st, Q_PRUNE_NEXT);
	int n = 0, rows = 0, more;
	bool old;

	if (s == NULL)
		return (-1);
	sqlite3_bind_int64(s, 1, p->cursor);
	while ((more = store_step(st, s)) == 1 && n < limit) {
		if (++rows % STEP_ROWS == 0 && clock_mono_us() > end)
			break;
		seq = sqlite3_column_int64(s, 0);
		old = p->max_age_ms > 0 &&
		    sqlite3_column_int64(s, 1) < now_ms - p->max_age_ms;
		if (!old && too_many <= 0) {
			more = 0; /* those behind it are younger still */
			break;
		}
		if (sqlite3_column_int(s, 2)) {
			if (!dry_run && store_put_prune_event(st, seq) == -1) {
				more = -1;
				break;
			}
			n++;
			too_many--;
		}
		p->cursor = seq;
	}
	sqlite3_reset(s);
	if (more == 0)
		p->cursor = 0;
	p->found += n;
	return (more == -1 ? -1 : n);
}

int
store_prune(struct store *st, struct store_prune *p, int64_t now_ms,
    int limit, bool dry_run)
{
	int n;

	store_settle(st);
	if (p->max_age_ms <= 0 && p->max_bytes <= 0 && p->max_events <= 0)
		return (0);
	if ((n = prune_scan(st, p, now_ms, limit, dry_run)) == -1)
		return (-1);
	/* A task's message is not edited any more once it was closed. */
	if (!dry_run && p->cursor == 0 && store_put_prune_tasks(st, now_ms -
	    (p->max_age_ms > 0 ? p->max_age_ms : TASK_KEEP_MS)) == -1)
		return (-1);
	return (n);
}

int
store_shrink(struct store *st, int pages)
{
	int64_t before = st->free_pages;
	char sql[64];
	int rc;

	store_settle(st);
	if (st->db == NULL || before < SHRINK_MIN || before * 4 < st->pages)
		return (0);
	sqlite3_snprintf(sizeof(sql), sql, "PRAGMA incremental_vacuum(%d)",
	    pages);
	rc = sqlite3_exec(st->db, sql, NULL, NULL, NULL);
	if (rc != SQLITE_OK) {
		store_fail(st, rc, "shrink");
		return (-1);
	}
	store_checkpoint(st);
	store_measure(st);
	return ((int)(before - st->free_pages));
}
