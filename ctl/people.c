/*
 * Who may talk to the bot, where it may write, and what is not to be heard
 * of for a while: pair, users, chats, silence.
 */
#include <json-c/json.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/nitems.h"
#include "ctl/ctl.h"
#include "ctl/verbs.h"

#define COLUMNS_MAX 8

static int
pair_run(struct ctl *ctl)
{
	struct json_object *a;
	char text[64];

	a = talk_ask(ctl, SOCKET_SUBMIT, talk_op("pair"), TALK_MS);
	if (ctl->json)
		print_json(a);
	else
		puts(json_str(a, "code", "?"));
	/* Only the code goes where it may be read by a script. */
	if (!ctl->json && !ctl->quiet && isatty(STDERR_FILENO))
		fprintf(stderr, "Send /pair %s to the bot before %s.\n",
		    json_str(a, "code", "?"), print_time(text, sizeof(text),
		    json_str(a, "expires", NULL)));
	json_object_put(a);
	return (XC_OK);
}

const struct verb verb_pair = {
	.name = "pair",
	.operands = "",
	.doc = "a code that lets someone in",
	.run = pair_run,
};

/* -- lists --------------------------------------------------------------- */

struct column {
	struct table_column table;
	const char *member; /* a text, a number or a time */
	enum { AS_IT_IS, TIME, NOT_0, PAIRS } how;
};

/* "key=value key=value" of an object; to be freed. */
static char *
pairs(struct json_object *o)
{
	char *text = NULL;
	size_t size;
	FILE *f;

	if ((f = open_memstream(&text, &size)) == NULL)
		print_nomem();
	json_object_object_foreach(o, key, value)
		fprintf(f, "%s%s=%s", ftell(f) > 0 ? " " : "", key,
		    json_object_get_string(value));
	if (fclose(f) == EOF)
		print_nomem();
	return (text);
}

static void
column_show(struct table *t, const struct column *column,
    struct json_object *row)
{
	struct json_object *o = json_path(row, column->member);
	const char *value;
	char text[64], *made = NULL;

	if (o == NULL || (column->how == NOT_0 &&
	    json_object_get_int64(o) == 0))
		value = "-";
	else if (json_object_is_type(o, json_type_boolean))
		value = json_object_get_boolean(o) ? "yes" : "no";
	else if (column->how == TIME)
		value = print_time(text, sizeof(text),
		    json_object_get_string(o));
	else if (column->how == PAIRS &&
	    json_object_is_type(o, json_type_object))
		value = made = pairs(o);
	else
		value = json_object_get_string(o);
	table_cell(t, value, PLAIN);
	free(made);
}

static void
rows_show(struct ctl *ctl, struct json_object *list, const char *none,
    const struct column *columns, size_t n)
{
	struct table_column heads[COLUMNS_MAX];
	struct table *t;
	size_t i, k;

	if (!json_object_is_type(list, json_type_array) ||
	    json_object_array_length(list) == 0) {
		if (!ctl->quiet)
			puts(none);
		return;
	}
	for (k = 0; k < n; k++)
		heads[k] = columns[k].table;
	t = table_new(heads, n);
	for (i = 0; i < json_object_array_length(list); i++)
		for (k = 0; k < n; k++)
			column_show(t, &columns[k],
			    json_object_array_get_idx(list, i));
	table_print(t);
}

static int
rows_ask(struct ctl *ctl, struct json_object *request, const char *member,
    const char *none, const struct column *columns, size_t n)
{
	struct json_object *a;

	a = talk_ask(ctl, SOCKET_SUBMIT, request, TALK_MS);
	if (ctl->json)
		print_json(a);
	else
		rows_show(ctl, json_path(a, member), none, columns, n);
	json_object_put(a);
	return (XC_OK);
}

static int
order(struct ctl *ctl, struct json_object *request)
{
	struct json_object *a;

	a = talk_ask(ctl, SOCKET_SUBMIT, request, TALK_MS);
	print_ok(ctl, a, NULL);
	json_object_put(a);
	return (XC_OK);
}

