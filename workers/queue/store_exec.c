/*
 * The transaction: store_commit() executes the operations in order.  When
 * one fails, nothing has happened and all of them stay for the next try.
 *
 * Texts and payloads are bound where they lie in the arena, which does not
 * move during a commit.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "workers/queue/store_record.h"

#define ARENA_KEEP_BYTES (4 * 1024 * 1024) /* a larger one is given back */

typedef int op_exec(struct store *, const struct record *);
#define OP_PROTOTYPE(name, exec) static op_exec exec;
STORE_OPS(OP_PROTOTYPE)
#undef OP_PROTOTYPE

static void	bind_part(sqlite3_stmt *, int, const void *, struct part);
static void	bind_blob(sqlite3_stmt *, int, const void *, struct part);
static int	run(sqlite3_stmt *);
static int	bind_delivery(struct store *, enum store_query, const void *,
		    const struct rec_delivery *);
static bool	is_queued(const struct rec_delivery *);
static const struct rec_delivery *deliveries_of(const struct rec_event *);
static void	bind_queued(sqlite3_stmt *, int, const struct store_delivery *);
static void	bind_event(sqlite3_stmt *, int, const struct rec_event *);
static int	accept_rows(struct store *, const struct rec_event *const *);
static int	exec_accepts(struct store *);
static int	exec_all(struct store *);
static int	exec_totals(struct store *);
static int	transact(struct store *, const char **);
static void	commit_done(struct store *);

static op_exec *const op_table[NOPKINDS] = {
#define OP_ENTRY(name, exec) [OP_##name] = exec,
	STORE_OPS(OP_ENTRY)
#undef OP_ENTRY
};

static void
bind_part(sqlite3_stmt *s, int i, const void *record, struct part p)
{
	if (p.at == 0)
		sqlite3_bind_null(s, i);
	else
		sqlite3_bind_text(s, i, (const char *)record + p.at,
		    (int)p.len, SQLITE_STATIC);
}

static void
bind_blob(sqlite3_stmt *s, int i, const void *record, struct part p)
{
	if (p.at == 0)
		sqlite3_bind_null(s, i);
	else
		sqlite3_bind_blob(s, i, (const char *)record + p.at,
		    (int)p.len, SQLITE_STATIC);
}

static int
run(sqlite3_stmt *s)
{
	errno = 0; /* for store_fail() */
	sqlite3_step(s);
	return (sqlite3_reset(s));
}

static int
bind_delivery(struct store *st, enum store_query q, const void *record,
    const struct rec_delivery *r)
{
	sqlite3_stmt *s = store_stmt(st, q);

	if (s == NULL)
		return (SQLITE_ERROR);
	sqlite3_bind_int64(s, 1, r->d.id);
	sqlite3_bind_int(s, 2, r->d.chat);
	sqlite3_bind_int(s, 3, r->d.lane);
	sqlite3_bind_int(s, 4, r->d.state);
	sqlite3_bind_int(s, 5, r->d.attempts);
	sqlite3_bind_int(s, 6, r->d.parts_done);
	sqlite3_bind_int(s, 7, r->d.flags);
	sqlite3_bind_int64(s, 8, r->d.not_before_ms);
	sqlite3_bind_int64(s, 9, r->d.done_ms);
	sqlite3_bind_int64(s, 10, r->d.digest);
	bind_part(s, 11, record, r->reason);
	bind_part(s, 12, record, r->messages);
	return (run(s));
}

/* As nearly all are when they are accepted. */
static bool
is_queued(const struct rec_delivery *r)
{
	return (r->d.state == DS_QUEUED && r->d.attempts == 0 &&
	    r->d.parts_done == 0 && r->d.not_before_ms == 0 &&
	    r->d.done_ms == 0 && r->d.digest == 0 && r->reason.at == 0 &&
	    r->messages.at == 0);
}

static const struct rec_delivery *
deliveries_of(const struct rec_event *r)
{
	return ((const struct rec_delivery *)(const void *)
	    ((const uint8_t *)r + r->deliveries));
}

/* The values of the i-th row of a statement. */
static void
bind_queued(sqlite3_stmt *s, int i, const struct store_delivery *d)
{
	i *= QUEUED_VALUES;
	sqlite3_bind_int64(s, i + 1, d->id);
	sqlite3_bind_int(s, i + 2, d->chat);
	sqlite3_bind_int(s, i + 3, d->lane);
	sqlite3_bind_int(s, i + 4, d->flags);
}

