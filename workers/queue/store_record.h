/*
 * The records that store_ops.c writes into the arena and store_exec.c reads:
 * a fixed part for each kind of operation, texts and payloads behind it.
 */
#ifndef QUEUE_STORE_RECORD_H
#define QUEUE_STORE_RECORD_H

#include "workers/queue/store_int.h"

/* Kinds of operations: O(NAME, function that executes it) */
#define STORE_OPS(O)                \
	O(ACCEPT, exec_accept)      \
	O(ROUTE, exec_route)        \
	O(DELIVERY, exec_delivery)  \
	O(SENDING, exec_sending)    \
	O(MASKED, exec_masked)      \
	O(CHAT, exec_chat)          \
	O(TASK, exec_task)          \
	O(META, exec_meta)          \
	O(SEGMENT, exec_segment)    \
	O(PRUNE, exec_prune)        \
	O(PRUNE_TASKS, exec_prune_tasks)

enum op_kind {
#define OP_ENUM(name, exec) OP_##name,
	STORE_OPS(OP_ENUM)
#undef OP_ENUM
	NOPKINDS
};

/* A text or blob of a record; at counts from the record's begin, 0: NULL. */
struct part {
	uint32_t at, len;
};

struct record {
	uint32_t size; /* with all its parts, a multiple of 8 */
	uint32_t kind;
};

struct rec_delivery {
	struct record head;
	struct store_delivery d; /* its pointers are not used */
	struct part reason, messages;
};

struct rec_event {
	struct record head;
	struct store_event e; /* its pointers are not used */
	struct part id, type, source, task_id, title, payload;
	int64_t key; /* of the id */
	uint32_t deliveries, ndeliveries; /* rec_delivery[], from the begin */
};

struct rec_sending {
	struct record head;
	int64_t id;
	int attempts;
};

struct rec_masked {
	struct record head;
	int64_t seq;
	struct part title, payload;
};

struct rec_chat {
	struct record head;
	struct store_chat c;
	struct part reason;
};

struct rec_task {
	struct record head;
	struct store_task t;
	struct part task_id;
};

struct rec_meta {
	struct record head;
	struct part key, value;
};

struct rec_segment {
	struct record head;
	uint32_t raw_bytes, n;
	struct part seq, data;
};

struct rec_prune {
	struct record head;
	int64_t seq; /* of PRUNE_TASKS: wall ms */
};

/* store_ops.c: forget the ids of the events among the operations. */
void store_forget_pending(struct store *);

#endif
