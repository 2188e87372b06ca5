/*
 * Queries: the operations of submit.sock that the queue answers.
 *
 * Called by client.c, and by intake.c for answers and for the loss of the
 * queue.  Owns the text of each until its last answer.  Nothing here looks
 * into requests or answers: they are the queue's and the asker's matter.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/log.h"
#include "workers/intake/intake.h"
#include "workers/intake/request.h"

#define BUCKETS 256

struct query {
	TAILQ_ENTRY(query) entry;
	LIST_ENTRY(query) bucket;
	uint64_t id;
	const struct query_ops *ops;
	void *arg;
	bool stream;
	bool sent;	/* to the queue that there is now */
	bool begun;	/* an answer has come */
	bool rejoined;	/* a stream that is asked again */
	size_t len;
	uint8_t payload[];
};

static TAILQ_HEAD(, query) queries = TAILQ_HEAD_INITIALIZER(queries);
static LIST_HEAD(, query) bucket[BUCKETS];
static uint64_t last_id;

static void query_send(struct query *);
static void query_free(struct query *);
static bool query_is_ok(struct span);

struct query *
query_ask(uid_t uid, struct span json, bool stream,
    const struct query_ops *ops, void *arg)
{
	static struct packer p;
	struct query *q = NULL;

	pack_reset(&p);
	pack_u32(&p, (uint32_t)uid);
	pack_blob(&p, json.p, json.len);
	if (p.failed || (q = calloc(1, sizeof(*q) + p.len)) == NULL)
		return (NULL);
	q->id = ++last_id;
	q->ops = ops;
	q->arg = arg;
	q->stream = stream;
	q->len = p.len;
	memcpy(q->payload, p.buf, p.len);
	TAILQ_INSERT_TAIL(&queries, q, entry);
	LIST_INSERT_HEAD(&bucket[q->id % BUCKETS], q, bucket);
	query_send(q);
	return (q);
}

static void
query_free(struct query *q)
{
	TAILQ_REMOVE(&queries, q, entry);
	LIST_REMOVE(q, bucket);
	free(q);
}

void
query_cancel(struct query *q)
{
	struct link *l = pending_queue_link();

	if (q->sent && l != NULL)
		(void)link_send(l, INTAKE_QUERY_CANCEL, q->id, NULL, 0);
	query_free(q);
}

/* If it finds no credit, query_pump() tries again. */
static void
query_send(struct query *q)
{
	struct link *l = pending_queue_link();

	if (l == NULL)
		return;
	if (link_send(l, INTAKE_QUERY_ASK, q->id, q->payload, q->len) == 0)
		q->sent = true;
	else if (errno != EAGAIN && errno != EPIPE)
		log_warn("cannot pass a request of %zu bytes on to the "
		    "queue; trying again", q->len);
}

void
query_pump(void)
{
	struct query *q;

	TAILQ_FOREACH(q, &queries, entry) {
		if (q->sent)
			continue;
		query_send(q);
		if (!q->sent)
			break;
	}
}

/* The answer that a stream had already: its asker does not need it twice. */
static bool
query_is_ok(struct span json)
{
	static const char ok[] = "{\"ok\":true";

	return (json.len >= sizeof(ok) - 1 &&
	    memcmp(json.p, ok, sizeof(ok) - 1) == 0);
}

enum link_verdict
query_answer(const struct frame *f)
{
	struct unpacker u;
	struct query *q;
	struct span json;
	bool more;

	unpack_init(&u, f->data, f->len);
	more = unpack_u8(&u) != 0;
	json = unpack_span(&u);
	if (!unpack_done(&u))
		return (LINK_BAD);
	LIST_FOREACH(q, &bucket[f->id % BUCKETS], bucket)
		if (q->id == f->id)
			break;
	if (q == NULL)
		return (LINK_DONE); /* cancelled meanwhile */
	q->begun = true;
	if (q->rejoined && more && query_is_ok(json)) {
		q->rejoined = false;
		return (LINK_DONE);
	}
	if (!more) {
		const struct query_ops *ops = q->ops;
		void *arg = q->arg;

		query_free(q);
		ops->line(arg, json, false);
	} else
		q->ops->line(q->arg, json, true);
	return (LINK_DONE);
}

void
query_queue_lost(void)
{
	static const char lost[] = "{\"ok\":false,\"error\":\"the queue was "
	    "restarted while it answered; ask again\",\"code\":75}";
	struct query *q, *next;
	const struct query_ops *ops;
	void *arg;

	for (q = TAILQ_FIRST(&queries); q != NULL; q = next) {
		next = TAILQ_NEXT(q, entry);
		q->sent = false;
		if (!q->begun)
			continue;
		if (q->stream) {
			q->rejoined = true;
			continue;
		}
		ops = q->ops;
		arg = q->arg;
		query_free(q);
		ops->line(arg, (struct span){ lost, sizeof(lost) - 1 },
		    false);
	}
}
