/*
 * Many events in one message: digests and the summary at the end of mute.
 */
#ifndef FORMAT_DIGEST_H
#define FORMAT_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;
struct text;

/*
 * Lay out {"members":[event…],"total":n} in at most units UTF-16 units:
 * grouped by type, equal titles of a group collapsed with ×N, every member
 * named while there is room (with each description, else with those that
 * all events of a title share, else by title, else by a shortened title), the
 * rest counted.  total may exceed the
 * members given (a summary of more than the queue passes on).
 * Sets *title_end to the byte behind the title, *named to the number of
 * members that are named.  scratch is overwritten.  Returns 0 or -1 (no
 * memory).
 */
int digest_layout(struct text *, struct text *scratch, struct json_object *,
    bool summary, size_t units, size_t *title_end, uint32_t *named);

#endif
