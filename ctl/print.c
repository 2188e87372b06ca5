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

/* Most characters take one column; a table need not be perfect with others. */
void
print_field(const char *text, int width, enum colour colour)
{
	static const char *const codes[] = { "", "\033[1m", "\033[32m",
		"\033[33m", "\033[31m" };
	const unsigned char *p = (const unsigned char *)text;
	int columns = 0;
	size_t n;

	printf("%*s", pending, "");
	pending = 0;
	if (colour != PLAIN && coloured())
		fputs(codes[colour], stdout);
	for (; *p != '\0' && (width <= 0 || columns < width); columns++) {
		if ((n = printable(p)) == 0) {
			putchar(*p == '\n' || *p == '\t' ? ' ' : '?');
			n = 1;
		} else
			fwrite(p, 1, n, stdout);
		p += n;
	}
	if (colour != PLAIN && coloured())
		fputs("\033[0m", stdout);
	pending = (width > columns ? width - columns : 0) + 2;
}

void
print_line(void)
{
	pending = 0;
	putchar('\n');
}

int
print_room(int used)
{
	struct winsize ws;
	int columns = 0;

	if (!isatty(STDOUT_FILENO))
		return (0);
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0)
		columns = ws.ws_col;
	return (columns > used + 10 ? columns - used : 0);
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

const char *
print_time(char *buf, size_t size, const char *rfc3339)
{
	time_t now = time(NULL), t;
	struct tm tm, today;
	int64_t ms;

	if (rfc3339 == NULL || (ms = clock_parse_rfc3339(rfc3339)) == -1) {
		strlcpy(buf, "-", size);
		return (buf);
	}
	t = (time_t)(ms / 1000);
	localtime_r(&t, &tm);
	localtime_r(&now, &today);
	strftime(buf, size, tm.tm_yday == today.tm_yday &&
	    tm.tm_year == today.tm_year ? "%H:%M:%S" : "%Y-%m-%d %H:%M:%S",
	    &tm);
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

	for (i = 0; i < sizeof(colours) / sizeof(colours[0]); i++)
		if (strcmp(colours[i].state, state) == 0)
			return (colours[i].colour);
	return (PLAIN);
}
