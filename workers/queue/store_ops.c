/*
 * Collecting what is to be written.  The store_put_ functions append records
 * to one arena, which is kept from commit to commit, so that an operation
 * costs no allocation; store_exec.c executes them.  The ids of new events are
 * found among them through a small table.
 *
 * Called by the scheduler through store.h.  Nothing here touches the disk.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/uuid.h"
#include "workers/queue/store_record.h"

#define ARENA_START_BYTES (256 * 1024)
#define PENDING_START 1024

static void *record_begin(struct store *, enum op_kind, size_t, size_t);
static struct part record_part(void *, size_t *, const void *, size_t);
static size_t	text_bytes(const char *);
static struct rec_event *put_event(struct store *, enum op_kind,
		    const struct store_event *, const struct store_delivery *,
		    size_t);
static struct part record_text(void *, size_t *, const char *);
static void	fill_delivery(void *, size_t *, struct rec_delivery *,
		    const struct store_delivery *);
static int	put_prune(struct store *, enum op_kind, int64_t);
static int	pending_add(struct store *, int64_t, int64_t, uint32_t);
static int	pending_grow(struct store *);
static void	drop_deliveries(const struct rec_event *,
		    void (*)(const struct store_delivery *, void *), void *);

/*
 * Room for a record with so many bytes of fixed part and of texts behind it.
 * NULL when out of memory; then the arena is as it was.
 */
static void *
record_begin(struct store *st, enum op_kind kind, size_t fixed, size_t extra)
{
	size_t size = (fixed + extra + 7) & ~(size_t)7, want;
	struct record *r;
	uint8_t *arena;

	if (size > UINT32_MAX || st->arena_used + size > UINT32_MAX) {
		errno = ENOMEM;
		return (NULL);
	}
	if (st->arena_used + size > st->arena_size) {
		want = st->arena_size ? st->arena_size : ARENA_START_BYTES;
		while (want < st->arena_used + size)
			want *= 2;
		arena = realloc(st->arena, want);
		if (arena == NULL)
			return (NULL);
		st->arena = arena;
		st->arena_size = want;
	}
	r = (struct record *)(void *)(st->arena + st->arena_used);
	memset(r, 0, fixed);
	r->size = (uint32_t)size;
	r->kind = kind;
	st->arena_used += size;
	st->nops++;
	return (r);
}

/* Copy into the record at *at, with a NUL behind it. */
static struct part
record_part(void *record, size_t *at, const void *data, size_t len)
{
	struct part p = { 0, 0 };
	uint8_t *to = (uint8_t *)record + *at;

	if (data == NULL)
		return (p);
	memcpy(to, data, len);
	to[len] = '\0';
	p.at = (uint32_t)*at;
	p.len = (uint32_t)len;
	*at += len + 1;
	return (p);
}

static size_t
text_bytes(const char *s)
{
	return (s == NULL ? 0 : strlen(s) + 1);
}

static struct part
record_text(void *record, size_t *at, const char *s)
{
	return (record_part(record, at, s, s == NULL ? 0 : strlen(s)));
}

static void
fill_delivery(void *record, size_t *at, struct rec_delivery *r,
    const struct store_delivery *d)
{
	r->d = *d;
	r->reason = record_text(record, at, d->reason);
	r->messages = record_text(record, at, d->messages);
}

/*
 * The operations
 */

int64_t
store_next_seq(struct store *st)
{
	return (st->next_seq++);
}

static struct rec_event *
put_event(struct store *st, enum op_kind kind, const struct store_event *e,
    const struct store_delivery *d, size_t n)
{
	const char *task_id = e->task_id;
	struct rec_delivery *rd;
	struct rec_event *r;
	size_t i, at, extra;

	if (task_id != NULL && e->id != NULL && strcmp(task_id, e->id) == 0)
		task_id = NULL;
	extra = text_bytes(e->id) + text_bytes(e->type) +
	    text_bytes(e->source) + text_bytes(task_id) +
	    text_bytes(e->title) + e->payload_bytes + 1;
	for (i = 0; i < n; i++)
		extra += sizeof(*rd) + text_bytes(d[i].reason) +
		    text_bytes(d[i].messages);
	r = record_begin(st, kind, sizeof(*r), extra);
	if (r == NULL)
		return (NULL);
	r->e = *e;
	r->deliveries = sizeof(*r);
	r->ndeliveries = (uint32_t)n;
	rd = (struct rec_delivery *)(void *)(r + 1);
	at = sizeof(*r) + n * sizeof(*rd);
	for (i = 0; i < n; i++)
		fill_delivery(r, &at, &rd[i], &d[i]);
	r->id = record_text(r, &at, e->id);
	r->type = record_text(r, &at, e->type);
	r->source = record_text(r, &at, e->source);
	r->task_id = record_text(r, &at, task_id);
	r->title = record_text(r, &at, e->title);
	r->payload = record_part(r, &at, e->payload, e->payload_bytes);
	return (r);
}

