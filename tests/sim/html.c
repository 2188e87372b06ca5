/*
 * html.c - the HTML style of the Bot API: the documented tags, attributes
 * and character references, with the error texts that the real service
 * gives.  Pure.
 *
 * The text is written over a copy of the source, since it never grows: a
 * reference is at least as long as the character it stands for.
 */
#include "config.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tests/sim/buf.h"
#include "tests/sim/rich.h"

#define TAG_MAX	16

struct open_tag {
	char		 name[TAG_MAX];
	char		*arg;		/* href, language, class, emoji id */
	size_t		 offset;	/* in UTF-16 units */
	size_t		 at;		/* in bytes of the result */
};

struct html {
	const char		*s;
	size_t			 len;
	size_t			 i;
	size_t			 units;
	struct rich		*r;
	struct rich_error	*error;
	struct open_tag		*open;
	size_t			 nopen;
};

static const struct {
	const char	*name;
	enum rich_type	 type;
	const char	*attr;		/* the attribute that matters */
	const char	*prefix;	/* which its value must have */
} tags[] = {
	{ "b",		RICH_BOLD,	NULL,		NULL },
	{ "strong",	RICH_BOLD,	NULL,		NULL },
	{ "i",		RICH_ITALIC,	NULL,		NULL },
	{ "em",		RICH_ITALIC,	NULL,		NULL },
	{ "u",		RICH_UNDERLINE,	NULL,		NULL },
	{ "ins",	RICH_UNDERLINE,	NULL,		NULL },
	{ "s",		RICH_STRIKE,	NULL,		NULL },
	{ "strike",	RICH_STRIKE,	NULL,		NULL },
	{ "del",	RICH_STRIKE,	NULL,		NULL },
	{ "tg-spoiler",	RICH_SPOILER,	NULL,		NULL },
	{ "span",	RICH_SPOILER,	"class",	"tg-" },
	{ "blockquote",	RICH_QUOTE,	"expandable",	"" },
	{ "code",	RICH_CODE,	"class",	"language-" },
	{ "pre",	RICH_PRE,	NULL,		NULL },
	{ "a",		RICH_LINK,	"href",		"" },
	{ "tg-emoji",	RICH_EMOJI,	"emoji-id",	"" },
};

static int	attribute(struct html *, size_t, const char *, struct buf *,
		    struct buf *);
static int	close_tag(struct html *, size_t);
static void	end_entity(struct html *, struct open_tag *, size_t);
static int	fail(struct html *, const char *, ...)
		    __attribute__((__format__(printf, 2, 3)));
static int	is_space(char);
static size_t	find_tag(const char *);
static int	open_tag(struct html *, size_t);
static uint32_t	reference(const char *, size_t, size_t *);
static void	skip_space(struct html *);
static int	value(struct html *, size_t, struct buf *);

static int
fail(struct html *h, const char *fmt, ...)
{
	va_list	ap;

	va_start(ap, fmt);
	(void)vsnprintf(h->error->text, sizeof(h->error->text), fmt, ap);
	va_end(ap);
	return (-1);
}

static int
is_space(char c)
{
	return (c == ' ' || c == '\t' || c == '\r' || c == '\n' ||
	    c == '\0' || c == '\v');
}

static void
skip_space(struct html *h)
{
	while (h->i < h->len && is_space(h->s[h->i]))
		h->i++;
}

static size_t
find_tag(const char *name)
{
	size_t	i;

	for (i = 0; i < nitems(tags); i++)
		if (strcmp(tags[i].name, name) == 0)
			break;
	return (i);
}

/*
 * The character that the reference at *pos stands for, which is moved
 * behind it; 0 if that is none that Telegram knows, then it is text.
 */
static uint32_t
reference(const char *s, size_t len, size_t *pos)
{
	static const struct {
		const char	*name;
		uint32_t	 cp;
	} names[] = {
		{ "lt", '<' }, { "gt", '>' }, { "amp", '&' }, { "quot", '"' }
	};
	size_t		 end = *pos + 1, i, n;
	uint32_t	 cp = 0, base = 10, digit;

	if (end < len && s[end] == '#') {
		if (++end < len && s[end] == 'x') {
			base = 16;
			end++;
		}
		for (; end < len; end++) {
			if (isdigit((unsigned char)s[end]))
				digit = (uint32_t)(s[end] - '0');
			else if (base == 16 && isxdigit((unsigned char)s[end]))
				digit = (uint32_t)(tolower((unsigned char)
				    s[end]) - 'a' + 10);
			else
				break;
			if (cp <= 0x10ffff)
				cp = cp * base + digit;
		}
		if (cp == 0 || cp >= 0x10ffff || end - *pos >= 10 ||
		    (cp >= 0xd800 && cp <= 0xdfff))
			return (0);
	} else {
		while (end < len && isalpha((unsigned char)s[end]))
			end++;
		n = end - *pos - 1;
		for (i = 0; i < nitems(names); i++)
			if (strlen(names[i].name) == n &&
			    memcmp(names[i].name, s + *pos + 1, n) == 0)
				cp = names[i].cp;
		if (cp == 0)
			return (0);
	}
	*pos = end < len && s[end] == ';' ? end + 1 : end;
	return (cp);
}

