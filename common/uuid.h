/*
 * Identifiers.  UUIDv7 (RFC 9562 section 5.7) for new events: sorted by time,
 * so that the store's index grows at its right edge.
 */
#ifndef COMMON_UUID_H
#define COMMON_UUID_H

#include <stddef.h>
#include <stdint.h>

#define UUID_SIZE 37 /* with the NUL */

/* A new UUIDv7, monotonic within this process. */
void uuid_v7(char out[UUID_SIZE]);
/* A UUIDv8 (RFC 9562 section 5.8) from a hash of the bytes: the same bytes
 * give the same id. */
void uuid_from_bytes(char out[UUID_SIZE], const void *, size_t);
/* 64-bit FNV-1a hash, seeded with the hash so far (start: HASH64_INIT). */
#define HASH64_INIT 0xcbf29ce484222325ULL
uint64_t hash64(uint64_t seed, const void *, size_t);
/* Spread a hash: every bit of it reaches every bit of the result, 1 to 1. */
uint64_t hash64_mix(uint64_t);
/*
 * The key by which the store indexes an event's id: the first 64 bits of a
 * UUID (for a UUIDv7 that is its time, so that keys grow); otherwise a hash
 * of what comes before the digits at its end, then their number.
 */
int64_t uuid_index_key(const char *id, size_t len);

#endif
