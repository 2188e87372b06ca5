/*
 * Cutting a text into parts that Telegram takes.  Pure functions on plain
 * UTF-8; the entities are cut along by text_html().
 */
#include <string.h>

#include "workers/format/split.h"
#include "workers/format/utf.h"

/* How far to look back for a boundary between characters: more marks than
 * this on one letter are an attack on renderers, not writing. */
#define CHARACTER_BYTES 256

static size_t last_paragraph(const char *, size_t, size_t);
static size_t last_byte(const char *, size_t, size_t, char);

static bool
white(char c)
{
	return (c == ' ' || c == '\n' || c == '\t');
}

/* The last "\n\n" that begins in from..to, else 0. */
static size_t
last_paragraph(const char *p, size_t from, size_t to)
{
	size_t at = to;

	while ((at = last_byte(p, from, at, '\n')) > 0)
		if (p[at + 1] == '\n')
			return (at);
	return (0);
}

/* The last such byte in from..to (to not included), else 0. */
static size_t
last_byte(const char *p, size_t from, size_t to, char c)
{
	const char *hit;

	if (to <= from)
		return (0);
	hit = memrchr(p + from, c, to - from);
	return (hit != NULL ? (size_t)(hit - p) : 0);
}

size_t
split_cut(const char *p, size_t len, size_t units, size_t *next)
{
	size_t fit, at, end;

	if ((fit = utf16_prefix(p, len, units)) == len)
		at = len;
	/* p[fit] exists: a separator may stand just behind what fits. */
	else if ((at = last_paragraph(p, fit / 2, fit)) == 0 &&
	    (at = last_byte(p, fit / 4, fit + 1, '\n')) == 0 &&
	    (at = last_byte(p, fit / 4, fit + 1, ' ')) == 0)
		at = utf_boundary_before(p, len, fit,
		    fit > CHARACTER_BYTES ? fit - CHARACTER_BYTES : 0);
	for (end = at; end > 0 && white(p[end - 1]); end--)
		;
	/* One space goes with the cut; line ends all, indentation stays. */
	if (at < len && p[at] == ' ')
		at++;
	while (at < len && p[at] == '\n')
		at++;
	*next = at;
	return (end);
}

size_t
split_text(const char *p, size_t len, size_t first, size_t units,
    struct split_part *part, size_t max)
{
	size_t at = 0, n = 0, end, next;

	while (at < len) {
		end = split_cut(p + at, len - at, n == 0 ? first : units,
		    &next);
		if (end > 0 && !utf_all_blank(p + at, end)) {
			if (n == max)
				return (max + 1);
			part[n].begin = at;
			part[n].end = at + end;
			n++;
		}
		at += next;
	}
	return (n);
}
