/*
 * Calls to Telegram: marked "sending" on disk before they leave, and what
 * follows from their outcomes (verdict.c).
 *
 * telegram keeps each outcome until call_seen() says that it is on disk, and
 * reports to a new queue what is under way; so a crash of the queue makes no
 * call unclear.  A crash of telegram makes unclear what its slot says was
 * being executed, and nothing else.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/metrics.h"
#include "workers/queue/note.h"
#include "workers/queue/person.h"
#include "workers/queue/prompt.h"
#include "workers/queue/queue.h"
#include "workers/queue/topic.h"
#include "workers/queue/verdict.h"

#define BOT_LIMIT_MS 2000 /* 429s of several chats within this: all wait */
#define MESSAGE_ID_SIZE 22 /* a comma, a sign, 19 digits and a NUL */

#define CALL_BYTES 8192 /* of a call, beside text and document: buttons */

static int marking; /* marked, and not yet called */
static size_t marking_bytes;

/* What an outcome said. */
struct outcome {
	enum call_outcome outcome;
	int64_t retry_after_ms, message_id, migrate_to;
	char *description;
};

static struct peer *call_peer(void);
static const struct part *call_part(const struct job *);
static size_t call_bytes(const struct job *);
static bool call_is_edit(struct job *);
static void call_pack(const struct job *, struct packer *);
static void call_undo(struct job *);
static void call_apply(struct job *, const struct outcome *);
static void call_arrived(struct job *, const struct outcome *);
static void call_again(struct job *, const struct verdict *);
static void call_add_message(struct job *, int64_t);
static void call_forget_message(struct job *);
static void call_limited(struct chat *, int64_t);
static void call_back_to_lane(struct job *);
static bool call_answers(struct job *, struct peer *, uint32_t);
static void call_unclear(const struct store_delivery *, void *);
static double call_jitter(void);

static struct peer *
call_peer(void)
{
	return (worker_peer_next(PC_TELEGRAM, NULL));
}

/* What goes next. */
static const struct part *
call_part(const struct job *j)
{
	return (&j->part[j->closing ? 0 : j->parts_done]);
}

static size_t
call_bytes(const struct job *j)
{
	const struct part *t = call_part(j);

	return (CALL_BYTES + strlen(t->html) + t->document_bytes);
}

/*
 * Credit is asked for before a call is marked: one that could not be handed
 * over then would be marked and taken back, a commit each, without end.
 */
bool
call_possible(const struct job *j)
{
	size_t bytes = marking_bytes + call_bytes(j);
	struct peer *p = call_peer();

	if (p == NULL || link_credit(p->link) <= (uint32_t)marking)
		return (false);
	if (bytes > MSG_MAX_BYTES)
		return (marking == 0); /* else those go first */
	if (link_can_send(p->link, QUEUE_CALL_ASK, bytes))
		return (true);
	/* Let the link note that we want some. */
	(void)link_send(p->link, QUEUE_CALL_ASK, 0, NULL, bytes);
	return (false);
}

/* Progress goes into the message that the task has already. */
static bool
call_is_edit(struct job *j)
{
	struct store_task task;

	j->edit_message = 0;
	if (j->ev->kind != EK_PROGRESS && !j->closing)
		return (false);
	if (store_get_task(queue.store, j->chat->id, j->ev->task_id, &task)
	    != 1 || task.closed || task.message_id == 0)
		return (false);
	j->edit_message = task.message_id;
	return (true);
}

void
call_mark(struct job *j)
{
	struct job *m;

	j->is_edit = call_is_edit(j);
	job_updates(j, j->ev->kind == EK_PROGRESS || j->closing);
	j->stage = JOB_MARKING;
	j->attempts++;
	marking++;
	marking_bytes += call_bytes(j);
	if (j->nmembers == 0) {
		if (store_put_sending(queue.store, j->id, j->attempts) == -1)
			fatal("delivery");
	} else {
		job_save(j, DS_SENDING);
		TAILQ_FOREACH(m, &j->members, entry) {
			m->attempts++;
			job_save(m, DS_SENDING);
		}
	}
	commit_then_call(j);
}

