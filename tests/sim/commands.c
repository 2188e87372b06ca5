/*
 * commands.c - the bot's list of commands, one for each scope and language.
 */
#include "config.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "tests/sim/methods.h"
#include "tests/sim/sim.h"

struct command_list {
	TAILQ_ENTRY(command_list) entry;
	char	*key;		/* scope and language */
	char	*json;
};

static int	check(struct call *, struct json_object *);
static struct command_list *find(const char *);
static void	forget(struct command_list *);
static char	*list_key(struct call *);

static TAILQ_HEAD(, command_list) lists = TAILQ_HEAD_INITIALIZER(lists);

/* What tells one list from another. */
static char *
list_key(struct call *call)
{
	struct json_object	*scope;
	struct buf		 b = { 0 };
	const char		*lang;
	bool			 broken;

	scope = params_json(call->params, "scope", &broken);
	lang = params_str(call->params, "language_code");
	buf_puts(&b, scope == NULL ? "{\"type\":\"default\"}" :
	    json_object_to_json_string_ext(scope, JSON_C_TO_STRING_PLAIN));
	buf_putc(&b, '/');
	buf_puts(&b, lang == NULL ? "" : lang);
	buf_putc(&b, '\0');
	json_object_put(scope);
	return (b.p);
}

static struct command_list *
find(const char *key)
{
	struct command_list	*l;

	TAILQ_FOREACH(l, &lists, entry)
		if (strcmp(l->key, key) == 0)
			break;
	return (l);
}

static void
forget(struct command_list *l)
{
	if (l == NULL)
		return;
	TAILQ_REMOVE(&lists, l, entry);
	free(l->key);
	free(l->json);
	free(l);
}

static int
check(struct call *call, struct json_object *list)
{
	struct json_object	*o;
	const char		*name, *text;
	size_t			 i, k;

	if (!json_object_is_type(list, json_type_array))
		return (call_fail(call, 400, "Bad Request: expected an Array "
		    "of BotCommand"));
	if (json_object_array_length(list) > 100)
		return (call_fail(call, 400,
		    "Bad Request: BOT_COMMANDS_TOO_MUCH"));
	for (i = 0; i < json_object_array_length(list); i++) {
		o = json_object_array_get_idx(list, i);
		if (!json_object_is_type(o, json_type_object))
			return (call_fail(call, 400, "Bad Request: expected "
			    "an Object as BotCommand"));
		name = json_object_get_string(
		    json_object_object_get(o, "command"));
		text = json_object_get_string(
		    json_object_object_get(o, "description"));
		if (name != NULL && *name == '/')
			name++;
		for (k = 0; name != NULL && name[k] != '\0'; k++)
			if (!islower((unsigned char)name[k]) &&
			    !isdigit((unsigned char)name[k]) &&
			    name[k] != '_')
				break;
		if (name == NULL || k == 0 || k > 32 || name[k] != '\0')
			return (call_fail(call, 400,
			    "Bad Request: BOT_COMMAND_INVALID"));
		if (text == NULL || *text == '\0' ||
		    utf8_units(text, strlen(text)) > 256)
			return (call_fail(call, 400, "Bad Request: "
			    "BOT_COMMAND_DESCRIPTION_INVALID"));
	}
	return (0);
}

int
commands_set(struct call *call)
{
	struct command_list	*l;
	struct json_object	*list;
	bool			 broken;

	list = params_json(call->params, "commands", &broken);
	if (broken)
		return (call_fail(call, 400, "Bad Request: can't parse "
		    "commands JSON object"));
	if (check(call, list) == -1) {
		json_object_put(list);
		return (-1);
	}
	l = xcalloc(1, sizeof(*l));
	l->key = list_key(call);
	l->json = xstrdup(json_object_to_json_string_ext(list,
	    JSON_C_TO_STRING_PLAIN));
	json_object_put(list);
	forget(find(l->key));
	TAILQ_INSERT_TAIL(&lists, l, entry);
	return (call_true(call));
}

int
commands_get(struct call *call)
{
	char			*key = list_key(call);
	struct command_list	*l = find(key);

	free(key);
	buf_puts(call->out, l == NULL ? "[]" : l->json);
	return (0);
}

int
commands_delete(struct call *call)
{
	char	*key = list_key(call);

	forget(find(key));
	free(key);
	return (call_true(call));
}
