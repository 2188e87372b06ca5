/*
 * From an accepted event to one that has all the known keys with the known
 * types.
 */
#ifndef ANALYZE_NORMALISE_H
#define ANALYZE_NORMALISE_H

#include <stdint.h>

struct json_object;

/*
 * Normalise in place an event that passed event_check().  Afterwards it has
 * event_id, type, task_id, source, title, description, timestamp and
 * severity as strings, data as an object, and attachments as attach.h says;
 * other keys stay as they are.
 * All text in it is clean UTF-8 (utf8.h), all numbers are numbers of JSON.
 * received_ms: the wall clock when it came, for an event without a time.
 * Returns 0, or -1 without memory.
 */
int normalise_event(struct json_object *, int64_t received_ms);

#endif