/* The buttons of an approval are below its last text. */
static const char *
call_markup(const struct job *j)
{
	int last = j->nparts - 1;

	if (j->ev->kind != EK_APPROVAL)
		return (NULL);
	while (last > 0 && j->part[last].kind != PART_TEXT)
		last--;
	return (j->parts_done == last ? prompt_markup(j) : NULL);
}

static void
call_pack(const struct job *j, struct packer *out)
{
	const struct part *t = call_part(j);
	bool silent = false;
	int flags = 0;

	(void)mode_allows(j, &silent);
	if (silent || (j->flags & DF_SILENT))
		flags |= CALL_SILENT;
	pack_u8(out, j->is_edit ? CALL_EDIT : t->kind == PART_DOCUMENT ?
	    CALL_DOCUMENT : CALL_SEND);
	pack_u8(out, (uint8_t)flags);
	pack_u32(out, (uint32_t)j->attempts);
	pack_i64(out, moved_to(j->chat->chat_id));
	pack_i64(out, j->thread);
	pack_i64(out, j->edit_message);
	pack_str(out, t->html);
	pack_str(out, call_markup(j));
	pack_str(out, t->name);
	pack_blob(out, t->document, t->document_bytes);
}

void
call_begin(struct job *j)
{
	static struct packer out;
	struct peer *p = call_peer();

	marking--;
	marking_bytes -= call_bytes(j);
	j->thread = topic_thread(j->chat);
	pack_reset(&out);
	call_pack(j, &out);
	if (p == NULL || link_send_packed(p->link, QUEUE_CALL_ASK,
	    (uint64_t)j->id, &out) == -1) {
		call_undo(j);
		return;
	}
	j->stage = JOB_CALLING;
	j->called = p;
	j->called_us = clock_mono_us();
}

/* Marked, but it could not be handed over: it was not an attempt. */
static void
call_undo(struct job *j)
{
	j->attempts--;
	call_back_to_lane(j);
}

/* Into the lane again, on disk, too. */
static void
call_back_to_lane(struct job *j)
{
	if (j->stage == JOB_MARKING || j->stage == JOB_CALLING)
		j->chat->inflight--;
	j->called = NULL;
	job_updates(j, false);
	j->stage = j->nparts > 0 ? JOB_RENDERED : JOB_QUEUED;
	if (j->nmembers > 0)
		digest_dissolve(j);
	job_save(j, DS_QUEUED);
	job_insert(j);
}

/* Outcomes. */

/* xorshift64 (Marsaglia 2003): a system call for each would cost more than
 * all else that is done here. */
static double
call_jitter(void)
{
	static uint64_t x;

	if (x == 0)
		x = ((uint64_t)arc4random() << 32 | arc4random()) | 1;
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return ((double)(x >> 11) / (double)(1ULL << 53));
}

/*
 * Is that the outcome of what this job is about?  When a link breaks though
 * nobody died, a call is taken back into its lane as if it had been no
 * attempt; telegram has made it all the same, and says so on the next link.
 * What it says once more, of an earlier attempt, is known already.
 */
static bool
call_answers(struct job *j, struct peer *p, uint32_t attempt)
{
	if (j->stage == JOB_CALLING)
		return (j->called == p && attempt == (uint32_t)j->attempts);
	if (!j->in_lane || j->stage > JOB_RENDERED || j->nmembers > 0 ||
	    attempt != (uint32_t)j->attempts + 1)
		return (false);
	job_remove(j);
	j->asked = NULL;
	j->attempts++;
	j->stage = JOB_CALLING;
	j->called = p;
	j->called_us = clock_mono_us();
	j->chat->inflight++;
	return (true);
}

