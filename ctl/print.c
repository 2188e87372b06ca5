/*
 * What people see: columns, colours on a terminal (not with NO_COLOR), ages
 * and sizes.  Text that came from events or from outside loses what would
 * move the cursor.
 */
#include <sys/ioctl.h>

#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/nitems.h"
#include "ctl/ctl.h"

static int pending; /* blanks not yet printed, so that no line ends in them */

static bool
coloured(void)
{
	static int yes = -1;
	const char *no = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	if (yes == -1)
		yes = isatty(STDOUT_FILENO) && (no == NULL || *no == '\0') &&
		    term != NULL && strcmp(term, "dumb") != 0;
	return (yes);
}

void
print_json(struct json_object *answer)
{
	json_object_object_del(answer, "ok");
	puts(json_object_to_json_string_ext(answer, JSON_C_TO_STRING_PLAIN |
	    JSON_C_TO_STRING_NOSLASHESCAPE));
}

/* The answer with --json, nothing with -q, else the text if there is one. */
void
print_ok(const struct ctl *ctl, struct json_object *answer, const char *fmt,
    ...)
{
	va_list ap;

	if (ctl->json)
		puts(json_object_to_json_string_ext(answer,
		    JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	else if (!ctl->quiet && fmt != NULL) {
		va_start(ap, fmt);
		vprintf(fmt, ap);
		va_end(ap);
		putchar('\n');
	}
}

/* How many bytes the character at p has; 0 for one that is not to be shown. */
static size_t
printable(const unsigned char *p)
{
	size_t n = *p < 0x80 ? 1 : *p < 0xc2 ? 0 : *p < 0xe0 ? 2 :
	    *p < 0xf0 ? 3 : *p < 0xf5 ? 4 : 0, i;

	if (n == 1 && (*p < ' ' || *p == 0x7f))
		return (0);
	for (i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return (0);
	/* C1 control characters, U+0080 to U+009F */
	if (n == 2 && *p == 0xc2 && p[1] < 0xa0)
		return (0);
	return (n);
}

/*
 * The columns of a character of n bytes: none for what joins the one before
 * it, two for those of East Asian scripts and most pictures.
 */
static int
columns(const unsigned char *p, size_t n)
{
	static const struct {
		uint32_t from, to;
		int columns;
	} ranges[] = {
		{ 0x300, 0x36f, 0 }, { 0x1100, 0x115f, 2 },
		{ 0x200b, 0x200f, 0 }, { 0x20d0, 0x20ff, 0 },
		{ 0x2e80, 0xa4cf, 2 }, { 0xac00, 0xd7a3, 2 },
		{ 0xf900, 0xfaff, 2 }, { 0xfe00, 0xfe0f, 0 },
		{ 0xfe30, 0xfe6f, 2 }, { 0xff00, 0xff60, 2 },
		{ 0xffe0, 0xffe6, 2 }, { 0x1f300, 0x1f64f, 2 },
		{ 0x1f680, 0x1faff, 2 }, { 0x20000, 0x3fffd, 2 },
	};
	uint32_t c;
	size_t i;

	if (n < 2)
		return (1);
	c = *p & (n == 2 ? 0x1fU : n == 3 ? 0x0fU : 0x07U);
	for (i = 1; i < n; i++)
		c = c << 6 | (p[i] & 0x3fU);
	for (i = 0; i < nitems(ranges); i++)
		if (c >= ranges[i].from && c <= ranges[i].to)
			return (ranges[i].columns);
	return (1);
}

int
print_width(const char *text)
{
	const unsigned char *p = (const unsigned char *)text;
	int width = 0;
	size_t n;

	for (; *p != '\0'; p += n > 0 ? n : 1) {
		n = printable(p);
		width += columns(p, n);
	}
	return (width);
}

void
print_field(const char *text, int width, enum colour colour)
{
	static const char *const codes[] = { "", "\033[1m", "\033[32m",
		"\033[33m", "\033[31m" };
	const unsigned char *p = (const unsigned char *)text;
	bool cut = width > 0 && print_width(text) > width;
	int at = 0, w;
	size_t n;

	printf("%*s", pending, "");
	pending = 0;
	if (colour != PLAIN && coloured())
		fputs(codes[colour], stdout);
	for (; *p != '\0'; p += n > 0 ? n : 1, at += w) {
		n = printable(p);
		w = columns(p, n);
		if (cut && at + w > width - 1)
			break;
		if (n == 0)
			putchar(*p == '\n' || *p == '\t' ? ' ' : '?');
		else
			fwrite(p, 1, n, stdout);
	}
	if (cut) {
		fputs("…", stdout);
		at++;
	}
	if (colour != PLAIN && coloured())
		fputs("\033[0m", stdout);
	pending = (width > at ? width - at : 0) + 2;
}

void
print_indent(int columns)
{
	pending += columns > 0 ? columns : 0;
}

void
print_line(void)
{
	pending = 0;
	putchar('\n');
}

int
print_columns(void)
{
	struct winsize ws;

	if (!isatty(STDOUT_FILENO) ||
	    ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == -1)
		return (0);
	return (ws.ws_col);
}

void
print_nomem(void)
{
	fputs("cctgctl: out of memory\n", stderr);
	exit(XC_FAILED);
}

const char *
print_age(char *buf, size_t size, double seconds)
{
	long s = (long)seconds;

	if (seconds < 10)
		snprintf(buf, size, "%.1fs", seconds);
	else if (s < 60)
		snprintf(buf, size, "%lds", s);
	else if (s < 3600)
		snprintf(buf, size, "%ldm%02lds", s / 60, s % 60);
	else if (s < 86400)
		snprintf(buf, size, "%ldh%02ldm", s / 3600, s % 3600 / 60);
	else
		snprintf(buf, size, "%ldd%02ldh", s / 86400, s % 86400 / 3600);
	return (buf);
}

const char *
print_size(char *buf, size_t size, double bytes)
{
	if (bytes < 1024)
		snprintf(buf, size, "%.0fB", bytes);
	else if (bytes < 1 << 20)
		snprintf(buf, size, "%.0fK", bytes / (1 << 10));
	else if (bytes < 1 << 30)
		snprintf(buf, size, "%.1fM", bytes / (1 << 20));
	else
		snprintf(buf, size, "%.1fG", bytes / (1 << 30));
	return (buf);
}

static bool
local(struct tm *tm, const char *rfc3339)
{
	int64_t ms;
	time_t t;

	if (rfc3339 == NULL || (ms = clock_parse_rfc3339(rfc3339)) == -1)
		return (false);
	t = (time_t)(ms / 1000);
	return (localtime_r(&t, tm) != NULL);
}

const char *
print_time(char *buf, size_t size, const char *rfc3339)
{
	time_t now = time(NULL);
	struct tm tm, today;

	if (!local(&tm, rfc3339)) {
		strlcpy(buf, "-", size);
		return (buf);
	}
	localtime_r(&now, &today);
	strftime(buf, size, tm.tm_year != today.tm_year ? "%Y-%m-%d" :
	    tm.tm_yday == today.tm_yday ? "%H:%M:%S" : "%b %e %H:%M", &tm);
	return (buf);
}

const char *
print_moment(char *buf, size_t size, const char *rfc3339)
{
	struct tm tm;

	if (!local(&tm, rfc3339))
		strlcpy(buf, "-", size);
	else
		strftime(buf, size, "%Y-%m-%d %H:%M:%S", &tm);
	return (buf);
}

enum colour
print_state_colour(const char *state)
{
	static const struct {
		const char *state;
		enum colour colour;
	} colours[] = {
		{ "ok", GREEN }, { "ready", GREEN }, { "connected", GREEN },
		{ "polling", GREEN }, { "delivered", GREEN },
		{ "degraded", YELLOW }, { "backoff", YELLOW },
		{ "starting", YELLOW }, { "draining", YELLOW },
		{ "stopping", YELLOW }, { "uncertain", YELLOW },
		{ "held", YELLOW }, { "throttled", RED }, { "failed", RED },
		{ "down", RED }, { "conflict", RED }, { "dead", RED },
	};
	size_t i;

	for (i = 0; i < nitems(colours); i++)
		if (strcmp(colours[i].state, state) == 0)
			return (colours[i].colour);
	return (PLAIN);
}
