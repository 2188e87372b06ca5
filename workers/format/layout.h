/*
 * What the files that lay out one event share: layout.c decides what comes
 * where, show.c how a key is shown, value.c reads values; approval.c and
 * progress.c have their part of it.
 * Private to this directory; render.h is the public face.
 */
#ifndef FORMAT_LAYOUT_H
#define FORMAT_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/event_types.h"
#include "ipc/pack.h"
#include "workers/format/fields.h"
#include "workers/format/progress.h"
#include "workers/format/render.h"
#include "workers/format/text.h"

struct json_object;

struct layout {
	struct text *text;
	const struct render_ask *ask;
	struct json_object *event, *data;
	struct json_object *value[NFIELDS]; /* NULL: absent, null or shown */
	enum event_type type;
	struct span type_name, title, description, source, timestamp;
	struct progress progress;
	bool detailed;
	bool unclipped; /* lists in full: the text of a document */
	/* where the next line stands */
	bool gap;		/* an empty line before it */
	enum field_group group; /* of the facts on this line, if more may
				 * join them */
	size_t line;		/* where this line began, in bytes */
	size_t codes;		/* short code entities so far */
	size_t title_end;	/* in bytes of the text */
	/* the options of an approval, in bytes of the text */
	size_t options_begin, options_end;
	size_t decision_begin; /* in bytes of the text; 0: undecided */
};

/* layout.c */

/* "Build completed" for "build_completed"; any key likewise. */
void layout_label(struct text *, const char *, size_t);
/* A string member of an object, empty if absent or of another type; with a
 * NUL behind it. */
struct span layout_member(struct json_object *, const char *key);

/* Lay out an event into l->text; l->text, ask, event, unclipped are given. */
void layout_event(struct layout *);

/* value.c */

bool value_is_scalar(struct json_object *);
/* A scalar as it is written: strings without quotes, null as "null". */
struct span value_scalar(struct json_object *);
/* Any value as compact JSON. */
struct span value_json(struct json_object *);
/* A number or a string? */
bool value_may_count(struct json_object *);
/* The number in a JSON number or numeric string. */
bool value_number(struct json_object *, double *);
/* Without white space at both ends. */
struct span value_trimmed(struct span);
/* The same text, white space at both ends apart? */
bool value_same(struct span, struct span);
bool value_one_line(struct span);

/* Begin a line, or after value_gap() a paragraph. */
void value_line(struct layout *);
void value_gap(struct layout *);
/* A text as it is, but empty lines around it. */
void value_paragraph(struct layout *, struct span);
/* Begin a fact on this line if it may join others there, else on its own. */
void value_begin(struct layout *, enum field_group, bool joins);
/* A whole fact: "Label: value", joining others of its group if it may. */
void value_short(struct layout *, enum field_group, const char *label,
    struct span value);

/* show.c */

/* Make the table of keys; once, before anything else. */
void show_init(void);
/* The field (enum field_name) of a key of data, -1 if it is not known. */
int show_lookup(const char *key);
/* Show a known field, and with its value forget it. */
void show_field(struct layout *, enum field_name);
/* Show a key that is not in the table. */
void show_other(struct layout *, const char *key, struct json_object *);

/* approval.c */

/* The question, the description if it says more, the numbered options. */
void approval_layout(struct layout *);
/* How it was decided, when it was: the queue puts "decision" beside data. */
bool approval_is_decided(const struct layout *);
void approval_decision(struct layout *);
/* The labels of an approval's buttons, NUL-terminated in labels. */
void approval_labels(struct json_object *event, struct text *labels,
    struct render_result *);

#endif