enum link_verdict
call_done(struct peer *p, const struct frame *f)
{
	struct outcome o;
	struct unpacker u;
	uint32_t attempt;
	struct job *j;

	if (f->id & NOTE_BIT)
		return (note_done(p, f));
	if (f->id & TOPIC_BIT)
		return (topic_done(p, f));
	unpack_init(&u, f->data, f->len);
	o.outcome = unpack_u8(&u);
	attempt = unpack_u32(&u);
	(void)unpack_u16(&u); /* status and code: counted by telegram */
	(void)unpack_u32(&u);
	o.retry_after_ms = (int64_t)unpack_u64(&u);
	o.message_id = unpack_i64(&u);
	o.migrate_to = unpack_i64(&u);
	o.description = span_dup(unpack_span(&u));
	if (!unpack_done(&u) || o.outcome >= NOUTCOMES ||
	    o.description == NULL) {
		free(o.description);
		return (LINK_BAD);
	}
	j = job_find((int64_t)f->id);
	if (j != NULL && call_answers(j, p, attempt)) {
		metric_observe_us(M_send_latency,
		    clock_mono_us() - j->called_us);
		call_apply(j, &o);
	}
	commit_then_seen((int64_t)f->id);
	free(o.description);
	return (LINK_DONE);
}

static void
call_apply(struct job *j, const struct outcome *o)
{
	struct verdict v = verdict_decide(o->outcome, j->attempts,
	    o->retry_after_ms, j->is_edit, j->ev->kind == EK_PROGRESS,
	    call_jitter());
	struct chat *c = j->chat;
	int64_t until = clock_mono_ms() + v.wait_ms;

	if (v.ambiguous || v.action == VA_UNCERTAIN)
		metric_add(M_events_ambiguous, 1);
	if (v.scope == VS_CHAT && until > c->room->pause_until_ms)
		c->room->pause_until_ms = until;
	if (v.scope == VS_BOT && until > queue.bot_pause_until_ms)
		queue.bot_pause_until_ms = until;
	if (o->outcome == CO_RATE_LIMITED)
		call_limited(c, until);
	switch (v.action) {
	case VA_DONE:
		call_arrived(j, o);
		break;
	case VA_MIGRATE:
		if (o->migrate_to != 0 &&
		    o->migrate_to != moved_to(c->chat_id))
			chat_migrate(c, o->migrate_to);
		call_again(j, &v);
		break;
	case VA_RENEW:
		call_forget_message(j);
		call_again(j, &v);
		break;
	case VA_RETRY:
		call_again(j, &v);
		break;
	case VA_UNCERTAIN:
		final_put(j, DS_UNCERTAIN, o->description);
		break;
	case VA_DEAD:
		if (j->closing) { /* the event itself has arrived */
			call_parts_done(j);
			break;
		}
		if (topic_refused(c, j->thread, o->description)) {
			call_again(j, &v);
			break;
		}
		log_warnx("event %s: Telegram refuses it for chat %lld: %s",
		    evm_id(j->ev->seq), (long long)c->chat_id,
		    o->description);
		/* A guest who never wrote to the bot; each event for them
		 * would end so (accept_reachable()). */
		if (person_is_guest(c->chat_id) &&
		    strstr(o->description, "chat not found") != NULL)
			chat_suspend(c, o->description);
		if (j->nmembers > 0) { /* it may be one of them only */
			j->flags |= DF_NODIGEST;
			call_back_to_lane(j);
			break;
		}
		final_put(j, DS_DEAD, o->description);
		break;
	case VA_SUSPEND:
		chat_suspend(c, o->description);
		final_put(j, DS_DEAD, "chat suspended");
		break;
	}
	sched_wake(c);
}

/* Several chats limited together: it is the bot's limit. */
static void
call_limited(struct chat *c, int64_t until)
{
	int64_t now = clock_mono_ms();
	struct chat *o;

	c->room->limited_at_ms = now;
	for (o = chat_first(); o != NULL; o = chat_next(o)) {
		if (o->room == c->room || o->room->limited_at_ms == 0 ||
		    now - o->room->limited_at_ms > BOT_LIMIT_MS)
			continue;
		if (until > queue.bot_pause_until_ms)
			queue.bot_pause_until_ms = until;
		log_notice("several chats are rate limited; the bot waits "
		    "%lld ms", (long long)(until - now));
		return;
	}
	log_info("chat %lld is rate limited; it waits %lld ms",
	    (long long)c->chat_id, (long long)(until - now));
}

static void
call_add_message(struct job *j, int64_t id)
{
	size_t len = j->messages == NULL ? 0 : strlen(j->messages);
	char *all;

	if (id == 0)
		return;
	if ((all = realloc(j->messages, len + MESSAGE_ID_SIZE)) == NULL)
		fatal("message id");
	snprintf(all + len, MESSAGE_ID_SIZE, "%s%lld", len > 0 ? "," : "",
	    (long long)id);
	j->messages = all;
}

