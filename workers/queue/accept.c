/*
 * Accepting events: from INTAKE_EVENT_SUBMIT to the answer.
 *
 * An answer leaves only after the commit; when the commit fails, everything
 * that came with it is taken back and refused, and intake keeps it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/clock.h"
#include "common/event.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/nitems.h"
#include "common/scoreboard.h"
#include "common/uuid.h"
#include "workers/queue/person.h"
#include "workers/queue/queue.h"
#include "workers/queue/topic.h"

#define ORPHANS_AT_ONCE 256

/* A submission whose answer waits for the commit. */
struct pending {
	struct peer *from; /* NULL: ours, or its intake has gone */
	uint64_t token;
	size_t frame_bytes; /* of credit */
	int64_t seq;
	int type;
	bool duplicate, open;
	TAILQ_ENTRY(pending) entry;
};

/* A submission whose payload is being compressed first. */
struct packing {
	uint64_t id;
	struct peer *from;
	uint64_t token;
	void *frame;
	size_t len;
	TAILQ_ENTRY(packing) entry;
};

/* The fields of INTAKE_EVENT_SUBMIT, as C strings: one at a time. */
struct submission {
	struct peer *from;
	uint64_t token;
	size_t frame_bytes;
	int flags, severity;
	int64_t ttl_ms;
	const char *id, *type, *source, *task_id, *title, *to;
	struct span payload;
	int encoding; /* of packed, if there is one */
	struct span packed;
};

static TAILQ_HEAD(, pending) pendings = TAILQ_HEAD_INITIALIZER(pendings);
static TAILQ_HEAD(, packing) packings = TAILQ_HEAD_INITIALIZER(packings);
static uint64_t next_packing = 1;

static enum link_verdict accept_frame(struct peer *, uint64_t, const void *,
    size_t, int, struct span);
static bool submission_read(struct submission *, const void *, size_t);
static bool accept_pack(struct peer *, const struct frame *);
static void accept_event(struct submission *);
static void accept_duplicate(const struct submission *, int64_t);
static size_t accept_reachable(struct route_target *, size_t);
static size_t accept_deliveries(const struct submission *,
    const struct store_event *, struct route_target *, size_t,
    struct store_delivery *);
static void accept_jobs(const struct submission *, const struct store_event *,
    const struct store_delivery *, size_t);
static void accept_orphan(const struct store_event *, void *);
static void accept_wait(const struct submission *, int64_t, bool, bool);
static void accept_refuse(struct peer *, uint64_t, int, const char *,
    const char *);
static void accept_take_back(const struct store_delivery *, void *);

enum link_verdict
accept_submit(struct peer *p, const struct frame *f)
{
	if (commit_failing() || queue.full) {
		accept_refuse(p, f->id, EX_TEMPFAIL, commit_failing() ?
		    store_error(queue.store) : "the store is full "
		    "(queue.max_size)", "");
		metric_add(M_events_refused, 1);
		return (LINK_DONE);
	}
	if ((int64_t)f->len >= queue.compress_min_bytes && accept_pack(p, f))
		return (LINK_KEEP);
	return (accept_frame(p, f->id, f->data, f->len, ENC_RAW,
	    (struct span){ NULL, 0 }));
}

void
accept_measure(void)
{
	bool was_full = queue.full;

	queue.store_bytes = store_bytes(queue.store);
	queue.full = queue.max_bytes > 0 &&
	    queue.store_bytes > queue.max_bytes;
	if (queue.full && !was_full) {
		log_errx("the store is full (queue.max_size); refusing events");
		archive_soon();
	} else if (!queue.full && was_full)
		log_notice("the store has room again; accepting events");
	if (!commit_failing())
		metric_set(M_queue_accepting, !queue.full);
}

