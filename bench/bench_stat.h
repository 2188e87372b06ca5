/*
 * What the benchmarks in C share: percentiles and processor time.
 */
#ifndef BENCH_STAT_H
#define BENCH_STAT_H

#include <sys/resource.h>

#include <stdint.h>
#include <stdlib.h>

static inline int
bench_compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return ((x > y) - (x < y));
}

static inline void
bench_sort(int64_t *v, size_t n)
{
	qsort(v, n, sizeof(*v), bench_compare);
}

/* Of n sorted values, n > 0. */
static inline int64_t
bench_percentile(const int64_t *v, size_t n, unsigned int percent)
{
	size_t i = n * percent / 100;

	return (v[i < n ? i : n - 1]);
}

/* Processor time of who (RUSAGE_SELF, RUSAGE_CHILDREN) in seconds. */
static inline double
bench_cpu_s(int who)
{
	struct rusage u;

	getrusage(who, &u);
	return ((double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	    (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6);
}

#endif
