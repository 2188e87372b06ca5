/*
 * The ids of a delivery's messages as the store keeps them: "11,12,13".
 * Pure.
 */
#ifndef QUEUE_IDLIST_H
#define QUEUE_IDLIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* NULL is an empty list.  Returns how many there are, at most max. */
size_t idlist_read(const char *, int64_t *, size_t max);
bool idlist_has(const char *, int64_t id);

#endif
