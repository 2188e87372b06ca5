/*
 * Base64 (RFC 4648 section 4).
 */
#ifndef COMMON_BASE64_H
#define COMMON_BASE64_H

#include <sys/types.h>

#include <stddef.h>

/* Bytes of the text of len bytes, with its NUL; and at most of what a text of
 * len bytes stands for. */
#define BASE64_SIZE(len) (((len) + 2) / 3 * 4 + 1)
#define BASE64_BYTES(len) ((len) / 4 * 3 + 3)

/* Encode into BASE64_SIZE(len) bytes. */
void base64_encode(const void *, size_t len, char *out);

/*
 * Decode into BASE64_BYTES(len) bytes.  White space is passed over, and the
 * padding may be missing; anything else that does not belong there is an
 * error.  Returns the number of bytes, or -1.
 */
ssize_t base64_decode(const char *, size_t len, void *out);

#endif
