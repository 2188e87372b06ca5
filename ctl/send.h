/* The parts of the verb send: event.c makes the event, spool.c the file. */
#ifndef CTL_SEND_H
#define CTL_SEND_H

#include "ctl/ctl.h"

/* A request has at most 1 MiB, and needs some room around the event. */
#define SEND_MAX_BYTES ((1U << 20) - 1024)

/* The event of options and operands; it always has an event_id. */
struct json_object *event_build(struct ctl *);
/*
 * Drop the event into the events directory, complete or not at all.  Returns
 * 0 or -1 with errno and, in path, the file or directory concerned.
 */
int spool_event(const char *dir, const char *text, size_t len, char *path,
    size_t size);

#endif
