/*
 * Where a text is cut into the parts that fit Telegram's limits.
 */
#ifndef FORMAT_SPLIT_H
#define FORMAT_SPLIT_H

#include <stddef.h>

#define SPLIT_TEXT_UNITS 4096	 /* Bot API: message text after parsing */
#define SPLIT_CAPTION_UNITS 1024 /* Bot API: caption after parsing */

struct split_part {
	size_t begin, end; /* bytes of the text */
};

/*
 * Cut valid UTF-8 into parts of at most units UTF-16 units each, the first of
 * at most first.  Cuts at a paragraph, else a line, else a space, else a
 * boundary between two characters as people see them, else between two code
 * points, as late as is reasonable for each.  White space at a cut is dropped
 * (but not the indentation of a line), and so is a part without ink.
 * Returns the number of parts, of which at most max are stored; max + 1 if
 * there would be more.
 */
size_t split_text(const char *, size_t len, size_t first, size_t units,
    struct split_part *, size_t max);

/*
 * The same decision once: the end of a first part of at most units units,
 * without the white space before the cut; *next is where the rest begins.
 */
size_t split_cut(const char *, size_t len, size_t units, size_t *next);

#endif
