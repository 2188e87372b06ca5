/*
 * The frame header, as it is on the wire between two processes of one build
 * on one host.  Encoding and the checks of a received header; no I/O.
 */
#ifndef IPC_FRAME_H
#define IPC_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "ipc/messages.h"

#define FRAME_VERSION 1
#define FRAME_MEMFD 0x01 /* the payload is in the memfd that comes along */
#define FRAME_FD 0x02	 /* a descriptor for the handler comes along */

struct frame_header {
	uint8_t version;
	uint8_t flags;
	uint16_t type;
	uint32_t length; /* of the payload, in bytes, inline or in the memfd */
	uint64_t id;
	uint32_t generation;
	uint32_t reserved; /* zero */
};
_Static_assert(sizeof(struct frame_header) == 24, "no padding");

#define FRAME_INLINE_MAX 65536 /* larger payloads travel as memfd */

/* Why a header is refused. */
enum frame_error {
	FRAME_OK,
	FRAME_BAD_VERSION,
	FRAME_BAD_TYPE,
	FRAME_BAD_LENGTH,
	FRAME_BAD_SENDER,
	FRAME_BAD_FLAGS
};

struct msg_info {
	const char *name;
	uint32_t from, to; /* class masks */
	uint32_t min, max; /* payload bytes */
	uint32_t cost;
	bool fd; /* comes with a descriptor, always */
};

extern const struct msg_info msg_table[NMSGS];

/* May a frame with this header go from class from to class to? */
enum frame_error frame_check(const struct frame_header *,
    enum process_class from, enum process_class to);
const char *frame_strerror(enum frame_error);

#endif
