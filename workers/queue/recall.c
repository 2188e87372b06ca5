/*
 * Which event did this message carry?  For replies of people: the messages
 * of late, in memory; prompts have the store for that.
 */
#include <stdlib.h>

#include "workers/queue/queue.h"

#define RECALLED 4096

static struct {
	int64_t chat_id, message_id, seq;
} ring[RECALLED];
static size_t next;

void
recall_add(int64_t chat_id, const char *messages, int64_t seq)
{
	char *end;

	for (const char *s = messages; s != NULL && *s != '\0';
	    s = *end == ',' ? end + 1 : end) {
		ring[next].chat_id = chat_id;
		ring[next].message_id = strtoll(s, &end, 10);
		ring[next].seq = seq;
		if (end == s)
			break;
		next = (next + 1) % RECALLED;
	}
}

int64_t
recall_find(int64_t chat_id, int64_t message_id)
{
	for (size_t i = 0; i < RECALLED; i++)
		if (ring[i].chat_id == chat_id &&
		    ring[i].message_id == message_id)
			return (ring[i].seq);
	return (0);
}
