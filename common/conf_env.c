/*
 * What comes from the environment and from .env files, over the file.
 * Called by conf.c only.  A variable of the real environment wins over one
 * of a .env file, the .env of the working directory over the one of
 * ~/.cc_telegram.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf_private.h"

#define DOTENV_MAX_BYTES (256U << 10)

/* Variables that are one key each. */
static const struct {
	const char *variable;
	const char *key;
} variables[] = {
	{ "CC_TELEGRAM_EVENTS_DIR", "events_dir" },
	{ "CC_TELEGRAM_RESPONSES_DIR", "responses_dir" },
	{ "CC_TELEGRAM_TIMEZONE", "timezone" },
	{ "CC_TELEGRAM_MESSAGE_STYLE", "style" },
	{ "CC_TELEGRAM_REDIS_URL", "redis.url" },
	{ "CCTG_TELEGRAM_API_URL", "telegram.api_url" },
	{ "CCTG_RUNTIME_DIR", "runtime_dir" },
};

/* Those that a .env file may set; all else in it is not for us. */
static const char *const dotenv_names[] = {
	"TELEGRAM_BOT_TOKEN", "TELEGRAM_ALLOWED_USERS",
	"CC_TELEGRAM_EVENTS_DIR", "CC_TELEGRAM_RESPONSES_DIR",
	"CC_TELEGRAM_HEALTH_PORT", "CC_TELEGRAM_TIMEZONE",
	"CC_TELEGRAM_MESSAGE_STYLE", "CC_TELEGRAM_REDIS_URL",
	"CC_TELEGRAM_METRICS_TOKEN", "CCTG_TELEGRAM_API_URL",
	"CCTG_CONFIG", "CCTG_RUNTIME_DIR",
};

static bool dotenv_line(char *, char **name, char **value);
static void dotenv_add(struct conf_load *, const char *, const char *);
static void users_apply(struct conf_load *, const char *);
static void port_apply(struct conf_load *, const char *);

const char *
conf_env(const struct conf_load *load, const char *name)
{
	size_t len = strlen(name), i;
	char *const *e;

	for (e = load->source->env; e != NULL && *e != NULL; e++)
		if (strncmp(*e, name, len) == 0 && (*e)[len] == '=' &&
		    (*e)[len + 1] != '\0')
			return (*e + len + 1);
	for (i = 0; i < load->ndotenv; i++)
		if (strncmp(load->dotenv[i], name, len) == 0 &&
		    load->dotenv[i][len] == '=')
			return (load->dotenv[i] + len + 1);
	return (NULL);
}

void
conf_dotenv_read(struct conf_load *load, const char *path)
{
	char *text, *rest, *line, *name, *value;
	size_t len;
	mode_t mode;

	text = conf_slurp(path, DOTENV_MAX_BYTES, &len, &mode);
	if (text == NULL) {
		if (errno != ENOENT && errno != ENOTDIR && errno != EACCES)
			conf_problem(load->problems, false, path, 0,
			    "not read: %s", strerror(errno));
		return;
	}
	rest = text;
	while ((line = strsep(&rest, "\n")) != NULL)
		if (dotenv_line(line, &name, &value))
			dotenv_add(load, name, value);
	explicit_bzero(text, len);
	free(text);
}

/* In double quotes, a backslash stands before n, ", \ and $. */
static char *
unquote(char *s)
{
	char *to = s, *from = s + 1, quote = *s;

	for (; *from != '\0' && *from != quote; from++) {
		if (quote == '"' && *from == '\\' && from[1] != '\0') {
			from++;
			*to++ = *from == 'n' ? '\n' : *from;
		} else
			*to++ = *from;
	}
	*to = '\0';
	return (s);
}

/*
 * "NAME=VALUE", "export NAME='VALUE' # comment"; anything else is passed
 * over, as other programs use the same file.
 */
