/*
 * Clocks.  Intervals and deadlines use the monotonic clock, which does not
 * jump; what is shown or stored across restarts uses the wall clock.
 */
#ifndef COMMON_CLOCK_H
#define COMMON_CLOCK_H

#include <sys/time.h>

#include <stddef.h>
#include <stdint.h>

/* Since some moment before the start, in the unit of the name. */
int64_t clock_mono_ns(void);
int64_t clock_mono_us(void);
int64_t clock_mono_ms(void);
/* The same, and it goes on while the machine sleeps. */
int64_t clock_steady_ms(void);
/* Milliseconds since 1970, UTC. */
int64_t clock_wall_ms(void);
/* A time span as libevent wants it; a negative one counts as 0. */
struct timeval clock_timeval(int64_t ms);

#define RFC3339_SIZE sizeof("2026-11-21T04:50:08.105Z")
/* "2026-11-21T04:50:08.105Z"; returns buf, of RFC3339_SIZE bytes at least. */
char *clock_rfc3339(char *buf, size_t size, int64_t wall_ms);
/* Parse RFC 3339 with any offset and fraction; -1 if it is none. */
int64_t clock_parse_rfc3339(const char *);

/*
 * A duration such as "90s", "1h30m", "250ms", "2d", "1.5h", or a plain number
 * of seconds, as milliseconds; -1 if it is none or does not fit.
 */
int64_t duration_parse_ms(const char *);

#endif
