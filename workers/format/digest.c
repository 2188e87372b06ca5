/*
 * The layout of digests and of the summary at the end of mute: which members
 * are named, how they are grouped, what is counted only.  Pure but for its
 * allocations; called by render.c.
 */
#include <json.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/event.h"
#include "workers/format/digest.h"
#include "workers/format/human.h"
#include "workers/format/layout.h"
#include "workers/format/utf.h"

#define TAIL_UNITS 24 /* "\n… and 4294967295 more" */
#define NONE UINT32_MAX

/* How much is said of a member; what fits is tried from the top. */
enum detail { SHORT_TITLES, TITLES, DESCRIPTIONS, EVERYTHING, NDETAILS };
static const size_t title_units[NDETAILS] = {64, 256, 256, 256};
#define DESCRIPTION_UNITS 120

struct entry { /* members of one type and title */
	struct span type_name, title, description, source;
	uint32_t count, next; /* next: of the same type, NONE at the end */
	uint32_t first, last; /* of its members */
	bool differ;	      /* their descriptions do */
	size_t begin, end;    /* of its line in scratch */
	uint32_t units;
	enum event_type type;
};

struct member {
	struct span description;
	uint32_t next; /* of the same entry, NONE at the end */
};

struct group { /* members of one type */
	uint32_t members, first, last, entries, shown, named;
	enum severity severity; /* the worst */
	bool full;
};

struct digest {
	struct text *text, *scratch;
	struct entry *entry;
	struct member *member;
	uint32_t nentries, *slot;
	size_t nslots, nmembers;
	uint64_t total;
	struct group group[NEVENTTYPES];
	enum event_type order[NEVENTTYPES];
	size_t ngroups;
	struct span source; /* the one of all, if they have one */
	bool sources_differ;
	int64_t first_ms, last_ms;
};

static void add_member(struct digest *, struct json_object *);
static void sort_groups(struct digest *);
static void put_header(struct digest *, bool, size_t *);
static size_t render_lines(struct digest *, enum detail);
static void choose(struct digest *, size_t);
static void put_group(struct digest *, enum event_type);

static enum severity
severity_of(struct span s)
{
	int severity = severity_find(s.p);

	return (severity == -1 ? SEV_LOW : (enum severity)severity);
}

static uint32_t
hash(struct span type, struct span title)
{
	uint32_t h = 2166136261U; /* FNV-1a */
	size_t i;

	for (i = 0; i < type.len; i++)
		h = (h ^ (unsigned char)type.p[i]) * 16777619U;
	h = (h ^ 0xff) * 16777619U; /* no byte of UTF-8: a separator */
	for (i = 0; i < title.len; i++)
		h = (h ^ (unsigned char)title.p[i]) * 16777619U;
	return (h ^ h >> 15);
}

static bool
equal(struct span a, struct span b)
{
	return (a.len == b.len && memcmp(a.p, b.p, a.len) == 0);
}

/* The entry of a type and title, made if there is none; count 0 if new. */
static struct entry *
find_entry(struct digest *d, struct span type, struct span title)
{
	struct entry *e;
	uint32_t at, i;

	for (at = hash(type, title);; at++) {
		if ((i = d->slot[at % d->nslots]) == 0)
			break;
		e = &d->entry[i - 1];
		if (equal(e->type_name, type) && equal(e->title, title))
			return (e);
	}
	e = &d->entry[d->nentries++];
	d->slot[at % d->nslots] = d->nentries;
	e->type_name = type;
	e->title = title;
	return (e);
}

static void
note_time(struct digest *d, struct span timestamp)
{
	int64_t ms;

	if (timestamp.len == 0 ||
	    (ms = clock_parse_rfc3339(timestamp.p)) == -1)
		return;
	if (d->last_ms == -1 || ms < d->first_ms)
		d->first_ms = ms;
	if (d->last_ms == -1 || ms > d->last_ms)
		d->last_ms = ms;
}

static void
add_member(struct digest *d, struct json_object *member)
{
	struct span description = layout_member(member, "description");
	struct span source = layout_member(member, "source");
	uint32_t index = (uint32_t)d->nmembers;
	enum severity severity;
	struct entry *e;
	struct group *g;

	d->member[index].description = description;
	d->member[index].next = NONE;
	e = find_entry(d, layout_member(member, "type"),
	    layout_member(member, "title"));
	if (e->count++ == 0) {
		e->type = event_type_find(e->type_name.p);
		e->description = description;
		e->source = source;
		e->next = NONE;
		e->first = index;
		g = &d->group[e->type];
		if (g->members == 0) {
			d->order[d->ngroups++] = e->type;
			g->first = d->nentries - 1;
		} else
			d->entry[g->last].next = d->nentries - 1;
		g->last = d->nentries - 1;
		g->entries++;
	} else {
		d->member[e->last].next = index;
		if (!equal(e->description, description) ||
		    !equal(e->source, source))
			e->differ = true;
	}
	e->last = index;
	g = &d->group[e->type];
	g->members++;
	severity = severity_of(layout_member(member, "severity"));
	if (severity > g->severity)
		g->severity = severity;
	if (d->nmembers++ == 0)
		d->source = source;
	else if (!equal(d->source, source))
		d->sources_differ = true;
	note_time(d, layout_member(member, "timestamp"));
}

