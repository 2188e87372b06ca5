/*
 * The memory watchdog.  watch.c samples each worker every 5 s and acts on the
 * verdict: beyond the soft limit or with a proven leak it is replaced, the
 * new one first; beyond the hard limit it is killed.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "supervisor/memory.h"
#include "supervisor/proc.h"

static bool mem_leaks(const struct mem_track *);
static int compare_double(const void *, const void *);

void
mem_note(struct mem_track *t, double at_s, uint64_t bytes)
{
	t->bytes[t->n % MEM_SAMPLES] = (double)bytes;
	t->at_s[t->n % MEM_SAMPLES] = at_s;
	t->n++;
}

double
mem_slope(const double *at_s, const double *bytes, size_t n)
{
	static double slope[MEM_SAMPLES * (MEM_SAMPLES - 1) / 2];
	size_t i, j, k = 0;

	for (i = 0; i < n && i < MEM_SAMPLES; i++)
		for (j = 0; j < i; j++)
			if (at_s[i] < at_s[j] || at_s[i] > at_s[j])
				slope[k++] = (bytes[i] - bytes[j]) /
				    (at_s[i] - at_s[j]);
	if (k == 0)
		return (0);
	qsort(slope, k, sizeof(slope[0]), compare_double);
	if (k % 2 == 1)
		return (slope[k / 2]);
	return ((slope[k / 2 - 1] + slope[k / 2]) / 2);
}

enum mem_verdict
mem_judge(const struct mem_track *t, uint64_t bytes, int64_t age_ms,
    uint64_t soft_bytes, uint64_t hard_bytes)
{
	if (hard_bytes != 0 && bytes > hard_bytes)
		return (MEM_HARD);
	if (age_ms < MEM_AGE_MS)
		return (MEM_OK);
	if (soft_bytes != 0 && bytes > soft_bytes)
		return (MEM_SOFT);
	/* A store that warms its caches grows, too, but not near its limit. */
	if (soft_bytes != 0 && bytes < soft_bytes / 2)
		return (MEM_OK);
	return (mem_leaks(t) ? MEM_LEAK : MEM_OK);
}

/*
 * A leak fills the window, is worth a restart, and goes on: each half of the
 * window must show it, since a single step, as of one large event, lifts the
 * slope of the whole.  Asked for once a quarter of the window, as it sorts
 * some thousand numbers.
 */
static bool
mem_leaks(const struct mem_track *t)
{
	double at_s[MEM_SAMPLES], bytes[MEM_SAMPLES];
	const double least = MEM_LEAK_BYTES_PER_MIN / 60.0;
	const size_t half = MEM_SAMPLES / 2;
	double slope;
	size_t i;

	if (t->n < MEM_SAMPLES || t->n % (MEM_SAMPLES / 4) != 0)
		return (false);
	for (i = 0; i < MEM_SAMPLES; i++) {
		at_s[i] = t->at_s[(t->n + i) % MEM_SAMPLES];
		bytes[i] = t->bytes[(t->n + i) % MEM_SAMPLES];
	}
	slope = mem_slope(at_s, bytes, MEM_SAMPLES);
	return (slope >= least &&
	    slope * MEM_SAMPLES * MEM_PERIOD_MS / 1000 >= MEM_LEAK_BYTES &&
	    mem_slope(at_s, bytes, half) >= least / 2 &&
	    mem_slope(at_s + half, bytes + half, half) >= least / 2);
}

const char *
mem_verdict_name(enum mem_verdict v)
{
	static const char *const names[] = {
		[MEM_OK] = "ok",
		[MEM_SOFT] = "above the soft memory limit",
		[MEM_LEAK] = "leaking memory",
		[MEM_HARD] = "above the hard memory limit",
	};

	return (names[v]);
}

int
memory_read(pid_t pid, struct mem_sample *s)
{
	char buf[4096], *p;
	struct proc_stat ps;
	uint64_t pages = 0;

	memset(s, 0, sizeof(*s));
	if (proc_read(pid, "statm", buf, sizeof(buf)) == -1 ||
	    sscanf(buf, "%*u %" SCNu64, &pages) != 1)
		return (-1);
	s->rss_bytes = pages * (uint64_t)sysconf(_SC_PAGESIZE);
	s->pss_bytes = s->rss_bytes;
	/* Refused for a process that may not be traced. */
	if (proc_read(pid, "smaps_rollup", buf, sizeof(buf)) > 0 &&
	    (p = strstr(buf, "\nPss:")) != NULL)
		s->pss_bytes = strtoull(p + 5, NULL, 10) * 1024;
	if (proc_stat(pid, &ps) == 0)
		s->cpu_us = ps.cpu_us;
	return (0);
}

static int
compare_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return ((x > y) - (x < y));
}