static void
bind_event(sqlite3_stmt *s, int i, const struct rec_event *r)
{
	i *= EVENT_VALUES;
	sqlite3_bind_int64(s, i + 1, r->e.seq);
	sqlite3_bind_int64(s, i + 2, r->key);
	bind_part(s, i + 3, r, r->id);
	bind_part(s, i + 4, r, r->type);
	bind_part(s, i + 5, r, r->source);
	bind_part(s, i + 6, r, r->task_id);
	bind_part(s, i + 7, r, r->title);
	sqlite3_bind_int(s, i + 8, r->e.severity);
	sqlite3_bind_int(s, i + 9, r->e.flags);
	sqlite3_bind_int64(s, i + 10, r->e.received_ms);
	sqlite3_bind_int64(s, i + 11, r->e.expires_ms);
	sqlite3_bind_int(s, i + 12, r->e.encoding);
	sqlite3_bind_int64(s, i + 13, r->e.raw_bytes);
	bind_blob(s, i + 14, r, r->payload);
}

static int
exec_route(struct store *st, const struct record *head)
{
	const struct rec_event *r = (const struct rec_event *)head;
	const struct rec_delivery *d = deliveries_of(r);
	sqlite3_stmt *s = store_stmt(st, Q_DELIVERY_QUEUED);
	uint32_t i;
	int rc = SQLITE_OK;

	if (s == NULL)
		return (SQLITE_ERROR);
	for (i = 0; i < r->ndeliveries && rc == SQLITE_OK; i++) {
		if (is_queued(&d[i])) {
			bind_queued(s, 0, &d[i].d);
			rc = run(s);
		} else
			rc = bind_delivery(st, Q_DELIVERY_NEW, r, &d[i]);
	}
	return (rc);
}

static int
exec_accept(struct store *st, const struct record *head)
{
	const struct rec_event *r = (const struct rec_event *)head;
	sqlite3_stmt *s = store_stmt(st, Q_EVENT_PUT);
	int rc;

	if (s == NULL)
		return (SQLITE_ERROR);
	bind_event(s, 0, r);
	rc = run(s);
	return (rc != SQLITE_OK ? rc : exec_route(st, head));
}

/* As many as have a statement of their own. */
static int
accept_rows(struct store *st, const struct rec_event *const *r)
{
	sqlite3_stmt *events = store_stmt(st, Q_EVENT_PUT_8);
	sqlite3_stmt *queued = store_stmt(st, Q_DELIVERY_QUEUED_8);
	bool usual = true;
	int i, rc;

	if (events == NULL || queued == NULL)
		return (SQLITE_ERROR);
	for (i = 0; i < STORE_ROWS; i++) {
		bind_event(events, i, r[i]);
		usual = usual && r[i]->ndeliveries == 1 &&
		    is_queued(deliveries_of(r[i]));
		if (usual)
			bind_queued(queued, i, &deliveries_of(r[i])->d);
	}
	if ((rc = run(events)) != SQLITE_OK)
		return (rc);
	if (usual)
		return (run(queued));
	for (i = 0; i < STORE_ROWS && rc == SQLITE_OK; i++)
		rc = exec_route(st, &r[i]->head);
	return (rc);
}

/* Before all other operations: those may be about them. */
static int
exec_accepts(struct store *st)
{
	const struct rec_event *group[STORE_ROWS];
	const struct record *r;
	size_t at, i, n = 0;
	int rc = SQLITE_OK;

	for (at = 0; at < st->arena_used && rc == SQLITE_OK; at += r->size) {
		r = (const struct record *)(void *)(st->arena + at);
		if (r->kind != OP_ACCEPT)
			continue;
		group[n++] = (const struct rec_event *)r;
		if (n == STORE_ROWS) {
			rc = accept_rows(st, group);
			n = 0;
		}
	}
	for (i = 0; i < n && rc == SQLITE_OK; i++)
		rc = exec_accept(st, &group[i]->head);
	return (rc);
}

static int
exec_delivery(struct store *st, const struct record *head)
{
	return (bind_delivery(st, Q_DELIVERY_PUT, head,
	    (const struct rec_delivery *)head));
}

static int
exec_sending(struct store *st, const struct record *head)
{
	const struct rec_sending *r = (const struct rec_sending *)head;

	return (store_sending_put(st, r->id, r->attempts));
}

static int
exec_masked(struct store *st, const struct record *head)
{
	const struct rec_masked *r = (const struct rec_masked *)head;
	sqlite3_stmt *s = store_stmt(st, Q_MASKED_PUT);

	if (s == NULL)
		return (SQLITE_ERROR);
	sqlite3_bind_int64(s, 1, r->seq);
	bind_part(s, 2, r, r->title);
	bind_blob(s, 3, r, r->payload);
	sqlite3_bind_int64(s, 4, r->payload.len);
	return (run(s));
}

