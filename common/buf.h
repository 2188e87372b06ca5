/*
 * A byte buffer that grows.  Out of memory sets failed, which sticks until
 * buf_reset(); what is added then is dropped, so that callers check once.
 */
#ifndef COMMON_BUF_H
#define COMMON_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct buf {
	char *p;
	size_t len, size;
	bool failed;
};

/* Room for n more bytes; false (and failed) when there is no memory. */
bool buf_grow(struct buf *, size_t n);
/* Empty it, keep the memory. */
void buf_reset(struct buf *);
/* Give the memory back if it is more than keep bytes. */
void buf_trim(struct buf *, size_t keep);
void buf_free(struct buf *);

/* A string, without its NUL. */
void buf_str(struct buf *, const char *);
/* In decimal digits. */
void buf_i64(struct buf *, int64_t);
/* A JSON string with its quotes; bytes that are no UTF-8 become U+FFFD. */
void buf_json(struct buf *, const char *, size_t len);

static inline bool
buf_reserve(struct buf *b, size_t n)
{
	return (b->size - b->len >= n || buf_grow(b, n));
}

static inline void
buf_add(struct buf *b, const void *p, size_t n)
{
	if (n == 0 || !buf_reserve(b, n))
		return;
	memcpy(b->p + b->len, p, n);
	b->len += n;
}

#define buf_lit(b, s) buf_add((b), (s), sizeof(s) - 1)

#endif
