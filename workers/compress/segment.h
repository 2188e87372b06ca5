/*
 * Archive segments: many payloads packed as one lz4 block behind an index.
 *
 *	offset	bytes
 *	0	8	magic "cctgseg1"
 *	8	8	hash64 of all that follows
 *	16	4	n: payloads
 *	20	4	bytes of all payloads, expanded
 *	24	4	bytes of the block
 *	28	4	encoding of the block (enum payload_encoding)
 *	32	24 n	index: u64 id, u32 offset in the expanded block,
 *			u32 bytes there, u32 bytes and u32 encoding of the
 *			payload itself (large ones stay packed on their own)
 *	…		the block
 *
 * All integers are little-endian.  Payloads lie one behind the other in the
 * order of the index, without gaps, so each offset is the sum of the lengths
 * before it; the index tells what is in a segment without expanding it.
 */
#ifndef COMPRESS_SEGMENT_H
#define COMPRESS_SEGMENT_H

#include <stddef.h>
#include <stdint.h>

#include "ipc/pack.h"

#define SEGMENT_MAX 4096		/* payloads */
#define SEGMENT_BYTES_MAX (2U << 20)	/* of all of them; fits a message */

struct segment_member {
	uint64_t id;
	uint32_t offset, bytes;	/* in the expanded block */
	uint32_t raw_bytes;	/* of the payload, when it is expanded */
	uint32_t encoding;	/* enum payload_encoding */
};

struct segment {
	uint32_t n, raw_bytes, packed_bytes, encoding;
	const uint8_t *index, *block;
};

/*
 * Collects payloads: segment_begin(), segment_add() each, segment_end().
 * One at a time; adding returns -1 when the segment is full or out of memory.
 */
struct segment_writer {
	uint32_t n;
	struct packer index, text;
};
void segment_begin(struct segment_writer *);
/* The offset is filled in; the payload has member->bytes. */
int segment_add(struct segment_writer *, const struct segment_member *,
    const void *payload);
/* Appends the finished segment to out; -1 without memory.  The writer is
 * empty again and keeps its buffers until segment_free(). */
int segment_end(struct segment_writer *, int level, struct packer *out);
void segment_free(struct segment_writer *);

/*
 * Check all but the block's inside; -1 if it is no segment.  The struct
 * points into the bytes.
 */
int segment_open(struct segment *, const void *, size_t);
/* The i-th member, i < n. */
struct segment_member segment_member(const struct segment *, uint32_t i);
/* Expand the block into out of raw_bytes; -1 if it is damaged. */
int segment_expand(const struct segment *, void *out);

#endif
