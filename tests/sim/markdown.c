/*
 * markdown.c - the old Markdown style of the Bot API, which older clients
 * still use: four marks, no nesting, few escapes.  Pure.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/buf.h"
#include "tests/sim/rich.h"

struct markdown {
	const char	*s;
	size_t		 len;
	size_t		 i;
	struct rich	*r;
};

static int	entity(struct markdown *);
static char	*language(struct markdown *);
static char	*link_url(struct markdown *, size_t);
static int	pre_mark(const struct markdown *);
static void	put(struct markdown *);

static void
put(struct markdown *m)
{
	m->r->units += utf8_units(m->s + m->i, 1);
	m->r->text[m->r->len++] = m->s[m->i++];
}

static int
pre_mark(const struct markdown *m)
{
	return (m->len - m->i >= 3 && memcmp(m->s + m->i, "```", 3) == 0);
}

/* The language of a code block and the line break behind it. */
static char *
language(struct markdown *m)
{
	size_t	end = m->i;
	char	*lang = NULL;

	while (end < m->len && strchr(" \t\r\n`", m->s[end]) == NULL)
		end++;
	if (end != m->i && end < m->len && m->s[end] != '`') {
		lang = xstrndup(m->s + m->i, end - m->i);
		m->i = end;
	}
	if (m->i < m->len && m->s[m->i] == '\r')
		m->i++;
	if (m->i < m->len && m->s[m->i] == '\n')
		m->i++;
	return (lang);
}

/* The address behind the text of a link, which began at this byte. */
static char *
link_url(struct markdown *m, size_t begin)
{
	size_t	start = m->i + 1;
	char	*raw, *url;

	if (m->i < m->len && m->s[m->i] == '(') {
		while (m->i < m->len && m->s[m->i] != ')')
			m->i++;
		raw = xstrndup(m->s + start, m->i - start);
		if (m->i < m->len)
			m->i++;
	} else
		raw = xstrndup(m->r->text + begin, m->r->len - begin);
	url = rich_url(raw);
	free(raw);
	return (url);
}

/* One entity; m->i is at its mark. */
static int
entity(struct markdown *m)
{
	char		 c = m->s[m->i], close = c == '[' ? ']' : c;
	size_t		 begin = m->r->len, offset = m->r->units;
	int		 pre = pre_mark(m);
	char		*extra = NULL;
	enum rich_type	 type;

	m->i += pre ? 3 : 1;
	if (pre)
		extra = language(m);
	while (m->i < m->len && (m->s[m->i] != close ||
	    (pre && !pre_mark(m))))
		put(m);
	if (m->i >= m->len) {
		free(extra);
		return (-1);
	}
	m->i += pre ? 3 : 1;
	type = pre ? RICH_PRE : c == '`' ? RICH_CODE : c == '*' ? RICH_BOLD :
	    c == '_' ? RICH_ITALIC : RICH_LINK;
	if (type == RICH_LINK)
		extra = link_url(m, begin);
	if (m->r->units == offset || (type == RICH_LINK && extra == NULL))
		free(extra);
	else
		rich_add(m->r, type, offset, m->r->units - offset, extra);
	return (0);
}

int
markdown_parse(struct rich *r, const char *s, size_t len,
    struct rich_error *error)
{
	struct markdown	m = { .s = s, .len = len, .r = r };
	size_t		begin;

	r->text = xstrndup(s, len);
	while (m.i < len) {
		begin = m.i;
		if (s[m.i] == '\\' && m.i + 1 < len && s[m.i + 1] != '\0' &&
		    strchr("_*`[", s[m.i + 1]) != NULL) {
			m.i++;
			put(&m);
		} else if (s[m.i] == '\0' || strchr("_*`[", s[m.i]) == NULL)
			put(&m);
		else if (entity(&m) == -1) {
			(void)snprintf(error->text, sizeof(error->text),
			    "Can't find end of the entity starting at byte "
			    "offset %zu", begin);
			rich_free(r);
			return (-1);
		}
	}
	r->text[r->len] = '\0';
	rich_sort(r);
	return (0);
}
