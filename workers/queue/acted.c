/*
 * Updates that have acted; see acted.h.
 */
#include <string.h>

#include "workers/queue/acted.h"

static bool acted_is_old(const struct acted *, int64_t);
static size_t acted_at(const struct acted *, int64_t);
static void acted_rise(struct acted *, void (*)(int64_t));

static bool
acted_is_old(const struct acted *a, int64_t now_ms)
{
	return (now_ms - a->at_ms > ACTED_MS);
}

int64_t
acted_wanted(const struct acted *a, int64_t now_ms)
{
	return (acted_is_old(a, now_ms) ? 0 : a->floor);
}

/* The first that is not below id: where id stands, or would. */
static size_t
acted_at(const struct acted *a, int64_t id)
{
	size_t i = a->n;

	while (i > 0 && a->id[i - 1] >= id)
		i--;
	return (i);
}

bool
acted_has(const struct acted *a, int64_t id, int64_t now_ms)
{
	size_t i = acted_at(a, id);

	if (acted_is_old(a, now_ms))
		return (false);
	return (id < a->floor || (i < a->n && a->id[i] == id));
}

/* The floor has risen: what is below it is not remembered by itself. */
static void
acted_rise(struct acted *a, void (*forget)(int64_t))
{
	size_t gone = 0;

	while (gone < a->n && a->id[gone] < a->floor)
		forget(a->id[gone++]);
	a->n -= gone;
	memmove(a->id, a->id + gone, a->n * sizeof(a->id[0]));
}

void
acted_clear(struct acted *a, void (*forget)(int64_t))
{
	for (size_t i = 0; i < a->n; i++)
		forget(a->id[i]);
	memset(a, 0, sizeof(*a));
}

void
acted_add(struct acted *a, int64_t id, bool in_order, int64_t now_ms,
    void (*forget)(int64_t))
{
	size_t i;

	if (acted_is_old(a, now_ms))
		acted_clear(a, forget);
	a->at_ms = now_ms;
	if (acted_has(a, id, now_ms))
		return;
	if (in_order) {
		a->floor = id + 1;
		acted_rise(a, forget);
		return;
	}
	if (a->n == ACTED_MAX) {
		/* What is older than so many does not come again. */
		a->floor = (id < a->id[0] ? id : a->id[0]) + 1;
		acted_rise(a, forget);
		if (id < a->floor)
			return;
	}
	i = acted_at(a, id);
	memmove(a->id + i + 1, a->id + i, (a->n - i) * sizeof(a->id[0]));
	a->id[i] = id;
	a->n++;
}
