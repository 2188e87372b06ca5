/*
 * The files that an event brings along.
 */
#ifndef ANALYZE_ATTACH_H
#define ANALYZE_ATTACH_H

#include <stdbool.h>

struct json_object;

/*
 * Bring the event's "attachments" into the form that all later steps know: an
 * array of {"name","content_base64"} for files and {"name","error"} for what
 * cannot be sent, at most ATTACHMENTS_MAX of the former; or no such key.
 * Names are file names: no path, nothing that cannot be seen.
 * Returns 0, or -1 without memory.
 */
int attach_normalise(struct json_object *event);

/* Has this event, normalised, a file to be sent? */
bool attach_any(struct json_object *event);

/* Take the attachments out of the event (NULL: it has none), and put them
 * back; -1 without memory.  Their Base64 is no text to be looked at. */
struct json_object *attach_take(struct json_object *event);
int attach_give(struct json_object *event, struct json_object *attachments);

/* Mask the secrets in names, and in files that are text, and count them in
 * *masked; -1 without memory. */
int attach_redact(struct json_object *attachments, unsigned int *masked);

#endif
