/*
 * Reading from the store: single rows, and loads with a callback for each
 * row.  They see what is committed, store_find_id() also what is to be.
 *
 * A single row's texts point into SQLite's own row, which stays until the
 * next call (store_settle() lets go of it).  An error is put into
 * store_error() and counts as "not found" where there is no other way.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/uuid.h"
#include "workers/queue/store_int.h"

static const char *text(sqlite3_stmt *, int);
static const char *text_or_empty(sqlite3_stmt *, int);
static int	each_delivery(struct store *, sqlite3_stmt *,
		    void (*)(const struct store_delivery *, void *), void *);

/* 1: a row, 0: no more, -1: error; the statement is reset unless 1. */
int
store_step(struct store *st, sqlite3_stmt *s)
{
	int rc = sqlite3_step(s);

	if (rc == SQLITE_ROW)
		return (1);
	if (rc != SQLITE_DONE)
		store_fail(st, rc, "read");
	sqlite3_reset(s);
	return (rc == SQLITE_DONE ? 0 : -1);
}

static const char *
text(sqlite3_stmt *s, int i)
{
	return ((const char *)sqlite3_column_text(s, i));
}

/* A row that damage took apart may lack any of its texts. */
static const char *
text_or_empty(sqlite3_stmt *s, int i)
{
	const char *t = text(s, i);

	return (t == NULL ? "" : t);
}

void
store_read_event(sqlite3_stmt *s, int i, struct store_event *e)
{
	memset(e, 0, sizeof(*e));
	e->seq = sqlite3_column_int64(s, i);
	e->id = text_or_empty(s, i + 1);
	e->type = text_or_empty(s, i + 2);
	e->source = text_or_empty(s, i + 3);
	e->task_id = text_or_empty(s, i + 4);
	e->title = text_or_empty(s, i + 5);
	e->severity = sqlite3_column_int(s, i + 6);
	e->flags = sqlite3_column_int(s, i + 7);
	e->received_ms = sqlite3_column_int64(s, i + 8);
	e->expires_ms = sqlite3_column_int64(s, i + 9);
	e->encoding = sqlite3_column_int(s, i + 10);
	e->raw_bytes = (uint32_t)sqlite3_column_int64(s, i + 11);
	e->segment = sqlite3_column_int64(s, i + 12);
	e->payload = sqlite3_column_blob(s, i + 13);
	e->payload_bytes = (size_t)sqlite3_column_bytes(s, i + 13);
}

void
store_read_delivery(struct store *st, sqlite3_stmt *s, int i,
    struct store_delivery *d)
{
	int attempts;

	d->id = sqlite3_column_int64(s, i);
	d->chat = sqlite3_column_int(s, i + 1);
	d->lane = sqlite3_column_int(s, i + 2);
	d->state = sqlite3_column_int(s, i + 3);
	d->attempts = sqlite3_column_int(s, i + 4);
	d->parts_done = sqlite3_column_int(s, i + 5);
	d->flags = sqlite3_column_int(s, i + 6);
	d->not_before_ms = sqlite3_column_int64(s, i + 7);
	d->done_ms = sqlite3_column_int64(s, i + 8);
	d->digest = sqlite3_column_int64(s, i + 9);
	d->reason = text(s, i + 10);
	d->messages = text(s, i + 11);
	if ((attempts = store_sending_attempts(st, d->id)) > 0) {
		d->state = DS_SENDING;
		d->attempts = attempts;
	}
}

/*
 * The keys of UUIDv7 are times, so that a new one is mostly beyond all that
 * are there, and need not be looked for.  Keys that lie in the future, as
 * most of other ids do, are left out of key_max by key_end.
 */
int64_t
store_find_id(struct store *st, const char *id, size_t len)
{
	int64_t key = uuid_index_key(id, len), seq;
	sqlite3_stmt *s;

	store_settle(st);
	if ((seq = store_find_pending(st, key, id, len)) != 0)
		return (seq);
	if (key > st->key_max && key < st->key_end)
		return (0);
	if ((s = store_stmt(st, Q_ID_FIND)) == NULL)
		return (0);
	sqlite3_bind_int64(s, 1, key);
	while (store_step(st, s) == 1) {
		if ((size_t)sqlite3_column_bytes(s, 1) == len &&
		    memcmp(sqlite3_column_text(s, 1), id, len) == 0) {
			seq = sqlite3_column_int64(s, 0);
			sqlite3_reset(s);
			return (seq);
		}
	}
	return (0);
}

