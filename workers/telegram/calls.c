/*
 * The calls that the queue has given to this worker: waiting, under way, and
 * done but not yet seen by the queue.  Called by telegram.c with the queue's
 * messages and by api.c when a request begins and ends.
 *
 * One call a chat at a time, in the order in which they came; answers to
 * buttons are in no chat's order and go first.  When one fails in a way that
 * lets the queue try it again, those behind it go back unattempted, so that
 * the queue keeps the order.
 *
 * A result is kept until the queue says that it is on disk; a new queue gets
 * what is kept, and learns what is still under way, before all else.  What
 * waited for the old one is forgotten: the new one gives it out again.
 */
#include <sys/queue.h>

#include <event2/event.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/nitems.h"
#include "common/scoreboard.h"
#include "workers/telegram/telegram.h"
#include "workers/worker.h"

#define CALL_BUCKETS 1024
#define CHAT_BUCKETS 256
/*
 * TELEGRAM_CALL_REPORT names 4096 calls.  Above this, credit is given back
 * only for results that were seen, so that the number stays below.
 */
#define KEPT_MAX 3800

enum call_state { CALL_WAITING, CALL_UNDERWAY, CALL_KEPT };

struct chat;

struct call {
	uint64_t id;
	enum call_state state;
	struct call_fields fields; /* spans point into payload */
	uint8_t *payload;	   /* NULL once done */
	size_t len;		   /* of the frame, for its credit */
	struct chat *chat;
	bool owed;		   /* credit of the current link */
	bool plain;		   /* sent again without entities */
	bool begun;		   /* stands in the slot */
	struct verdict *result;	   /* once done */
	LIST_ENTRY(call) hash;
	TAILQ_ENTRY(call) entry;   /* of its chat, or of kept */
};

TAILQ_HEAD(call_list, call);

struct chat {
	int64_t id;
	struct call *underway;
	struct call_list waiting;
	bool ready; /* in the list of those that may begin a call */
	bool urgent; /* somebody looks at a button that he has pressed */
	int64_t ready_ms;
	LIST_ENTRY(chat) hash;
	TAILQ_ENTRY(chat) entry;
};

static struct api *api;
static const struct calls_ops *ops;
static struct peer *queue; /* its link is NULL once broken */
static struct event *settle, *patience;
static LIST_HEAD(, call) call_hash[CALL_BUCKETS];
static LIST_HEAD(, chat) chat_hash[CHAT_BUCKETS];
static TAILQ_HEAD(, chat) ready = TAILQ_HEAD_INITIALIZER(ready);
static struct call_list kept = TAILQ_HEAD_INITIALIZER(kept);
static struct call_list spare = TAILQ_HEAD_INITIALIZER(spare);
static unsigned int nready, nrunning, nkept, nspare, limit;
static struct packer out;
/*
 * A queue has committed something since it is linked to this process.  Before
 * that it may die without having noted what the telegram before this one,
 * whose loss it was told, had under way.
 */
static bool survivor;
static struct verdict closed;
static bool is_closed;
/* With those under way they fit into the slot. */
static uint64_t ended[SLOT_JOBS - CALLS_PARALLEL_MAX];
static unsigned int nended;

static struct call *call_find(uint64_t);
static struct call *call_new(const struct frame *);
static void call_free(struct call *);
static void call_finish(struct call *, const struct verdict *);
static void call_release(struct call *);
static void call_answer(const struct call *);
static void call_log(const struct call *, const struct verdict *);
static int call_begin(struct call *, struct verdict *);
static bool outcome_keeps_order(enum call_outcome);
static struct chat *chat_get(int64_t);
static void chat_check(struct chat *);
static void chat_refuse(struct chat *, const struct verdict *);
static void chats_run(void);
static void patience_cb(evutil_socket_t, short, void *);
static void settle_cb(evutil_socket_t, short, void *);
static void slot_end(uint64_t);
static unsigned int hash_u64(uint64_t);

int
calls_init(struct event_base *base, struct api *a, const struct calls_ops *o)
{
	ops = o;
	limit = CALLS_PARALLEL_MIN;
	settle = event_new(base, -1, 0, settle_cb, NULL);
	patience = evtimer_new(base, patience_cb, NULL);
	if (settle == NULL || patience == NULL)
		return (-1);
	api = a;
	chats_run();
	return (0);
}

unsigned int
calls_running(void)
{
	return (nrunning);
}

/* The queue's messages. */

