/*
 * What Claude Code is to know of us, in the documents of its settings; see
 * setup.h.  A hook is ours by its command.  Ours that are there are left as
 * they are, since people tune their options, unless they call another
 * program.
 */
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf.h"
#include "common/json.h"
#include "common/nitems.h"
#include "ctl/ctl.h"
#include "ctl/setup.h"

#define SERVER "cctg"

/* Seconds.  Those that do not ask take some milliseconds. */
#define TELL_S 10

static const struct {
	const char *event;
	bool tools; /* it has a matcher */
	bool asks;
	bool quiet; /* only if the configuration wants it */
	const char *options; /* unless the configuration wants it */
} wanted[] = {
	{ "PermissionRequest", true, true, false, "" },
	{ "PreToolUse", true, true, true, "" },
	{ "Notification", false, false, false, "" },
	{ "Stop", false, false, false, "" },
	{ "StopFailure", false, false, false, "" },
	{ "SubagentStop", false, false, true, "" },
	{ "PostToolUse", true, false, false, "" },
	{ "PostToolUseFailure", true, false, false, "" },
	{ "UserPromptSubmit", false, false, false, "" },
	{ "SessionStart", false, false, true, "" },
	/* Only withdraws prompts: that a session has ended is no news. */
	{ "SessionEnd", false, false, false, " --off SessionEnd" },
};

static int shape_bad(struct setup *, const char *what);
static bool is_ours(const char *command);
static bool is_current(const struct setup *, const char *command);

static int
shape_bad(struct setup *s, const char *what)
{
	snprintf(s->error, sizeof(s->error), "%s is not of the shape that is "
	    "known; nothing was changed", what);
	return (-1);
}

static void __attribute__((format(printf, 2, 3)))
changed(struct setup *s, const char *fmt, ...)
{
	char *text;
	va_list ap;
	int rc;

	va_start(ap, fmt);
	rc = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (rc == -1)
		return;
	json_object_array_add(s->changes, json_object_new_string(text));
	free(text);
}

static bool
is_on(const struct setup *s, const char *event)
{
	size_t i;

	for (i = 0; i < s->on->n; i++)
		if (strcmp(s->on->v[i], event) == 0)
			return (true);
	return (false);
}

static bool
is_ours(const char *command)
{
	const char *p = strstr(command, "cctgctl");

	return (p != NULL && strstr(p, " hook claude") != NULL);
}

static bool
is_current(const struct setup *s, const char *command)
{
	size_t len = strlen(s->command);

	return (strncmp(command, s->command, len) == 0 &&
	    strncmp(command + len, " hook claude", 12) == 0);
}

/* Take ours out of the hooks of one entry; true if one that may stay is
 * there. */
static bool
entry_clean(struct setup *s, const char *event, struct json_object *hooks)
{
	const char *command;
	bool stays = false;
	size_t i;

	for (i = json_object_array_length(hooks); i-- > 0;) {
		command = json_str(json_object_array_get_idx(hooks, i),
		    "command", "");
		if (!is_ours(command))
			continue;
		if (!s->remove && is_current(s, command)) {
			stays = true;
			continue;
		}
		changed(s, "hooks.%s: without %s", event, command);
		json_object_array_del_idx(hooks, i, 1);
	}
	return (stays);
}

/* 1: one of ours stays in the list of this event; 0: none. */
static int
event_clean(struct setup *s, const char *event, struct json_object *list)
{
	struct json_object *entry, *hooks;
	size_t i, before;
	int stays = 0;

	if (!json_object_is_type(list, json_type_array))
		return (shape_bad(s, event));
	for (i = json_object_array_length(list); i-- > 0;) {
		entry = json_object_array_get_idx(list, i);
		if (!json_object_is_type(entry, json_type_object))
			return (shape_bad(s, event));
		if (!json_object_object_get_ex(entry, "hooks", &hooks))
			continue;
		if (!json_object_is_type(hooks, json_type_array))
			return (shape_bad(s, event));
		before = json_object_array_length(hooks);
		if (entry_clean(s, event, hooks))
			stays = 1;
		if (before > 0 && json_object_array_length(hooks) == 0)
			json_object_array_del_idx(list, i, 1);
	}
	return (stays);
}

static void
event_add(struct setup *s, struct json_object *hooks, size_t row)
{
	struct json_object *entry = json_object_new_object();
	struct json_object *list = json_object_new_array();
	struct json_object *hook = json_object_new_object(), *all;
	char *command;

	if (asprintf(&command, "%s hook claude%s", s->command,
	    is_on(s, wanted[row].event) ? "" : wanted[row].options) == -1)
		return;
	if (wanted[row].tools)
		talk_add(entry, "matcher", "*");
	talk_add(hook, "type", "command");
	talk_add(hook, "command", command);
	json_object_object_add(hook, "timeout",
	    json_object_new_int(wanted[row].asks ? s->ask_s : TELL_S));
	json_object_array_add(list, hook);
	json_object_object_add(entry, "hooks", list);
	if (!json_object_object_get_ex(hooks, wanted[row].event, &all)) {
		all = json_object_new_array();
		json_object_object_add(hooks, wanted[row].event, all);
	}
	json_object_array_add(all, entry);
	changed(s, "hooks.%s: %s", wanted[row].event, command);
	free(command);
}

