/*
 * Pending: events handed to the queue and not yet answered.
 *
 * Owns a copy of each such event until the queue says that it is on disk or
 * refuses it.  A ring indexed by token keeps them in the order in which they
 * came: if the queue is lost, all are handed to the next one in that order.
 * That may hand over what the lost queue had committed; every event has its
 * id before it gets here, so the store recognises it.
 *
 * Called by offer.c, intake.c (answers, loss of the queue) and turns.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/metrics.h"
#include "workers/intake/intake.h"
#include "workers/worker.h"

struct pending {
	const struct pending_ops *ops; /* NULL: disowned */
	void *arg;
	int64_t read_us;
	size_t len;
	uint8_t payload[];
};

#define AHEAD 128 /* events made ready and not handed over yet */
/* Before event_id in INTAKE_EVENT_SUBMIT: origin, flags, severity, ttl_ms. */
#define ID_OFFSET 11

static struct pending *ring[PENDING_MAX];
static uint64_t oldest = 1; /* no token before it is pending */
static uint64_t unsent = 1; /* from here on not handed over yet */
static uint64_t next = 1;   /* the next token */
static size_t count, bytes;
static struct peer *queue;

static struct pending **pending_at(uint64_t);
static struct span pending_id(const struct pending *);
static struct pending *pending_take(uint64_t);
static enum link_verdict pending_refused(const struct frame *);

static struct pending **
pending_at(uint64_t token)
{
	return (&ring[token % PENDING_MAX]);
}

struct link *
pending_queue_link(void)
{
	return (queue == NULL ? NULL : queue->link);
}

/*
 * Some events are made ready beyond the credit, so that intake parses while
 * the queue commits; without that the two would work in turns.
 */
bool
pending_ready(void)
{
	return (pending_queue_link() != NULL && next - unsent < AHEAD &&
	    bytes < PENDING_BYTES && next - oldest < PENDING_MAX);
}

uint64_t
pending_add(const struct packer *p, const struct pending_ops *ops, void *arg,
    int64_t read_us)
{
	struct pending *e;

	if (p->failed || next - oldest >= PENDING_MAX ||
	    (e = malloc(sizeof(*e) + p->len)) == NULL)
		return (0);
	e->ops = ops;
	e->arg = arg;
	e->read_us = read_us;
	e->len = p->len;
	memcpy(e->payload, p->buf, p->len);
	*pending_at(next) = e;
	next++;
	count++;
	bytes += e->len;
	metric_set(M_intake_waiting, (int64_t)count);
	if (unsent == next - 1)
		pending_pump(); /* else the link tells when it has credit */
	return (next - 1);
}

void
pending_disown(uint64_t token)
{
	struct pending *e;

	if (token < oldest || token >= next ||
	    (e = *pending_at(token)) == NULL)
		return;
	e->ops = NULL;
	e->arg = NULL;
}

void
pending_set_queue(struct peer *p)
{
	queue = p;
	unsent = oldest;
	if (p == NULL)
		return;
	if (count > 0)
		log_info("handing %zu unanswered events to the new queue",
		    count);
	pending_pump();
	if (pending_ready())
		turns_wake();
}

void
pending_pump(void)
{
	struct link *l = pending_queue_link();
	struct pending *e;

	if (l == NULL)
		return;
	for (; unsent < next; unsent++) {
		if ((e = *pending_at(unsent)) == NULL)
			continue; /* answered by the queue before */
		if (link_send(l, INTAKE_EVENT_SUBMIT, unsent, e->payload,
		    e->len) == 0)
			continue;
		if (errno != EAGAIN && errno != EPIPE)
			log_warn("cannot hand an event of %zu bytes to the "
			    "queue; trying again", e->len);
		return;
	}
}

/* Take it out of the ring; NULL if there is no such token. */
static struct pending *
pending_take(uint64_t token)
{
	struct pending *e;

	if (token < oldest || token >= next ||
	    (e = *pending_at(token)) == NULL)
		return (NULL);
	*pending_at(token) = NULL;
	count--;
	bytes -= e->len;
	while (oldest < next && *pending_at(oldest) == NULL)
		oldest++;
	if (unsent < oldest)
		unsent = oldest;
	metric_set(M_intake_waiting, (int64_t)count);
	return (e);
}

static struct span
pending_id(const struct pending *e)
{
	struct unpacker u;

	unpack_init(&u, e->payload + ID_OFFSET, e->len - ID_OFFSET);
	return (unpack_span(&u));
}

enum link_verdict
pending_answer(const struct frame *f)
{
	struct pending *e;
	struct unpacker u;
	uint8_t duplicate;

	if (f->type == QUEUE_EVENT_REFUSE)
		return (pending_refused(f));
	unpack_init(&u, f->data, f->len);
	(void)unpack_u64(&u); /* seq: the queue's own matter */
	duplicate = unpack_u8(&u);
	if (!unpack_done(&u))
		return (LINK_BAD);
	/* A token that is not pending: an answer of the queue before. */
	if ((e = pending_take(f->id)) == NULL)
		return (LINK_DONE);
	metric_observe_us(M_accept_latency, clock_mono_us() - e->read_us);
	if (e->ops != NULL)
		e->ops->accepted(e->arg, pending_id(e), duplicate != 0);
	free(e);
	if (pending_ready())
		turns_wake();
	return (LINK_DONE);
}

static enum link_verdict
pending_refused(const struct frame *f)
{
	struct error error = { 0 };
	struct unpacker u;
	struct pending *e;
	struct span text, field;

	unpack_init(&u, f->data, f->len);
	error.code = unpack_u16(&u);
	text = unpack_span(&u);
	field = unpack_span(&u);
	if (!unpack_done(&u))
		return (LINK_BAD);
	if ((e = pending_take(f->id)) == NULL)
		return (LINK_DONE);
	log_escape(error.text, sizeof(error.text), text.p, text.len);
	log_escape(error.field, sizeof(error.field), field.p, field.len);
	if (e->ops != NULL)
		e->ops->refused(e->arg, &error);
	free(e);
	if (pending_ready())
		turns_wake();
	return (LINK_DONE);
}

size_t
pending_count(void)
{
	return (count);
}
