/*
 * Payloads that are too large for a frame: written to a memfd, sealed, and
 * passed as a descriptor.
 */
#ifndef IPC_MEMFD_H
#define IPC_MEMFD_H

#include <stddef.h>

/* A sealed memfd with the payload; -1 with errno. */
int memfd_payload(const void *data, size_t len);
/* Map a payload of exactly len bytes that its sender can no longer change;
 * NULL with errno if it could, or if the length is another.  To be unmapped
 * with munmap(2). */
const void *memfd_map(int fd, size_t len);

#endif
