/*
 * Typed writers and readers of message fields.
 *
 * A writer collects fields in a buffer that grows; a reader fails, and stays
 * failed, on a field that is not all there; pack_done() fails on left-over
 * bytes.  So a handler reads all fields and asks once at the end.
 */
#ifndef IPC_PACK_H
#define IPC_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct packer {
	uint8_t *buf;
	size_t len, size;
	bool failed; /* out of memory; sticky */
};

/* Make empty again, keeping the buffer for reuse. */
void pack_reset(struct packer *);
void pack_free(struct packer *);
void pack_u8(struct packer *, uint8_t);
void pack_u16(struct packer *, uint16_t);
void pack_u32(struct packer *, uint32_t);
void pack_u64(struct packer *, uint64_t);
void pack_i64(struct packer *, int64_t);
void pack_blob(struct packer *, const void *, size_t);
void pack_str(struct packer *, const char *); /* NULL counts as "" */

/* A field within a frame: not NUL-terminated, valid as long as the frame. */
struct span {
	const char *p;
	size_t len;
};

struct unpacker {
	const uint8_t *p, *end;
	bool failed;
};

void unpack_init(struct unpacker *, const void *, size_t);
uint8_t unpack_u8(struct unpacker *);
uint16_t unpack_u16(struct unpacker *);
uint32_t unpack_u32(struct unpacker *);
uint64_t unpack_u64(struct unpacker *);
int64_t unpack_i64(struct unpacker *);
struct span unpack_span(struct unpacker *); /* str or blob */
/* True if every field was there and nothing is left. */
bool unpack_done(const struct unpacker *);

/* A NUL-terminated copy of a span; NULL when out of memory. */
char *span_dup(struct span);
bool span_eq(struct span, const char *);

#endif