void
calls_queue_up(struct peer *p)
{
	struct call *c;
	unsigned int i;
	uint32_t n = 0;

	calls_queue_lost(queue);
	queue = p;
	for (i = 0; i < CALL_BUCKETS; i++)
		LIST_FOREACH(c, &call_hash[i], hash)
			n++;
	pack_reset(&out);
	pack_u8(&out, survivor);
	pack_u32(&out, n);
	for (i = 0; i < CALL_BUCKETS; i++)
		LIST_FOREACH(c, &call_hash[i], hash)
			pack_u64(&out, c->id);
	if (link_send_packed(p->link, TELEGRAM_CALL_REPORT, 0, &out) == -1)
		log_warn("cannot report %u calls to the queue", n);
	TAILQ_FOREACH(c, &kept, entry)
		call_answer(c);
}

void
calls_queue_lost(struct peer *p)
{
	struct chat *chat, *next_chat;
	struct call *c, *next;
	unsigned int i;

	/* A new one may be there before the loss of the old one is told. */
	if (p != queue)
		return;
	queue = NULL;
	for (i = 0; i < CHAT_BUCKETS; i++)
		LIST_FOREACH_SAFE(chat, &chat_hash[i], hash, next_chat) {
			TAILQ_FOREACH_SAFE(c, &chat->waiting, entry, next) {
				TAILQ_REMOVE(&chat->waiting, c, entry);
				call_free(c);
			}
			chat_check(chat);
		}
	/* The credit of the others went with their link. */
	for (i = 0; i < CALL_BUCKETS; i++)
		LIST_FOREACH(c, &call_hash[i], hash)
			c->owed = false;
}

enum link_verdict
calls_ask(struct peer *p, const struct frame *f)
{
	struct call_fields fields;
	struct call *c;

	/* The last words of a queue that has gone: what is not in the report
	 * to its successor comes again. */
	if (p != queue)
		return (LINK_DONE);
	if ((c = call_find(f->id)) != NULL) {
		if (!body_unpack(&fields, f->data, f->len))
			return (LINK_BAD);
		if (c->state != CALL_KEPT)
			return (LINK_DONE); /* its answer will come */
		if (fields.attempt == c->fields.attempt) {
			call_answer(c);
			return (LINK_DONE);
		}
		/* A new attempt: the result of the old one was seen. */
		call_free(c);
	}
	if ((c = call_new(f)) == NULL)
		return (LINK_BAD);
	if (is_closed) {
		call_finish(c, &closed);
		return (LINK_KEEP);
	}
	c->chat = chat_get(body_lane(&c->fields, c->id));
	c->chat->urgent = c->fields.method == CALL_ANSWER;
	TAILQ_INSERT_TAIL(&c->chat->waiting, c, entry);
	chat_check(c->chat);
	chats_run();
	return (LINK_KEEP);
}

enum link_verdict
calls_seen(const struct frame *f)
{
	struct unpacker u;
	struct call *c;
	uint32_t i, n;

	survivor = true;
	unpack_init(&u, f->data, f->len);
	n = unpack_u32(&u);
	for (i = 0; i < n && !u.failed; i++)
		if ((c = call_find(unpack_u64(&u))) != NULL &&
		    c->state == CALL_KEPT)
			call_free(c);
	return (unpack_done(&u) ? LINK_DONE : LINK_BAD);
}

void
calls_close(const struct verdict *v)
{
	struct chat *chat, *next;
	unsigned int i;

	is_closed = v != NULL;
	if (v == NULL)
		return;
	closed = *v;
	for (i = 0; i < CHAT_BUCKETS; i++)
		LIST_FOREACH_SAFE(chat, &chat_hash[i], hash, next) {
			chat_refuse(chat, v);
			chat_check(chat);
		}
}

/* Requests. */

/* Begin what may begin: chats in turn, one call each. */
static void
chats_run(void)
{
	static const struct timeval tv = { 0, PATIENCE_MS * 1000 };
	static bool inside;
	struct verdict v;
	struct chat *chat;
	struct call *c;

	if (inside || api == NULL)
		return;
	inside = true;
	if (nrunning >= limit && (chat = TAILQ_FIRST(&ready)) != NULL)
		limit = health_parallel(limit, nready,
		    clock_mono_ms() - chat->ready_ms);
	while (nrunning < limit && (chat = TAILQ_FIRST(&ready)) != NULL) {
		c = TAILQ_FIRST(&chat->waiting);
		TAILQ_REMOVE(&chat->waiting, c, entry);
		chat->underway = c;
		chat_check(chat);
		if (!ops->admit(&v) || call_begin(c, &v) == -1) {
			chat->underway = NULL;
			call_finish(c, &v);
			chat_refuse(chat, &v);
			chat_check(chat);
		}
	}
	inside = false;
	if (nrunning == 0)
		limit = CALLS_PARALLEL_MIN;
	/* Nothing may end for a minute, and nobody would look again. */
	if (nready > 0 && limit < CALLS_PARALLEL_MAX &&
	    !evtimer_pending(patience, NULL))
		evtimer_add(patience, &tv);
}

