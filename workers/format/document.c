/*
 * Naming the document that carries a text too long for messages.  Pure.
 */
#include <ctype.h>

#include "workers/format/document.h"
#include "workers/format/utf.h"

#define NAME_BYTES 60

/* Beyond ASCII all but spaces, marks without ink, punctuation and symbols of
 * U+2000..U+2BFF, and what may be private or undefined. */
static bool
fit_for_name(uint32_t cp, bool valid)
{
	if (cp < 0x80)
		return (isalnum((int)cp) || cp == '-' || cp == '_' ||
		    cp == '.');
	return (valid && cp >= 0xc0 && cp < 0xd800 && !utf_blank(cp) &&
	    !(cp >= 0x2000 && cp <= 0x2bff));
}

static void
add_name(struct buf *b, struct span s)
{
	size_t at = 0, width;
	uint32_t cp;
	bool valid;

	while (at < s.len) {
		width = utf_decode(s.p + at, s.len - at, &cp, &valid);
		if (b->len + width > NAME_BYTES)
			break;
		if (fit_for_name(cp, valid) && (cp != '.' || b->len > 0))
			buf_add(b, s.p + at, width);
		else if (b->len > 0 && b->p[b->len - 1] != '-')
			buf_lit(b, "-");
		at += width;
	}
	while (b->len > 0 &&
	    (b->p[b->len - 1] == '-' || b->p[b->len - 1] == '.'))
		b->len--;
}

void
document_name(struct buf *b, struct span title, struct span task)
{
	buf_reset(b);
	add_name(b, title);
	if (b->len == 0)
		add_name(b, task);
	if (b->len == 0)
		buf_lit(b, "event");
	buf_add(b, ".txt", sizeof(".txt"));
}
