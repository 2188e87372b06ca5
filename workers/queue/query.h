/*
 * Inside the queue's answers to people: what query.c, watch.c and
 * query_people.c share.
 */
#ifndef QUEUE_QUERY_H
#define QUEUE_QUERY_H

#include <sys/types.h>

#include <json-c/json.h>

#include "workers/queue/queue.h"

struct query {
	struct peer *from;
	uint64_t id;
	struct json_object *request;
	uid_t uid; /* who asks, as the kernel says */
};

/* {"ok":…}; fatal when out of memory. */
struct json_object *query_new_answer(bool ok);
/* Sends and frees the answer; more: a stream goes on. */
void query_answer(struct peer *, uint64_t id, struct json_object *, bool more);
void query_error(struct query *, int code, const char *error,
    const char *field);
void query_add_str(struct json_object *, const char *key, const char *);
void query_add_i64(struct json_object *, const char *key, int64_t);
void query_add_time(struct json_object *, const char *key, int64_t wall_ms);

/* Has done what was ordered: answers, and frees, when that is on disk. */
void query_done(struct query *, struct json_object *);
void query_ok(struct query *); /* the same, with nothing to say */
void query_done_lost(struct peer *); /* its intake has gone */
/* Type, title, severity, source and time. */
void query_add_event(struct json_object *, const struct store_event *);
/* From the store's "1,2,3". */
struct json_object *query_message_ids(const char *messages);
/* The event that the request names, or 0 after answering. */
int64_t query_event(struct query *);

/* An event as a whole, from its deliveries. */
struct shown {
	struct json_object *deliveries;
	int open, sending, worst, attempts;
	int64_t not_before_ms;
	char *reason;
};
/* Its state; deliveries and reason are the caller's then. */
const char *query_show_state(int64_t seq, struct shown *);

/* query_watch.c */
void query_tail(struct query *);
void query_wait(struct query *);

/* query_order.c */
void queue_retry(struct query *);
void queue_drop(struct query *);
void queue_hold(struct query *);
void queue_release(struct query *);
void queue_flush(struct query *);

/* query_people.c */
void query_decision(struct query *);
void query_approvals(struct query *);
void query_withdraw(struct query *);
void query_pair(struct query *);
void query_users(struct query *);
/* silence.c */
void query_silence(struct query *);
/* Askers of decisions: cancelled, or their intake has gone. */
bool query_decision_cancel(struct peer *, uint64_t id);
void query_decision_lost(struct peer *);

#endif