static enum link_verdict
accept_frame(struct peer *p, uint64_t token, const void *data, size_t len,
    int encoding, struct span packed)
{
	struct submission s = { .from = p, .token = token,
	    .frame_bytes = len, .encoding = encoding, .packed = packed };
	char own_id[UUID_SIZE];
	int64_t seq;

	if (!submission_read(&s, data, len))
		return (LINK_BAD);
	seq = store_find_id(queue.store, s.id, strlen(s.id));
	if (seq > 0 && (seq = twin_find(s.id, s.payload, seq, own_id)) == 0)
		s.id = own_id;
	if (seq > 0)
		accept_duplicate(&s, seq);
	else
		accept_event(&s);
	return (LINK_KEEP);
}

/* The texts are valid until the next is read. */
static bool
submission_read(struct submission *s, const void *data, size_t len)
{
	static char *texts;
	static size_t size;
	const char **field[] = { &s->id, &s->type, &s->source, &s->task_id,
	    &s->title, &s->to };
	struct unpacker u;
	struct span span;
	size_t at = 0;

	if (size < len + nitems(field)) {
		size = len + nitems(field);
		if ((texts = realloc(texts, size)) == NULL)
			fatal("submission");
	}
	unpack_init(&u, data, len);
	(void)unpack_u8(&u); /* origin: counted by intake */
	s->flags = unpack_u8(&u);
	s->severity = unpack_u8(&u);
	s->ttl_ms = (int64_t)unpack_u64(&u);
	for (size_t i = 0; i < nitems(field); i++) {
		span = unpack_span(&u);
		memcpy(texts + at, span.p, span.len);
		texts[at + span.len] = '\0';
		*field[i] = texts + at;
		at += span.len + 1;
	}
	s->payload = unpack_span(&u);
	return (unpack_done(&u) && *s->id != '\0' && s->ttl_ms >= 0 &&
	    s->severity < NSEVERITIES);
}

/* Give a large payload to the compress pool; false: do without. */
static bool
accept_pack(struct peer *p, const struct frame *f)
{
	struct submission s = { 0 };
	struct packer out = { 0 };
	struct packing *w;
	struct peer *c;
	bool asked;

	if ((c = worker_peer_next(PC_COMPRESS, NULL)) == NULL)
		return (false);
	if (!submission_read(&s, f->data, f->len) ||
	    (int64_t)s.payload.len < queue.compress_min_bytes)
		return (false);
	pack_u8(&out, CMP_PACK);
	pack_u32(&out, (uint32_t)s.payload.len);
	pack_blob(&out, s.payload.p, s.payload.len);
	asked = link_send_packed(c->link, QUEUE_COMPRESS_ASK, next_packing,
	    &out) == 0;
	pack_free(&out);
	if (!asked)
		return (false);
	if ((w = calloc(1, sizeof(*w))) == NULL ||
	    (w->frame = malloc(f->len)) == NULL)
		fatal("submission");
	memcpy(w->frame, f->data, f->len);
	w->len = f->len;
	w->from = p;
	w->token = f->id;
	w->id = next_packing++;
	TAILQ_INSERT_TAIL(&packings, w, entry);
	return (true);
}

static void
packing_end(struct packing *w, int encoding, struct span packed)
{
	TAILQ_REMOVE(&packings, w, entry);
	if (w->from != NULL)
		(void)accept_frame(w->from, w->token, w->frame, w->len,
		    encoding, packed); /* its form was checked already */
	free(w->frame);
	free(w);
}

enum link_verdict
accept_packed(struct peer *p, const struct frame *f)
{
	struct packing *w;
	struct unpacker u;
	struct span packed;
	int ok, encoding;

	(void)p;
	unpack_init(&u, f->data, f->len);
	ok = unpack_u8(&u);
	encoding = unpack_u8(&u);
	(void)unpack_u32(&u); /* raw bytes: we know them */
	packed = unpack_span(&u);
	if (!unpack_done(&u) || encoding > ENC_LZ4_DICT)
		return (LINK_BAD);
	if (f->id == ARCHIVE_ASK_ID) {
		archive_packed(ok != 0, packed.p, packed.len);
		return (LINK_DONE);
	}
	TAILQ_FOREACH(w, &packings, entry)
		if (w->id == f->id)
			break;
	if (w == NULL)
		return (LINK_DONE);
	if (!ok)
		packed = (struct span){ NULL, 0 };
	packing_end(w, ok ? encoding : ENC_RAW, packed);
	return (LINK_DONE);
}

