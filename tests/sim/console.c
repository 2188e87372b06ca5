/*
 * console.c - shows the chat to a person who watches: who wrote what where,
 * the buttons, and edits as edits.  Written by ./try for a terminal; colour
 * only there.
 */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <json-c/json.h>

#include "tests/sim/sim.h"

#define BOLD	"\033[1m"
#define DIM	"\033[2m"
#define GREEN	"\033[32m"
#define CYAN	"\033[36m"
#define YELLOW	"\033[33m"
#define RESET	"\033[0m"

static void	body(const struct message *);
static void	buttons(const char *);
static const char *color(const char *);
static void	head(const struct chat *, int64_t, const char *, const char *);

static const char *
color(const char *code)
{
	return (sim.color ? code : "");
}

/* The first line: time, who, where, what is special. */
static void
head(const struct chat *c, int64_t at_us, const char *who, const char *what)
{
	struct tm	tm;
	time_t		t = at_us / 1000000;
	char		clock[16];

	if (localtime_r(&t, &tm) == NULL ||
	    strftime(clock, sizeof(clock), "%H:%M:%S", &tm) == 0)
		clock[0] = '\0';
	(void)printf("\n%s%s%s %s%s%s -> %s%s%s%s%s%s\n", color(DIM), clock,
	    color(RESET), color(BOLD), who, color(RESET), color(CYAN),
	    c->title, color(RESET), color(YELLOW), what, color(RESET));
}

static void
buttons(const char *markup)
{
	struct json_object	*all, *row, *rows;
	size_t			 i, k;

	if (markup == NULL || (all = json_tokener_parse(markup)) == NULL)
		return;
	rows = json_object_object_get(all, "inline_keyboard");
	for (i = 0; i < json_object_array_length(rows); i++) {
		row = json_object_array_get_idx(rows, i);
		(void)printf("  %s", color(GREEN));
		for (k = 0; k < json_object_array_length(row); k++)
			(void)printf("[ %s ] ", json_object_get_string(
			    json_object_object_get(
			    json_object_array_get_idx(row, k), "text")));
		(void)printf("%s\n", color(RESET));
	}
	json_object_put(all);
}

/* The text, each line set off from the left, then file and buttons. */
static void
body(const struct message *m)
{
	const char	*line = m->body.text == NULL ? "" : m->body.text;
	const char	*end = line + m->body.len;
	size_t		 len;

	while (line < end) {
		len = strcspn(line, "\n");
		(void)printf("  %.*s\n", (int)len, line);
		line += len + 1;
	}
	if (m->media != NULL)
		(void)printf("  <%s %s, %zu bytes>\n", m->media, m->file_name,
		    m->file_size);
	buttons(m->markup);
	(void)fflush(stdout);
}

void
console_message(const struct message *m)
{
	char	who[64];

	if (m->user == 0)
		(void)strlcpy(who, sim.bot_name, sizeof(who));
	else
		(void)snprintf(who, sizeof(who), "user %lld",
		    (long long)m->user);
	head(m->chat, m->at_us, who, m->silent ? " (silent)" : "");
	body(m);
}

void
console_edit(const struct message *m)
{
	char	what[64];

	(void)snprintf(what, sizeof(what), " (edit of message %lld)",
	    (long long)m->id);
	head(m->chat, m->edits[m->nedits - 1].at_us, sim.bot_name, what);
	body(m);
}

void
console_delete(const struct message *m)
{
	console_note(m->chat, "message %lld deleted", (long long)m->id);
}

void
console_note(const struct chat *c, const char *fmt, ...)
{
	va_list	ap;

	(void)printf("\n%s* %s: ", color(DIM), c->title);
	va_start(ap, fmt);
	(void)vprintf(fmt, ap);
	va_end(ap);
	(void)printf("%s\n", color(RESET));
	(void)fflush(stdout);
}