static int
exec_chat(struct store *st, const struct record *head)
{
	const struct rec_chat *r = (const struct rec_chat *)head;
	sqlite3_stmt *s = store_stmt(st, Q_CHAT_PUT);

	if (s == NULL)
		return (SQLITE_ERROR);
	sqlite3_bind_int(s, 1, r->c.id);
	sqlite3_bind_int64(s, 2, r->c.chat_id);
	sqlite3_bind_int64(s, 3, r->c.thread);
	sqlite3_bind_int(s, 4, r->c.suspended);
	bind_part(s, 5, r, r->reason);
	return (run(s));
}

static int
exec_task(struct store *st, const struct record *head)
{
	const struct rec_task *r = (const struct rec_task *)head;
	sqlite3_stmt *s = store_stmt(st, Q_TASK_PUT);

	if (s == NULL)
		return (SQLITE_ERROR);
	sqlite3_bind_int(s, 1, r->t.chat);
	bind_part(s, 2, r, r->task_id);
	sqlite3_bind_int64(s, 3, r->t.message_id);
	sqlite3_bind_int64(s, 4, r->t.started_ms);
	sqlite3_bind_int(s, 5, r->t.closed);
	return (run(s));
}

static int
exec_meta(struct store *st, const struct record *head)
{
	const struct rec_meta *r = (const struct rec_meta *)head;
	bool put = r->value.at != 0;
	sqlite3_stmt *s = store_stmt(st, put ? Q_META_PUT : Q_META_DEL);

	if (s == NULL)
		return (SQLITE_ERROR);
	bind_part(s, 1, r, r->key);
	if (put)
		bind_part(s, 2, r, r->value);
	return (run(s));
}

static int
exec_segment(struct store *st, const struct record *head)
{
	const struct rec_segment *r = (const struct rec_segment *)head;
	const uint8_t *seqs = (const uint8_t *)r + r->seq.at;
	sqlite3_stmt *s = store_stmt(st, Q_SEGMENT_PUT);
	int64_t seq, first = 0, last = 0, segment, taken = 0;
	uint32_t i;
	int rc;

	for (i = 0; i < r->n; i++) {
		memcpy(&seq, seqs + i * sizeof(seq), sizeof(seq));
		if (i == 0 || seq < first)
			first = seq;
		if (i == 0 || seq > last)
			last = seq;
	}
	if (s == NULL)
		return (SQLITE_ERROR);
	sqlite3_bind_int64(s, 1, first);
	sqlite3_bind_int64(s, 2, last);
	sqlite3_bind_int64(s, 3, r->n);
	sqlite3_bind_int64(s, 4, r->raw_bytes);
	bind_blob(s, 5, r, r->data);
	if ((rc = run(s)) != SQLITE_OK)
		return (rc);
	segment = sqlite3_last_insert_rowid(st->db);
	if ((s = store_stmt(st, Q_SEGMENT_TAKE)) == NULL)
		return (SQLITE_ERROR);
	for (i = 0; i < r->n && rc == SQLITE_OK; i++) {
		memcpy(&seq, seqs + i * sizeof(seq), sizeof(seq));
		sqlite3_bind_int64(s, 1, seq);
		sqlite3_bind_int64(s, 2, segment);
		rc = run(s);
		taken += sqlite3_changes(st->db);
	}
	if (rc != SQLITE_OK || taken == r->n)
		return (rc);
	/* Some were pruned since they were read. */
	if ((s = store_stmt(st, Q_SEGMENT_MEMBERS)) == NULL)
		return (SQLITE_ERROR);
	sqlite3_bind_int64(s, 1, segment);
	sqlite3_bind_int64(s, 2, taken);
	return (run(s));
}

static int
exec_prune(struct store *st, const struct record *head)
{
	static const enum store_query steps[] = { Q_SEGMENT_DROP,
		Q_SEGMENT_CLEAN, Q_EVENT_PRUNE };
	const struct rec_prune *r = (const struct rec_prune *)head;
	sqlite3_stmt *s;
	size_t i;
	int rc;

	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		if ((s = store_stmt(st, steps[i])) == NULL)
			return (SQLITE_ERROR);
		sqlite3_bind_int64(s, 1, r->seq);
		if ((rc = run(s)) != SQLITE_OK)
			return (rc);
	}
	if ((s = store_stmt(st, Q_DELIVERY_PRUNE)) == NULL)
		return (SQLITE_ERROR);
	sqlite3_bind_int64(s, 1, DELIVERY_ID(r->seq, 0));
	sqlite3_bind_int64(s, 2, DELIVERY_ID(r->seq, STORE_FANOUT - 1));
	return (run(s));
}