/* The compress worker has gone: store as they are. */
void
accept_compress_lost(void)
{
	struct packing *w;

	while ((w = TAILQ_FIRST(&packings)) != NULL)
		packing_end(w, ENC_RAW, (struct span){ NULL, 0 });
}

static void
accept_duplicate(const struct submission *s, int64_t seq)
{
	const struct store_totals one = { .duplicates = 1 };

	store_count(queue.store, &one);
	metric_add(M_events_duplicate, 1);
	/* The first may itself wait for this commit. */
	accept_wait(s, seq, true, false);
}

static void
accept_event(struct submission *s)
{
	struct route_target target[STORE_FANOUT];
	struct store_delivery d[STORE_FANOUT];
	struct store_event ev = { .id = s->id, .type = s->type,
	    .source = s->source, .task_id = s->task_id, .title = s->title,
	    .severity = s->severity, .flags = s->flags,
	    .raw_bytes = (uint32_t)s->payload.len,
	    .payload = s->payload.p, .payload_bytes = s->payload.len };
	int64_t ttl_ms = queue.ttl_ms;
	size_t n;

	if (*s->to != '\0') {
		n = route_named(queue.routes, s->to, target);
		if (n == 0) {
			accept_refuse(s->from, s->token, EX_DATAERR,
			    "no such chat: neither the name of a chat section "
			    "nor a chat id", "to");
			metric_add(M_events_refused, 1);
			if (s->from != NULL && s->from->link != NULL)
				link_release(s->from->link, s->frame_bytes);
			return;
		}
	} else
		n = route_resolve(queue.routes, s->type, s->source, target,
		    &ttl_ms);
	n = accept_reachable(target, n);
	if (s->ttl_ms > 0)
		ttl_ms = s->ttl_ms;
	if (s->packed.p != NULL) {
		ev.encoding = s->encoding;
		ev.payload = s->packed.p;
		ev.payload_bytes = s->packed.len;
	}
	ev.seq = store_next_seq(queue.store);
	ev.received_ms = jump_wall_ms();
	ev.expires_ms = ev.received_ms + ttl_ms;
	n = accept_deliveries(s, &ev, target, n, d);
	if (store_put_event(queue.store, &ev, d, n) == -1)
		fatal("event");
	final_count(DS_QUEUED, 1);
	if (d[0].state == DS_DEAD)
		final_count(DS_DEAD, 1);
	if (d[0].state == DS_QUEUED)
		accept_jobs(s, &ev, d, n);
	accept_wait(s, ev.seq, false, d[0].state == DS_QUEUED);
}

/*
 * Telegram lets a bot write only to those who have written to it, which
 * guests may not have done yet: nothing is lost with them, as long as there
 * is anybody else.
 */
static size_t
accept_reachable(struct route_target *target, size_t n)
{
	size_t left = 0;
	struct chat *c;

	for (size_t i = 0; i < n; i++) {
		c = chat_known(target[i].chat_id, target[i].thread);
		if (c != NULL && c->suspended &&
		    person_is_guest(target[i].chat_id))
			continue;
		if (left != i) {
			struct route_target t = target[left];

			target[left] = target[i];
			target[i] = t;
		}
		left++;
	}
	return (left > 0 ? left : n);
}

static int
lane_of(int severity)
{
	return (severity == SEV_CRITICAL ? LANE_CRITICAL :
	    severity == SEV_HIGH ? LANE_HIGH : LANE_BULK);
}

static size_t
accept_deliveries(const struct submission *s, const struct store_event *ev,
    struct route_target *target, size_t n, struct store_delivery *d)
{
	struct chat *c;

