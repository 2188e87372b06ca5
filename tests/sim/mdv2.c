/*
 * mdv2.c - the MarkdownV2 style of the Bot API: nested marks, escapes,
 * quotes and the rule that reserved characters must be escaped, with the
 * error texts that the real service gives.  Pure.
 *
 * The text never grows against its source, so it is written to one buffer
 * of the same size.
 */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/buf.h"
#include "tests/sim/rich.h"

#define RESERVED	"_*[]()~`>#+-=|{}.!"
#define DEPTH_MAX	64

enum mark {
	MARK_BOLD, MARK_ITALIC, MARK_UNDERLINE, MARK_STRIKE, MARK_SPOILER,
	MARK_CODE, MARK_PRE, MARK_PRECODE, MARK_LINK, MARK_EMOJI
};

static const struct {
	const char	*name;		/* in error texts */
	const char	*close;
	enum rich_type	 type;
} marks[] = {
	[MARK_BOLD] =		{ "Bold",	"*",	RICH_BOLD },
	[MARK_ITALIC] =		{ "Italic",	"_",	RICH_ITALIC },
	[MARK_UNDERLINE] =	{ "Underline",	"__",	RICH_UNDERLINE },
	[MARK_STRIKE] =		{ "Strikethrough", "~",	RICH_STRIKE },
	[MARK_SPOILER] =	{ "Spoiler",	"||",	RICH_SPOILER },
	[MARK_CODE] =		{ "Code",	"`",	RICH_CODE },
	[MARK_PRE] =		{ "Pre",	"```",	RICH_PRE },
	[MARK_PRECODE] =	{ "PreCode",	"```",	RICH_PRE },
	[MARK_LINK] =		{ "TextUrl",	"]",	RICH_LINK },
	[MARK_EMOJI] =		{ "CustomEmoji", "]",	RICH_EMOJI },
};

struct open_mark {
	enum mark	 mark;
	char		*lang;		/* of MARK_PRECODE */
	size_t		 offset;	/* in UTF-16 units */
	size_t		 at;		/* byte in the source */
	size_t		 out;		/* byte in the result */
};

struct mdv2 {
	const char		*s;
	size_t			 len;
	size_t			 i;
	size_t			 units;
	struct rich		*r;
	struct rich_error	*error;
	struct open_mark	 open[DEPTH_MAX];
	size_t			 nopen;
	int			 may_quote;	/* no text on this line yet */
	int			 new_line;	/* right behind a line feed */
	int			 quoting;
	int			 long_quote;
	size_t			 quote;		/* offset of the open quote */
	size_t			 quote_depth;	/* marks around it */
};

static int	at(const struct mdv2 *, size_t, const char *);
static int	close_mark(struct mdv2 *);
static int	closes(const struct mdv2 *);
static void	end_quote(struct mdv2 *);
static int	fail(struct mdv2 *, const char *, ...)
		    __attribute__((__format__(printf, 2, 3)));
static char	*language(struct mdv2 *);
static int	link_url(struct mdv2 *, struct open_mark *, char **);
static int	open_mark(struct mdv2 *);
static int	push(struct mdv2 *, enum mark, size_t);
static void	put(struct mdv2 *);
static int	quote_line(struct mdv2 *);
static int	step(struct mdv2 *);
static int	verbatim(const struct mdv2 *);

static int
fail(struct mdv2 *m, const char *fmt, ...)
{
	va_list	ap;

	va_start(ap, fmt);
	(void)vsnprintf(m->error->text, sizeof(m->error->text), fmt, ap);
	va_end(ap);
	return (-1);
}

/* Does the source at byte i begin with this? */
static int
at(const struct mdv2 *m, size_t i, const char *what)
{
	size_t	n = strlen(what);

	return (i <= m->len && m->len - i >= n &&
	    memcmp(m->s + i, what, n) == 0);
}

/* Copy one byte of text. */
static void
put(struct mdv2 *m)
{
	char	c = m->s[m->i++];

	m->units += utf8_units(&c, 1);
	m->r->text[m->r->len++] = c;
}

/* Inside of code nothing but its end is markup. */
static int
verbatim(const struct mdv2 *m)
{
	enum mark	top;

	if (m->nopen == 0)
		return (0);
	top = m->open[m->nopen - 1].mark;
	return (top == MARK_CODE || top == MARK_PRE || top == MARK_PRECODE);
}

