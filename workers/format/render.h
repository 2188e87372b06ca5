/*
 * The public face of the renderer: an event, a digest or a summary as JSON
 * in, the texts and documents that Telegram is to be sent out.
 *
 * Nothing that a producer wrote is ever interpreted as markup; all of an
 * event's title, description and data is shown, in either style.  Only
 * render_timezone() reads a file.  A renderer belongs to one thread.
 */
#ifndef FORMAT_RENDER_H
#define FORMAT_RENDER_H

#include <stddef.h>
#include <stdint.h>

#include "ipc/messages.h"

struct json_object;
struct render;

struct render_ask {
	enum format_what what;
	unsigned int flags; /* FMT_* of ipc/messages.h */
	int64_t started_ms; /* progress: wall clock of the task's first
			     * event, 0 unknown */
	int64_t now_ms;	    /* wall clock, 0 unknown */
	/* FMT_EVENT, FMT_PROGRESS: the normalised event.
	 * FMT_DIGEST, FMT_SUMMARY: {"members":[event…],"total":n}; of each
	 * member type, title, description, source, severity, timestamp. */
	struct json_object *json;
};

struct render_part {
	enum part_kind kind;
	const char *html; /* PART_TEXT: the text, PART_DOCUMENT: the caption;
			   * with a NUL behind it */
	size_t html_len;
	const char *name; /* PART_DOCUMENT: a file name, else "" */
	const char *document; /* its UTF-8 text, or the bytes of a file that
			       * the event brought; else NULL */
	size_t document_len;
};

/*
 * Parts are to be sent in this order; the first is always a text.  Buttons
 * belong to the last PART_TEXT.  The event's own files are the last parts,
 * without a caption.  A digest, a summary and a progress message are a
 * single part.  The closing form of a progress message tells how the
 * task ended and no more than the description and error of the event that
 * ended it, which has a message of its own.
 *
 * Options are the labels of an approval's buttons, clean text; the i-th is
 * that of data.options[i] (else data.response_options[i]), or else Approve
 * and Deny.
 */
struct render_result {
	size_t nparts;
	struct render_part part[PARTS_MAX];
	size_t noptions;
	const char *option[OPTIONS_MAX];
	uint32_t named; /* digest, summary: members that the text names */
};

/* Load a time zone, before the sandbox.  -1: no such zone, UTC is used. */
int render_timezone(const char *name);

struct render *render_new(void); /* NULL with errno */
void render_free(struct render *);

/*
 * Render.  What the result points to stays valid until the next call.  All
 * memory is bounded by a small multiple of the size of the JSON and of
 * RENDER_DOCUMENT_BYTES.  Returns 0, or -1 with errno = ENOMEM.
 */
int render(struct render *, const struct render_ask *,
    struct render_result *);

/* Give back what a large event made the renderer allocate. */
void render_trim(struct render *);

/* A document is at most this long; what is beyond is cut, and that is said. */
#define RENDER_DOCUMENT_BYTES (2U << 20)

#endif
