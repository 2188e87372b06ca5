/*
 * Reading how far a task is, and drawing it.  Pure functions; layout.c puts
 * the result into a message.
 */
#include <json.h>
#include <string.h>

#include "workers/format/human.h"
#include "workers/format/layout.h"
#include "workers/format/progress.h"

#define ETA_MIN_MS 1000			 /* less says nothing about a pace */
#define ETA_MAX_MS (30LL * 24 * 3600000) /* more is no estimate */

/* A percentage: a number or a numeric string with or without "%". */
static bool
read_percent(struct json_object *v, struct progress *p)
{
	struct span s;

	if (!value_may_count(v))
		return (false);
	s = value_scalar(v);
	if (s.len > 0 && s.p[s.len - 1] == '%')
		s.len--;
	while (s.len > 0 && s.p[s.len - 1] == ' ')
		s.len--;
	if (!human_number(s.p, s.len, &p->percent))
		return (false);
	p->percent_text = s;
	return (true);
}

static bool
read_counts(struct json_object *current, struct json_object *total,
    struct progress *p)
{
	double a, b;

	if (!value_number(current, &a) || !value_number(total, &b) || b <= 0)
		return (false);
	if (!p->known)
		p->percent = a / b * 100;
	p->known = true;
	p->current = value_scalar(current);
	p->total = value_scalar(total);
	return (true);
}

void
progress_read(struct json_object *const *value, struct progress *p)
{
	static const int percents[] = {FD_PROGRESS, FD_PERCENT, FD_PERCENTAGE,
	    FD_PROGRESS_PERCENTAGE};
	static const struct {
		int current, total;
	} counts[] = {{FD_CURRENT, FD_TOTAL}, {FD_STEP, FD_TOTAL_STEPS}};
	struct json_object *current = NULL, *total = NULL;
	size_t i;

	memset(p, 0, sizeof(*p));
	p->percent_field = p->current_field = p->total_field = -1;
	for (i = 0; i < 4 && !p->known; i++) {
		if (!read_percent(value[percents[i]], p))
			continue;
		p->known = true;
		p->percent_field = percents[i];
	}
	/* "progress": 0.45 is how many libraries say 45 %. */
	if (p->percent_field == FD_PROGRESS && p->percent > 0 &&
	    p->percent < 1) {
		p->percent *= 100;
		p->percent_text.len = 0;
	}
	if (json_object_is_type(value[FD_METADATA], json_type_object)) {
		json_object_object_get_ex(value[FD_METADATA], "current",
		    &current);
		json_object_object_get_ex(value[FD_METADATA], "total",
		    &total);
		if ((p->from_metadata = read_counts(current, total, p)))
			return;
	}
	for (i = 0; i < 2; i++) {
		if (!read_counts(value[counts[i].current],
		    value[counts[i].total], p))
			continue;
		p->current_field = counts[i].current;
		p->total_field = counts[i].total;
		return;
	}
}

void
progress_bar(struct text *t, double percent)
{
	int cells, i;

	if (percent >= 100)
		cells = PROGRESS_CELLS;
	else if (percent <= 0)
		cells = 0;
	else {
		cells = (int)(percent * PROGRESS_CELLS / 100 + 0.5);
		if (cells == PROGRESS_CELLS)
			cells--; /* full means done */
	}
	for (i = 0; i < PROGRESS_CELLS; i++)
		text_adds(t, i < cells ? "▓" : "░");
}

int64_t
progress_eta_ms(double percent, int64_t started_ms, int64_t now_ms)
{
	double eta;

	/* Written so that not-a-number says no, too. */
	if (!(percent > 0 && percent < 100) || started_ms <= 0 ||
	    now_ms < started_ms || now_ms - started_ms < ETA_MIN_MS)
		return (-1);
	eta = (double)(now_ms - started_ms) * (100 - percent) / percent;
	return (eta < (double)ETA_MAX_MS ? (int64_t)eta : -1);
}

void
progress_line(struct text *t, const struct progress *p, int64_t started_ms,
    int64_t now_ms)
{
	char buf[HUMAN_SIZE];
	int64_t eta;

	progress_bar(t, p->percent);
	text_lit(t, " ");
	if (p->percent_text.len > 0)
		text_add(t, p->percent_text.p, p->percent_text.len);
	else if (p->percent > -1e9 && p->percent < 1e9)
		text_addf(t, "%lld", (long long)(p->percent + 1e-9));
	else
		text_lit(t, "?");
	text_lit(t, "%");
	if (p->total.len > 0) {
		text_lit(t, " · ");
		text_add(t, p->current.p, p->current.len);
		text_lit(t, "/");
		text_add(t, p->total.p, p->total.len);
	}
	eta = progress_eta_ms(p->percent, started_ms, now_ms);
	if (eta >= ETA_MIN_MS && human_duration(buf, sizeof(buf),
	    (double)(eta / 1000 * 1000))) {
		text_lit(t, " · ETA ");
		text_adds(t, buf);
	}
}
