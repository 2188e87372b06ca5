/*
 * Clocks, RFC 3339 and durations; see clock.h.  No state.
 */
#include <sys/time.h>

#include <ctype.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"

static int64_t clock_read(clockid_t, int64_t);
static bool digits(const char **, int, int *);
static bool one_of(const char **, const char *);
static bool zone_minutes(const char *, int *);

/* In units of 1/per_s of a second. */
static int64_t
clock_read(clockid_t id, int64_t per_s)
{
	struct timespec ts;

	/* Fails only for a clock that does not exist (clock_gettime(2)). */
	(void)clock_gettime(id, &ts);
	return (ts.tv_sec * per_s + ts.tv_nsec / (1000000000 / per_s));
}

int64_t
clock_mono_ns(void)
{
	return (clock_read(CLOCK_MONOTONIC, 1000000000));
}

int64_t
clock_mono_us(void)
{
	return (clock_read(CLOCK_MONOTONIC, 1000000));
}

int64_t
clock_mono_ms(void)
{
	return (clock_read(CLOCK_MONOTONIC, 1000));
}

int64_t
clock_steady_ms(void)
{
	return (clock_read(CLOCK_BOOTTIME, 1000));
}

int64_t
clock_wall_ms(void)
{
	return (clock_read(CLOCK_REALTIME, 1000));
}

struct timeval
clock_timeval(int64_t ms)
{
	if (ms < 0)
		ms = 0;
	return ((struct timeval){ ms / 1000, ms % 1000 * 1000 });
}

char *
clock_rfc3339(char *buf, size_t size, int64_t wall_ms)
{
	time_t t = (time_t)(wall_ms / 1000);
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL ||
	    snprintf(buf, size, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
	    tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
	    tm.tm_min, tm.tm_sec, (int)(wall_ms % 1000)) >= (int)size)
		strlcpy(buf, "?", size);
	return (buf);
}

/* A number of at most so many digits, and the step behind it. */
static bool
digits(const char **s, int most, int *value)
{
	const char *p = *s;

	for (*value = 0; most-- > 0 && *p >= '0' && *p <= '9'; p++)
		*value = *value * 10 + (*p - '0');
	if (p == *s)
		return (false);
	*s = p;
	return (true);
}

/* One of these characters, and the step behind it. */
static bool
one_of(const char **s, const char *these)
{
	if (**s == '\0' || strchr(these, **s) == NULL)
		return (false);
	++*s;
	return (true);
}

/* The end of a time: "Z" or the offset from UTC. */
static bool
zone_minutes(const char *s, int *minutes)
{
	int hours, sign = *s == '-' ? -1 : 1;

	*minutes = 0;
	if (one_of(&s, "Zz"))
		return (*s == '\0');
	if (!one_of(&s, "+-") || !digits(&s, 2, &hours) || !one_of(&s, ":") ||
	    !digits(&s, 2, minutes) || *s != '\0' || hours > 23 ||
	    *minutes > 59)
		return (false);
	*minutes = sign * (hours * 60 + *minutes);
	return (true);
}

int64_t
clock_parse_rfc3339(const char *s)
{
	struct tm tm = { 0 };
	int64_t ms = 0, scale = 100;
	int minutes;

	if (!digits(&s, 4, &tm.tm_year) || !one_of(&s, "-") ||
	    !digits(&s, 2, &tm.tm_mon) || !one_of(&s, "-") ||
	    !digits(&s, 2, &tm.tm_mday) || !one_of(&s, "Tt ") ||
	    !digits(&s, 2, &tm.tm_hour) || !one_of(&s, ":") ||
	    !digits(&s, 2, &tm.tm_min) || !one_of(&s, ":") ||
	    !digits(&s, 2, &tm.tm_sec))
		return (-1);
	if (tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 ||
	    tm.tm_mday > 31 || tm.tm_hour > 23 || tm.tm_min > 59 ||
	    tm.tm_sec > 60 || tm.tm_year < 1970)
		return (-1);
	if (*s == '.') {
		for (s++; isdigit((unsigned char)*s); s++) {
			ms += (*s - '0') * scale;
			scale /= 10;
		}
	}
	tm.tm_year -= 1900;
	tm.tm_mon--;
	if (!zone_minutes(s, &minutes))
		return (-1);
	return (ms + ((int64_t)timegm(&tm) - minutes * 60LL) * 1000);
}

int64_t
duration_parse_ms(const char *s)
{
	static const struct {
		const char *unit;
		double ms;
	} units[] = {
		{ "ms", 1 }, { "s", 1e3 }, { "sec", 1e3 }, { "m", 60e3 },
		{ "min", 60e3 }, { "h", 3600e3 }, { "d", 86400e3 },
		{ "w", 604800e3 },
	};
	double total = 0, v;
	size_t len, i;
	char *end;

	if (!isdigit((unsigned char)*s))
		return (-1);
	while (*s != '\0') {
		if (!isdigit((unsigned char)*s))
			return (-1);
		v = strtod(s, &end);
		for (len = 0; isalpha((unsigned char)end[len]); len++)
			continue;
		if (len == 0 && *end == '\0' && total == 0) {
			total = v * 1e3;
			break;
		}
		for (i = 0; i < sizeof(units) / sizeof(units[0]); i++)
			if (strlen(units[i].unit) == len &&
			    strncmp(units[i].unit, end, len) == 0)
				break;
		if (i == sizeof(units) / sizeof(units[0]))
			return (-1);
		total += v * units[i].ms;
		s = end + len;
	}
	/* A hundred years are enough for anything that is configured. */
	if (!isfinite(total) || total > 3.2e12)
		return (-1);
	return ((int64_t)total);
}