int
store_get_event(struct store *st, int64_t seq, bool want_payload,
    struct store_event *e)
{
	sqlite3_stmt *s;
	int found;

	store_settle(st);
	s = store_stmt(st, want_payload ? Q_EVENT_GET_PAYLOAD : Q_EVENT_GET);
	if (s == NULL)
		return (-1);
	sqlite3_bind_int64(s, 1, seq);
	if ((found = store_step(st, s)) == 1) {
		st->held = s;
		store_read_event(s, 0, e);
	}
	return (found);
}

int
store_get_delivery(struct store *st, int64_t id, struct store_delivery *d)
{
	sqlite3_stmt *s;
	int found;

	store_settle(st);
	if ((s = store_stmt(st, Q_DELIVERY_GET)) == NULL)
		return (-1);
	sqlite3_bind_int64(s, 1, id);
	if ((found = store_step(st, s)) == 1) {
		st->held = s;
		store_read_delivery(st, s, 0, d);
	}
	return (found);
}

static int
each_delivery(struct store *st, sqlite3_stmt *s,
    void (*each)(const struct store_delivery *, void *), void *arg)
{
	struct store_delivery d;
	int n = 0, more;

	while ((more = store_step(st, s)) == 1) {
		store_read_delivery(st, s, 0, &d);
		each(&d, arg);
		n++;
	}
	return (more == -1 ? -1 : n);
}

int
store_event_deliveries(struct store *st, int64_t seq,
    void (*each)(const struct store_delivery *, void *), void *arg)
{
	sqlite3_stmt *s;

	store_settle(st);
	if ((s = store_stmt(st, Q_DELIVERY_RANGE)) == NULL)
		return (-1);
	sqlite3_bind_int64(s, 1, DELIVERY_ID(seq, 0));
	sqlite3_bind_int64(s, 2, DELIVERY_ID(seq, STORE_FANOUT - 1));
	return (each_delivery(st, s, each, arg));
}

int
store_load_open(struct store *st, int32_t chat, int lane, int64_t after,
    int limit, void (*each)(const struct store_delivery *, void *), void *arg)
{
	sqlite3_stmt *s;

	store_settle(st);
	if ((s = store_stmt(st, Q_OPEN_LOAD)) == NULL)
		return (-1);
	sqlite3_bind_int(s, 1, chat);
	sqlite3_bind_int(s, 2, lane);
	sqlite3_bind_int64(s, 3, after);
	sqlite3_bind_int(s, 4, limit);
	return (each_delivery(st, s, each, arg));
}

int
store_count_open(struct store *st,
    void (*each)(int32_t, int, int64_t, void *), void *arg)
{
	sqlite3_stmt *s;
	int n = 0, more;

	store_settle(st);
	if ((s = store_stmt(st, Q_OPEN_COUNT)) == NULL)
		return (-1);
	while ((more = store_step(st, s)) == 1) {
		each(sqlite3_column_int(s, 0), sqlite3_column_int(s, 1),
		    sqlite3_column_int64(s, 2), arg);
		n++;
	}
	return (more == -1 ? -1 : n);
}

int
store_load_sending(struct store *st,
    void (*each)(const struct store_delivery *, void *), void *arg)
{
	sqlite3_stmt *s;
	int64_t *ids;
	int n, one;
	size_t i;

	store_settle(st);
	if ((s = store_stmt(st, Q_SENDING_LOAD)) == NULL ||
	    (n = each_delivery(st, s, each, arg)) == -1 ||
	    (s = store_stmt(st, Q_SENDING_GET)) == NULL ||
	    (ids = store_sending_ids(st)) == NULL)
		return (-1);
	for (i = 0; i < st->nsending; i++) {
		sqlite3_bind_int64(s, 1, ids[i]);
		if ((one = each_delivery(st, s, each, arg)) == -1) {
			n = -1;
			break;
		}
		n += one;
	}
	free(ids);
	return (n);
}