static int
exec_prune_tasks(struct store *st, const struct record *head)
{
	const struct rec_prune *r = (const struct rec_prune *)head;
	sqlite3_stmt *s = store_stmt(st, Q_TASK_PRUNE);

	if (s == NULL)
		return (SQLITE_ERROR);
	sqlite3_bind_int64(s, 1, r->seq);
	return (run(s));
}

/*
 * A row that breaks a constraint (a chat moved to an address that another
 * one has) would fail for ever and hold everything else up; it is left out.
 * An acceptance is never left out.
 */
static int
exec_all(struct store *st)
{
	const struct record *r;
	size_t at;
	int rc;

	if ((rc = exec_accepts(st)) != SQLITE_OK)
		return (rc);
	for (at = 0; at < st->arena_used; at += r->size) {
		r = (const struct record *)(void *)(st->arena + at);
		if (r->kind == OP_ACCEPT)
			continue;
		rc = op_table[r->kind](st, r);
		if (rc == SQLITE_OK)
			continue;
		if ((rc & 0xff) != SQLITE_CONSTRAINT)
			return (rc);
		log_warnx("store: operation %u left out: %s", r->kind,
		    sqlite3_errmsg(st->db));
	}
	return (SQLITE_OK);
}

static int
exec_totals(struct store *st)
{
	sqlite3_stmt *s = store_stmt(st, Q_TOTAL_ADD);

	if (s == NULL)
		return (SQLITE_ERROR);
	sqlite3_bind_int64(s, 1, st->next_seq - 1);
	sqlite3_bind_int64(s, 2, st->events_delta);
	sqlite3_bind_int64(s, 3, st->delta.accepted);
	sqlite3_bind_int64(s, 4, st->delta.delivered);
	sqlite3_bind_int64(s, 5, st->delta.suppressed);
	sqlite3_bind_int64(s, 6, st->delta.uncertain);
	sqlite3_bind_int64(s, 7, st->delta.dead);
	sqlite3_bind_int64(s, 8, st->delta.duplicates);
	return (run(s));
}

/* What failed, through doing; rolled back by the caller. */
static int
transact(struct store *st, const char **doing)
{
	sqlite3_stmt *begin = store_stmt(st, Q_BEGIN);
	sqlite3_stmt *commit = store_stmt(st, Q_COMMIT);
	int rc;

	*doing = "begin";
	if (begin == NULL || commit == NULL)
		return (SQLITE_ERROR);
	if ((rc = run(begin)) != SQLITE_OK)
		return (rc);
	*doing = "write";
	store_sending_begin(st);
	if ((rc = exec_all(st)) != SQLITE_OK ||
	    (rc = store_sending_end(st)) != SQLITE_OK ||
	    (rc = exec_totals(st)) != SQLITE_OK)
		return (rc);
	*doing = "commit";
	return (run(commit));
}

static void
commit_done(struct store *st)
{
	static const struct store_totals zero;

	store_sending_done(st);
	st->total.accepted += st->delta.accepted;
	st->total.delivered += st->delta.delivered;
	st->total.suppressed += st->delta.suppressed;
	st->total.uncertain += st->delta.uncertain;
	st->total.dead += st->delta.dead;
	st->total.duplicates += st->delta.duplicates;
	st->delta = zero;
	st->events += st->events_delta;
	st->events_delta = st->pruned = 0;
	st->arena_used = st->nops = 0;
	store_forget_pending(st);
	if (st->arena_size > ARENA_KEEP_BYTES) {
		free(st->arena);
		st->arena = NULL;
		st->arena_size = 0;
	}
	st->error[0] = '\0';
	st->failed = false;
}

int
store_commit(struct store *st)
{
	static const struct store_totals zero;
	const char *doing;
	int rc;

	/* After a failure the disk is asked, even if nothing is left to do:
	 * who gets 0 begins to accept again. */
	if (st->nops == 0 && !st->failed &&
	    memcmp(&st->delta, &zero, sizeof(zero)) == 0)
		return (0);
	st->failed = true;
	if (store_resume(st) == -1)
		return (-1);
	store_settle(st);
	if ((rc = transact(st, &doing)) != SQLITE_OK) {
		store_fail(st, rc, doing);
		if (!sqlite3_get_autocommit(st->db))
			sqlite3_exec(st->db, "ROLLBACK", NULL, NULL, NULL);
		if ((rc & 0xff) == SQLITE_IOERR)
			store_suspend(st);
		return (-1);
	}
	commit_done(st);
	if (store_is_overdue(st))
		store_checkpoint(st);
	store_measure(st);
	return (0);
}
