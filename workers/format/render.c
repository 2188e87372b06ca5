/*
 * From JSON to what is sent: lays out, splits, makes HTML and documents.
 * Called by format.c for every QUEUE_FORMAT_ASK.  Must not open, read or
 * write anything.  Fails only for want of memory.
 */
#include <errno.h>
#include <json.h>
#include <stdlib.h>
#include <string.h>

#include "common/event.h"
#include "workers/format/attach.h"
#include "workers/format/digest.h"
#include "workers/format/document.h"
#include "workers/format/human.h"
#include "workers/format/layout.h"
#include "workers/format/split.h"
#include "workers/format/utf.h"

#define MARK " ↻"
#define MARK_UNITS 2

/* Room for the mark is always left, so that a repetition has the same parts
 * as the first attempt. */
#define FIRST_UNITS (SPLIT_TEXT_UNITS - MARK_UNITS)

/* So is room for the decision in the messages of an approval: it is put into
 * the last one, whose text must not move on to another. */
#define DECISION_UNITS 400

/* No text of TEXTS_MAX parts is longer: 3 bytes a unit, and white space that
 * falls away at the cuts. */
#define TEXTS_BYTES (TEXTS_MAX * SPLIT_TEXT_UNITS * 3 + 4096)

#define EXCERPT_UNITS 1500 /* of the message that goes with a document */
#define KEEP_BYTES (256U << 10)

struct render {
	struct text text, full, labels;
	struct buf html, name, files;
	size_t at[PARTS_MAX + 1]; /* where each part's HTML begins */
	size_t title_end;
};

static void begin_part(struct render *, struct render_result *,
    enum part_kind);
static void put_text(struct render *, const struct render_ask *,
    const struct text *, size_t, size_t);
static void render_document(struct render *, const struct render_ask *,
    struct render_result *);
static void render_event(struct render *, const struct render_ask *,
    struct render_result *);
static void render_files(struct render *, const struct render_ask *,
    struct render_result *);
static int render_digest(struct render *, const struct render_ask *,
    struct render_result *);

int
render_timezone(const char *name)
{
	return (human_set_timezone(name));
}

struct render *
render_new(void)
{
	show_init();
	return (calloc(1, sizeof(struct render)));
}

void
render_free(struct render *r)
{
	if (r == NULL)
		return;
	text_free(&r->text);
	text_free(&r->full);
	text_free(&r->labels);
	buf_free(&r->html);
	buf_free(&r->name);
	buf_free(&r->files);
	free(r);
}

void
render_trim(struct render *r)
{
	text_trim(&r->text, KEEP_BYTES);
	text_trim(&r->full, 0);
	buf_trim(&r->html, KEEP_BYTES);
	buf_trim(&r->files, 0);
}

static void
begin_part(struct render *r, struct render_result *result,
    enum part_kind kind)
{
	if (result->nparts > 0)
		buf_add(&r->html, "", 1);
	r->at[result->nparts] = r->html.len;
	result->part[result->nparts].kind = kind;
	result->part[result->nparts].name = "";
	result->nparts++;
}

/* HTML of a range that begins the message: the mark goes behind the title. */
static void
put_text(struct render *r, const struct render_ask *ask,
    const struct text *t, size_t begin, size_t end)
{
	size_t title = r->title_end < end ? r->title_end : end;

	if (!(ask->flags & FMT_RESENT) || begin > 0) {
		text_html(t, begin, end, &r->html);
		return;
	}
	text_html(t, 0, title, &r->html);
	buf_lit(&r->html, MARK);
	text_html(t, title, end, &r->html);
}

static void
lay_out(struct render *r, const struct render_ask *ask, struct text *t,
    size_t max_bytes, bool unclipped, struct layout *l)
{
	struct span type = layout_member(ask->json, "type");

	memset(l, 0, sizeof(*l));
	text_reset(t, max_bytes,
	    event_type_find(type.p) == ET_APPROVAL_REQUEST);
	l->text = t;
	l->ask = ask;
	l->event = ask->json;
	l->detailed = (ask->flags & FMT_DETAILED) != 0;
	l->unclipped = unclipped;
	layout_event(l);
	r->title_end = l->title_end;
}

/* The beginning, the options if any, and everything as a document. */
static void
render_document(struct render *r, const struct render_ask *ask,
    struct render_result *result)
{
	struct text *t = &r->full;
	size_t end, next, from;
	struct layout l;

