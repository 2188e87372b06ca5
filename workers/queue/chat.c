/*
 * Chats with their lanes, and the events and jobs in memory.
 *
 * Memory is bounded: of each lane at most LANE_WINDOW jobs, of all payloads
 * about MEMORY_BYTES; the rest waits in the store and is loaded in order when
 * the lane runs low.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "workers/queue/queue.h"

#define HASH_SIZE 16384 /* power of 2, about the jobs of many busy lanes */
#define LOAD_LOW 64    /* a lane with fewer jobs is refilled */
#define WAIT_MAX_MS 3600000 /* that a stored "not before" may be ahead */

LIST_HEAD(evm_bucket, evm);
LIST_HEAD(job_bucket, job);

static LIST_HEAD(, chat) chats = LIST_HEAD_INITIALIZER(chats);
static LIST_HEAD(, room) rooms = LIST_HEAD_INITIALIZER(rooms);
static struct evm_bucket evms[HASH_SIZE];
static struct job_bucket jobs[HASH_SIZE];
static int32_t last_chat;
static int64_t open_deliveries; /* on start */

static void chat_loaded(const struct store_chat *, void *);
static struct chat *chat_new(int32_t, int64_t, int64_t);
static struct room *room_get(int64_t);
static struct chat *chat_find(int64_t, int64_t);
static int64_t chat_open_events(const struct store_totals *);
static void chat_counted(int32_t, int, int64_t, void *);
static void chat_load_job(const struct store_delivery *, void *);
static int chat_room(const struct chat *, int);

/* On start: the chats and how much waits for each. */
int
chat_init(void)
{
	struct chat *c;
	char *moved;

	if ((moved = store_get_meta(queue.store, "moved")) != NULL)
		moved_load(moved);
	free(moved);
	if (store_load_chats(queue.store, chat_loaded, NULL) == -1 ||
	    accept_orphans() == -1 ||
	    store_count_open(queue.store, chat_counted, NULL) == -1)
		return (-1);
	queue.open_events = chat_open_events(&queue.totals);
	LIST_FOREACH(c, &chats, all)
		for (int lane = 0; lane < NLANES; lane++)
			chat_refill(c, lane);
	return (0);
}

/*
 * Accepted and not ended, by the totals; those of a store that was damaged
 * may be wrong.
 */
static int64_t
chat_open_events(const struct store_totals *t)
{
	int64_t n = t->accepted - t->delivered - t->suppressed -
	    t->uncertain - t->dead;

	return (n > open_deliveries || (n < 1 && open_deliveries > 0) ?
	    open_deliveries : n);
}

static void
chat_loaded(const struct store_chat *s, void *arg)
{
	struct chat *c = chat_new(s->id, s->chat_id, s->thread);

	(void)arg;
	c->suspended = s->suspended;
}

static void
chat_counted(int32_t id, int lane, int64_t n, void *arg)
{
	struct chat *c = chat_by_id(id);

	(void)arg;
	if (c == NULL || lane < 0 || lane >= NLANES)
		return;
	chat_open(c, lane, n);
	c->lane[lane].last = INT64_MAX; /* behind until loading says not */
	open_deliveries += n;
}

static struct chat *
chat_new(int32_t id, int64_t chat_id, int64_t thread)
{
	struct chat *c;

	if ((c = calloc(1, sizeof(*c))) == NULL)
		fatal("chat");
	c->id = id;
	c->chat_id = chat_id;
	c->thread = thread;
	for (int i = 0; i < NLANES; i++)
		TAILQ_INIT(&c->lane[i].jobs);
	c->room = room_get(chat_id);
	LIST_INSERT_HEAD(&chats, c, all);
	if (id > last_chat)
		last_chat = id;
	return (c);
}

/* Users have positive ids, groups and channels negative ones (Bot API). */
static void
room_limit(struct room *r)
{
	if (rate_init_chat(&r->budget, &queue.rate, r->chat_id < 0) == -1)
		fatal("chat");
}

static struct room *
room_get(int64_t chat_id)
{
	struct room *r;

	LIST_FOREACH(r, &rooms, all)
		if (r->chat_id == chat_id)
			return (r);
	if ((r = calloc(1, sizeof(*r))) == NULL)
		fatal("chat");
	r->chat_id = chat_id;
	room_limit(r);
	LIST_INSERT_HEAD(&rooms, r, all);
	return (r);
}

