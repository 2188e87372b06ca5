/*
 * The configuration as the workers get it: JSON with each class's own keys,
 * and what a reload changes.  Called by the supervisor.
 */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf_private.h"

static const char *const suffixes[] = {
#define TYPE_SUFFIX(name, ctype, suffix) suffix,
	CONF_TYPES(TYPE_SUFFIX)
#undef TYPE_SUFFIX
};

static json_object *section_get(json_object *, const char *path);
static void keys_add(json_object *, enum conf_section, const void *base,
    enum process_class);

/* The object at "telegram.rate", made when it is not there. */
static json_object *
section_get(json_object *root, const char *path)
{
	json_object *o = root, *next;
	char copy[64], *rest = copy, *name;

	strlcpy(copy, path, sizeof(copy));
	while ((name = strsep(&rest, ".")) != NULL && *name != '\0') {
		if (!json_object_object_get_ex(o, name, &next)) {
			next = json_object_new_object();
			json_object_object_add(o, name, next);
		}
		o = next;
	}
	return (o);
}

/* The keys of one section that the class is told of. */
static void
keys_add(json_object *root, enum conf_section section, const void *base,
    enum process_class class)
{
	const struct conf_key *key;
	char name[64];
	const char *path = section == CS_CHAT || section == CS_ROUTE ? "" :
	    conf_section_path(section);

	for (key = conf_keys; key < conf_keys + conf_nkeys; key++) {
		if (key->section != section ||
		    !(key->classes & (1U << class)))
			continue;
		snprintf(name, sizeof(name), "%s%s", key->name,
		    suffixes[key->type]);
		json_object_object_add(section_get(root, path), name,
		    conf_value_json(key, base));
	}
}

static json_object *
named_new(const char *name)
{
	json_object *o = json_object_new_object();

	json_object_object_add(o, "name", json_object_new_string(name));
	return (o);
}

/* Chats and routes, for the classes that are told of their keys. */
static void
lists_add(json_object *root, const struct conf *conf, enum process_class class)
{
	json_object *list, *o;
	size_t i;

	if (class == PC_QUEUE || class == PC_TELEGRAM) {
		list = json_object_new_array();
		for (i = 0; i < conf->nchats; i++) {
			o = named_new(conf->chats[i].name);
			keys_add(o, CS_CHAT, &conf->chats[i], class);
			json_object_array_add(list, o);
		}
		json_object_object_add(root, "chats", list);
	}
	if (class == PC_QUEUE) {
		list = json_object_new_array();
		for (i = 0; i < conf->nroutes; i++) {
			o = named_new(conf->routes[i].name);
			keys_add(o, CS_ROUTE, &conf->routes[i], class);
			json_object_array_add(list, o);
		}
		json_object_object_add(root, "routes", list);
	}
}

static void
secrets_add(json_object *root, const struct conf *conf,
    enum process_class class)
{
	const char *secret = NULL, *section = "";

	if ((class == PC_TELEGRAM || class == PC_INTAKE) &&
	    conf->webhook_secret != NULL && *conf->webhook_url != '\0')
		json_object_object_add(section_get(root, "telegram.webhook"),
		    "secret", json_object_new_string(conf->webhook_secret));
	if (class == PC_TELEGRAM)
		secret = conf->token;
	else if (class == PC_MONITOR) {
		secret = conf->monitor_token;
		section = "monitor";
	} else if (class == PC_INTAKE) {
		secret = conf->intake_token;
		section = "intake";
	}
	if (secret != NULL)
		json_object_object_add(section_get(root, section), "token",
		    json_object_new_string(secret));
}

char *
conf_export(const struct conf *conf, enum process_class class)
{
	json_object *root = json_object_new_object();
	const char *text;
	char *copy = NULL;
	int s;

	if (root == NULL)
		return (NULL);
	for (s = 0; s < CONF_NSECTIONS; s++)
		if (s != CS_CHAT && s != CS_ROUTE)
			keys_add(root, (enum conf_section)s, conf, class);
	lists_add(root, conf, class);
	secrets_add(root, conf, class);
	json_object_object_add(root, "bridge",
	    json_object_new_boolean(conf->bridge));
	text = json_object_to_json_string_ext(root, JSON_C_TO_STRING_PLAIN |
	    JSON_C_TO_STRING_NOSLASHESCAPE);
	if (text != NULL)
		copy = strdup(text);
	json_object_put(root);
	return (copy);
}

static void
exchange(void *a, void *b, size_t size)
{
	char hold[sizeof(struct conf_list)];

	memcpy(hold, a, size);
	memcpy(a, b, size);
	memcpy(b, hold, size);
}

/* Does the key of all sections but chat and route have the same value? */
static bool
same_value(const struct conf_key *key, const struct conf *a,
    const struct conf *b)
{
	json_object *va = conf_value_json(key, a);
	json_object *vb = conf_value_json(key, b);
	bool same = json_object_equal(va, vb);

	json_object_put(va);
	json_object_put(vb);
	return (same);
}

/* Keys that a reload cannot change keep their value; which are they? */
static unsigned int
keep_restart_keys(struct conf *old, struct conf *new, struct conf_list *names)
{
	const struct conf_key *key;
	unsigned int classes = 0;
	char path[80];

	for (key = conf_keys; key < conf_keys + conf_nkeys; key++) {
		if (key->section == CS_CHAT || key->section == CS_ROUTE ||
		    same_value(key, old, new))
			continue;
		if (key->when == CW_RELOAD) {
			classes |= key->classes & F_SUP;
			continue;
		}
		snprintf(path, sizeof(path), "%s%s%s",
		    conf_section_path(key->section),
		    key->section == CS_TOP ? "" : ".", key->name);
		conf_list_add(names, path);
		exchange((char *)old + key->offset, (char *)new + key->offset,
		    conf_value_size(key->type));
	}
	/* Nobody listens there before the restart that intake.http needs. */
	if (*new->webhook_url != '\0' && *new->intake_http == '\0') {
		conf_list_add(names, "telegram.webhook.url");
		exchange(&old->webhook_url, &new->webhook_url,
		    sizeof(new->webhook_url));
	}
	return (classes);
}

static void
export_free(char *text)
{
	if (text != NULL)
		explicit_bzero(text, strlen(text));
	free(text);
}

unsigned int
conf_diff(struct conf *old, struct conf *new, struct conf_list *restart)
{
	unsigned int classes;
	char *before[NCLASSES], *after;
	int class;

	/* What a class is told is what concerns it: compare just that. */
	for (class = 0; class < NCLASSES; class++)
		before[class] = conf_export(old, (enum process_class)class);
	classes = keep_restart_keys(old, new, restart);
	for (class = 0; class < NCLASSES; class++) {
		after = conf_export(new, (enum process_class)class);
		if (class != PC_SUPERVISOR && (after == NULL ||
		    before[class] == NULL ||
		    strcmp(before[class], after) != 0))
			classes |= 1U << class;
		export_free(before[class]);
		export_free(after);
	}
	return (classes);
}
