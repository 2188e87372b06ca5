/*
 * Marks of what is being sent, which are on disk before a request leaves.
 *
 * The marks of a transaction are one row of meta, such as "store.sending.17"
 * with "64:1 128:2", deliveries and their attempts: to change the row of each
 * delivery, and the index that it is in, would cost as much as its end does,
 * which follows a moment later and says the same.  A mark holds until its
 * delivery is put the next time.  A row whose marks are all over goes with
 * the next transaction.
 *
 * On start a mark holds if its delivery is queued and has seen fewer
 * attempts.  So does one that was taken back without an attempt, if its row
 * was still there for the others: its message is shown as repeated, at worst.
 *
 * Called by the store's other files.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "workers/queue/store_record.h"

#define PREFIX "store.sending."
#define MARK_TEXT 34 /* two numbers, a colon and a blank */

static struct sending **bucket(struct store *, int64_t);
static struct sending *find(struct store *, int64_t);
static void	add(struct store *, struct sending *);
static void	forget(struct store *, int64_t);
static int	run_meta(struct store *, const struct sending_row *,
		    const char *);
static int	put_row(struct store *, const struct sending_row *);
static void	free_rows(struct sending_rows *);
static void	load_row(const char *, const char *, void *);
static int	compare(const void *, const void *);

static struct sending **
bucket(struct store *st, int64_t id)
{
	return (&st->sending[DELIVERY_SEQ(id) & (SENDING_BUCKETS - 1)]);
}

static struct sending *
find(struct store *st, int64_t id)
{
	struct sending *m;

	for (m = *bucket(st, id); m != NULL && m->id != id; m = m->next)
		;
	return (m);
}

static void
add(struct store *st, struct sending *m)
{
	m->next = *bucket(st, m->id);
	*bucket(st, m->id) = m;
	st->nsending++;
}

static void
forget(struct store *st, int64_t id)
{
	struct sending **p, *m;

	for (p = bucket(st, id); (m = *p) != NULL; p = &m->next) {
		if (m->id != id)
			continue;
		*p = m->next;
		st->nsending--;
		if (--m->row->live == 0) {
			TAILQ_REMOVE(&st->sending_rows, m->row, entry);
			TAILQ_INSERT_TAIL(&st->sending_over, m->row, entry);
		}
		return;
	}
}

int
store_sending_attempts(struct store *st, int64_t id)
{
	const struct sending *m = find(st, id);

	return (m == NULL ? 0 : m->attempts);
}

/*
 * In the transaction
 */

/* value NULL: the row goes. */
static int
run_meta(struct store *st, const struct sending_row *r, const char *value)
{
	sqlite3_stmt *s = store_stmt(st, value != NULL ? Q_META_PUT :
	    Q_META_DEL);
	char key[sizeof(PREFIX) + 20];

	if (s == NULL)
		return (SQLITE_ERROR);
	snprintf(key, sizeof(key), PREFIX "%lld", (long long)r->number);
	sqlite3_bind_text(s, 1, key, -1, SQLITE_STATIC);
	if (value != NULL)
		sqlite3_bind_text(s, 2, value, -1, SQLITE_STATIC);
	sqlite3_step(s);
	return (sqlite3_reset(s));
}

static int
put_row(struct store *st, const struct sending_row *r)
{
	char text[SENDING_ROW * MARK_TEXT + 1];
	size_t i, at = 0;

	for (i = 0; i < r->n; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at,
		    "%lld:%d ", (long long)r->mark[i].id,
		    r->mark[i].attempts);
	return (run_meta(st, r, text));
}

/* A try that failed may have left some. */
void
store_sending_begin(struct store *st)
{
	free_rows(&st->sending_fresh);
}

int
store_sending_put(struct store *st, int64_t id, int attempts)
{
	struct sending_row *r = TAILQ_LAST(&st->sending_fresh, sending_rows);
	int rc;

	if (r == NULL || r->n == SENDING_ROW) {
		if (r != NULL && (rc = put_row(st, r)) != SQLITE_OK)
			return (rc);
		if ((r = malloc(sizeof(*r))) == NULL)
			return (SQLITE_NOMEM);
		r->n = 0;
		r->number = st->sending_next++;
		TAILQ_INSERT_TAIL(&st->sending_fresh, r, entry);
	}
	r->mark[r->n++] = (struct sending){ .id = id, .attempts = attempts,
	    .row = r };
	return (SQLITE_OK);
}

