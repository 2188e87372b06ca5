/*
 * Texts of others for Telegram's HTML.  Pure but for memory.
 */
#ifndef QUEUE_ESCAPE_H
#define QUEUE_ESCAPE_H

#include <stddef.h>

/* How many bytes, at most max, end before or at a character's end. */
size_t escape_fit(const char *text, size_t max);
/*
 * Escaped, cut to about max bytes at a character, with "…" then; what turns
 * the text around is replaced.  malloc'd; NULL if there is no memory.
 */
char *escape_html(const char *text, size_t max);

#endif
