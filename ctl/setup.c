/*
 * setup: make other programs know of us: Claude Code, systemd.  Everything
 * is checked before anything is written.
 */
#include <errno.h>
#include <json-c/json.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/conf.h"
#include "common/json.h"
#include "common/nitems.h"
#include "ctl/ctl.h"
#include "ctl/edit.h"
#include "ctl/setup.h"
#include "ctl/verbs.h"

/* The unit, filled in for where we are installed. */
static const char unit[] =
#include "ctl/unit.inc"
    ;

#define FLAGS (JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED | \
    JSON_C_TO_STRING_NOSLASHESCAPE)

/* A hook that asks ends by itself when its time is over. */
#define ASK_MORE_S 60

/* A document of Claude Code that is changed.  Both are in the directory that
 * CLAUDE_CONFIG_DIR names, if it does. */
struct document {
	const char *name; /* in the home directory */
	const char *moved;
	int (*change)(struct setup *, struct json_object *);
	struct edit edit;
	struct json_object *doc;
	bool changed;
};

static const char *home(struct ctl *);
static void setup_prepare(struct ctl *, struct setup *);
static void document_change(struct ctl *, struct setup *, struct document *);
static void document_write(struct ctl *, struct document *);
static void result_print(struct ctl *, struct setup *);

static const char *
home(struct ctl *ctl)
{
	const char *dir = getenv("HOME");
	struct passwd *pw;

	if (dir != NULL && *dir == '/')
		return (dir);
	if ((pw = getpwuid(getuid())) == NULL)
		ctl_fail(ctl, XC_FAILED, "there is no home directory");
	return (pw->pw_dir);
}

/* A word for a shell. */
static char *
quoted(const char *text)
{
	char *out, *o;

	if (text[strspn(text, "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+:@,=%")] == '\0')
		return (strdup(text));
	if ((o = out = malloc(strlen(text) * 4 + 3)) == NULL)
		return (NULL);
	*o++ = '\'';
	for (; *text != '\0'; text++) {
		if (*text == '\'') {
			memcpy(o, "'\\''", 4);
			o += 4;
		} else
			*o++ = *text;
	}
	*o++ = '\'';
	*o = '\0';
	return (out);
}

static void
argument_add(struct ctl *ctl, struct setup *s, const char *option,
    const char *path)
{
	char full[PATH_MAX];

	if (path == NULL)
		return;
	if (realpath(path, full) == NULL)
		ctl_fail(ctl, XC_FAILED, "%s: %s", path, strerror(errno));
	json_object_array_add(s->args, json_object_new_string(option));
	json_object_array_add(s->args, json_object_new_string(full));
}