static bool
dotenv_line(char *line, char **name, char **value)
{
	char *p = line + strspn(line, " \t"), *end;

	if (strncmp(p, "export", 6) == 0 && (p[6] == ' ' || p[6] == '\t'))
		p += 6 + strspn(p + 6, " \t");
	*name = p;
	while (isalnum((unsigned char)*p) || *p == '_')
		p++;
	if (p == *name)
		return (false);
	end = p;
	p += strspn(p, " \t");
	if (*p != '=')
		return (false);
	*end = '\0';
	p++;
	p += strspn(p, " \t");
	if (*p == '"' || *p == '\'') {
		*value = unquote(p);
		return (true);
	}
	*value = p;
	for (; *p != '\0'; p++)
		if (*p == '#' && (p == *value || isspace((unsigned char)p[-1])))
			break;
	while (p > *value && isspace((unsigned char)p[-1]))
		p--;
	*p = '\0';
	return (true);
}

static void
dotenv_add(struct conf_load *load, const char *name, const char *value)
{
	char **v, *text;
	size_t i;

	for (i = 0; i < sizeof(dotenv_names) / sizeof(dotenv_names[0]); i++)
		if (strcmp(dotenv_names[i], name) == 0)
			break;
	if (i == sizeof(dotenv_names) / sizeof(dotenv_names[0]) ||
	    *value == '\0' || conf_env(load, name) != NULL)
		return;
	v = reallocarray(load->dotenv, load->ndotenv + 1, sizeof(*v));
	if (v != NULL)
		load->dotenv = v;
	if (v == NULL || asprintf(&text, "%s=%s", name, value) == -1) {
		conf_problem(load->problems, true, NULL, 0, "out of memory");
		return;
	}
	v[load->ndotenv++] = text;
}

void
conf_env_apply(struct conf_load *load)
{
	const char *value;
	size_t i;

	for (i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
		if ((value = conf_env(load, variables[i].variable)) != NULL)
			conf_set_from(load, variables[i].key, value,
			    variables[i].variable);
	if ((value = conf_env(load, "TELEGRAM_ALLOWED_USERS")) != NULL)
		users_apply(load, value);
	if ((value = conf_env(load, "CC_TELEGRAM_HEALTH_PORT")) != NULL)
		port_apply(load, value);
}

/* A bad entry does not lock out the others. */
static void
users_apply(struct conf_load *load, const char *value)
{
	const struct conf_key *key = conf_key_find("telegram.allowed_users");
	char why[CONF_WHY_SIZE], *copy, *rest, *word;
	bool first = true;

	if ((rest = copy = strdup(value)) == NULL) {
		conf_problem(load->problems, true, NULL, 0, "out of memory");
		return;
	}
	while ((word = strsep(&rest, ",")) != NULL) {
		word += strspn(word, " \t\r\n");
		word[strcspn(word, " \t\r\n")] = '\0';
		if (*word == '\0')
			continue;
		if (conf_value_set(key, load->conf, word, first, why,
		    sizeof(why)) == -1)
			conf_problem(load->problems, false,
			    "TELEGRAM_ALLOWED_USERS", 0,
			    "\"%.60s\" is not a numeric user id, left out",
			    word);
		first = false;
	}
	free(copy);
}

/* Clients say "localhost", which may be either loopback. */
static void
port_apply(struct conf_load *load, const char *value)
{
	const struct conf_key *key = conf_key_find("monitor.listen");
	char text[64], why[CONF_WHY_SIZE];

	if (strlen(value) > 5 || strspn(value, "0123456789") != strlen(value)) {
		conf_problem(load->problems, !load->conf->bridge,
		    "CC_TELEGRAM_HEALTH_PORT", 0, "\"%.60s\" is not a port",
		    value);
		return;
	}
	snprintf(text, sizeof(text), "127.0.0.1:%s", value);
	if (conf_value_set(key, load->conf, text, true, why,
	    sizeof(why)) == -1)
		conf_problem(load->problems, !load->conf->bridge,
		    "CC_TELEGRAM_HEALTH_PORT", 0, "%s", why);
	snprintf(text, sizeof(text), "[::1]:%s", value);
	conf_value_set(key, load->conf, text, false, why, sizeof(why));
}