	lay_out(r, ask, t, RENDER_DOCUMENT_BYTES, true, &l);
	if (text_failed(t))
		return;
	if (t->cut) {
		t->max_bytes += 128;
		text_lit(t, "\n\n… cut: the event has more text than a "
		    "document may carry.");
	}
	begin_part(r, result, PART_TEXT);
	end = split_cut(t->plain.p, t->plain.len, EXCERPT_UNITS, &next);
	put_text(r, ask, t, 0, end);
	buf_lit(&r->html, "…");
	if (l.options_end > end) {
		from = l.options_begin > end ? l.options_begin : end;
		buf_lit(&r->html, "\n\n");
		text_html(t, from, from + split_cut(t->plain.p + from,
		    l.options_end - from, EXCERPT_UNITS, &next), &r->html);
	}
	if (l.decision_begin > 0) {
		buf_lit(&r->html, "\n\n");
		text_html(t, l.decision_begin + strspn(t->plain.p +
		    l.decision_begin, "\n"), t->plain.len, &r->html);
	}
	buf_lit(&r->html, "\n\n📎 Full text attached");
	begin_part(r, result, PART_DOCUMENT);
	text_html(t, 0, split_cut(t->plain.p, l.title_end,
	    SPLIT_CAPTION_UNITS, &next), &r->html);
	document_name(&r->name, l.title, layout_member(ask->json, "task_id"));
	result->part[1].name = r->name.p;
	result->part[1].document = t->plain.p;
	result->part[1].document_len = t->plain.len;
}

static void
render_event(struct render *r, const struct render_ask *ask,
    struct render_result *result)
{
	struct split_part part[TEXTS_MAX];
	struct text *t = &r->text;
	size_t n, i, next, len, room = 0;
	struct layout l;

	lay_out(r, ask, t, TEXTS_BYTES, false, &l);
	if (text_failed(t))
		return;
	len = t->plain.len;
	if (l.type == ET_APPROVAL_REQUEST) {
		approval_labels(ask->json, &r->labels, result);
		room = DECISION_UNITS;
		if (l.decision_begin > 0)
			len = l.decision_begin;
	}
	n = split_text(t->plain.p, len, FIRST_UNITS - room,
	    SPLIT_TEXT_UNITS - room, part, TEXTS_MAX);
	if (n > 0 && n <= TEXTS_MAX && len < t->plain.len)
		part[n - 1].end = t->plain.len;
	if (n > 1 && ask->what == FMT_PROGRESS) {
		/* One message, edited in place; the next one supersedes it. */
		begin_part(r, result, PART_TEXT);
		put_text(r, ask, t, 0, split_cut(t->plain.p, t->plain.len,
		    FIRST_UNITS - 1, &next));
		buf_lit(&r->html, "…");
		return;
	}
	if (n > TEXTS_MAX || t->cut) {
		render_document(r, ask, result);
		return;
	}
	for (i = 0; i < n; i++) {
		begin_part(r, result, PART_TEXT);
		put_text(r, ask, t, part[i].begin, part[i].end);
	}
}

/* The event's files, each as it is and without a caption. */
static void
render_files(struct render *r, const struct render_ask *ask,
    struct render_result *result)
{
	struct attached file[ATTACHMENTS_MAX];
	struct render_part *part;
	size_t i, n;

	n = attach_decode(ask->json, &r->files, file);
	for (i = 0; i < n && !r->files.failed; i++) {
		part = &result->part[result->nparts];
		begin_part(r, result, PART_DOCUMENT);
		part->name = r->files.p + file[i].name;
		part->document = r->files.p + file[i].content;
		part->document_len = file[i].len;
	}
}

static int
render_digest(struct render *r, const struct render_ask *ask,
    struct render_result *result)
{
	text_reset(&r->text, TEXTS_BYTES, false);
	if (digest_layout(&r->text, &r->full, ask->json,
	    ask->what == FMT_SUMMARY, FIRST_UNITS, &r->title_end,
	    &result->named) == -1)
		return (-1);
	begin_part(r, result, PART_TEXT);
	put_text(r, ask, &r->text, 0, r->text.plain.len);
	return (0);
}

int
render(struct render *r, const struct render_ask *ask,
    struct render_result *result)
{
	bool digest = ask->what == FMT_DIGEST || ask->what == FMT_SUMMARY;
	int failed = 0;
	size_t i;

	memset(result, 0, sizeof(*result));
	buf_reset(&r->html);
	buf_reset(&r->labels.plain);
	buf_reset(&r->name);
	buf_reset(&r->files);
	if (digest)
		failed = render_digest(r, ask, result);
	else
		render_event(r, ask, result);
	if (ask->what == FMT_EVENT && result->nparts > 0)
		render_files(r, ask, result);
	buf_add(&r->html, "", 1);
	if (failed == -1 || r->html.failed || r->name.failed ||
	    r->files.failed || text_failed(&r->labels) || result->nparts == 0) {
		memset(result, 0, sizeof(*result));
		errno = ENOMEM;
		return (-1);
	}
	r->at[result->nparts] = r->html.len;
	for (i = 0; i < result->nparts; i++) {
		result->part[i].html = r->html.p + r->at[i];
		result->part[i].html_len = r->at[i + 1] - r->at[i] - 1;
	}
	return (0);
}
