/*
 * UTF-8 (RFC 3629: no surrogates, no overlong forms, up to U+10FFFF).
 */
#ifndef COMMON_UTF8_H
#define COMMON_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes of the valid character at p, of at most len; 0 if it is none. */
size_t utf8_char(const char *p, size_t len);
/*
 * Is this text that may be shown as it is: valid, and without control
 * characters except tab and newline?
 */
bool utf8_clean(const char *, size_t len);
/*
 * Bytes at the start that are printable ASCII and none of stops, of which
 * there are at most UTF8_STOPS.
 */
#define UTF8_STOPS 4
size_t utf8_plain(const char *, size_t len, const char *stops);
/*
 * A malloc'd, NUL-terminated copy that is clean: a run of invalid bytes
 * becomes one U+FFFD, CR LF and CR become LF, terminal control sequences
 * (ESC [ …) and all other control characters go.  At most twice as long as
 * the text plus 4.  NULL when out of memory.
 */
char *utf8_scrub(const char *, size_t len, size_t *outlen);

#endif