/* The value of an attribute, quoted or a name token. */
static int
value(struct html *h, size_t begin, struct buf *out)
{
	char		 quote, tmp[4];
	size_t		 start = h->i;
	uint32_t	 cp;

	quote = h->s[h->i];
	if (quote != '"' && quote != '\'') {
		while (h->i < h->len && (isalnum((unsigned char)h->s[h->i]) ||
		    h->s[h->i] == '.' || h->s[h->i] == '-'))
			buf_putc(out, (char)tolower(
			    (unsigned char)h->s[h->i++]));
		if (h->i < h->len && !is_space(h->s[h->i]) &&
		    h->s[h->i] != '>')
			return (fail(h, "Unexpected end of name token at byte "
			    "offset %zu", start));
	} else {
		h->i++;
		while (h->i < h->len && h->s[h->i] != quote) {
			if (h->s[h->i] == '&' &&
			    (cp = reference(h->s, h->len, &h->i)) != 0)
				buf_add(out, tmp, utf8_put(tmp, cp));
			else
				buf_putc(out, h->s[h->i++]);
		}
		h->i++;
	}
	if (h->i >= h->len)
		return (fail(h, "Unclosed start tag at byte offset %zu",
		    begin));
	return (0);
}

/* One attribute: its name and value. */
static int
attribute(struct html *h, size_t begin, const char *tag, struct buf *name,
    struct buf *val)
{
	size_t	start = h->i;

	while (h->i < h->len && !is_space(h->s[h->i]) &&
	    h->s[h->i] != '=' && h->s[h->i] != '>')
		h->i++;
	if (h->i == start)
		return (fail(h, "Empty attribute name in the tag \"%s\" at "
		    "byte offset %zu", tag, begin));
	buf_clear(name);
	buf_clear(val);
	buf_add(name, h->s + start, h->i - start);
	buf_putc(name, '\0');
	skip_space(h);
	if (h->i >= h->len)
		return (fail(h, "Unclosed start tag \"%s\" at byte offset %zu",
		    tag, begin));
	if (h->s[h->i] == '=') {
		h->i++;
		skip_space(h);
		if (h->i >= h->len)
			return (fail(h, "Unclosed start tag \"%s\" at byte "
			    "offset %zu", tag, begin));
		if (value(h, begin, val) == -1)
			return (-1);
	} else if (strcasecmp(name->p, "expandable") != 0)
		return (fail(h, "Expected equal sign in declaration of an "
		    "attribute of the tag \"%s\" at byte offset %zu", tag,
		    begin));
	buf_putc(val, '\0');
	return (0);
}

/* h->i is behind the '<' of a start tag, which is at begin. */
static int
open_tag(struct html *h, size_t begin)
{
	struct open_tag	*t;
	struct buf	 name = { 0 }, val = { 0 };
	char		 tag[TAG_MAX], *arg = NULL;
	size_t		 i, k, n;
	int		 error = 0;

	while (h->i < h->len && !is_space(h->s[h->i]) && h->s[h->i] != '>')
		h->i++;
	if (h->i >= h->len)
		return (fail(h, "Unclosed start tag at byte offset %zu",
		    begin));
	n = h->i - begin - 1;
	for (i = 0; i < n && i < sizeof(tag) - 1; i++)
		tag[i] = (char)tolower((unsigned char)h->s[begin + 1 + i]);
	tag[i] = '\0';
	if (n >= sizeof(tag) || (k = find_tag(tag)) == nitems(tags))
		return (fail(h, "Unsupported start tag \"%.*s\" at byte "
		    "offset %zu", (int)(n > 60 ? 60 : n), h->s + begin + 1,
		    begin));
	for (;;) {
		skip_space(h);
		if (h->i >= h->len)
			error = fail(h, "Unclosed start tag at byte offset "
			    "%zu", begin);
		if (error == -1 || h->s[h->i] == '>')
			break;
		if ((error = attribute(h, begin, tag, &name, &val)) == -1)
			break;
		if (tags[k].attr != NULL &&
		    strcasecmp(name.p, tags[k].attr) == 0 &&
		    strncmp(val.p, tags[k].prefix,
		    (n = strlen(tags[k].prefix))) == 0) {
			free(arg);
			arg = xstrdup(val.p + n);
		}
	}
	buf_free(&name);
	buf_free(&val);
	if (error == 0 && strcmp(tag, "span") == 0 &&
	    (arg == NULL || strcmp(arg, "spoiler") != 0))
		error = fail(h, "Tag \"span\" must have class \"tg-spoiler\" "
		    "at byte offset %zu", begin);
	if (error == -1) {
		free(arg);
		return (-1);
	}
	h->i++;
	h->open = xreallocarray(h->open, h->nopen + 1, sizeof(*h->open));
	t = &h->open[h->nopen++];
	(void)strlcpy(t->name, tag, sizeof(t->name));
	t->arg = arg;
	t->offset = h->units;
	t->at = h->r->len;
	return (0);
}