/* Remember which message shows a task's progress. */
static void
call_keep_message(struct job *j, int64_t message_id, bool closed)
{
	struct store_task task = { .chat = j->chat->id,
	    .task_id = j->ev->task_id, .message_id = message_id,
	    .started_ms = j->ev->received_ms, .closed = closed };
	struct store_task old;

	if (store_get_task(queue.store, j->chat->id, j->ev->task_id, &old)
	    == 1 && !old.closed)
		task.started_ms = old.started_ms;
	task.task_id = j->ev->task_id;
	if (store_put_task(queue.store, &task) == -1)
		fatal("task");
}

static void
call_forget_message(struct job *j)
{
	call_keep_message(j, 0, false);
}

static void
call_arrived(struct job *j, const struct outcome *o)
{
	int64_t id = o->message_id != 0 ? o->message_id : j->edit_message;

	if (j->flags & DF_AMBIGUOUS) {
		j->flags &= ~DF_AMBIGUOUS;
		metric_add(M_events_resent, 1);
	}
	if (j->closing) {
		call_keep_message(j, id, true);
		call_parts_done(j);
		return;
	}
	call_add_message(j, id);
	j->parts_done++;
	if (j->ev->kind == EK_APPROVAL)
		prompt_arrived(j);
	if (j->ev->kind == EK_PROGRESS)
		call_keep_message(j, id, false);
	if (j->parts_done >= j->nparts) {
		/* A call of an earlier queue: how many parts there are is not
		 * known here, rendering will tell. */
		if (j->nparts > 0 || j->nmembers > 0) {
			call_parts_done(j);
			return;
		}
	}
	call_back_to_lane(j);
}

/*
 * All parts have arrived.  The end of a task also closes its progress
 * message, by one more edit.
 */
void
call_parts_done(struct job *j)
{
	struct store_task task;

	if (j->ev->kind == EK_FINAL && !j->closing && j->nmembers == 0 &&
	    store_get_task(queue.store, j->chat->id, j->ev->task_id, &task)
	    == 1 && !task.closed && task.message_id != 0) {
		j->closing = true;
		job_drop_parts(j);
		call_back_to_lane(j);
		return;
	}
	final_put(j, DS_DELIVERED, NULL);
}

static void
call_again(struct job *j, const struct verdict *v)
{
	if (v->ambiguous) {
		j->flags |= DF_AMBIGUOUS;
		job_drop_parts(j); /* rendered anew, with the mark */
	}
	if (v->action == VA_RENEW)
		j->edit_message = 0;
	j->not_before_ms = v->wait_ms > 0 ? jump_wall_ms() + v->wait_ms : 0;
	call_back_to_lane(j);
}

/* Losses and restarts. */

static void
call_lost_job(struct job *j, void *arg)
{
	struct verdict v;
	struct {
		struct peer *peer;
		const uint64_t *job;
		size_t n;
	} *l = arg;
	bool executing = false;

	if (j->stage != JOB_CALLING || j->called != l->peer)
		return;
	for (size_t i = 0; i < l->n; i++)
		if (l->job[i] == (uint64_t)j->id)
			executing = true;
	metric_add(M_events_redelivered, 1);
	if (!executing) {
		call_undo(j);
		return;
	}
	v = verdict_decide(CO_AMBIGUOUS, 1, 0, j->is_edit,
	    j->ev->kind == EK_PROGRESS, call_jitter());
	if (v.ambiguous || v.action == VA_UNCERTAIN)
		metric_add(M_events_ambiguous, 1);
	v.wait_ms = 0; /* nothing is wrong with the chat */
	if (v.action == VA_UNCERTAIN)
		final_put(j, DS_UNCERTAIN, "the telegram worker was lost");
	else
		call_again(j, &v);
}

void
call_lost(struct peer *p, const uint64_t *job, size_t n)
{
	struct {
		struct peer *peer;
		const uint64_t *job;
		size_t n;
	} l = { p, job, n };

	job_iterate(call_lost_job, &l);
	topic_lost(p, job, n);
}

