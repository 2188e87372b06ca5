/*
 * How far a task is, read from whatever keys its events use.
 */
#ifndef FORMAT_PROGRESS_H
#define FORMAT_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "ipc/pack.h"

struct json_object;
struct text;

#define PROGRESS_CELLS 10

struct progress {
	bool known;	 /* there is a bar to draw */
	double percent;	 /* may be outside 0..100 */
	struct span percent_text; /* as written, without "%"; may be empty */
	struct span current, total; /* as written; may be empty */
	/* the fields (enum field_name) that were used, -1 for none */
	int percent_field, current_field, total_field;
	bool from_metadata; /* current and total are metadata's */
};

/*
 * Read it from data's fields (value[NFIELDS] of the layout): progress,
 * percent, percentage, progress_percentage as a number or a string such as
 * "45%"; current and total of metadata, else of data, else step and
 * total_steps.  The spans point into the JSON objects.
 */
void progress_read(struct json_object *const *value, struct progress *);

/* "▓▓▓▓▓░░░░░": full only at 100 and above, empty only at 0 and below. */
void progress_bar(struct text *, double percent);

/*
 * Milliseconds that the rest will take at the pace so far; -1 if that cannot
 * be said yet.
 */
int64_t progress_eta_ms(double percent, int64_t started_ms, int64_t now_ms);

/* The line with bar, percentage, counts and ETA. */
void progress_line(struct text *, const struct progress *,
    int64_t started_ms, int64_t now_ms);

#endif
