/*
 * An event from a command or a hook, which has better things to do than to
 * wait for the daemon: it is offered once, and becomes a file for a later
 * daemon if it is not taken in time.
 */
#ifndef CTL_OFFER_H
#define CTL_OFFER_H

#include "ctl/ctl.h"

struct json_object;

enum offer { OFFER_TAKEN, OFFER_SPOOLED, OFFER_REFUSED };

/*
 * The event must have its event_id.  to is a chat or NULL.  OFFER_REFUSED,
 * with a text in error: neither the daemon nor the file system takes it.
 */
enum offer offer_event(struct ctl *, struct json_object *event, const char *to,
    int64_t deadline_ms, char *error, size_t size);

#endif