/* On start: an earlier queue left these in "sending". */
void
call_recover(void)
{
	if (store_load_sending(queue.store, call_unclear, NULL) == -1)
		fatalx("cannot load the deliveries under way: %s",
		    store_error(queue.store));
}

static void
call_unclear(const struct store_delivery *d, void *arg)
{
	struct chat *c = chat_by_id(d->chat);
	struct evm *ev;
	struct job *j;

	(void)arg;
	if (c == NULL || d->lane < 0 || d->lane >= NLANES ||
	    job_find(d->id) != NULL)
		return;
	if ((ev = evm_find(DELIVERY_SEQ(d->id))) == NULL)
		ev = evm_new(DELIVERY_SEQ(d->id));
	j = job_new(d->id, c, d->lane, ev);
	j->stage = JOB_UNCLEAR;
	j->attempts = d->attempts;
	j->parts_done = d->parts_done;
	j->flags = d->flags;
	if (d->messages != NULL && (j->messages = strdup(d->messages)) == NULL)
		fatal("job");
	j->edit_message = d->digest; /* until call_report() */
	stage_analyze(ev, true);
}

struct report {
	struct peer *peer;
	bool survivor;
	const uint64_t *id;
	size_t n;
};

/* The leader of a digest is called for all of its members. */
static void
call_clear_up(struct job *j, void *arg)
{
	struct report *r = arg;
	int64_t leader_id = j->edit_message != 0 ? j->edit_message : j->id;
	struct job *leader;

	if (j->stage != JOB_UNCLEAR)
		return;
	for (size_t i = 0; i < r->n; i++) {
		if (r->id[i] != (uint64_t)leader_id)
			continue;
		leader = job_find(leader_id);
		j->called = r->peer;
		j->called_us = clock_mono_us();
		j->thread = topic_thread(j->chat);
		j->stage = JOB_CALLING;
		j->edit_message = 0;
		if (leader == NULL || leader == j) {
			j->chat->inflight++;
			job_updates(j, true); /* perhaps: it says no kind */
			return;
		}
		j->leader = leader;
		j->stage = JOB_QUEUED;
		TAILQ_INSERT_TAIL(&leader->members, j, entry);
		leader->nmembers++;
		return;
	}
	j->edit_message = 0;
	if (!r->survivor) {
		/* Both ends were lost: nobody knows. */
		metric_add(M_events_ambiguous, 1);
		j->flags |= DF_AMBIGUOUS;
	}
	j->stage = JOB_QUEUED;
	job_save(j, DS_QUEUED);
	job_insert(j);
}

enum link_verdict
call_report(struct peer *p, const struct frame *f)
{
	struct report r = { .peer = p };
	struct unpacker u;
	uint64_t *id;
	uint32_t n;

	unpack_init(&u, f->data, f->len);
	r.survivor = unpack_u8(&u) != 0;
	n = unpack_u32(&u);
	if (n > f->len / sizeof(*id))
		return (LINK_BAD);
	if ((id = calloc(n + 1, sizeof(*id))) == NULL)
		fatal("report");
	for (uint32_t i = 0; i < n; i++)
		id[i] = unpack_u64(&u);
	if (!unpack_done(&u)) {
		free(id);
		return (LINK_BAD);
	}
	r.id = id;
	r.n = n;
	job_iterate(call_clear_up, &r);
	topic_report(p, r.survivor, id, n);
	free(id);
	sched_wake_all();
	return (LINK_DONE);
}

void
call_seen(const int64_t *id, size_t n)
{
	struct packer out = { 0 };
	struct peer *p = call_peer();

	if (p == NULL)
		return;
	for (size_t at = 0; at < n; at += 4096) {
		size_t m = n - at < 4096 ? n - at : 4096;

		pack_reset(&out);
		pack_u32(&out, (uint32_t)m);
		for (size_t i = 0; i < m; i++)
			pack_u64(&out, (uint64_t)id[at + i]);
		if (link_send_packed(p->link, QUEUE_CALL_SEEN, 0, &out) == -1)
			break; /* it asks again by its next report */
	}
	pack_free(&out);
}
