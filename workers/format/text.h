/*
 * A message as Telegram sees it: plain text and a list of entities on it.
 *
 * What is added is cleaned on the way in (see text_add), so plain is always
 * valid UTF-8 without control characters and may be measured, cut and put
 * into HTML without a second look.  Entities are properly nested because
 * they can only be opened and closed like brackets.
 */
#ifndef FORMAT_TEXT_H
#define FORMAT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

enum text_kind {
	TEXT_BOLD,
	TEXT_ITALIC,
	TEXT_CODE,
	TEXT_PRE,     /* argument: language, may be empty */
	TEXT_LINK,    /* argument: address */
	TEXT_QUOTE,
	TEXT_EXPANDABLE, /* a quotation that is folded at first */
	NTEXTKINDS
};

struct text_entity {
	uint32_t begin, end;  /* bytes of plain */
	uint32_t arg, arglen; /* bytes of args */
	enum text_kind kind;
};

#define TEXT_DEPTH 8 /* entities within entities */

struct text {
	struct buf plain, args;
	struct text_entity *entity;
	size_t nentities, maxentities;
	size_t open[TEXT_DEPTH];
	size_t depth;
	size_t max_bytes; /* of plain; what is added beyond it is dropped */
	bool guarded; /* show direction overrides as U+FFFD */
	bool cut;     /* something was dropped */
	bool failed;  /* out of memory; also if plain.failed or args.failed */
};

/* Empty it for another message of at most max_bytes of plain text. */
void text_reset(struct text *, size_t max_bytes, bool guarded);
void text_trim(struct text *, size_t keep);
void text_free(struct text *);
bool text_failed(const struct text *);

/*
 * Add text exactly as it is, but what is not UTF-8 as U+FFFD, control
 * characters (C0 but \n and \t, DEL, C1) not at all, and, if guarded,
 * direction overrides and isolates (U+202A..U+202E, U+2066..U+2069) as
 * U+FFFD, so that nobody approves what reads otherwise than it is.
 */
void text_add(struct text *, const char *, size_t);
void text_adds(struct text *, const char *);
void text_addf(struct text *, const char *, ...)
    __attribute__((format(printf, 2, 3)));
#define text_lit(t, s) text_add((t), (s), sizeof(s) - 1)

/*
 * The same as one line (a run of white space becomes one space) of at most so
 * many UTF-16 units, with "…" in place of what did not fit.
 */
void text_add_line(struct text *, const char *, size_t, size_t units);

/*
 * Open an entity; text_end() closes the one that was opened last.  An entity
 * that Telegram does not allow there (any in code or pre, a quotation in a
 * quotation) or nested too deeply is left out, with its end.
 */
void text_begin(struct text *, enum text_kind, const char *arg,
    size_t arglen);
void text_end(struct text *);

/* Bytes begin..end of plain as HTML, entities cut and reopened to fit. */
void text_html(const struct text *, size_t begin, size_t end, struct buf *);

#endif
