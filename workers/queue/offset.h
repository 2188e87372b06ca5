/*
 * From where on updates are wanted, and which ones act.  Pure.
 *
 * Telegram keeps updates for 24 hours, and numbers them anew, from anywhere,
 * after a week without any (Bot API, Update): an offset of before would pass
 * over those.
 */
#ifndef QUEUE_OFFSET_H
#define QUEUE_OFFSET_H

#include <stdbool.h>
#include <stdint.h>

#define OFFSET_MS (2 * 86400000LL) /* then it means nothing any more */

struct offset {
	int64_t next;  /* the update to come; all before have acted */
	int64_t at_ms; /* wall clock: when the last came; 0 never */
};

/* What to ask Telegram for; 0: whatever there is. */
int64_t offset_wanted(const struct offset *, int64_t now_ms);
/* Is this update one that has not acted yet? */
bool offset_is_new(const struct offset *, int64_t id, int64_t now_ms);
/* It acts. */
void offset_pass(struct offset *, int64_t id, int64_t now_ms);

#endif
