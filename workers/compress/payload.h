/*
 * Compression of one payload: lz4 blocks, with a built-in dictionary of what
 * events have in common for the small ones.  Pure; linked by cctg-compress
 * and by whoever expands for itself.
 */
#ifndef COMPRESS_PAYLOAD_H
#define COMPRESS_PAYLOAD_H

#include <stddef.h>
#include <stdint.h>

#include "ipc/messages.h"

/* Smaller payloads are packed with the dictionary; in larger ones it makes
 * no difference (below 1 % from here on). */
#define PAYLOAD_DICT_MAX (16U << 10)

/* Room that payload_pack() may need for so many bytes. */
size_t payload_bound(size_t raw_bytes);
/*
 * Pack raw_bytes into out, which has room for payload_bound() of them.  level
 * is compression.level: 1 the best that lz4 does fast, higher is faster
 * and larger (the acceleration of lz4).  Returns how it is encoded and the
 * length through *packed_bytes; ENC_RAW, with nothing in out, if packing
 * would not save anything.
 */
enum payload_encoding payload_pack(const void *raw, size_t raw_bytes,
    int level, void *out, size_t *packed_bytes);
/*
 * Expand into out exactly raw_bytes.  Returns 0, or -1 if that is not what
 * the packed bytes hold; then out may have been written to.
 */
int payload_expand(unsigned int encoding, const void *packed,
    size_t packed_bytes, void *out, size_t raw_bytes);

/*
 * The dictionary.  Payloads on disk need exactly this text: it never changes.
 * A better one gets an encoding of its own.
 */
extern const char payload_dictionary[];
extern const size_t payload_dictionary_bytes;

#endif
