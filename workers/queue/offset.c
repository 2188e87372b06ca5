/*
 * Offsets; see offset.h.
 */
#include "workers/queue/offset.h"

int64_t
offset_wanted(const struct offset *o, int64_t now_ms)
{
	return (now_ms - o->at_ms > OFFSET_MS ? 0 : o->next);
}

bool
offset_is_new(const struct offset *o, int64_t id, int64_t now_ms)
{
	return (id >= offset_wanted(o, now_ms));
}

void
offset_pass(struct offset *o, int64_t id, int64_t now_ms)
{
	o->next = id + 1;
	o->at_ms = now_ms;
}
