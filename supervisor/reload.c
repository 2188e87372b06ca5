/*
 * The configuration, at start and at each reload: read into a new structure,
 * which replaces the old one whole or not at all.
 *
 * Workers without state are replaced, make-before-break; the others are sent
 * what has changed.  Reading a small file blocks the loop for a moment.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <json-c/json.h>

#include "common/conf.h"
#include "common/log.h"
#include "supervisor/supervisor.h"

static char *reload_first_error(const struct conf_problems *);
static void reload_apply(unsigned int, struct json_object *);
static struct json_object *reload_names(const struct conf_list *);

/*
 * At start: every problem is printed, to be seen by whoever started us.
 * Returns 0 with sup.conf set, or -1.
 */
int
reload_first(void)
{
	struct conf_problems problems = {0};
	size_t i;

	sup.conf = conf_load(sup.source, &problems);
	for (i = 0; i < problems.n; i++)
		fprintf(stderr, "%s: %s%s\n", sup.progname,
		    problems.v[i].error ? "" : "warning: ",
		    problems.v[i].text);
	conf_problems_free(&problems);
	return (sup.conf == NULL ? -1 : 0);
}

/*
 * Read the configuration again.  On success answer tells what was done; on
 * failure *error has the first problem, for free().
 */
int
reload_now(struct json_object *answer, char **error)
{
	struct conf_problems problems = {0};
	struct conf_list restart_keys = {0};
	struct conf *new, *old = sup.conf;
	enum log_level level = reload_configured_level();
	unsigned int classes;
	size_t i;

	notify_reloading();
	new = conf_load(sup.source, &problems);
	for (i = 0; i < problems.n; i++) {
		if (problems.v[i].error)
			log_errx("%s", problems.v[i].text);
		else
			log_warnx("%s", problems.v[i].text);
	}
	if (new == NULL) {
		*error = reload_first_error(&problems);
		conf_problems_free(&problems);
		log_errx("reload: the configuration stays as it was");
		notify_reloaded();
		return (-1);
	}
	conf_problems_free(&problems);
	secret_provide(new);
	classes = conf_diff(old, new, &restart_keys);
	sup.conf = new;
	conf_free(old);
	for (i = 0; i < restart_keys.n; i++)
		log_warnx("reload: %s needs a restart of the daemon",
		    restart_keys.v[i]);
	status_put(answer, "restart_keys", reload_names(&restart_keys));
	conf_list_free(&restart_keys);
	if (reload_configured_level() != level)
		reload_log_level(reload_configured_level());
	reload_apply(classes, answer);
	notify_reloaded();
	return (0);
}

static char *
reload_first_error(const struct conf_problems *problems)
{
	size_t i;

	for (i = 0; i < problems->n; i++)
		if (problems->v[i].error)
			return (strdup(problems->v[i].text));
	return (NULL);
}

/* Bring the new configuration to the workers of the classes. */
static void
reload_apply(unsigned int classes, struct json_object *answer)
{
	struct json_object *names = json_object_new_array();
	struct worker *w;
	struct child *c;
	unsigned int n = 0;

	if (tree_configure() > 0)
		tree_start();
	TAILQ_FOREACH(w, &sup.workers, entry) {
		if (w->removed)
			continue;
		/* Whoever could not work may be able to now. */
		if (w->state == WS_FAILED)
			tree_event(w, PE_RELOAD);
		else if ((classes & 1U << w->class) == 0)
			continue;
		else if (class_is_pool(w->class))
			tree_restart(w, "new configuration");
		else if (w->child != NULL)
			child_configure(w->child);
		status_append(names, json_object_new_string(w->name));
		n++;
	}
	/* A successor that is starting was told the old one. */
	TAILQ_FOREACH(c, &sup.children, entry)
		if (c->role == ROLE_SUCCESSOR && c->link != NULL &&
		    (classes & 1U << c->worker->class) != 0)
			child_configure(c);
	log_notice("reload: done, %u workers have something new", n);
	status_put(answer, "replaced", names);
}

static struct json_object *
reload_names(const struct conf_list *list)
{
	struct json_object *names = json_object_new_array();
	size_t i;

	for (i = 0; i < list->n; i++)
		status_append(names,
		    json_object_new_string(list->v[i]));
	return (names);
}

enum log_level
reload_configured_level(void)
{
	return (sup.conf->log == 0 ? LL_INFO : LL_DEBUG);
}

/* Log more or less, in all processes, until the configuration changes. */
void
reload_log_level(enum log_level level)
{
	struct child *c;

	if (level == log_get_level())
		return;
	log_set_level(level);
	TAILQ_FOREACH(c, &sup.children, entry)
		child_log_level(c, level);
	log_notice("logging is %s", level == LL_DEBUG ? "verbose" : "brief");
}