/* The number of a user or chat, as Telegram counts them. */
static void
number_add(struct ctl *ctl, struct json_object *request, const char *key,
    const char *text, long long min)
{
	const char *error;
	long long n = strtonum(text, min, LLONG_MAX, &error);

	if (error != NULL)
		ctl_usage(ctl, "\"%s\" is not the number of a %s", text, key);
	json_object_object_add(request, key, json_object_new_int64(n));
}

/* The word, or list; wrong usage if it has not want operands. */
static const char *
command(struct ctl *ctl, const char *const *words, const int *operands,
    size_t n)
{
	const char *cmd = ctl->noperands > 0 ? ctl->operand[0] : "list";
	int have = ctl->noperands > 0 ? ctl->noperands - 1 : 0;
	size_t i;

	for (i = 0; i < n && strcmp(words[i], cmd) != 0; i++)
		continue;
	if (i == n)
		ctl_usage(ctl, "there is no \"%s %s\"", ctl->verb->name, cmd);
	if (have < operands[i])
		ctl_usage(ctl, "%s %s: which one?", ctl->verb->name, cmd);
	if (have > operands[i])
		ctl_usage(ctl, "%s %s: too many operands", ctl->verb->name,
		    cmd);
	return (cmd);
}

/* -- users ---------------------------------------------------------------- */

static int
users_run(struct ctl *ctl)
{
	static const char *const words[] = { "list", "add", "remove" };
	static const int operands[] = { 0, 1, 1 };
	static const char *const roles[] = { "viewer", "operator", "approver",
		"admin" };
	static const struct column columns[] = {
		{ { "ID", 0, 0, false }, "id", AS_IT_IS },
		{ { "ROLE", 0, 0, false }, "role", AS_IT_IS },
		{ { "CONFIGURED", 0, 1, false }, "configured", AS_IT_IS },
		{ { "NAME", 16, 0, false }, "name", AS_IT_IS },
	};
	const char *role = ctl_option(ctl, "role"), *cmd;
	struct json_object *request = talk_op("users");
	size_t i;

	cmd = command(ctl, words, operands, nitems(words));
	talk_add(request, "cmd", cmd);
	if (role != NULL && strcmp(cmd, "add") != 0)
		ctl_usage(ctl, "--role goes with users add");
	for (i = 0; role != NULL && strcmp(role, roles[i]) != 0;)
		if (++i == nitems(roles))
			ctl_usage(ctl, "--role: \"%s\" is none of viewer, "
			    "operator, approver, admin", role);
	if (strcmp(cmd, "list") == 0)
		return (rows_ask(ctl, request, "users", "no users", columns,
		    nitems(columns)));
	number_add(ctl, request, "user", ctl->operand[1], 1);
	if (strcmp(cmd, "add") == 0)
		talk_add(request, "role", role != NULL ? role : "approver");
	return (order(ctl, request));
}

static const struct verb_option users_options[] = {
	{ "role", 'r', OPT_VALUE, "ROLE", "viewer, operator, approver, admin" },
	{ NULL, 0, OPT_FLAG, NULL, NULL }
};

const struct verb verb_users = {
	.name = "users",
	.operands = "[list|add ID [--role ROLE]|remove ID]",
	.words = "list add remove",
	.doc = "who may talk to the bot",
	.options = users_options,
	.max = 2,
	.run = users_run,
};

/* -- chats ---------------------------------------------------------------- */