/* The worst first, else in order of appearance: an insertion sort of at most
 * 48, stable. */
static void
sort_groups(struct digest *d)
{
	enum event_type moving;
	size_t i, at;

	for (i = 1; i < d->ngroups; i++) {
		moving = d->order[i];
		for (at = i; at > 0 && d->group[d->order[at - 1]].severity <
		    d->group[moving].severity; at--)
			d->order[at] = d->order[at - 1];
		d->order[at] = moving;
	}
}

static void
put_times(struct digest *d)
{
	char first[HUMAN_SIZE], last[HUMAN_SIZE];
	const size_t day = sizeof("21/Nov/26 ") - 1;

	if (d->last_ms == -1)
		return;
	human_time(first, sizeof(first), d->first_ms);
	human_time(last, sizeof(last), d->last_ms);
	text_lit(d->text, "\n⏰ ");
	text_adds(d->text, first);
	if (strcmp(first, last) == 0)
		return;
	text_lit(d->text, " – ");
	text_adds(d->text, memcmp(first, last, day) == 0 ? last + day : last);
}

static void
put_header(struct digest *d, bool summary, size_t *title_end)
{
	struct text *t = d->text;

	text_adds(t, summary ? "🔔 " : "🗞️ ");
	text_begin(t, TEXT_BOLD, NULL, 0);
	if (summary)
		text_lit(t, "While muted: ");
	text_addf(t, "%llu event%s", (unsigned long long)d->total,
	    d->total == 1 ? "" : "s");
	text_end(t);
	*title_end = t->plain.len;
	put_times(d);
	if (!d->sources_differ && d->source.len > 0 &&
	    !span_eq(d->source, "unknown")) {
		text_adds(t, d->last_ms == -1 ? "\n" : " · ");
		text_add_line(t, d->source.p, d->source.len, 128);
	}
}

/* A title that many events share says little: what each of them adds. */
static void
render_members(struct digest *d, const struct entry *e)
{
	struct span last = {"", 0}, s;
	uint32_t i;

	for (i = e->first; i != NONE; i = d->member[i].next) {
		s = d->member[i].description;
		if (s.len == 0 || equal(s, last) || value_same(s, e->title))
			continue;
		text_lit(d->scratch, "\n  – ");
		text_add_line(d->scratch, s.p, s.len, DESCRIPTION_UNITS);
		last = s;
	}
}

static void
render_line(struct digest *d, struct entry *e, enum detail detail)
{
	struct text *t = d->scratch;
	size_t begin;

	e->begin = t->plain.len;
	text_lit(t, "\n• ");
	begin = t->plain.len;
	text_add_line(t, e->title.p, e->title.len, title_units[detail]);
	if (utf_all_blank(t->plain.p + begin, t->plain.len - begin))
		layout_label(t, e->type_name.p, e->type_name.len);
	if (e->type == ET_UNKNOWN && e->type_name.len > 0) {
		text_lit(t, " (");
		text_add_line(t, e->type_name.p, e->type_name.len, 64);
		text_lit(t, ")");
	}
	if (e->count > 1)
		text_addf(t, " ×%u", e->count);
	if (detail == EVERYTHING && e->differ)
		render_members(d, e);
	else if (detail >= DESCRIPTIONS && !e->differ) {
		if (e->description.len > 0 &&
		    !value_same(e->description, e->title)) {
			text_lit(t, " — ");
			text_add_line(t, e->description.p,
			    e->description.len, DESCRIPTION_UNITS);
		}
		if (d->sources_differ && e->source.len > 0) {
			text_lit(t, " · ");
			text_add_line(t, e->source.p, e->source.len, 64);
		}
	}
	e->end = t->plain.len;
	e->units = (uint32_t)utf16_length(t->plain.p + e->begin,
	    e->end - e->begin);
}

/* Write all lines to scratch; returns their UTF-16 units. */
static size_t
render_lines(struct digest *d, enum detail detail)
{
	size_t units = 0;
	uint32_t i;

	text_reset(d->scratch, SIZE_MAX / 4, false);
	for (i = 0; i < d->nentries; i++) {
		render_line(d, &d->entry[i], detail);
		units += d->entry[i].units;
	}
	return (units);
}

/*
 * Spend so many units on lines: one of each group in turn, so that a group of
 * hundreds does not hide the others.
 */