void
chat_open(struct chat *c, int lane, int64_t n)
{
	c->lane[lane].open += n;
	if (lane == LANE_BULK)
		c->room->bulk += n;
}

static struct chat *
chat_find(int64_t chat_id, int64_t thread)
{
	struct chat *c;

	LIST_FOREACH(c, &chats, all)
		if (c->chat_id == chat_id && c->thread == thread)
			return (c);
	return (NULL);
}

struct chat *
chat_known(int64_t chat_id, int64_t thread)
{
	return (chat_find(moved_to(chat_id), thread));
}

struct chat *
chat_get(int64_t chat_id, int64_t thread)
{
	struct store_chat s = { .thread = thread };
	struct chat *c;

	chat_id = moved_to(chat_id);
	if ((c = chat_find(chat_id, thread)) != NULL)
		return (c);
	s.chat_id = chat_id;
	s.id = last_chat + 1;
	if (store_put_chat(queue.store, &s) == -1)
		return (NULL);
	return (chat_new(s.id, chat_id, thread));
}

struct chat *
chat_by_id(int32_t id)
{
	struct chat *c;

	LIST_FOREACH(c, &chats, all)
		if (c->id == id)
			return (c);
	return (NULL);
}

struct chat *
chat_first(void)
{
	return (LIST_FIRST(&chats));
}

struct chat *
chat_next(struct chat *c)
{
	return (LIST_NEXT(c, all));
}

static void
chat_save(const struct chat *c, const char *reason)
{
	struct store_chat s = { .id = c->id, .chat_id = c->chat_id,
	    .thread = c->thread, .suspended = c->suspended,
	    .reason = reason };

	if (store_put_chat(queue.store, &s) == -1)
		fatal("chat");
	commit_soon();
}

/*
 * Follow a group to its new id, with all its topics.  One that is there
 * under the new id already takes what comes from now on; what waits for the
 * old one is sent to the new id all the same (call.c).
 */
void
chat_migrate(struct chat *c, int64_t new_id)
{
	int64_t old_id = c->chat_id;
	struct chat *o;
	char *text;

	if (!moved_add(old_id, new_id))
		return;
	log_notice("chat %lld is %lld now; following", (long long)old_id,
	    (long long)new_id);
	if ((text = moved_text()) == NULL ||
	    store_put_meta(queue.store, "moved", text) == -1)
		fatal("chat");
	free(text);
	commit_soon();
	LIST_FOREACH(o, &chats, all) {
		if (o->chat_id != old_id ||
		    chat_find(new_id, o->thread) != NULL)
			continue;
		o->chat_id = new_id;
		o->room->bulk -= o->lane[LANE_BULK].open;
		o->room = room_get(new_id);
		o->room->bulk += o->lane[LANE_BULK].open;
		chat_save(o, NULL);
	}
}

void
chat_suspend(struct chat *c, const char *reason)
{
	if (c->suspended)
		return;
	log_warnx("chat %lld refuses the bot (%s); its events are dead until "
	    "it writes to the bot or cctgctl chats resume",
	    (long long)c->chat_id, reason);
	c->suspended = true;
	chat_save(c, reason);
	sched_wake(c);
}

void
chat_resume(struct chat *c)
{
	c->suspended = false;
	chat_save(c, NULL);
	sched_wake(c);
}

void
chat_leave(struct chat *c, int64_t seq)
{
	if (seq > c->left_seq)
		c->left_seq = seq;
	sched_wake(c);
}

void
chat_reconfigure(void)
{
	struct room *r;

	LIST_FOREACH(r, &rooms, all) {
		rate_free(&r->budget);
		room_limit(r);
	}
}

/* How many more jobs of this lane may come into memory. */
static int
chat_room(const struct chat *c, int lane)
{
	const struct lane_queue *q = &c->lane[lane];

	if (queue.memory_bytes > MEMORY_BYTES)
		return (q->loaded == 0 ? 1 : 0);
	return (LANE_WINDOW - q->loaded);
}