static void
patience_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
	chats_run();
}

static int
call_begin(struct call *c, struct verdict *v)
{
	if (api_start(api, &c->fields, c->plain ||
	    (c->fields.flags & CALL_PLAIN) != 0, c) == -1) {
		log_warn("cannot begin a request");
		ops->failed();
		*v = (struct verdict){ .outcome = CO_NOT_SENT,
		    .retry_after_ms = 1000,
		    .description = "out of memory" };
		return (-1);
	}
	c->state = CALL_UNDERWAY;
	metric_set(M_telegram_inflight, ++nrunning);
	return (0);
}

/* The request leaves: from now on it may have been taken. */
void
calls_begun(void *arg)
{
	struct call *c = arg;

	if (c->begun)
		return;
	c->begun = true;
	slot_job_begin(c->id);
}

void
calls_done(void *arg, const struct verdict *v)
{
	struct call *c = arg;
	struct chat *chat = c->chat;
	struct verdict again;

	metric_set(M_telegram_inflight, --nrunning);
	if (v->outcome != CO_DELIVERED && v->outcome != CO_UNCHANGED)
		metric_addv(M_telegram_errors,
		    metrics_telegram_error(v->code, v->timed_out), 1);
	/* Once more as plain text, before anything else of that chat. */
	if (v->parse_error && !c->plain &&
	    (c->fields.flags & CALL_PLAIN) == 0) {
		log_notice("call %llu: %s; sending it as plain text",
		    (unsigned long long)c->id, v->description);
		c->plain = true;
		c->fields.text.len = plain_from_html(
		    (char *)(uintptr_t)c->fields.text.p, c->fields.text.p,
		    c->fields.text.len);
		if (call_begin(c, &again) == 0)
			return;
		v = &again;
	}
	chat->underway = NULL;
	call_finish(c, v);
	if (!outcome_keeps_order(v->outcome))
		chat_refuse(chat, v);
	chat_check(chat);
	chats_run();
	if (nrunning == 0)
		ops->idle();
}

/* May the calls behind one that ended so go ahead? */
static bool
outcome_keeps_order(enum call_outcome o)
{
	return (o == CO_DELIVERED || o == CO_UNCHANGED || o == CO_REFUSED ||
	    o == CO_GONE);
}

/* A call has its result: keep that until it is seen. */
static void
call_finish(struct call *c, const struct verdict *v)
{
	size_t n = offsetof(struct verdict, description) +
	    strlen(v->description) + 1;

	metric_addv(M_telegram_outcomes, v->outcome, 1);
	if (v->outcome == CO_DELIVERED)
		metric_add(M_telegram_sent, c->fields.method <= CALL_DOCUMENT);
	else
		call_log(c, v);
	if ((c->result = malloc(n)) == NULL)
		fatal("result");
	memcpy(c->result, v, n);
	if (c->result->message_id == 0)
		c->result->message_id = c->fields.message_id;
	free(c->payload);
	c->payload = NULL;
	c->chat = NULL;
	c->state = CALL_KEPT;
	TAILQ_INSERT_TAIL(&kept, c, entry);
	nkept++;
	call_answer(c);
	if (c->begun)
		slot_end(c->id);
	if (nkept < KEPT_MAX)
		call_release(c);
}

/* Give back the credit that a call cost, once. */
static void
call_release(struct call *c)
{
	if (c->owed && queue != NULL && queue->link != NULL)
		link_release(queue->link, c->len);
	c->owed = false;
}

static void
call_answer(const struct call *c)
{
	const struct verdict *v = c->result;

	if (queue == NULL || queue->link == NULL)
		return;
	pack_reset(&out);
	pack_u8(&out, (uint8_t)v->outcome);
	pack_u32(&out, c->fields.attempt);
	pack_u16(&out, (uint16_t)v->status);
	pack_u32(&out, (uint32_t)v->code);
	pack_u64(&out, (uint64_t)v->retry_after_ms);
	pack_i64(&out, v->message_id);
	pack_i64(&out, v->migrate_to);
	pack_str(&out, v->description);
	/* A queue that has just gone gets it when it is back. */
	if (link_send_packed(queue->link, TELEGRAM_CALL_DONE, c->id, &out) == -1 &&
	    errno != EPIPE)
		log_warn("cannot answer call %llu",
		    (unsigned long long)c->id);
}

