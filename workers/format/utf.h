/*
 * UTF-8 text measured as Telegram does, in UTF-16 units, and the places
 * where it may be cut.
 */
#ifndef FORMAT_UTF_H
#define FORMAT_UTF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UTF_REPLACEMENT 0xfffdU

/*
 * Decode the code point at p, of n > 0 bytes.  Returns its length in bytes;
 * for what is not UTF-8 (also surrogates, overlong forms, > U+10FFFF) the
 * length of the ill-formed part, with *cp = U+FFFD and *valid = false.
 */
size_t utf_decode(const char *p, size_t n, uint32_t *cp, bool *valid);

/* UTF-16 units of valid UTF-8. */
size_t utf16_length(const char *, size_t);

/*
 * The length in bytes of the longest prefix of valid UTF-8 that has at most
 * that many UTF-16 units and ends between two code points.
 */
size_t utf16_prefix(const char *, size_t len, size_t units);

/*
 * Is byte offset at (between two code points of valid UTF-8) also a boundary
 * between two characters as people see them?  Not before combining marks,
 * joiners, variation selectors and skin tones, not behind a joiner, not
 * within a flag.
 */
bool utf_boundary(const char *, size_t len, size_t at);

/* The nearest such boundary at or before at, but not below floor; at itself
 * if there is none. */
size_t utf_boundary_before(const char *, size_t len, size_t at,
    size_t floor);

/* Does the code point leave no ink?  Telegram refuses a message of those. */
bool utf_blank(uint32_t cp);
/* Is there nothing else in this valid UTF-8? */
bool utf_all_blank(const char *, size_t);

#endif