	memset(d, 0, sizeof(*d) * (n > 0 ? n : 1));
	for (size_t i = 0; i < n; i++) {
		c = target[i].topic == BY_NONE ?
		    chat_get(target[i].chat_id, target[i].thread) :
		    topic_chat(target[i].chat_id, target[i].topic,
		    s->payload);
		if (c == NULL)
			fatal("chat");
		d[i].id = DELIVERY_ID(ev->seq, i);
		d[i].chat = c->id;
		d[i].lane = lane_of(s->severity);
		d[i].flags = (target[i].silent || (s->flags & EV_SILENT) ?
		    DF_SILENT : 0) | (target[i].nodigest ? DF_NODIGEST : 0);
	}
	if (n > 0)
		return (n);
	if ((c = chat_get(0, 0)) == NULL)
		fatal("chat");
	d[0].id = DELIVERY_ID(ev->seq, 0);
	d[0].chat = c->id;
	d[0].state = DS_DEAD;
	d[0].done_ms = ev->received_ms;
	d[0].reason = "no recipients: set telegram.allowed_users or a route";
	return (1);
}

/*
 * An event whose deliveries a damaged store has lost.  It may have been
 * delivered, so its message is marked as one that may be repeated.
 */
static void
accept_orphan(const struct store_event *e, void *arg)
{
	struct route_target target[STORE_FANOUT];
	struct store_delivery d[STORE_FANOUT];
	struct submission s = { .severity = e->severity, .flags = e->flags };
	int64_t *last = arg, ttl_ms = 0;
	size_t i, n;

	*last = e->seq;
	n = route_resolve(queue.routes, e->type, e->source, target, &ttl_ms);
	n = accept_deliveries(&s, e, target, n, d);
	for (i = 0; i < n; i++)
		d[i].flags |= DF_AMBIGUOUS;
	if (store_put_routes(queue.store, e->seq, d, n) == -1)
		fatal("event");
	if (d[0].state == DS_DEAD)
		final_count(DS_DEAD, 1);
}

/* On start, once the chats are known and before the lanes are counted. */
int
accept_orphans(void)
{
	int64_t last = 0, all = 0;
	int n;

	do {
		n = store_load_orphans(queue.store, last, ORPHANS_AT_ONCE,
		    accept_orphan, &last);
		if (n == -1 || store_commit(queue.store) == -1)
			return (-1);
		all += n;
		slot_turn();
	} while (n == ORPHANS_AT_ONCE);
	if (all > 0)
		log_notice("store: %lld events routed anew", (long long)all);
	return (0);
}

/* Take the deliveries into memory, where their lanes have room for them. */
static void
accept_jobs(const struct submission *s, const struct store_event *ev,
    const struct store_delivery *d, size_t n)
{
	struct lane_queue *q;
	struct evm *m = NULL;
	struct chat *c;
	struct job *j;
	char *copy;

	for (size_t i = 0; i < n; i++) {
		c = chat_by_id(d[i].chat);
		q = &c->lane[d[i].lane];
		chat_open(c, d[i].lane, 1);
		if (q->cursor < q->last || q->loaded >= LANE_WINDOW ||
		    (queue.memory_bytes > MEMORY_BYTES && q->loaded > 0)) {
			if (q->last != INT64_MAX)
				q->last = d[i].id;
			sched_wake(c);
			continue;
		}
		q->cursor = q->last = d[i].id;
		if (m == NULL) {
			m = evm_new(ev->seq);
			m->type = (int)event_type_find(s->type);
			m->severity = ev->severity;
			m->flags = ev->flags;
			m->received_ms = ev->received_ms;
			m->expires_ms = ev->expires_ms;
			m->raw_bytes = ev->raw_bytes;
			m->open_left = (int)n;
			/* As it came, whatever the store keeps. */
			if ((copy = malloc(s->payload.len + 1)) == NULL)
				fatal("event");
			memcpy(copy, s->payload.p, s->payload.len);
			copy[s->payload.len] = '\0';
			evm_set_payload(m, copy, s->payload.len);
		}
		j = job_new(d[i].id, c, d[i].lane, m);
		j->flags = d[i].flags;
		job_insert(j);
	}
	if (m != NULL)
		stage_analyze(m, s->severity >= SEV_HIGH);
}