/* Does the innermost mark end here? */
static int
closes(const struct mdv2 *m)
{
	enum mark	top;

	if (m->nopen == 0)
		return (0);
	top = m->open[m->nopen - 1].mark;
	/* An underscore of a pair belongs to the underline mark. */
	if (top == MARK_ITALIC && at(m, m->i, "__"))
		return (0);
	return (at(m, m->i, marks[top].close));
}

static int
push(struct mdv2 *m, enum mark mark, size_t skip)
{
	struct open_mark	*o;

	if (m->nopen == DEPTH_MAX)
		return (fail(m, "Too many nested entities at byte offset %zu",
		    m->i));
	o = &m->open[m->nopen++];
	o->mark = mark;
	o->lang = NULL;
	o->offset = m->units;
	o->at = m->i;
	o->out = m->r->len;
	m->i += skip;
	if (mark != MARK_PRE)
		return (0);
	if ((o->lang = language(m)) != NULL)
		o->mark = MARK_PRECODE;
	return (0);
}

/*
 * The language behind the opening of a code block, which ends at white
 * space; the line break behind it is not part of the code.
 */
static char *
language(struct mdv2 *m)
{
	size_t	end = m->i;
	char	*lang = NULL;

	while (end < m->len && strchr(" \t\r\n`", m->s[end]) == NULL)
		end++;
	if (end != m->i && end < m->len && m->s[end] != '`') {
		lang = xstrndup(m->s + m->i, end - m->i);
		m->i = end;
	}
	if (m->i < m->len && (m->s[m->i] == '\n' || m->s[m->i] == '\r')) {
		if (m->i + 1 < m->len && m->s[m->i] != m->s[m->i + 1] &&
		    (m->s[m->i + 1] == '\n' || m->s[m->i + 1] == '\r'))
			m->i++;
		m->i++;
	}
	return (lang);
}

static int
open_mark(struct mdv2 *m)
{
	char	c = m->s[m->i];

	switch (c) {
	case '_':
		if (at(m, m->i, "__"))
			return (push(m, MARK_UNDERLINE, 2));
		return (push(m, MARK_ITALIC, 1));
	case '*':
		return (push(m, MARK_BOLD, 1));
	case '~':
		return (push(m, MARK_STRIKE, 1));
	case '|':
		if (at(m, m->i, "||"))
			return (push(m, MARK_SPOILER, 2));
		break;
	case '[':
		return (push(m, MARK_LINK, 1));
	case '!':
		if (at(m, m->i, "!["))
			return (push(m, MARK_EMOJI, 2));
		break;
	case '`':
		if (at(m, m->i, "```"))
			return (push(m, MARK_PRE, 3));
		return (push(m, MARK_CODE, 1));
	}
	return (fail(m, "Character '%c' is reserved and must be escaped with "
	    "the preceding '\\'", c));
}

/* The address behind a link's text; without one the text is it. */
static int
link_url(struct mdv2 *m, struct open_mark *o, char **url)
{
	struct buf	 b = { 0 };
	size_t		 start = m->i;
	int		 emoji = o->mark == MARK_EMOJI;

	*url = NULL;
	if (m->i >= m->len || m->s[m->i] != '(') {
		if (emoji)
			return (fail(m, "Custom emoji entity must contain a "
			    "tg://emoji URL"));
		*url = xstrndup(m->r->text + o->out, m->r->len - o->out);
		return (0);
	}
	for (m->i++; m->i < m->len && m->s[m->i] != ')'; m->i++) {
		if (m->s[m->i] == '\\' && m->i + 1 < m->len &&
		    m->s[m->i + 1] > 0 && m->s[m->i + 1] <= 126)
			m->i++;
		buf_putc(&b, m->s[m->i]);
	}
	if (m->i >= m->len) {
		buf_free(&b);
		return (fail(m, "Can't find end of a%s URL at byte offset %zu",
		    emoji ? " custom emoji" : "", start + 1));
	}
	m->i++;
	buf_putc(&b, '\0');
	*url = b.p;
	return (0);
}