int
store_put_event(struct store *st, const struct store_event *e,
    const struct store_delivery *d, size_t n)
{
	size_t before = st->arena_used;
	struct rec_event *r;
	int64_t key = uuid_index_key(e->id, strlen(e->id));

	if ((r = put_event(st, OP_ACCEPT, e, d, n)) == NULL)
		return (-1);
	r->key = key;
	if (key > st->key_max && key < st->key_end)
		st->key_max = key;
	if (pending_add(st, key, e->seq, (uint32_t)before) == -1) {
		st->arena_used = before;
		st->nops--;
		return (-1);
	}
	st->events_delta++;
	return (0);
}

int
store_put_routes(struct store *st, int64_t seq,
    const struct store_delivery *d, size_t n)
{
	struct store_event e = { .seq = seq };

	return (put_event(st, OP_ROUTE, &e, d, n) == NULL ? -1 : 0);
}

int
store_put_delivery(struct store *st, const struct store_delivery *d)
{
	struct rec_delivery *r;
	size_t at = sizeof(*r);

	r = record_begin(st, OP_DELIVERY, sizeof(*r),
	    text_bytes(d->reason) + text_bytes(d->messages));
	if (r == NULL)
		return (-1);
	fill_delivery(r, &at, r, d);
	return (0);
}

int
store_put_sending(struct store *st, int64_t id, int attempts)
{
	struct rec_sending *r;

	if ((r = record_begin(st, OP_SENDING, sizeof(*r), 0)) == NULL)
		return (-1);
	r->id = id;
	r->attempts = attempts;
	return (0);
}

int
store_put_masked(struct store *st, int64_t seq, const char *title,
    const void *payload, size_t len)
{
	struct rec_masked *r;
	size_t at = sizeof(*r);

	r = record_begin(st, OP_MASKED, sizeof(*r),
	    text_bytes(title) + len + 1);
	if (r == NULL)
		return (-1);
	r->seq = seq;
	r->title = record_text(r, &at, title);
	r->payload = record_part(r, &at, payload, len);
	return (0);
}

int
store_put_chat(struct store *st, const struct store_chat *c)
{
	struct rec_chat *r;
	size_t at = sizeof(*r);

	r = record_begin(st, OP_CHAT, sizeof(*r), text_bytes(c->reason));
	if (r == NULL)
		return (-1);
	r->c = *c;
	r->reason = record_text(r, &at, c->reason);
	return (0);
}

int
store_put_task(struct store *st, const struct store_task *t)
{
	struct rec_task *r;
	size_t at = sizeof(*r);

	r = record_begin(st, OP_TASK, sizeof(*r), text_bytes(t->task_id));
	if (r == NULL)
		return (-1);
	r->t = *t;
	r->task_id = record_text(r, &at, t->task_id);
	return (0);
}

int
store_put_meta(struct store *st, const char *key, const char *value)
{
	struct rec_meta *r;
	size_t at = sizeof(*r);

	r = record_begin(st, OP_META, sizeof(*r),
	    text_bytes(key) + text_bytes(value));
	if (r == NULL)
		return (-1);
	r->key = record_text(r, &at, key);
	r->value = record_text(r, &at, value);
	return (0);
}

int
store_put_segment(struct store *st, const int64_t *seq, size_t n,
    uint32_t raw_bytes, const void *data, size_t len)
{
	struct rec_segment *r;
	size_t at = sizeof(*r);

	r = record_begin(st, OP_SEGMENT, sizeof(*r),
	    n * sizeof(*seq) + 1 + len + 1);
	if (r == NULL)
		return (-1);
	r->raw_bytes = raw_bytes;
	r->n = (uint32_t)n;
	r->seq = record_part(r, &at, seq, n * sizeof(*seq));
	r->data = record_part(r, &at, data, len);
	return (0);
}

