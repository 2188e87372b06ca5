/*
 * Events that share an id without being the same event.
 *
 * An id that was accepted before makes a duplicate.  But the MCP server of
 * co8/cctelegram writes the task's id as the event's id, always, so that the
 * start, the progress and the end of one task all come with one id.  Where an
 * event says event_id = task_id, its type and timestamp decide: the same file
 * read twice has the same ones, another event of the task has not.  It then
 * gets an id of its own, made from its text, so that it is recognised in turn.
 */
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "common/json.h"
#include "common/uuid.h"
#include "workers/compress/payload.h"
#include "workers/queue/queue.h"

static struct json_object *twin_stored(int64_t);
static bool twin_differs(struct json_object *, struct json_object *,
    const char *);

/* The payload of an accepted event, parsed; NULL if that cannot be done. */
static struct json_object *
twin_stored(int64_t seq)
{
	struct store_event ev;
	struct json_object *o;
	const char *error;
	char *raw;

	if (store_get_event(queue.store, seq, true, &ev) != 1 ||
	    ev.payload == NULL)
		return (NULL);
	if (ev.encoding == ENC_RAW)
		return (json_parse(ev.payload, ev.payload_bytes, &error));
	if ((raw = malloc(ev.raw_bytes + 1)) == NULL)
		return (NULL);
	o = payload_expand((unsigned int)ev.encoding, ev.payload,
	    ev.payload_bytes, raw, ev.raw_bytes) == -1 ? NULL :
	    json_parse(raw, ev.raw_bytes, &error);
	free(raw);
	return (o);
}

static bool
twin_differs(struct json_object *a, struct json_object *b, const char *key)
{
	return (strcmp(json_str(a, key, ""), json_str(b, key, "")) != 0);
}

int64_t
twin_find(const char *id, struct span payload, int64_t seq,
    char own_id[UUID_SIZE])
{
	struct json_object *new, *old = NULL;
	const char *error;
	int64_t other = seq;

	if ((new = json_parse(payload.p, payload.len, &error)) == NULL)
		return (seq);
	if (strcmp(json_str(new, "event_id", ""), id) == 0 &&
	    strcmp(json_str(new, "task_id", ""), id) == 0 &&
	    (old = twin_stored(seq)) != NULL &&
	    (twin_differs(new, old, "type") ||
	    twin_differs(new, old, "timestamp"))) {
		uuid_from_bytes(own_id, payload.p, payload.len);
		other = store_find_id(queue.store, own_id, strlen(own_id));
	}
	json_object_put(old);
	json_object_put(new);
	return (other);
}