/* Load what waits in the store, if the lane runs low and is behind. */
void
chat_refill(struct chat *c, int lane)
{
	struct lane_queue *q = &c->lane[lane];
	int room, n;

	if (q->cursor >= q->last || q->loaded > LOAD_LOW)
		return;
	if ((room = chat_room(c, lane)) <= 0)
		return;
	n = store_load_open(queue.store, c->id, lane, q->cursor, room,
	    chat_load_job, q);
	if (n == -1) {
		log_errx("cannot load the queue of chat %lld: %s; trying "
		    "again", (long long)c->chat_id,
		    store_error(queue.store));
		return;
	}
	/* All committed ones are here; others are still to be committed. */
	if (n < room && store_pending_ops(queue.store) == 0)
		q->last = q->cursor;
}

static void
chat_load_job(const struct store_delivery *d, void *arg)
{
	struct lane_queue *q = arg;
	struct chat *c;
	struct evm *ev;
	struct job *j;

	q->cursor = d->id;
	if (d->state != DS_QUEUED || job_find(d->id) != NULL ||
	    (c = chat_by_id(d->chat)) == NULL)
		return;
	if ((ev = evm_find(DELIVERY_SEQ(d->id))) == NULL)
		ev = evm_new(DELIVERY_SEQ(d->id));
	j = job_new(d->id, c, d->lane, ev);
	j->attempts = d->attempts;
	j->parts_done = d->parts_done;
	j->flags = d->flags;
	/* Of another clock, or Telegram will say it again. */
	if (d->not_before_ms < clock_wall_ms() + WAIT_MAX_MS)
		j->not_before_ms = d->not_before_ms;
	if (d->messages != NULL && (j->messages = strdup(d->messages)) == NULL)
		fatal("job");
	job_insert(j);
	stage_analyze(ev, false);
}

/* Events. */

struct evm *
evm_find(int64_t seq)
{
	struct evm *ev;

	LIST_FOREACH(ev, &evms[seq & (HASH_SIZE - 1)], hash)
		if (ev->seq == seq)
			return (ev);
	return (NULL);
}

struct evm *
evm_new(int64_t seq)
{
	struct evm *ev;

	if ((ev = calloc(1, sizeof(*ev))) == NULL)
		fatal("event");
	ev->seq = seq;
	ev->open_left = -1;
	LIST_INIT(&ev->jobs);
	LIST_INSERT_HEAD(&evms[seq & (HASH_SIZE - 1)], ev, hash);
	return (ev);
}

const char *
evm_id(int64_t seq)
{
	static char id[UUID_SIZE * 4];
	struct store_event e;

	if (store_get_event(queue.store, seq, false, &e) == 1)
		log_escape(id, sizeof(id), e.id, strlen(e.id));
	else /* it is about to be written */
		snprintf(id, sizeof(id), "number %lld", (long long)seq);
	return (id);
}

void
evm_set_payload(struct evm *ev, char *payload, size_t len)
{
	queue.memory_bytes -= ev->payload_bytes;
	free(ev->payload);
	ev->payload = payload;
	ev->payload_bytes = payload == NULL ? 0 : len;
	queue.memory_bytes += ev->payload_bytes;
}

void
evm_unref(struct evm *ev)
{
	if (--ev->refs > 0)
		return;
	stage_forget(ev); /* an answer that still comes finds nothing */
	LIST_REMOVE(ev, hash);
	evm_set_payload(ev, NULL, 0);
	free(ev->title);
	free(ev->task_id);
	free(ev);
}

int
evm_load(struct evm *ev)
{
	struct store_event s;
	char *copy;

	if (ev->payload != NULL)
		return (0);
	if (store_get_event(queue.store, ev->seq, true, &s) != 1)
		return (-1);
	if ((copy = malloc(s.payload_bytes + 1)) == NULL)
		fatal("event");
	memcpy(copy, s.payload, s.payload_bytes);
	copy[s.payload_bytes] = '\0';
	ev->encoding = s.encoding;
	ev->raw_bytes = s.raw_bytes;
	ev->flags = s.flags;
	ev->severity = s.severity;
	ev->received_ms = s.received_ms;
	if (s.expires_ms != 0 && !ev->reopened)
		ev->expires_ms = s.expires_ms + skew_since(ev->seq);
	evm_set_payload(ev, copy, s.payload_bytes);
	final_known(ev, NULL);
	return (0);
}