static void
call_log(const struct call *c, const struct verdict *v)
{
	char text[256];

	/* Those never left; the one before them is logged. */
	if (!c->begun && log_get_level() < LL_DEBUG)
		return;
	log_escape(text, sizeof(text), v->description,
	    strlen(v->description));
	log_info("call %llu to chat %lld: %s: %s",
	    (unsigned long long)c->id, (long long)c->fields.chat,
	    outcome_name(v->outcome), text);
}

/*
 * The slot says what may have been written and is not answered: it is
 * cleared only when the answer has left this process, at the end of the
 * loop's turn.
 */
static void
slot_end(uint64_t id)
{
	if (nended == nitems(ended))
		settle_cb(-1, 0, NULL);
	if (nended == 0)
		event_active(settle, 0, 0);
	ended[nended++] = id;
}

static void
settle_cb(evutil_socket_t fd, short what, void *arg)
{
	unsigned int i;

	(void)fd, (void)what, (void)arg;
	link_flush_all();
	for (i = 0; i < nended; i++)
		slot_job_end(ended[i]);
	nended = 0;
}

/* Calls and chats. */

static unsigned int
hash_u64(uint64_t v)
{
	return ((unsigned int)(v * 0x9e3779b97f4a7c15ULL >> 40));
}

static struct call *
call_find(uint64_t id)
{
	struct call *c;

	LIST_FOREACH(c, &call_hash[hash_u64(id) % CALL_BUCKETS], hash)
		if (c->id == id)
			return (c);
	return (NULL);
}

/* NULL if the message is malformed. */
static struct call *
call_new(const struct frame *f)
{
	struct call *c;

	if ((c = TAILQ_FIRST(&spare)) != NULL) {
		TAILQ_REMOVE(&spare, c, entry);
		nspare--;
		memset(c, 0, sizeof(*c));
	} else if ((c = calloc(1, sizeof(*c))) == NULL)
		fatal("call");
	if ((c->payload = malloc(f->len)) == NULL)
		fatal("call");
	memcpy(c->payload, f->data, f->len);
	c->id = f->id;
	c->len = f->len;
	c->owed = true;
	if (!body_unpack(&c->fields, c->payload, f->len)) {
		free(c->payload);
		free(c);
		return (NULL);
	}
	LIST_INSERT_HEAD(&call_hash[hash_u64(c->id) % CALL_BUCKETS], c, hash);
	return (c);
}

static void
call_free(struct call *c)
{
	if (c->state == CALL_KEPT) {
		TAILQ_REMOVE(&kept, c, entry);
		nkept--;
		call_release(c);
	}
	LIST_REMOVE(c, hash);
	free(c->payload);
	free(c->result);
	if (nspare >= SLOT_JOBS) {
		free(c);
		return;
	}
	TAILQ_INSERT_HEAD(&spare, c, entry);
	nspare++;
}

static struct chat *
chat_get(int64_t id)
{
	struct chat *chat;
	unsigned int n = hash_u64((uint64_t)id) % CHAT_BUCKETS;

	LIST_FOREACH(chat, &chat_hash[n], hash)
		if (chat->id == id)
			return (chat);
	if ((chat = calloc(1, sizeof(*chat))) == NULL)
		fatal("chat");
	chat->id = id;
	TAILQ_INIT(&chat->waiting);
	LIST_INSERT_HEAD(&chat_hash[n], chat, hash);
	return (chat);
}

/* Put a chat where it belongs now; free it if it has nothing to do. */
static void
chat_check(struct chat *chat)
{
	bool is_ready = chat->underway == NULL && !TAILQ_EMPTY(&chat->waiting);

	if (is_ready && !chat->ready) {
		if (chat->urgent)
			TAILQ_INSERT_HEAD(&ready, chat, entry);
		else
			TAILQ_INSERT_TAIL(&ready, chat, entry);
		chat->ready_ms = clock_mono_ms();
		nready++;
	} else if (!is_ready && chat->ready) {
		TAILQ_REMOVE(&ready, chat, entry);
		nready--;
	}
	chat->ready = is_ready;
	if (chat->underway == NULL && TAILQ_EMPTY(&chat->waiting)) {
		LIST_REMOVE(chat, hash);
		free(chat);
	}
}

/* Give back what waits in a chat behind something that failed. */
static void
chat_refuse(struct chat *chat, const struct verdict *v)
{
	struct verdict behind = { .outcome = CO_NOT_SENT,
	    .retry_after_ms = v->retry_after_ms,
	    .description = "behind a failed one" };
	struct call *c;

	while ((c = TAILQ_FIRST(&chat->waiting)) != NULL) {
		TAILQ_REMOVE(&chat->waiting, c, entry);
		call_finish(c, &behind);
	}
}
