/*
 * The files of an event: documents of their own behind its text.
 */
#ifndef FORMAT_ATTACH_H
#define FORMAT_ATTACH_H

#include <stddef.h>

#include "ipc/messages.h"
#include "common/buf.h"

struct json_object;
struct layout;

struct attached {
	size_t name, content, len; /* where they are in the buffer, and bytes
				    * of the content */
};

/* Lines about what could not be attached. */
void attach_layout(struct layout *);

/* Decode the files into the buffer, names with a NUL; returns how many. */
size_t attach_decode(struct json_object *event, struct buf *,
    struct attached[ATTACHMENTS_MAX]);

#endif