bool
evm_durable(const struct evm *ev)
{
	return (ev->seq < queue.undurable_seq);
}

bool
evm_settled(const struct evm *ev)
{
	return (ev->stage == EV_KNOWN && evm_durable(ev));
}

void
evm_iterate(void (*each)(struct evm *, void *), void *arg)
{
	struct evm *ev, *next;

	for (size_t i = 0; i < HASH_SIZE; i++)
		LIST_FOREACH_SAFE(ev, &evms[i], hash, next)
			each(ev, arg);
}

/* Jobs. */

struct job *
job_find(int64_t id)
{
	struct job *j;

	LIST_FOREACH(j, &jobs[id / STORE_FANOUT & (HASH_SIZE - 1)], hash)
		if (j->id == id)
			return (j);
	return (NULL);
}

struct job *
job_new(int64_t id, struct chat *c, int lane, struct evm *ev)
{
	struct job *j;

	if ((j = calloc(1, sizeof(*j))) == NULL)
		fatal("job");
	j->id = id;
	j->chat = c;
	j->lane = lane;
	j->ev = ev;
	ev->refs++;
	LIST_INSERT_HEAD(&ev->jobs, j, sibling);
	TAILQ_INIT(&j->members);
	c->lane[lane].loaded++;
	LIST_INSERT_HEAD(&jobs[id / STORE_FANOUT & (HASH_SIZE - 1)], j, hash);
	return (j);
}

void
job_drop_parts(struct job *j)
{
	free(j->part);
	j->part = NULL;
	j->nparts = 0;
	queue.part_bytes -= j->part_bytes;
	j->part_bytes = 0;
	for (int i = 0; i < j->noptions; i++)
		free(j->options[i]);
	free(j->options);
	j->options = NULL;
	j->noptions = 0;
}

void
job_updates(struct job *j, bool on)
{
	if (j->updating != on)
		j->chat->updating += on ? 1 : -1;
	j->updating = on;
}

void
job_free(struct job *j)
{
	job_remove(j);
	job_updates(j, false);
	j->chat->lane[j->lane].loaded--;
	LIST_REMOVE(j, hash);
	LIST_REMOVE(j, sibling);
	job_drop_parts(j);
	evm_unref(j->ev);
	free(j->messages);
	free(j->reason);
	free(j);
}

/* By id, for order; nearly always it belongs at one of the ends. */
void
job_insert(struct job *j)
{
	struct job_list *list = &j->chat->lane[j->lane].jobs;
	struct job *o;

	if (j->in_lane)
		return;
	j->in_lane = true;
	if ((o = TAILQ_FIRST(list)) == NULL || o->id > j->id)
		TAILQ_INSERT_HEAD(list, j, entry);
	else {
		TAILQ_FOREACH_REVERSE(o, list, job_list, entry)
			if (o->id < j->id)
				break;
		TAILQ_INSERT_AFTER(list, o, j, entry);
	}
	sched_wake(j->chat);
}

void
job_remove(struct job *j)
{
	if (!j->in_lane)
		return;
	TAILQ_REMOVE(&j->chat->lane[j->lane].jobs, j, entry);
	j->in_lane = false;
}

void
job_iterate(void (*each)(struct job *, void *), void *arg)
{
	struct job *j, *next;

	for (size_t i = 0; i < HASH_SIZE; i++)
		LIST_FOREACH_SAFE(j, &jobs[i], hash, next)
			each(j, arg);
}

void
job_save(struct job *j, int state)
{
	struct store_delivery d = { .id = j->id, .chat = j->chat->id,
	    .lane = j->lane, .state = state, .attempts = j->attempts,
	    .not_before_ms = j->not_before_ms, .parts_done = j->parts_done,
	    .digest = j->leader != NULL ? j->leader->id :
	    j->nmembers > 0 ? j->id : 0, .flags = j->flags,
	    .reason = j->reason, .messages = j->messages };

	if (DS_IS_FINAL(state))
		d.done_ms = clock_wall_ms();
	if (store_put_delivery(queue.store, &d) == -1)
		fatal("delivery");
	commit_soon();
}
