/*
 * The secrets: the bot's token, the bearer tokens and the webhook's secret.
 * Called by conf.c.
 * Nothing here prints one, not even a broken one.
 *
 * The bot's token is, in this order, TELEGRAM_BOT_TOKEN, what
 * telegram.token_file holds, the systemd credential telegram-token, and, for
 * root, /etc/cctg/token.
 */
#include <sys/stat.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/conf_private.h"

#define TOKEN_MAX_BYTES 512

static char *token_read(struct conf_load *, const char *path,
    const char *key);
static bool token_good(const char *, bool bot);
static void webhook_read(struct conf_load *);
static void bearer_read(struct conf_load *, const char *key, const char *path,
    const char *variable, char **to);

void
conf_tokens_read(struct conf_load *load)
{
	struct conf *conf = load->conf;
	const char *env = conf_env(load, "TELEGRAM_BOT_TOKEN");
	const char *dir = conf_env(load, "CREDENTIALS_DIRECTORY");
	char path[1024];

	if (env != NULL)
		conf->token = strdup(env);
	else if (*conf->token_file != '\0')
		conf->token = token_read(load, conf->token_file,
		    "telegram.token_file");
	else {
		if (dir != NULL) {
			snprintf(path, sizeof(path), "%s/telegram-token", dir);
			if (access(path, F_OK) == 0)
				conf->token = token_read(load, path, NULL);
		}
		if (conf->token == NULL && load->source->uid == 0 &&
		    !conf->bridge && access("/etc/cctg/token", F_OK) == 0)
			conf->token = token_read(load, "/etc/cctg/token",
			    NULL);
	}
	if (conf->token != NULL && !token_good(conf->token, true)) {
		if (env != NULL)
			conf_problem(load->problems, true,
			    "TELEGRAM_BOT_TOKEN", 0,
			    "does not look like the token of a bot");
		else
			conf_problem_key(load, true, "telegram.token_file",
			    "the file does not hold the token of a bot");
	}
	if (conf->token == NULL && load->problems->nerrors == 0)
		conf_problem(load->problems, false, NULL, 0,
		    "no bot token is configured: nothing will be sent");
	bearer_read(load, "monitor.token_file", conf->monitor_token_file,
	    "CC_TELEGRAM_METRICS_TOKEN", &conf->monitor_token);
	bearer_read(load, "intake.token_file", conf->intake_token_file, NULL,
	    &conf->intake_token);
	webhook_read(load);
}

bool
conf_secret_ok(const char *secret)
{
	static const char plain[] = "0123456789abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ_-";
	size_t len = strspn(secret, plain);

	return (len > 0 && len <= 256 && secret[len] == '\0');
}

/* Without a file, the supervisor makes one: supervisor/secret.c. */
static void
webhook_read(struct conf_load *load)
{
	struct conf *conf = load->conf;

	if (*conf->webhook_secret_file == '\0')
		return;
	conf->webhook_secret = token_read(load, conf->webhook_secret_file,
	    "telegram.webhook.secret_file");
	if (conf->webhook_secret != NULL &&
	    !conf_secret_ok(conf->webhook_secret))
		conf_problem_key(load, true, "telegram.webhook.secret_file",
		    "the secret must be 1 to 256 letters, digits, \"_\" or "
		    "\"-\" (Bot API)");
}

/*
 * The first line of a file, without the blanks around it.  key names the
 * key to complain about, if there is one.
 */
static char *
token_read(struct conf_load *load, const char *path, const char *key)
{
	char *text, *from, *token;
	size_t len;
	mode_t mode;

	if ((text = conf_slurp(path, TOKEN_MAX_BYTES, &len, &mode)) == NULL) {
		if (key != NULL)
			conf_problem_key(load, true, key, "%s: %s", path,
			    strerror(errno));
		else
			conf_problem(load->problems, true, path, 0, "%s",
			    strerror(errno));
		return (NULL);
	}
	if (mode & (S_IROTH | S_IWOTH))
		conf_problem(load->problems, false, path, 0,
		    "the token can be %s by everybody: chmod 600 is wanted",
		    mode & S_IROTH ? "read" : "changed");
	from = text + strspn(text, " \t\r\n");
	from[strcspn(from, " \t\r\n")] = '\0';
	if ((token = strdup(from)) == NULL)
		conf_problem(load->problems, true, NULL, 0, "out of memory");
	explicit_bzero(text, len);
	free(text);
	return (token);
}

/* The bot's token becomes part of a path, so it must have no slash. */
static bool
token_good(const char *token, bool bot)
{
	static const char plain[] = "0123456789abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ_-";
	size_t digits = strspn(token, "0123456789"), i;

	if (bot)
		return (digits > 0 && token[digits] == ':' &&
		    token[digits + 1] != '\0' && strlen(token) < 256 &&
		    token[digits + 1 + strspn(token + digits + 1, plain)] ==
		    '\0');
	for (i = 0; token[i] != '\0'; i++)
		if (token[i] <= ' ' || token[i] > '~')
			return (false);
	return (i > 0);
}

static void
bearer_read(struct conf_load *load, const char *key, const char *path,
    const char *variable, char **to)
{
	const char *env = variable != NULL ? conf_env(load, variable) : NULL;

	if (env != NULL)
		*to = strdup(env);
	else if (*path != '\0')
		*to = token_read(load, path, key);
	else
		return;
	if (*to != NULL && !token_good(*to, false))
		conf_problem_key(load, true, key,
		    "the token must be printable and without blanks");
}
