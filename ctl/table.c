/*
 * Tables for people.  A column is as wide as what stands in it.  Where the
 * terminal is too narrow for that, columns that say least go, and long texts
 * are cut; what is no terminal gets everything.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/ctl.h"

#define GAP 2	    /* blanks between columns */
#define CUT_LEAST 6 /* columns of a text that still tell something */

struct cell {
	char *text;
	enum colour colour;
};

struct table {
	const struct table_column *columns;
	size_t ncolumns;
	struct cell *cells; /* row by row */
	size_t ncells, size;
	int *width; /* of each column; -1: it is not shown */
};

static void measure(struct table *);
static int fit(struct table *, int room);

struct table *
table_new(const struct table_column *columns, size_t n)
{
	struct table *t = calloc(1, sizeof(*t));

	if (t == NULL || (t->width = calloc(n, sizeof(*t->width))) == NULL)
		print_nomem();
	t->columns = columns;
	t->ncolumns = n;
	return (t);
}

void
table_cell(struct table *t, const char *text, enum colour colour)
{
	if (t->ncells == t->size) {
		t->size = t->size * 2 + 64;
		t->cells = reallocarray(t->cells, t->size, sizeof(*t->cells));
		if (t->cells == NULL)
			print_nomem();
	}
	if ((t->cells[t->ncells].text = strdup(text)) == NULL)
		print_nomem();
	t->cells[t->ncells++].colour = colour;
}

/* As wide as the widest cell; a column of nothing is none. */
static void
measure(struct table *t)
{
	size_t i, c;
	int w;

	for (c = 0; c < t->ncolumns; c++)
		t->width[c] = -1;
	for (i = 0; i < t->ncells; i++) {
		c = i % t->ncolumns;
		w = print_width(t->cells[i].text);
		if (w > 0 && w > t->width[c])
			t->width[c] = w;
	}
	for (c = 0; c < t->ncolumns; c++) {
		w = print_width(t->columns[c].head);
		if (t->width[c] != -1 && t->width[c] < w)
			t->width[c] = w;
	}
}

/* What is left of the room, with the texts that may be cut at their least;
 * negative: it does not do. */
static int
fit(struct table *t, int room)
{
	size_t c;
	int least;

	room += GAP;
	for (c = 0; c < t->ncolumns; c++) {
		least = t->columns[c].least;
		if (t->width[c] != -1)
			room -= GAP + (least > 0 && least < t->width[c] ?
			    least : t->width[c]);
	}
	return (room);
}

static void
shrink(struct table *t, int room)
{
	int hide, left, least, more;
	size_t c;

	for (hide = 1; fit(t, room) < 0 && hide <= TABLE_HIDE_MAX; hide++)
		for (c = 0; c < t->ncolumns; c++)
			if (t->columns[c].hide == hide)
				t->width[c] = -1;
	left = fit(t, room);
	for (c = 0; c < t->ncolumns; c++) {
		least = t->columns[c].least;
		if (least == 0 || t->width[c] <= least)
			continue;
		more = t->width[c] - least < left ? t->width[c] - least : left;
		/* Less than the least, before lines break. */
		if (more < CUT_LEAST - least)
			more = CUT_LEAST - least;
		t->width[c] = least + more;
		left -= more;
	}
}

static void
row_print(const struct table *t, const struct cell *cells)
{
	const char *text;
	size_t c;

	for (c = 0; c < t->ncolumns; c++) {
		if (t->width[c] == -1)
			continue;
		text = cells != NULL ? cells[c].text : t->columns[c].head;
		if (t->columns[c].right)
			print_indent(t->width[c] - print_width(text));
		print_field(text, t->columns[c].right ? 0 : t->width[c],
		    cells != NULL ? cells[c].colour : BOLD);
	}
	print_line();
}

void
table_print(struct table *t)
{
	int room = print_columns();
	size_t i;

	measure(t);
	if (room > 0)
		shrink(t, room);
	row_print(t, NULL);
	for (i = 0; i + t->ncolumns <= t->ncells; i += t->ncolumns)
		row_print(t, t->cells + i);
	for (i = 0; i < t->ncells; i++)
		free(t->cells[i].text);
	free(t->cells);
	free(t->width);
	free(t);
}