static int
chats_run(struct ctl *ctl)
{
	static const struct column columns[] = {
		{ { "CHAT", 0, 0, false }, "chat", AS_IT_IS },
		{ { "THREAD", 0, 0, true }, "thread", NOT_0 },
		{ { "SUSPENDED", 0, 0, false }, "suspended", AS_IT_IS },
		{ { "WAITING", 0, 0, true }, "waiting", AS_IT_IS },
	};
	const char *cmd = ctl->noperands > 0 ? ctl->operand[0] : "list";
	struct json_object *request = talk_op("chats");

	talk_add(request, "cmd", cmd);
	if (strcmp(cmd, "list") == 0 && ctl->noperands < 2)
		return (rows_ask(ctl, request, "chats", "no chats", columns,
		    nitems(columns)));
	if (strcmp(cmd, "resume") != 0)
		ctl_usage(ctl, "chats %s: wrong usage", cmd);
	if (ctl->noperands > 1)
		number_add(ctl, request, "chat", ctl->operand[1], LLONG_MIN);
	return (order(ctl, request));
}

const struct verb verb_chats = {
	.name = "chats",
	.operands = "[list|resume [CHAT]]",
	.words = "list resume",
	.doc = "the chats; write to a suspended one again",
	.max = 2,
	.run = chats_run,
};

/* -- silence -------------------------------------------------------------- */

static int
silence_add(struct ctl *ctl, struct json_object *request)
{
	struct json_object *match = json_object_new_object(), *a;
	const char *given, *equals, *until = ctl_option(ctl, "for");
	char key[64];
	size_t n;

	for (n = 0; (given = ctl_option_nth(ctl, "match", n)) != NULL; n++) {
		equals = strchr(given, '=');
		if (equals == NULL || equals == given || equals[1] == '\0' ||
		    (size_t)(equals - given) >= sizeof(key))
			ctl_usage(ctl, "--match: \"%s\" is not KEY=VALUE",
			    given);
		strlcpy(key, given, (size_t)(equals - given) + 1);
		talk_add(match, key, equals + 1);
	}
	if (n == 0)
		ctl_usage(ctl, "silence add: --match says what is silenced");
	if (until == NULL || ctl_option_ms(ctl, "for", 0) <= 0)
		ctl_usage(ctl, "silence add: --for says for how long");
	json_object_object_add(request, "match", match);
	talk_add(request, "for", until);
	talk_add(request, "comment", ctl_option(ctl, "comment"));
	a = talk_ask(ctl, SOCKET_SUBMIT, request, TALK_MS);
	if (json_path(a, "id") != NULL)
		print_ok(ctl, a, "%s", json_object_get_string(
		    json_path(a, "id")));
	else
		print_ok(ctl, a, NULL);
	json_object_put(a);
	return (XC_OK);
}

static int
silence_run(struct ctl *ctl)
{
	static const char *const words[] = { "list", "add", "expire" };
	static const int operands[] = { 0, 0, 1 };
	static const struct column columns[] = {
		{ { "ID", 0, 0, false }, "id", AS_IT_IS },
		{ { "ENDS", 0, 0, false }, "ends_at", TIME },
		{ { "MATCH", 24, 0, false }, "match", PAIRS },
		{ { "COMMENT", 16, 0, false }, "comment", AS_IT_IS },
	};
	const char *cmd = command(ctl, words, operands, nitems(words));
	struct json_object *request = talk_op("silence");

	talk_add(request, "cmd", cmd);
	if (strcmp(cmd, "add") == 0)
		return (silence_add(ctl, request));
	if (strcmp(cmd, "list") == 0)
		return (rows_ask(ctl, request, "silences", "no silences",
		    columns, nitems(columns)));
	talk_add(request, "id", ctl->operand[1]);
	return (order(ctl, request));
}

static const struct verb_option silence_options[] = {
	{ "match", 'm', OPT_VALUE, "KEY=VALUE", "what it is about" },
	{ "for", 0, OPT_VALUE, "D", "how long it lasts" },
	{ "comment", 0, OPT_VALUE, "TEXT", "why" },
	{ NULL, 0, OPT_FLAG, NULL, NULL }
};

const struct verb verb_silence = {
	.name = "silence",
	.operands = "[list|add --match KEY=VALUE... --for D|expire ID]",
	.words = "list add expire",
	.doc = "hear nothing of some events for a time",
	.options = silence_options,
	.max = 2,
	.run = silence_run,
};