static void
choose(struct digest *d, size_t units)
{
	struct group *g;
	struct entry *e;
	uint32_t *next;
	bool again = true;
	size_t i;

	/* last is free now: from here on the next entry to be shown */
	for (i = 0; i < d->ngroups; i++)
		d->group[d->order[i]].last = d->group[d->order[i]].first;
	while (again) {
		again = false;
		for (i = 0; i < d->ngroups; i++) {
			g = &d->group[d->order[i]];
			next = &g->last;
			if (g->full || *next == NONE)
				continue;
			e = &d->entry[*next];
			if (e->units > units) {
				g->full = true;
				continue;
			}
			units -= e->units;
			g->shown++;
			g->named += e->count;
			*next = e->next;
			again = true;
		}
	}
}

static void
group_header(struct text *t, enum event_type type, const struct group *g,
    struct span name)
{
	text_lit(t, "\n\n");
	text_adds(t, event_type_emoji(type));
	text_lit(t, " ");
	text_begin(t, TEXT_BOLD, NULL, 0);
	if (type == ET_UNKNOWN)
		text_lit(t, "Other events");
	else
		layout_label(t, name.p, name.len);
	text_end(t);
	text_addf(t, " (%u)", g->members);
}

static void
put_group(struct digest *d, enum event_type type)
{
	struct group *g = &d->group[type];
	uint32_t i, n;

	group_header(d->text, type, g, d->entry[g->first].type_name);
	for (i = g->first, n = 0; n < g->shown; n++, i = d->entry[i].next)
		text_add(d->text, d->scratch->plain.p + d->entry[i].begin,
		    d->entry[i].end - d->entry[i].begin);
	if (g->named < g->members)
		text_addf(d->text, "\n… and %u more", g->members - g->named);
}

/* What the headers of all groups take, in units. */
static size_t
headers_units(struct digest *d)
{
	const struct group *g;
	size_t i;

	text_reset(d->scratch, SIZE_MAX / 4, false);
	for (i = 0; i < d->ngroups; i++) {
		g = &d->group[d->order[i]];
		group_header(d->scratch, d->order[i], g,
		    d->entry[g->first].type_name);
	}
	return (utf16_length(d->scratch->plain.p, d->scratch->plain.len));
}

static int
read_members(struct digest *d, struct json_object *json)
{
	struct json_object *members, *total;
	size_t i, n = 0;
	int64_t given;

	if (json_object_object_get_ex(json, "members", &members) &&
	    json_object_is_type(members, json_type_array))
		n = json_object_array_length(members);
	d->first_ms = d->last_ms = -1;
	for (d->nslots = 16; d->nslots < n * 2; d->nslots *= 2)
		;
	d->entry = calloc(n + 1, sizeof(*d->entry));
	d->member = calloc(n + 1, sizeof(*d->member));
	d->slot = calloc(d->nslots, sizeof(*d->slot));
	if (d->entry == NULL || d->member == NULL || d->slot == NULL)
		return (-1);
	for (i = 0; i < n; i++)
		add_member(d, json_object_array_get_idx(members, i));
	d->total = n;
	if (json_object_object_get_ex(json, "total", &total) &&
	    (given = json_object_get_int64(total)) > (int64_t)n)
		d->total = (uint64_t)given;
	return (0);
}

/* Fill the text; everything is known but what fits. */
static void
lay_out(struct digest *d, size_t units)
{
	size_t used, fixed, i;
	int detail;

	used = utf16_length(d->text->plain.p, d->text->plain.len);
	fixed = used + headers_units(d);
	if (d->total > d->nmembers)
		fixed += TAIL_UNITS + 1;
	for (detail = EVERYTHING; detail >= SHORT_TITLES; detail--)
		if (render_lines(d, (enum detail)detail) + fixed <= units)
			break;
	if (detail < SHORT_TITLES)
		fixed += d->ngroups * TAIL_UNITS;
	choose(d, units > fixed ? units - fixed : 0);
	for (i = 0; i < d->ngroups; i++)
		put_group(d, d->order[i]);
	if (d->total > d->nmembers)
		text_addf(d->text, "\n\n… and %llu more",
		    (unsigned long long)(d->total - d->nmembers));
}

int
digest_layout(struct text *text, struct text *scratch,
    struct json_object *json, bool summary, size_t units, size_t *title_end,
    uint32_t *named)
{
	struct digest d = {.text = text, .scratch = scratch};
	size_t i;
	int failed;

	*named = 0;
	if ((failed = read_members(&d, json)) == 0) {
		sort_groups(&d);
		put_header(&d, summary, title_end);
		lay_out(&d, units);
		for (i = 0; i < d.ngroups; i++)
			*named += d.group[d.order[i]].named;
		if (text_failed(text) || text_failed(scratch))
			failed = -1;
	}
	free(d.entry);
	free(d.member);
	free(d.slot);
	return (failed);
}
