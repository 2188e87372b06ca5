/*
 * Which updates have acted, and from where on others are wanted?  Pure;
 * update.c keeps it in the store.
 *
 * A poller gets them in the order of their ids, so one number, the floor,
 * says it: all below have acted.  A webhook does not: an update that could
 * not be delivered comes again behind later ones.  So ids from the floor on
 * are remembered one by one, the last ACTED_MAX of them.
 *
 * Telegram keeps updates for 24 hours, and numbers them anew, from anywhere,
 * after a week without any (Bot API, Update): what was remembered before
 * would pass over those.
 */
#ifndef QUEUE_ACTED_H
#define QUEUE_ACTED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ACTED_MAX 1024
#define ACTED_MS (2 * 86400000LL) /* then it means nothing any more */

struct acted {
	int64_t floor;
	int64_t at_ms;		/* wall clock: when the last came; 0 never */
	int64_t id[ACTED_MAX];	/* rising, none below the floor */
	size_t n;
};

/* What to ask Telegram for; 0: whatever there is. */
int64_t acted_wanted(const struct acted *, int64_t now_ms);
bool acted_has(const struct acted *, int64_t id, int64_t now_ms);
/*
 * This one has acted now.  in_order: so have all before it, or they never
 * will.  forget() is called for each id that is not remembered by itself any
 * more.
 */
void acted_add(struct acted *, int64_t id, bool in_order, int64_t now_ms,
    void (*forget)(int64_t id));
/* Another bot's are numbered by themselves. */
void acted_clear(struct acted *, void (*forget)(int64_t id));

#endif
