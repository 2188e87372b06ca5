/*
 * Numbers, durations, sizes and local times for people.  Pure but for the
 * time zone, which is loaded once and then only read.
 */
#include <limits.h>
#include <math.h> /* isfinite, a builtin: no libm */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "workers/format/human.h"

#define ZONEINFO "/usr/share/zoneinfo/"

#define SECOND 1e3
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

bool
human_number(const char *p, size_t len, double *value)
{
	char text[HUMAN_SIZE], *end;

	if (len == 0 || len >= sizeof(text) ||
	    memchr(p, '\0', len) != NULL)
		return (false);
	memcpy(text, p, len);
	text[len] = '\0';
	if (strspn(text, "0123456789+-.eE") != len)
		return (false);
	*value = strtod(text, &end);
	return (end == text + len && isfinite(*value));
}

static long long
nearest(double n)
{
	return ((long long)(n + 0.5)); /* n is never negative here */
}

/* "a U" or "a U b V", leaving out a zero b. */
static void
two_units(char *buf, size_t size, long long a, const char *u, long long b,
    const char *v)
{
	if (b == 0)
		snprintf(buf, size, "%lld %s", a, u);
	else
		snprintf(buf, size, "%lld %s %lld %s", a, u, b, v);
}

bool
human_duration(char *buf, size_t size, double ms)
{
	long long n;

	if (!isfinite(ms) || ms < 0 || ms > 1e15)
		return (false);
	/* Each limit is where rounding would reach the next unit's 1. */
	if (ms < 999.5) {
		n = nearest(ms * 10);
		if (ms < 100 && n % 10 != 0)
			snprintf(buf, size, "%lld.%lld ms", n / 10, n % 10);
		else
			snprintf(buf, size, "%lld ms", nearest(ms));
	} else if (ms < MINUTE - 50) {
		n = nearest(ms / 100);
		if (n % 10 != 0)
			snprintf(buf, size, "%lld.%lld s", n / 10, n % 10);
		else
			snprintf(buf, size, "%lld s", n / 10);
	} else if (ms < HOUR - 500) {
		n = nearest(ms / SECOND);
		two_units(buf, size, n / 60, "min", n % 60, "s");
	} else if (ms < DAY - MINUTE / 2) {
		n = nearest(ms / MINUTE);
		two_units(buf, size, n / 60, "h", n % 60, "min");
	} else {
		n = nearest(ms / HOUR);
		two_units(buf, size, n / 24, "d", n % 24, "h");
	}
	return (true);
}

bool
human_bytes(char *buf, size_t size, double bytes)
{
	static const char *const unit[] = {"KiB", "MiB", "GiB", "TiB", "PiB"};
	size_t i;

	if (!isfinite(bytes) || bytes < 1024 || bytes > 1e18)
		return (false);
	bytes /= 1024;
	for (i = 0; bytes >= 1023.95 && i < 4; i++)
		bytes /= 1024;
	snprintf(buf, size, "%.1f %s", bytes, unit[i]);
	return (true);
}

int
human_set_timezone(const char *name)
{
	char path[PATH_MAX];
	time_t now = 0;
	struct tm tm;
	int known;

	/* tzset(3) says nothing about a zone that it does not find. */
	known = strcmp(name, "UTC") == 0;
	if (!known && name[0] != '\0' && name[0] != '/' && name[0] != ':' &&
	    strstr(name, "..") == NULL && (size_t)snprintf(path, sizeof(path),
	    ZONEINFO "%s", name) < sizeof(path))
		known = access(path, R_OK) == 0;
	if (setenv("TZ", known ? name : "UTC", 1) == -1)
		return (-1);
	tzset();
	localtime_r(&now, &tm);
	return (known ? 0 : -1);
}

static void
local(struct tm *tm, int64_t wall_ms)
{
	time_t t = (time_t)(wall_ms / 1000 - (wall_ms % 1000 < 0));

	if (localtime_r(&t, tm) == NULL)
		memset(tm, 0, sizeof(*tm));
}

/* Two digits and a character; strftime(3) and printf(3) cost ten times. */
static char *
two_digits(char *p, int n, char behind)
{
	p[0] = (char)('0' + n / 10 % 10);
	p[1] = (char)('0' + n % 10);
	p[2] = behind;
	return (p + 3);
}

void
human_time(char *buf, size_t size, int64_t wall_ms)
{
	static const char month[12][4] = {"Jan", "Feb", "Mar", "Apr", "May",
	    "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	struct tm tm;
	char *p = buf;

	if (size < sizeof("21/Nov/26 05:50"))
		return;
	local(&tm, wall_ms);
	p = two_digits(p, tm.tm_mday, '/');
	memcpy(p, month[(unsigned int)tm.tm_mon % 12], 3);
	p[3] = '/';
	p = two_digits(p + 4, (int)((tm.tm_year % 100 + 100) % 100), ' ');
	p = two_digits(p, tm.tm_hour, ':');
	two_digits(p, tm.tm_min, '\0');
}

void
human_clock(char *buf, size_t size, int64_t wall_ms)
{
	struct tm tm;

	if (size < sizeof("05:50"))
		return;
	local(&tm, wall_ms);
	two_digits(two_digits(buf, tm.tm_hour, ':'), tm.tm_min, '\0');
}
