/*
 * Orders of people about deliveries: retry, drop, hold, release, flush; see
 * cctg-protocol(7).
 */
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "workers/queue/query.h"

#define ORDER_MAX 10000	  /* deliveries that one order is about: each comes
			     into memory; the answer says that there are more */

/* A delivery that ended badly, or waits: from the beginning. */
static int
retry_delivery(int64_t id)
{
	struct store_delivery d;
	struct evm *ev;
	struct chat *c;
	struct job *j;

	if ((j = job_find(id)) != NULL) {
		if (!j->in_lane)
			return (0);
		j->not_before_ms = 0;
		j->chat->room->pause_until_ms = 0;
		sched_wake(j->chat);
		return (1);
	}
	if (store_get_delivery(queue.store, id, &d) != 1 ||
	    (c = chat_by_id(d.chat)) == NULL || c->chat_id == 0 ||
	    (d.state != DS_DEAD && d.state != DS_UNCERTAIN))
		return (0);
	if ((ev = evm_find(DELIVERY_SEQ(id))) == NULL)
		ev = evm_new(DELIVERY_SEQ(id));
	final_reopen(ev);
	j = job_new(id, c, d.lane, ev);
	j->flags = d.flags & ~DF_AMBIGUOUS;
	j->attempts = d.attempts;
	chat_open(c, d.lane, 1);
	ev->expires_ms = 0;
	job_save(j, DS_QUEUED);
	job_insert(j);
	stage_analyze(ev, true);
	return (1);
}

static int
drop_delivery(int64_t id)
{
	struct store_delivery d;
	struct evm *ev;
	struct chat *c;
	struct job *j;

	if ((j = job_find(id)) == NULL) {
		if (store_get_delivery(queue.store, id, &d) != 1 ||
		    DS_IS_FINAL(d.state) || (c = chat_by_id(d.chat)) == NULL)
			return (0);
		if ((ev = evm_find(DELIVERY_SEQ(id))) == NULL)
			ev = evm_new(DELIVERY_SEQ(id));
		j = job_new(id, c, d.lane, ev);
		j->flags = d.flags;
		j->attempts = d.attempts;
		job_insert(j);
	}
	if (!j->in_lane || j->stage > JOB_RENDERED || !evm_durable(j->ev))
		return (0); /* it is on its way */
	if (j->nmembers > 0)
		digest_dissolve(j);
	final_put(j, DS_SUPPRESSED, "cancelled");
	return (1);
}

struct order {
	int (*each)(int64_t);
	int64_t *id;
	size_t n, size;
};

static void
order_add(struct order *o, int64_t id)
{
	if (o->n == o->size) {
		o->size = o->size ? o->size * 2 : 64;
		o->id = reallocarray(o->id, o->size, sizeof(*o->id));
		if (o->id == NULL)
			fatal("order");
	}
	o->id[o->n++] = id;
}

static void
order_delivery(const struct store_delivery *d, void *arg)
{
	order_add(arg, d->id);
}

static void
order_row(const struct store_row *r, void *arg)
{
	order_add(arg, r->delivery.id);
}

/* states: of which "all" means all; ends with -1; open: all open ones. */
static void
query_order(struct query *q, int (*each)(int64_t), const int *states,
    bool open)
{
	const char *id = json_str(q->request, "id", "");
	struct order o = { .each = each };
	struct json_object *answer;
	int64_t seq, n = 0;
	bool more;

	if (strcmp(id, "all") == 0) {
		for (; *states != -1; states++)
			store_list(queue.store, *states, false, true, 0,
			    ORDER_MAX, order_row, &o);
		if (open)
			store_list(queue.store, -1, true, false, 0,
			    ORDER_MAX, order_row, &o);
	} else {
		if ((seq = query_event(q)) == 0)
			return;
		store_event_deliveries(queue.store, seq, order_delivery, &o);
	}
	if (o.n > ORDER_MAX)
		o.n = ORDER_MAX;
	for (size_t i = 0; i < o.n; i++)
		n += o.each(o.id[i]);
	more = o.n == ORDER_MAX;
	free(o.id);
	commit_soon();
	answer = query_new_answer(true);
	query_add_i64(answer, "n", n);
	if (more)
		json_object_object_add(answer, "more",
		    json_object_new_boolean(true));
	query_done(q, answer);
}

void
queue_retry(struct query *q)
{
	static const int states[] = { DS_DEAD, DS_UNCERTAIN, -1 };

	query_order(q, retry_delivery, states, true);
}

void
queue_drop(struct query *q)
{
	static const int states[] = { -1 };

	query_order(q, drop_delivery, states, true);
}

void
queue_hold(struct query *q)
{
	mode_hold(true);
	query_ok(q);
}

void
queue_release(struct query *q)
{
	mode_hold(false);
	query_ok(q);
}

static void
flush_job(struct job *j, void *arg)
{
	int64_t *n = arg;

	if (j->in_lane && j->not_before_ms > clock_wall_ms()) {
		j->not_before_ms = 0;
		(*n)++;
	}
}

void
queue_flush(struct query *q)
{
	struct json_object *o = query_new_answer(true);
	int64_t n = 0;

	job_iterate(flush_job, &n);
	for (struct chat *c = chat_first(); c != NULL; c = chat_next(c))
		c->room->pause_until_ms = 0;
	queue.bot_pause_until_ms = 0;
	sched_wake_all();
	query_add_i64(o, "n", n);
	query_answer(q->from, q->id, o, false);
}
