/*
 * Commands in the chat: a table of names, and one short function for each.
 * Every answer is made from what is true now.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/metrics.h"
#include "workers/queue/escape.h"
#include "workers/queue/note.h"
#include "workers/queue/person.h"
#include "workers/queue/update.h"

#define LIST_LINES 10
#define TODO_BYTES (256U << 10) /* of the agent's list, at most */

#define COMMAND_PROTOTYPE(name, old, role, function, help) \
	static void command_##function(struct command_context *);
COMMANDS(COMMAND_PROTOTYPE)
#undef COMMAND_PROTOTYPE

static const struct command {
	const char *name, *old;
	enum role role;
	void (*run)(struct command_context *);
	const char *help;
} commands[] = {
#define COMMAND_ROW(name, old, role, function, help) \
	{ name, old, role, command_##function, help },
	COMMANDS(COMMAND_ROW)
#undef COMMAND_ROW
};
#define NCOMMANDS (sizeof(commands) / sizeof(commands[0]))

static void say(struct command_context *, const char *, ...)
    __attribute__((format(printf, 2, 3)));

/* A text of others for say(). */
static char *
escape_text(const char *text, size_t max)
{
	char *html = escape_html(text, max);

	if (html == NULL)
		fatal("answer");
	return (html);
}

/* Answer in the chat, in HTML; texts of others go through escape_text(). */
static void
say(struct command_context *c, const char *fmt, ...)
{
	va_list ap;
	char *html;
	int rc;

	va_start(ap, fmt);
	rc = vasprintf(&html, fmt, ap);
	va_end(ap);
	if (rc == -1)
		fatal("answer");
	note_send(c->chat_id, c->thread, html, NULL);
	free(html);
}

void
command_run(const char *name, struct command_context *c)
{
	for (size_t i = 0; i < NCOMMANDS; i++) {
		if (strcasecmp(name, commands[i].name) != 0 &&
		    (*commands[i].old == '\0' ||
		    strcasecmp(name, commands[i].old) != 0))
			continue;
		if (c->by.role < commands[i].role)
			say(c, "🔒 /%s is for the role %s.", commands[i].name,
			    role_name(commands[i].role));
		else
			commands[i].run(c);
		return;
	}
	command_help(c);
}

static void
command_start(struct command_context *c)
{
	say(c, "👋 This bot carries events from coding agents and CI here, "
	    "and your answers back.\nMode: <b>%s</b>. /help lists the "
	    "commands.", mode_name(queue.mode));
}

static void
command_help(struct command_context *c)
{
	struct packer p = { 0 };

	for (size_t i = 0; i < NCOMMANDS; i++) {
		char line[128];

		if (c->by.role < commands[i].role)
			continue;
		snprintf(line, sizeof(line), "/%s — %s\n", commands[i].name,
		    commands[i].help);
		for (const char *s = line; *s != '\0'; s++)
			pack_u8(&p, (uint8_t)*s);
	}
	pack_u8(&p, '\0');
	if (p.failed)
		fatal("help");
	say(c, "%s", (char *)p.buf);
	pack_free(&p);
}

static void
command_status(struct command_context *c)
{
	const struct store_totals *t = &queue.totals;
	bool ok = !commit_failing() && !queue.held;

	say(c, "%s <b>cctg</b> %s\nMode: %s%s\nWaiting: %lld\nDelivered: "
	    "%lld, suppressed: %lld, uncertain: %lld, dead: %lld",
	    ok ? "🟢" : "🟡", commit_failing() ? "cannot store events" :
	    queue.held ? "holds the queue" : "works", mode_name(queue.mode),
	    queue.quiet_from != -1 ? " (quiet hours are set)" : "",
	    (long long)queue.open_events, (long long)t->delivered,
	    (long long)t->suppressed, (long long)t->uncertain,
	    (long long)t->dead);
}

/* A list of rows of the store as lines. */
struct lines {
	struct packer text;
	int n;
};

static void
line_row(const struct store_row *r, void *arg)
{
	struct lines *l = arg;
	char *title = escape_text(r->event.title, 120), *line;

	if (asprintf(&line, "• %s — %s%s%s\n", title,
	    delivery_state_name(r->delivery.state),
	    r->delivery.reason == NULL ? "" : ": ",
	    r->delivery.reason == NULL ? "" : r->delivery.reason) == -1)
		fatal("list");
	for (const char *s = line; *s != '\0'; s++)
		pack_u8(&l->text, (uint8_t)*s);
	l->n++;
	free(line);
	free(title);
}

static void
say_rows(struct command_context *c, const char *head, const char *none,
    bool open)
{
	struct lines l = { { 0 }, 0 };

	if (store_list(queue.store, -1, open, !open, 0, LIST_LINES, line_row,
	    &l) == -1) {
		say(c, "🔴 %s", store_error(queue.store));
		return;
	}
	pack_u8(&l.text, '\0');
	if (l.text.failed)
		fatal("list");
	if (l.n == 0)
		say(c, "%s", none);
	else
		say(c, "<b>%s</b>\n%s", head, (char *)l.text.buf);
	pack_free(&l.text);
}

static void
command_queue(struct command_context *c)
{
	say_rows(c, "Waiting", "Nothing waits.", true);
}

static void
command_last(struct command_context *c)
{
	say_rows(c, "Last", "Nothing yet.", false);
}

static void
command_tasks(struct command_context *c)
{
	say_rows(c, "Latest", "No tasks yet.", false);
}

/* What the MCP server's register_claude_todos wrote (CONTRACT section 1). */
static struct json_object *
read_todos(void)
{
	const char *dir = getenv("TMPDIR"), *error;
	struct json_object *o = NULL;
	char path[1024], *text;
	size_t len;
	FILE *f;

	snprintf(path, sizeof(path), "%s/claude_current_session_todos.json",
	    dir != NULL ? dir : "/tmp");
	if ((f = fopen(path, "re")) == NULL)
		return (NULL);
	if ((text = malloc(TODO_BYTES)) == NULL)
		fatal("todo");
	len = fread(text, 1, TODO_BYTES, f);
	if (len > 0 && len < TODO_BYTES)
		o = json_parse(text, len, &error);
	free(text);
	fclose(f);
	return (o);
}

static void
command_todo(struct command_context *c)
{
	struct json_object *o = read_todos(), *list = json_path(o, "todos");
	struct packer p = { 0 };
	const char *status;

	if (!json_object_is_type(list, json_type_array)) {
		say(c, "No list of things to do is known.");
		json_object_put(o);
		return;
	}
	for (size_t i = 0; i < json_object_array_length(list) &&
	    p.len < 3500; i++) {
		struct json_object *t = json_object_array_get_idx(list, i);
		char *text = escape_text(json_str(t, "content",
		    json_str(t, "title", "?")), 200), *line;

		status = json_str(t, "status", "");
		if (asprintf(&line, "%s %s\n",
		    strcmp(status, "completed") == 0 ? "✅" :
		    strcmp(status, "in_progress") == 0 ? "🔧" : "⬜", text)
		    == -1)
			fatal("todo");
		for (const char *s = line; *s != '\0'; s++)
			pack_u8(&p, (uint8_t)*s);
		free(line);
		free(text);
	}
	pack_u8(&p, '\0');
	if (p.failed)
		fatal("todo");
	say(c, "<b>To do</b>\n%s", (char *)p.buf);
	pack_free(&p);
	json_object_put(o);
}

static void
command_pending(struct command_context *c)
{
	struct json_object *list = prompt_list(), *o;
	size_t n = json_object_array_length(list);

	if (n == 0)
		say(c, "No question is open.");
	for (size_t i = 0; i < n && i < LIST_LINES; i++) {
		char *title;

		o = json_object_array_get_idx(list, i);
		title = escape_text(json_str(o, "title", ""), 200);
		say(c, "%lld. <b>%s</b>\n/approve %lld · /deny %lld",
		    (long long)json_i64(o, "number", 0), title,
		    (long long)json_i64(o, "number", 0),
		    (long long)json_i64(o, "number", 0));
		free(title);
	}
	json_object_put(list);
}

static void
command_doctor(struct command_context *c)
{
	const char *damaged = store_damaged(queue.store);
	int suspended = 0;

	for (struct chat *h = chat_first(); h != NULL; h = chat_next(h))
		suspended += h->suspended;
	say(c, "Store: %s%s%s\nChats that shut the bot out: %d\nDead events: "
	    "%lld, uncertain: %lld\nMessages sent again: %lld",
	    commit_failing() ? store_error(queue.store) : "ok",
	    damaged != NULL ? "; " : "", damaged != NULL ? damaged : "",
	    suspended, (long long)queue.totals.dead,
	    (long long)queue.totals.uncertain,
	    (long long)metric_get(M_events_resent));
}

static void
set_mode(struct command_context *c, enum mode m, int64_t until_ms)
{
	char who[64];

	snprintf(who, sizeof(who), "user %lld", (long long)c->by.user_id);
	mode_set(m, until_ms, who);
	say(c, "Mode: <b>%s</b>", mode_name(m));
}

static void
command_mode(struct command_context *c)
{
	int m = mode_by_name(c->argument);

	if (*c->argument == '\0')
		say(c, "Mode: <b>%s</b>", mode_name(queue.mode));
	else if (m == -1)
		say(c, "Modes are local, nomad and mute.");
	else
		set_mode(c, (enum mode)m, 0);
}

static void
command_local(struct command_context *c)
{
	set_mode(c, MODE_LOCAL, 0);
}

static void
command_nomad(struct command_context *c)
{
	set_mode(c, MODE_NOMAD, 0);
}

static void
command_mute(struct command_context *c)
{
	int64_t ms = *c->argument == '\0' ? 0 :
	    duration_parse_ms(c->argument);

	if (ms == -1)
		say(c, "That is no duration; try /mute 2h.");
	else
		set_mode(c, MODE_MUTE, ms == 0 ? 0 : jump_wall_ms() + ms);
}

static void
command_unmute(struct command_context *c)
{
	set_mode(c, mode_before(), 0);
}

static void
command_restart(struct command_context *c)
{
	say(c, "♻️ Replacing the workers.");
	worker_restart_all();
}

/*
 * Which question is meant?  A reply means that one, or none: never the one
 * that happens to be open when that was decided already.
 */
static const char *
decide_which(const struct command_context *c)
{
	const char *id = NULL;
	long long n;
	char *end;

	if (c->reply_to != 0)
		id = prompt_of_message(c->chat_id, c->reply_to,
		    c->reply_data);
	if (id != NULL)
		return (id);
	if (*c->argument == '\0')
		return (c->reply_to != 0 ? NULL : prompt_only());
	n = strtoll(c->argument, &end, 10);
	return (*end == '\0' ? prompt_by_number(n) : c->argument);
}

static void
decide(struct command_context *c, bool deny)
{
	const char *id = decide_which(c);
	const char *error = "which one?  /pending lists them";

	c->by.message_id = c->reply_to;
	if (id == NULL || prompt_decide(id, deny, &c->by, &error) == -1)
		say(c, "🤷 %s", error);
	else
		say(c, deny ? "❌ Denied" : "✅ Approved");
}

static void
command_approve(struct command_context *c)
{
	decide(c, false);
}

static void
command_deny(struct command_context *c)
{
	decide(c, true);
}