static int
put_prune(struct store *st, enum op_kind kind, int64_t seq)
{
	struct rec_prune *r = record_begin(st, kind, sizeof(*r), 0);

	if (r == NULL)
		return (-1);
	r->seq = seq;
	return (0);
}

int
store_put_prune_event(struct store *st, int64_t seq)
{
	if (put_prune(st, OP_PRUNE, seq) == -1)
		return (-1);
	st->events_delta--;
	st->pruned++;
	return (0);
}

int
store_put_prune_tasks(struct store *st, int64_t before_ms)
{
	return (put_prune(st, OP_PRUNE_TASKS, before_ms));
}

void
store_count(struct store *st, const struct store_totals *t)
{
	st->delta.accepted += t->accepted;
	st->delta.delivered += t->delivered;
	st->delta.suppressed += t->suppressed;
	st->delta.uncertain += t->uncertain;
	st->delta.dead += t->dead;
	st->delta.duplicates += t->duplicates;
}

size_t
store_pending_ops(const struct store *st)
{
	return (st->nops);
}

/*
 * Events among the operations
 */

static int
pending_grow(struct store *st)
{
	size_t i, j, size = st->pending_size ? st->pending_size * 2 :
	    PENDING_START;
	struct pending *p = calloc(size, sizeof(*p));

	if (p == NULL)
		return (-1);
	for (i = 0; i < st->pending_size; i++) {
		if (st->pending[i].seq == 0)
			continue;
		j = (uint64_t)st->pending[i].key * 0x9e3779b97f4a7c15ULL >> 32;
		while (p[j &= size - 1].seq != 0)
			j++;
		p[j] = st->pending[i];
	}
	free(st->pending);
	st->pending = p;
	st->pending_size = size;
	return (0);
}

static int
pending_add(struct store *st, int64_t key, int64_t seq, uint32_t record)
{
	size_t i;

	if (st->npending * 2 >= st->pending_size && pending_grow(st) == -1)
		return (-1);
	/* The keys of UUIDv7 count up in their middle bits; Fibonacci
	 * hashing spreads them. */
	i = (uint64_t)key * 0x9e3779b97f4a7c15ULL >> 32;
	while (st->pending[i &= st->pending_size - 1].seq != 0)
		i++;
	st->pending[i] = (struct pending){ key, seq, record };
	st->npending++;
	return (0);
}

void
store_forget_pending(struct store *st)
{
	if (st->npending == 0)
		return;
	memset(st->pending, 0, st->pending_size * sizeof(*st->pending));
	st->npending = 0;
}

/* The seq of the event among the operations, or 0. */
int64_t
store_find_pending(const struct store *st, int64_t key, const char *id,
    size_t len)
{
	const struct rec_event *r;
	const struct pending *p;
	size_t i;

	if (st->npending == 0)
		return (0);
	i = (uint64_t)key * 0x9e3779b97f4a7c15ULL >> 32;
	for (;; i++) {
		p = &st->pending[i &= st->pending_size - 1];
		if (p->seq == 0)
			return (0);
		if (p->key != key)
			continue;
		r = (const struct rec_event *)(const void *)(st->arena +
		    p->record);
		if (r->id.len == len &&
		    memcmp((const char *)r + r->id.at, id, len) == 0)
			return (p->seq);
	}
}

static void
drop_deliveries(const struct rec_event *r,
    void (*each)(const struct store_delivery *, void *), void *arg)
{
	const struct rec_delivery *d = (const struct rec_delivery *)
	    (const void *)((const uint8_t *)r + r->deliveries);

	for (uint32_t i = 0; each != NULL && i < r->ndeliveries; i++)
		each(&d[i].d, arg);
}

void
store_drop_accepts(struct store *st,
    void (*each)(const struct store_delivery *, void *), void *arg)
{
	size_t from = 0, to = 0;
	struct record *r;
	uint32_t size;

	for (; from < st->arena_used; from += size) {
		r = (struct record *)(void *)(st->arena + from);
		size = r->size;
		if (r->kind == OP_ACCEPT) {
			drop_deliveries((struct rec_event *)r, each, arg);
			st->nops--;
			st->events_delta--;
			continue;
		}
		memmove(st->arena + to, r, size);
		to += size;
	}
	st->arena_used = to;
	store_forget_pending(st);
}
