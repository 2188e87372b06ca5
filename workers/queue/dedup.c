/*
 * Content fingerprints of the last seconds, in a table that grows with the
 * rate of events.  Pure but for memory; lost with the process, which costs at
 * most one repeated message.
 */
#include <stdlib.h>

#include "workers/queue/queue.h"

#define PROBES 8
#define SIZE_MIN 1024
#define SIZE_MAX_SLOTS (1U << 18) /* 4 MiB; a full bucket drops its oldest */

struct slot_entry {
	uint64_t fingerprint;
	int64_t seq;
	int64_t received_ms;
};

static struct slot_entry *table;
static size_t size;

static void dedup_grow(int64_t, int64_t);
static struct slot_entry *dedup_place(struct slot_entry *, size_t, uint64_t,
    int64_t, int64_t);

/* Where a fingerprint is or belongs: itself, a stale entry, or the oldest. */
static struct slot_entry *
dedup_place(struct slot_entry *t, size_t n, uint64_t fp, int64_t now,
    int64_t window)
{
	struct slot_entry *e, *best = NULL;

	for (size_t i = 0; i < PROBES; i++) {
		e = &t[(fp + i) & (n - 1)];
		if (e->fingerprint == fp)
			return (e);
		if (best == NULL || e->received_ms < best->received_ms)
			best = e;
	}
	(void)now, (void)window;
	return (best);
}

static void
dedup_grow(int64_t now, int64_t window)
{
	size_t n = size == 0 ? SIZE_MIN : size * 2;
	struct slot_entry *t;

	if (n > SIZE_MAX_SLOTS || (t = calloc(n, sizeof(*t))) == NULL)
		return; /* the old one goes on, forgetting sooner */
	for (size_t i = 0; i < size; i++)
		if (table[i].received_ms + window > now)
			*dedup_place(t, n, table[i].fingerprint, now, window) =
			    table[i];
	free(table);
	table = t;
	size = n;
}

bool
dedup_seen(uint64_t fp, int64_t seq, int64_t received_ms, int64_t window)
{
	struct slot_entry *e;

	if (fp == 0 || window <= 0)
		return (false);
	if (size == 0)
		dedup_grow(received_ms, window);
	if (size == 0)
		return (false);
	e = dedup_place(table, size, fp, received_ms, window);
	if (e->fingerprint == fp && e->seq != seq &&
	    llabs(received_ms - e->received_ms) < window)
		return (true);
	if (e->fingerprint != fp && e->received_ms + window > received_ms) {
		dedup_grow(received_ms, window);
		e = dedup_place(table, size, fp, received_ms, window);
	}
	if (e->fingerprint == fp && e->seq == seq)
		return (false); /* analysed again after a lost worker */
	e->fingerprint = fp;
	e->seq = seq;
	e->received_ms = received_ms;
	return (false);
}
