/*
 * Escaping; see escape.h.
 */
#include <stdlib.h>
#include <string.h>

#include "workers/queue/escape.h"

#define ESCAPED_MAX 5 /* bytes of "&amp;" */

static const char *escape_of(const unsigned char *, size_t *);

/* What stands for the character at s in a text for people, NULL: itself. */
static const char *
escape_of(const unsigned char *s, size_t *width)
{
	*width = 1;
	switch (*s) {
	case '<':
		return ("&lt;");
	case '>':
		return ("&gt;");
	case '&':
		return ("&amp;");
	}
	/* U+202A..U+202E and U+2066..U+2069 turn the text around. */
	if (s[0] == 0xe2 && ((s[1] == 0x80 && s[2] >= 0xaa && s[2] <= 0xae) ||
	    (s[1] == 0x81 && s[2] >= 0xa6 && s[2] <= 0xa9))) {
		*width = 3;
		return ("\xef\xbf\xbd");
	}
	return (NULL);
}

size_t
escape_fit(const char *text, size_t max)
{
	size_t len = strnlen(text, max);

	while (len > 0 && text[len] != '\0' &&
	    ((unsigned char)text[len] & 0xc0) == 0x80)
		len--;
	return (len);
}

char *
escape_html(const char *text, size_t max)
{
	size_t len = escape_fit(text, max), n = 0, width;
	char *out;

	if ((out = malloc(len * ESCAPED_MAX + sizeof("…"))) == NULL)
		return (NULL);
	for (size_t i = 0; i < len; i += width) {
		const char *e = escape_of((const unsigned char *)text + i,
		    &width);

		if (e == NULL)
			out[n++] = text[i];
		else
			n += strlcpy(out + n, e, ESCAPED_MAX + 1);
	}
	strlcpy(out + n, text[len] == '\0' ? "" : "…", sizeof("…"));
	return (out);
}
