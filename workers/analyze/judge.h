/*
 * What the queue has to know of a normalised event beside its text.
 */
#ifndef ANALYZE_JUDGE_H
#define ANALYZE_JUDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "ipc/messages.h"

struct json_object;

/*
 * The kind of an event.  trusted: it comes from the owner of the events
 * directory, who alone may switch modes; then *mode is "nomad", "local" or
 * "mute" for EK_MODE, "" otherwise.
 */
enum event_kind judge_kind(struct json_object *, bool trusted,
    const char **mode);

/*
 * The fingerprint of an event's content: type, source, title, description,
 * data, and task_id where it is not the event_id.  The order of keys does not
 * matter.  0 means never a duplicate by content: approvals and modes.
 */
uint64_t judge_fingerprint(struct json_object *, enum event_kind);

#endif
