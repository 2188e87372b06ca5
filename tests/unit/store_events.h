/*
 * Events for the tests of the store.
 */
#ifndef TESTS_STORE_EVENTS_H
#define TESTS_STORE_EVENTS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/event_types.h"
#include "workers/queue/store.h"

#define EVENTS_BASE_MS 1700000000000LL

/* Event number i, with an id made from it, 400 bytes of payload and one open
 * delivery for that chat; received i ms after EVENTS_BASE_MS. */
static inline int64_t
events_put(struct store *st, int i, int32_t chat, int lane, int state)
{
	struct store_event e = { .type = "task_progress", .source = "test",
		.title = "Title", .severity = SEV_LOW,
		.received_ms = EVENTS_BASE_MS + i };
	struct store_delivery d = { .chat = chat, .lane = lane,
		.state = state };
	char id[32], payload[400];

	snprintf(id, sizeof(id), "event-%d", i);
	memset(payload, 'a' + i % 26, sizeof(payload));
	e.id = id;
	e.task_id = "task";
	e.payload = payload;
	e.payload_bytes = e.raw_bytes = sizeof(payload);
	e.seq = store_next_seq(st);
	d.id = DELIVERY_ID(e.seq, 0);
	if (DS_IS_FINAL(state))
		d.done_ms = e.received_ms + 1;
	if (store_put_event(st, &e, &d, 1) == -1) {
		perror("store_put_event");
		exit(1);
	}
	return (e.seq);
}

/* Is event number i there, with its own payload? */
static inline int
events_whole(struct store *st, int i)
{
	struct store_event e;
	char id[32];
	int64_t seq;
	size_t k;

	snprintf(id, sizeof(id), "event-%d", i);
	if ((seq = store_find_id(st, id, strlen(id))) == 0 ||
	    store_get_event(st, seq, true, &e) != 1)
		return (0);
	if (strcmp(e.id, id) != 0 || e.payload_bytes != 400)
		return (0);
	for (k = 0; k < e.payload_bytes; k++)
		if (((const char *)e.payload)[k] != 'a' + i % 26)
			return (0);
	return (1);
}

#endif
