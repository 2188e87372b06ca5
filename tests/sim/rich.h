/*
 * rich.h - text with entities, as Telegram understands it, and the parsers
 * that make it from HTML and MarkdownV2.  Offsets and lengths of entities
 * are in UTF-16 units; offsets in error texts are in bytes of the source.
 */
#ifndef SIM_RICH_H
#define SIM_RICH_H

#include <stddef.h>
#include <stdint.h>

struct buf;

/* In the order in which the Bot API lists entities of the same place. */
#define RICH_ENTITIES(X)						\
	X(QUOTE,	"blockquote",		NULL)			\
	X(LONGQUOTE,	"expandable_blockquote", NULL)			\
	X(PRE,		"pre",			"language")		\
	X(CODE,		"code",			NULL)			\
	X(COMMAND,	"bot_command",		NULL)			\
	X(LINK,		"text_link",		"url")			\
	X(BOLD,		"bold",			NULL)			\
	X(ITALIC,	"italic",		NULL)			\
	X(UNDERLINE,	"underline",		NULL)			\
	X(STRIKE,	"strikethrough",	NULL)			\
	X(SPOILER,	"spoiler",		NULL)			\
	X(EMOJI,	"custom_emoji",		"custom_emoji_id")

enum rich_type {
#define X(sym, name, extra) RICH_##sym,
	RICH_ENTITIES(X)
#undef X
	RICH_NTYPES
};

struct rich_entity {
	enum rich_type	 type;
	size_t		 offset;
	size_t		 length;
	char		*extra;		/* url, language or emoji id */
};

struct rich {
	char			*text;
	size_t			 len;		/* bytes */
	size_t			 units;		/* UTF-16 units */
	struct rich_entity	*ents;
	size_t			 nents;
};

struct rich_error {
	char	text[160];
};

/* Is it valid UTF-8 (no surrogates, nothing over U+10FFFF)? */
int	 utf8_valid(const char *, size_t);
/* Length in UTF-16 units of valid UTF-8. */
size_t	 utf8_units(const char *, size_t);
/* Append one code point as UTF-8 to p, return the number of bytes. */
size_t	 utf8_put(char *, uint32_t);

/*
 * Each fills an empty struct rich and returns 0, or -1 with the reason.
 * The source is valid UTF-8.  The result is freed with rich_free.
 */
int	 rich_plain(struct rich *, const char *, size_t);
int	 html_parse(struct rich *, const char *, size_t, struct rich_error *);
int	 mdv2_parse(struct rich *, const char *, size_t, struct rich_error *);
int	 markdown_parse(struct rich *, const char *, size_t,
	    struct rich_error *);

/* Cut white space at both ends, as the Bot API does; clips the entities. */
void	 rich_trim(struct rich *);
/* Append an entity; takes ownership of extra (may be NULL). */
void	 rich_add(struct rich *, enum rich_type, size_t, size_t, char *);
/*
 * The address of a link as the Bot API gives it back, with scheme and path;
 * NULL for what it silently does not take for one, such as hosts without a
 * dot.  The caller frees it.
 */
char	*rich_url(const char *);
/* Put the entities into the order of the Bot API: by offset, outer first. */
void	 rich_sort(struct rich *);
int	 rich_equal(const struct rich *, const struct rich *);
/* The entities as a JSON array. */
void	 rich_json(const struct rich *, struct buf *);
void	 rich_free(struct rich *);

#endif /* SIM_RICH_H */
