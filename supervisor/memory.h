/*
 * The memory watchdog: how much a worker uses, whether that grows without
 * end, and what to do about it.  memory_read() looks at /proc, the rest is
 * pure.
 */
#ifndef SUPERVISOR_MEMORY_H
#define SUPERVISOR_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define MEM_SAMPLES 64	    /* of MEM_PERIOD_MS each: a window of 320 s */
#define MEM_PERIOD_MS 5000
#define MEM_AGE_MS 60000    /* none is replaced before that */
/* What counts as a leak once the window is full. */
#define MEM_LEAK_BYTES_PER_MIN (256 << 10)
#define MEM_LEAK_BYTES (4 << 20)

struct mem_sample {
	uint64_t rss_bytes, pss_bytes;
	uint64_t cpu_us;
};

struct mem_track { /* all zero at first */
	double bytes[MEM_SAMPLES];
	double at_s[MEM_SAMPLES];
	unsigned int n; /* ever */
};

enum mem_verdict { MEM_OK, MEM_SOFT, MEM_LEAK, MEM_HARD };

void mem_note(struct mem_track *, double at_s, uint64_t bytes);
/*
 * The Theil-Sen slope of n points in bytes a second: the median of the
 * slopes of all pairs, which a few outliers do not move.  n at most
 * MEM_SAMPLES; 0 when there are fewer than two distinct times.
 */
double mem_slope(const double *at_s, const double *bytes, size_t n);
/*
 * What to do about a worker of that age.  Limits in bytes, 0 = none.
 */
enum mem_verdict mem_judge(const struct mem_track *, uint64_t bytes,
    int64_t age_ms, uint64_t soft_bytes, uint64_t hard_bytes);
const char *mem_verdict_name(enum mem_verdict);

/* Returns 0, or -1 when the process is not there.  Where the kernel does not
 * tell the PSS, it is given as the RSS. */
int memory_read(pid_t, struct mem_sample *);

#endif