/* Also the events that are not among those wanted: people add some. */
static int
events_clean(struct setup *s, struct json_object *hooks, bool *stays)
{
	struct lh_entry *e, *next;
	struct json_object *list;
	const char *event;
	size_t i, before;
	int rc;

	for (e = lh_table_head(json_object_get_object(hooks)); e != NULL;
	    e = next) {
		next = lh_entry_next(e);
		event = lh_entry_k(e);
		list = lh_entry_v(e);
		before = json_object_array_length(s->changes);
		if ((rc = event_clean(s, event, list)) == -1)
			return (-1);
		for (i = 0; i < nitems(wanted); i++)
			if (strcmp(wanted[i].event, event) == 0)
				stays[i] = rc == 1;
		if (json_object_array_length(s->changes) > before &&
		    json_object_array_length(list) == 0)
			json_object_object_del(hooks, event);
	}
	return (0);
}

int
settings_hooks(struct setup *s, struct json_object *doc)
{
	bool stays[nitems(wanted)] = { false };
	struct json_object *hooks;
	size_t i, before = json_object_array_length(s->changes);

	if (!json_object_is_type(doc, json_type_object))
		return (shape_bad(s, "the document"));
	if (json_object_object_get_ex(doc, "hooks", &hooks)) {
		if (!json_object_is_type(hooks, json_type_object))
			return (shape_bad(s, "hooks"));
		if (events_clean(s, hooks, stays) == -1)
			return (-1);
	} else if (s->remove)
		return (0);
	else {
		hooks = json_object_new_object();
		json_object_object_add(doc, "hooks", hooks);
	}
	for (i = 0; !s->remove && i < nitems(wanted); i++)
		if (!stays[i] && (!wanted[i].quiet ||
		    is_on(s, wanted[i].event)))
			event_add(s, hooks, i);
	if (s->remove && json_object_array_length(s->changes) > before &&
	    json_object_object_length(hooks) == 0)
		json_object_object_del(doc, "hooks");
	return (0);
}

/* The server as it is to be; what else people have given it stays. */
static bool
server_change(struct setup *s, struct json_object *server)
{
	struct json_object *args = json_object_new_array(), *have = NULL;
	size_t i;

	for (i = 0; i < json_object_array_length(s->args); i++)
		json_object_array_add(args, json_object_get(
		    json_object_array_get_idx(s->args, i)));
	json_object_array_add(args, json_object_new_string("mcp"));
	json_object_object_get_ex(server, "args", &have);
	if (strcmp(json_str(server, "command", ""), s->program) == 0 &&
	    json_object_equal(have, args)) {
		json_object_put(args);
		return (false);
	}
	if (!json_object_object_get_ex(server, "type", NULL))
		talk_add(server, "type", "stdio");
	talk_add(server, "command", s->program);
	json_object_object_add(server, "args", args);
	return (true);
}

int
settings_mcp(struct setup *s, struct json_object *doc)
{
	struct json_object *servers = NULL, *server = NULL;

	if (!json_object_is_type(doc, json_type_object))
		return (shape_bad(s, "the document"));
	if (json_object_object_get_ex(doc, "mcpServers", &servers) &&
	    !json_object_is_type(servers, json_type_object))
		return (shape_bad(s, "mcpServers"));
	if (servers != NULL &&
	    json_object_object_get_ex(servers, SERVER, &server) &&
	    strstr(json_str(server, "command", ""), "cctgctl") == NULL) {
		snprintf(s->error, sizeof(s->error), "mcpServers has another "
		    "server with the name \"" SERVER "\"");
		return (-1);
	}
	if (s->remove) {
		if (server == NULL)
			return (0);
		json_object_object_del(servers, SERVER);
		if (json_object_object_length(servers) == 0)
			json_object_object_del(doc, "mcpServers");
		changed(s, "mcpServers: without " SERVER);
		return (0);
	}
	if (servers == NULL) {
		servers = json_object_new_object();
		json_object_object_add(doc, "mcpServers", servers);
	}
	if (server == NULL) {
		server = json_object_new_object();
		json_object_object_add(servers, SERVER, server);
	}
	if (server_change(s, server))
		changed(s, "mcpServers." SERVER ": %s mcp", s->command);
	return (0);
}
