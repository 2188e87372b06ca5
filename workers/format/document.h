/*
 * The file name of a document.
 */
#ifndef FORMAT_DOCUMENT_H
#define FORMAT_DOCUMENT_H

#include "ipc/pack.h"
#include "common/buf.h"

/*
 * A file name made from the title, else the task, else "event", with ".txt":
 * letters, digits and "-_." alone (of any script), at most 60 bytes before
 * the suffix, never beginning with a dot.  NUL-terminated in the buffer.
 */
void document_name(struct buf *, struct span title, struct span task);

#endif