int
store_sending_end(struct store *st)
{
	struct sending_row *r = TAILQ_LAST(&st->sending_fresh, sending_rows);
	int rc = SQLITE_OK;

	if (r != NULL)
		rc = put_row(st, r);
	TAILQ_FOREACH(r, &st->sending_over, entry) {
		if (rc != SQLITE_OK)
			break;
		rc = run_meta(st, r, NULL);
	}
	return (rc);
}

/* It is committed: what the operations began and ended, in their order. */
void
store_sending_done(struct store *st)
{
	struct sending_row *r = NULL, *next;
	const struct record *head;
	size_t at, i = 0;
	int64_t id;

	free_rows(&st->sending_over);
	next = TAILQ_FIRST(&st->sending_fresh);
	TAILQ_CONCAT(&st->sending_rows, &st->sending_fresh, entry);
	for (at = 0; at < st->arena_used; at += head->size) {
		head = (const struct record *)(void *)(st->arena + at);
		if (head->kind == OP_DELIVERY) {
			id = ((const struct rec_delivery *)head)->d.id;
			forget(st, id);
		} else if (head->kind == OP_SENDING) {
			if (r == NULL || i == r->n) {
				r = next; /* it stays: none is over yet */
				next = TAILQ_NEXT(r, entry);
				r->live = r->n;
				i = 0;
			}
			forget(st, r->mark[i].id);
			add(st, &r->mark[i++]);
		}
	}
}

/*
 * Opening and closing
 */

void
store_sending_init(struct store *st)
{
	TAILQ_INIT(&st->sending_fresh);
	TAILQ_INIT(&st->sending_rows);
	TAILQ_INIT(&st->sending_over);
}

static void
load_row(const char *number, const char *text, void *arg)
{
	struct store *st = arg;
	struct sending_row *r;
	long long id;
	int attempts, n;

	if ((r = calloc(1, sizeof(*r))) == NULL) {
		st->failed = true;
		return;
	}
	r->number = strtoll(number, NULL, 10);
	if (r->number >= st->sending_next)
		st->sending_next = r->number + 1;
	for (; r->n < SENDING_ROW && sscanf(text, "%lld:%d %n", &id,
	    &attempts, &n) == 2; text += n)
		r->mark[r->n++] = (struct sending){ .id = id,
		    .attempts = attempts, .row = r };
	TAILQ_INSERT_TAIL(&st->sending_rows, r, entry);
}

int
store_sending_load(struct store *st)
{
	struct sending_row *r, *next;
	struct store_delivery d;
	struct sending *m, *old;

	st->failed = false;
	if (store_each_meta(st, PREFIX, load_row, st) == -1 || st->failed)
		return (-1);
	TAILQ_FOREACH(r, &st->sending_rows, entry) {
		for (m = r->mark; m < r->mark + r->n; m++) {
			if (store_get_delivery(st, m->id, &d) != 1 ||
			    DS_IS_FINAL(d.state) || d.attempts >= m->attempts)
				continue;
			if ((old = find(st, m->id)) != NULL) {
				old->attempts = m->attempts;
				continue;
			}
			r->live++;
			add(st, m);
		}
	}
	TAILQ_FOREACH_SAFE(r, &st->sending_rows, entry, next) {
		if (r->live > 0)
			continue;
		TAILQ_REMOVE(&st->sending_rows, r, entry);
		TAILQ_INSERT_TAIL(&st->sending_over, r, entry);
	}
	store_settle(st);
	return (0);
}

static void
free_rows(struct sending_rows *rows)
{
	struct sending_row *r;

	while ((r = TAILQ_FIRST(rows)) != NULL) {
		TAILQ_REMOVE(rows, r, entry);
		free(r);
	}
}

void
store_sending_free(struct store *st)
{
	free_rows(&st->sending_fresh);
	free_rows(&st->sending_rows);
	free_rows(&st->sending_over);
}

static int
compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return ((x > y) - (x < y));
}

int64_t *
store_sending_ids(struct store *st)
{
	int64_t *ids = calloc(st->nsending + 1, sizeof(*ids));
	const struct sending *m;
	size_t i, n = 0;

	if (ids == NULL)
		return (NULL);
	for (i = 0; i < SENDING_BUCKETS; i++)
		for (m = st->sending[i]; m != NULL; m = m->next)
			ids[n++] = m->id;
	qsort(ids, n, sizeof(*ids), compare);
	return (ids);
}