static void
accept_wait(const struct submission *s, int64_t seq, bool duplicate,
    bool open)
{
	struct pending *w;

	if ((w = calloc(1, sizeof(*w))) == NULL)
		fatal("submission");
	w->from = s->from;
	w->token = s->token;
	w->frame_bytes = s->frame_bytes;
	w->seq = seq;
	w->duplicate = duplicate;
	w->open = open;
	w->type = (int)event_type_find(s->type);
	if (!duplicate && seq < queue.undurable_seq)
		queue.undurable_seq = seq;
	TAILQ_INSERT_TAIL(&pendings, w, entry);
	commit_soon();
}

static void
accept_refuse(struct peer *p, uint64_t token, int code, const char *error,
    const char *field)
{
	struct packer out = { 0 };

	if (p == NULL || p->link == NULL)
		return;
	pack_u16(&out, (uint16_t)code);
	pack_str(&out, error);
	pack_str(&out, field);
	if (link_send_packed(p->link, QUEUE_EVENT_REFUSE, token, &out) == -1)
		log_warn("intake: cannot answer");
	pack_free(&out);
}

/*
 * What was accepted has not come to be.  Its job, if it is in memory, is in
 * its lane at most: see evm_durable().
 */
static void
accept_take_back(const struct store_delivery *d, void *arg)
{
	struct chat *c = chat_by_id(d->chat);
	struct job *j;

	(void)arg;
	if (d->state != DS_QUEUED || c == NULL)
		return;
	chat_open(c, d->lane, -1);
	if ((j = job_find(d->id)) != NULL)
		job_free(j);
}

static void
accept_answer(struct pending *w, bool ok)
{
	struct packer out = { 0 };

	if (!ok && !w->duplicate) {
		final_count(DS_QUEUED, -1);
		if (!w->open)
			final_count(DS_DEAD, -1);
		metric_add(M_events_refused, 1);
	}
	if (ok && !w->duplicate) {
		metric_addv(M_events_accepted, (unsigned int)w->type, 1);
		if (w->open)
			queue.open_events++;
	}
	if (w->from == NULL || w->from->link == NULL)
		return;
	if (!ok) {
		accept_refuse(w->from, w->token, EX_TEMPFAIL,
		    store_error(queue.store), "");
	} else {
		pack_u64(&out, (uint64_t)w->seq);
		pack_u8(&out, w->duplicate);
		if (link_send_packed(w->from->link, QUEUE_EVENT_ACCEPT,
		    w->token, &out) == -1)
			log_warn("intake: cannot answer");
		pack_free(&out);
	}
	link_release(w->from->link, w->frame_bytes);
}

void
accept_committed(bool ok)
{
	struct pending *w;

	if (!TAILQ_EMPTY(&pendings) && ok)
		metric_set(M_queue_last_event_ms, clock_wall_ms());
	queue.undurable_seq = INT64_MAX;
	if (!ok)
		store_drop_accepts(queue.store, accept_take_back, NULL);
	while ((w = TAILQ_FIRST(&pendings)) != NULL) {
		TAILQ_REMOVE(&pendings, w, entry);
		accept_answer(w, ok);
		if (ok && !w->duplicate)
			query_event_accepted(w->seq);
		free(w);
	}
	stage_committed(ok);
}

void
accept_intake_lost(struct peer *p)
{
	struct pending *w;
	struct packing *k, *next;

	TAILQ_FOREACH(w, &pendings, entry)
		if (w->from == p)
			w->from = NULL;
	TAILQ_FOREACH_SAFE(k, &packings, entry, next) {
		if (k->from != p)
			continue;
		/* Not accepted yet: the new intake submits it again. */
		k->from = NULL;
	}
}

void
accept_own(const char *id, const char *type, const char *title,
    const char *payload, const char *to, enum severity severity)
{
	struct submission s = { .severity = (int)severity };
	char new_id[UUID_SIZE];

	if (id == NULL) {
		uuid_v7(new_id);
		id = new_id;
	} else if (store_find_id(queue.store, id, strlen(id)) > 0)
		return;
	s.id = id;
	s.type = type;
	s.source = "cctg";
	s.task_id = id;
	s.title = title;
	s.to = to;
	s.payload = (struct span){ payload, strlen(payload) };
	accept_event(&s);
}