/* The way to this program, with the options that say where the daemon is. */
static void
setup_prepare(struct ctl *ctl, struct setup *s)
{
	static char path[PATH_MAX], command[4 * PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	char *word;
	size_t i;

	if (n == -1)
		ctl_fail(ctl, XC_FAILED, "/proc/self/exe: %s",
		    strerror(errno));
	s->program = path;
	s->args = json_object_new_array();
	s->changes = json_object_new_array();
	s->remove = ctl_option(ctl, "remove") != NULL;
	s->on = &where_conf(ctl)->hooks_on;
	s->ask_s = (int)(where_conf(ctl)->hooks_timeout_ms / 1000) +
	    ASK_MORE_S;
	argument_add(ctl, s, "--config", ctl->config);
	argument_add(ctl, s, "--runtime-dir", ctl->runtime_dir);
	for (i = 0; i <= json_object_array_length(s->args); i++) {
		word = quoted(i == 0 ? path : json_object_get_string(
		    json_object_array_get_idx(s->args, i - 1)));
		if (word == NULL || strlcat(command, i == 0 ? "" : " ",
		    sizeof(command)) >= sizeof(command) || strlcat(command,
		    word, sizeof(command)) >= sizeof(command))
			ctl_fail(ctl, XC_FAILED, "a path is too long");
		free(word);
	}
	s->command = command;
}

static void
document_change(struct ctl *ctl, struct setup *s, struct document *d)
{
	size_t before = json_object_array_length(s->changes);
	const char *dir = getenv("CLAUDE_CONFIG_DIR"), *why;
	char path[PATH_MAX];

	if (dir != NULL && *dir != '\0')
		snprintf(path, sizeof(path), "%s/%s", dir, d->moved);
	else
		snprintf(path, sizeof(path), "%s/%s", home(ctl), d->name);
	if (edit_read(&d->edit, path) == -1)
		ctl_fail(ctl, XC_FAILED, "%s: %s", path, strerror(errno));
	d->doc = d->edit.old == NULL ? json_object_new_object() :
	    json_parse(d->edit.old, d->edit.oldlen, &why);
	if (d->doc == NULL)
		ctl_fail(ctl, XC_FAILED, "%s: not JSON: %s; nothing was "
		    "changed", path, why);
	if (d->change(s, d->doc) == -1)
		ctl_fail(ctl, XC_FAILED, "%s: %s", path, s->error);
	d->changed = json_object_array_length(s->changes) > before;
}

static void
document_write(struct ctl *ctl, struct document *d)
{
	const char *text;
	char *all;
	int len;

	if (d->changed && ctl_option(ctl, "dry-run") == NULL) {
		text = json_object_to_json_string_ext(d->doc, FLAGS);
		if (text == NULL || (len = asprintf(&all, "%s\n", text)) == -1)
			ctl_fail(ctl, XC_FAILED, "out of memory");
		if (edit_write(&d->edit, all, (size_t)len) == -1)
			ctl_fail(ctl, XC_FAILED, "%s: %s", d->edit.path,
			    strerror(errno));
		free(all);
		if (d->edit.backup[0] != '\0' && !ctl->json && !ctl->quiet)
			printf("backup: %s\n", d->edit.backup);
	}
	json_object_put(d->doc);
	edit_free(&d->edit);
}

static void
result_print(struct ctl *ctl, struct setup *s)
{
	bool dry = ctl_option(ctl, "dry-run") != NULL;
	size_t i, n = json_object_array_length(s->changes);
	struct json_object *o;

	if (ctl->json) {
		o = json_object_new_object();
		json_object_object_add(o, "changes",
		    json_object_get(s->changes));
		json_object_object_add(o, "dry_run",
		    json_object_new_boolean(dry));
		print_json(o);
		json_object_put(o);
		return;
	}
	for (i = 0; i < n && !ctl->quiet; i++)
		printf("%s%s\n", dry ? "would change " : "",
		    json_object_get_string(json_object_array_get_idx(
		    s->changes, i)));
	if (n == 0 && !ctl->quiet)
		puts("nothing to change");
}

static int
setup_claude(struct ctl *ctl, struct setup *s)
{
	struct document documents[] = {
		{ ".claude/settings.json", "settings.json",
		    .change = settings_hooks },
		{ ".claude.json", ".claude.json", .change = settings_mcp },
	};
	size_t i;

	for (i = 0; i < nitems(documents); i++)
		document_change(ctl, s, &documents[i]);
	for (i = 0; i < nitems(documents); i++)
		document_write(ctl, &documents[i]);
	return (XC_OK);
}

static void
unit_change(struct ctl *ctl, struct setup *s, struct edit *e)
{
	char *text;

	if (asprintf(&text, "%s: %s", e->path, s->remove ? "removed" :
	    e->old != NULL ? "replaced" : "new") == -1)
		ctl_fail(ctl, XC_FAILED, "out of memory");
	json_object_array_add(s->changes, json_object_new_string(text));
	free(text);
	if (ctl_option(ctl, "dry-run") != NULL)
		return;
	if ((s->remove ? edit_remove(e) : edit_write(e, unit,
	    sizeof(unit) - 1)) == -1)
		ctl_fail(ctl, XC_FAILED, "%s: %s", e->path, strerror(errno));
	if (!ctl->json && !ctl->quiet)
		printf("next: systemctl --user %s\n", s->remove ?
		    "daemon-reload" :
		    "daemon-reload; systemctl --user enable --now cctgd");
}

static int
setup_systemd(struct ctl *ctl, struct setup *s)
{
	const char *config = getenv("XDG_CONFIG_HOME");
	char path[PATH_MAX];
	struct edit e;

	snprintf(path, sizeof(path), "%s%s/systemd/user/cctgd.service",
	    config != NULL && *config == '/' ? config : home(ctl),
	    config != NULL && *config == '/' ? "" : "/.config");
	if (edit_read(&e, path) == -1)
		ctl_fail(ctl, XC_FAILED, "%s: %s", path, strerror(errno));
	if (s->remove ? e.old != NULL : e.old == NULL ||
	    strcmp(e.old, unit) != 0)
		unit_change(ctl, s, &e);
	edit_free(&e);
	return (XC_OK);
}

static int
setup_run(struct ctl *ctl)
{
	static const struct {
		const char *name;
		int (*run)(struct ctl *, struct setup *);
	} targets[] = {
		{ "claude", setup_claude },
		{ "systemd", setup_systemd },
	};
	struct setup s = { .remove = false };
	size_t i;

	for (i = 0; strcmp(targets[i].name, ctl->operand[0]) != 0;)
		if (++i == nitems(targets))
			ctl_usage(ctl, "there is no setup of \"%s\"",
			    ctl->operand[0]);
	setup_prepare(ctl, &s);
	targets[i].run(ctl, &s);
	result_print(ctl, &s);
	json_object_put(s.changes);
	json_object_put(s.args);
	return (XC_OK);
}

static const struct verb_option setup_options[] = {
	{ "dry-run", 'n', OPT_FLAG, NULL, "only say what would change" },
	{ "remove", 0, OPT_FLAG, NULL, "take out again what is ours" },
	{ NULL, 0, OPT_FLAG, NULL, NULL }
};

const struct verb verb_setup = {
	.name = "setup",
	.operands = "claude|systemd [--dry-run] [--remove]",
	.words = "claude systemd",
	.doc = "make Claude Code or systemd know of us",
	.options = setup_options,
	.min = 1,
	.max = 1,
	.run = setup_run,
};