int
store_load_chats(struct store *st,
    void (*each)(const struct store_chat *, void *), void *arg)
{
	struct store_chat c;
	sqlite3_stmt *s;
	int n = 0, more;

	store_settle(st);
	if ((s = store_stmt(st, Q_CHAT_LOAD)) == NULL)
		return (-1);
	while ((more = store_step(st, s)) == 1) {
		c.id = sqlite3_column_int(s, 0);
		c.chat_id = sqlite3_column_int64(s, 1);
		c.thread = sqlite3_column_int64(s, 2);
		c.suspended = sqlite3_column_int(s, 3) != 0;
		c.reason = text(s, 4);
		each(&c, arg);
		n++;
	}
	return (more == -1 ? -1 : n);
}

int
store_get_task(struct store *st, int32_t chat, const char *task_id,
    struct store_task *t)
{
	sqlite3_stmt *s;
	int found;

	store_settle(st);
	if ((s = store_stmt(st, Q_TASK_GET)) == NULL)
		return (-1);
	sqlite3_bind_int(s, 1, chat);
	sqlite3_bind_text(s, 2, task_id, -1, SQLITE_TRANSIENT);
	if ((found = store_step(st, s)) == 1) {
		st->held = s;
		t->chat = chat;
		t->task_id = task_id;
		t->message_id = sqlite3_column_int64(s, 0);
		t->started_ms = sqlite3_column_int64(s, 1);
		t->closed = sqlite3_column_int(s, 2) != 0;
	}
	return (found);
}

char *
store_get_meta(struct store *st, const char *key)
{
	char *value = NULL;
	sqlite3_stmt *s;

	store_settle(st);
	if ((s = store_stmt(st, Q_META_GET)) == NULL)
		return (NULL);
	sqlite3_bind_text(s, 1, key, -1, SQLITE_TRANSIENT);
	if (store_step(st, s) == 1) {
		if (text(s, 0) != NULL)
			value = strdup(text(s, 0));
		sqlite3_reset(s);
	}
	return (value);
}

int
store_each_meta(struct store *st, const char *prefix,
    void (*each)(const char *, const char *, void *), void *arg)
{
	size_t skip = strlen(prefix);
	sqlite3_stmt *s;
	int rc;

	store_settle(st);
	if ((s = store_stmt(st, Q_META_EACH)) == NULL)
		return (-1);
	sqlite3_bind_text(s, 1, prefix, -1, SQLITE_TRANSIENT);
	while ((rc = store_step(st, s)) == 1)
		if (text(s, 0) != NULL && text(s, 1) != NULL)
			each(text(s, 0) + skip, text(s, 1), arg);
	return (rc);
}

void
store_get_totals(struct store *st, struct store_totals *t)
{
	*t = st->total;
}

int
store_next_open(struct store *st, int64_t *chat, int64_t *lane, int64_t *id)
{
	sqlite3_stmt *s;
	int found = 0, i;

	for (i = 0; i < 2 && found == 0; i++) {
		s = store_stmt(st, i == 0 ? Q_OPEN_NEXT_LANE :
		    Q_OPEN_NEXT_CHAT);
		if (s == NULL)
			return (-1);
		sqlite3_bind_int64(s, 1, *chat);
		if (i == 0)
			sqlite3_bind_int64(s, 2, *lane);
		if ((found = store_step(st, s)) != 1)
			continue;
		*chat = sqlite3_column_int64(s, 0);
		*lane = sqlite3_column_int64(s, 1);
		*id = sqlite3_column_int64(s, 2);
		sqlite3_reset(s);
	}
	return (found);
}

/* A look at the index for each chat and lane, however many are open. */
int64_t
store_oldest_open(struct store *st)
{
	int64_t chat = INT64_MIN, lane = 0, oldest = 0, id;
	sqlite3_stmt *s;

	store_settle(st);
	while (store_next_open(st, &chat, &lane, &id) == 1)
		if (oldest == 0 || id < oldest)
			oldest = id;
	if (oldest == 0 || (s = store_stmt(st, Q_RECEIVED_GET)) == NULL)
		return (0);
	sqlite3_bind_int64(s, 1, DELIVERY_SEQ(oldest));
	oldest = 0;
	if (store_step(st, s) == 1) {
		oldest = sqlite3_column_int64(s, 0);
		sqlite3_reset(s);
	}
	return (oldest);
}