static int
close_mark(struct mdv2 *m)
{
	struct open_mark	 o = m->open[m->nopen - 1];
	enum rich_type		 type = marks[o.mark].type;
	char			*extra = o.lang, *id, *url;

	m->i += strlen(marks[o.mark].close);
	m->nopen--;
	if (o.mark == MARK_LINK || o.mark == MARK_EMOJI) {
		if (link_url(m, &o, &extra) == -1)
			return (-1);
	}
	if (o.mark == MARK_EMOJI) {
		if ((id = strstr(extra, "id=")) == NULL ||
		    strncmp(extra, "tg://emoji?", 11) != 0) {
			free(extra);
			return (fail(m, "Custom emoji URL must have an emoji "
			    "identifier"));
		}
		memmove(extra, id + 3, strlen(id + 3) + 1);
		extra[strspn(extra, "0123456789")] = '\0';
	}
	if (o.mark == MARK_LINK) {
		url = rich_url(extra);
		free(extra);
		extra = url;
	}
	/* Neither empty entities nor links to nowhere are an error. */
	if (m->units == o.offset || (o.mark == MARK_LINK && extra == NULL)) {
		free(extra);
		return (0);
	}
	rich_add(m->r, type, o.offset, m->units - o.offset, extra);
	return (0);
}

static void
end_quote(struct mdv2 *m)
{
	if (m->units > m->quote)
		rich_add(m->r, m->long_quote ? RICH_LONGQUOTE : RICH_QUOTE,
		    m->quote, m->units - m->quote, NULL);
	m->quoting = m->long_quote = 0;
}

/*
 * At the start of a line: begin, continue or end a quote.  "**>" ends one
 * quote and begins the next.  Marks opened in a quote must end there, too.
 * Returns 1 if it took something, -1 on failure.
 */
static int
quote_line(struct mdv2 *m)
{
	int	fresh = at(m, m->i, "**>"), more = at(m, m->i, ">");

	if (m->quoting && m->new_line && !more) {
		if (m->nopen > m->quote_depth)
			return (fail(m, "Can't find end of %s entity at byte "
			    "offset %zu", marks[m->open[m->nopen - 1].mark]
			    .name, m->open[m->nopen - 1].at));
		end_quote(m);
	}
	m->new_line = 0;
	if (!fresh && !more)
		return (0);
	m->may_quote = 0;
	m->i += fresh ? 3 : 1;
	if (!m->quoting) {
		m->quoting = 1;
		m->quote = m->units;
		m->quote_depth = m->nopen;
	}
	return (1);
}

/* One character or mark. */
static int
step(struct mdv2 *m)
{
	char	c = m->s[m->i];
	int	taken;

	if (m->may_quote && !verbatim(m) && (taken = quote_line(m)) != 0)
		return (taken == 1 ? 0 : -1);
	if (c == '\\' && m->i + 1 < m->len && m->s[m->i + 1] > 0 &&
	    m->s[m->i + 1] <= 126) {
		m->i++;
		m->may_quote = 0;
		put(m);
		return (0);
	}
	if (closes(m))
		return (close_mark(m));
	/* "||" at the end of a quoted line makes the quote collapsible. */
	if (m->quoting && !verbatim(m) && at(m, m->i, "||") &&
	    (m->i + 2 == m->len || at(m, m->i + 2, "\n") ||
	    at(m, m->i + 2, "\r\n"))) {
		m->i += 2;
		m->long_quote = 1;
		return (0);
	}
	/* In code all is text, but a lone backtick must be escaped there. */
	if (c == '\0' || strchr(RESERVED, c) == NULL ||
	    (verbatim(m) && c != '`')) {
		m->new_line = c == '\n';
		m->may_quote = c == '\n' || c == '\r';
		put(m);
		return (0);
	}
	return (open_mark(m));
}

int
mdv2_parse(struct rich *r, const char *s, size_t len, struct rich_error *error)
{
	struct mdv2	 m = { .s = s, .len = len, .r = r, .error = error,
			    .may_quote = 1 };
	struct open_mark *o;
	int		 ret = 0;

	error->text[0] = '\0';
	r->text = xstrndup(s, len);
	while (ret == 0 && m.i < len)
		ret = step(&m);
	if (ret == 0 && m.nopen > 0) {
		o = &m.open[m.nopen - 1];
		ret = fail(&m, "Can't find end of %s entity at byte offset "
		    "%zu", marks[o->mark].name, o->at);
	}
	if (ret == 0 && m.quoting)
		end_quote(&m);
	while (m.nopen > 0)
		free(m.open[--m.nopen].lang);
	r->text[r->len] = '\0';
	r->units = m.units;
	rich_sort(r);
	if (ret == -1)
		rich_free(r);
	return (ret);
}