/*
 * Turn a closed tag into an entity.  <pre><code class="language-x"> is one
 * entity; a link without an address takes its text for that; a link that
 * is no web address is dropped silently, as the real service does.
 */
static void
end_entity(struct html *h, struct open_tag *t, size_t k)
{
	struct rich_entity	*last;
	size_t			 length = h->units - t->offset;
	enum rich_type		 type = tags[k].type;
	char			*arg = t->arg, *url;

	t->arg = NULL;
	last = h->r->nents == 0 ? NULL : &h->r->ents[h->r->nents - 1];
	if (type == RICH_QUOTE && arg != NULL)
		type = RICH_LONGQUOTE;
	if (type == RICH_PRE && last != NULL && last->type == RICH_CODE &&
	    last->extra != NULL && last->offset == t->offset &&
	    last->length == length) {
		last->type = RICH_PRE;
		free(arg);
		return;
	}
	if (type == RICH_LINK && (arg == NULL || *arg == '\0')) {
		free(arg);
		arg = xstrndup(h->r->text + t->at, h->r->len - t->at);
	}
	if (type == RICH_LINK) {
		url = rich_url(arg);
		free(arg);
		if ((arg = url) == NULL)
			return;
	}
	rich_add(h->r, type, t->offset, length, arg);
}

static int
close_tag(struct html *h, size_t begin)
{
	struct open_tag	*t;
	char		 found[TAG_MAX];
	size_t		 n, start;

	if (h->nopen == 0)
		return (fail(h, "Unexpected end tag at byte offset %zu",
		    begin));
	start = ++h->i;
	while (h->i < h->len && !is_space(h->s[h->i]) && h->s[h->i] != '>')
		h->i++;
	n = h->i - start;
	skip_space(h);
	if (h->i >= h->len || h->s[h->i] != '>')
		return (fail(h, "Unclosed end tag at byte offset %zu", begin));
	h->i++;
	t = &h->open[h->nopen - 1];
	if (n >= sizeof(found))
		n = sizeof(found) - 1;
	memcpy(found, h->s + start, n);
	found[n] = '\0';
	if (n > 0 && strcasecmp(found, t->name) != 0)
		return (fail(h, "Unmatched end tag at byte offset %zu, "
		    "expected \"</%s>\", found \"</%s>\"", begin, t->name,
		    found));
	if (h->units > t->offset)
		end_entity(h, t, find_tag(t->name));
	free(t->arg);
	h->nopen--;
	return (0);
}

int
html_parse(struct rich *r, const char *s, size_t len, struct rich_error *error)
{
	struct html	 h = { .s = s, .len = len, .r = r, .error = error };
	size_t		 begin, n;
	uint32_t	 cp;
	int		 ret = 0;

	r->text = xstrndup(s, len);
	while (ret == 0 && h.i < len) {
		if (s[h.i] == '&' && (cp = reference(s, len, &h.i)) != 0) {
			n = utf8_put(r->text + r->len, cp);
			h.units += utf8_units(r->text + r->len, n);
			r->len += n;
		} else if (s[h.i] != '<') {
			h.units += utf8_units(s + h.i, 1);
			r->text[r->len++] = s[h.i++];
		} else {
			begin = h.i++;
			if (h.i < len && s[h.i] == '/')
				ret = close_tag(&h, begin);
			else
				ret = open_tag(&h, begin);
		}
	}
	if (ret == 0 && h.nopen > 0)
		ret = fail(&h, "Can't find end tag corresponding to start tag "
		    "\"%s\"", h.open[h.nopen - 1].name);
	while (h.nopen > 0)
		free(h.open[--h.nopen].arg);
	free(h.open);
	r->text[r->len] = '\0';
	r->units = h.units;
	/* Only these three give back what stood in their attribute. */
	for (n = 0; n < r->nents; n++)
		if (r->ents[n].type != RICH_PRE &&
		    r->ents[n].type != RICH_LINK &&
		    r->ents[n].type != RICH_EMOJI) {
			free(r->ents[n].extra);
			r->ents[n].extra = NULL;
		}
	rich_sort(r);
	if (ret == -1)
		rich_free(r);
	return (ret);
}
