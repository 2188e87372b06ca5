/*
 * The life of a configuration: defaults, then the file, the environment and
 * the flags over them, then the tokens and the checks.  Called by cctgd at
 * start and on reload and by cctgctl; it never exits and never logs: what is
 * wrong is collected in struct conf_problems.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/conf_private.h"

#define BRIDGE_NAME "cctelegram-bridge"
#define BOM "\xef\xbb\xbf" /* what some editors begin a text with */

static void bridge_defaults(struct conf *);
static const char *default_file(struct conf_load *, char *, size_t);
static void file_read(struct conf_load *);
static void flags_apply(struct conf_load *);
static void fill_paths(struct conf_load *);
static void fill_zone(struct conf_load *);
static void problems_sort(struct conf_problems *);

#define KEY_ROW(structure, section, name, type, member, def, accepts, \
    classes, when, doc)                                               \
	{ CS_##section, CT_##type, #name, offsetof(structure, member), \
		def, accepts, classes, CW_##when, doc },
#define TOP_ROW(...) KEY_ROW(struct conf, __VA_ARGS__)
#define CHAT_ROW(...) KEY_ROW(struct conf_chat, __VA_ARGS__)
#define ROUTE_ROW(...) KEY_ROW(struct conf_route, __VA_ARGS__)

const struct conf_key conf_keys[] = {
	CONF_KEYS(TOP_ROW)
	CONF_CHAT_KEYS(CHAT_ROW)
	CONF_ROUTE_KEYS(ROUTE_ROW)
};
const size_t conf_nkeys = sizeof(conf_keys) / sizeof(conf_keys[0]);

const char *
conf_section_path(enum conf_section section)
{
	static const char *const paths[] = {
#define SECTION_PATH(name, path, leaf) path,
		CONF_SECTIONS(SECTION_PATH)
#undef SECTION_PATH
	};

	return (paths[section]);
}

const struct conf_key *
conf_key_find(const char *path)
{
	const char *dot = strrchr(path, '.'), *section;
	size_t i, len = dot != NULL ? (size_t)(dot - path) : 0;

	for (i = 0; i < conf_nkeys; i++) {
		section = conf_section_path(conf_keys[i].section);
		if (strlen(section) == len &&
		    strncmp(section, path, len) == 0 &&
		    strcmp(conf_keys[i].name, dot != NULL ? dot + 1 : path) ==
		    0)
			return (&conf_keys[i]);
	}
	return (NULL);
}

void
conf_problem(struct conf_problems *problems, bool error, const char *path,
    int line, const char *fmt, ...)
{
	struct conf_problem *v;
	char message[600], *text;
	va_list ap;
	int n;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	problems->nerrors += error;
	if (path == NULL)
		n = asprintf(&text, "%s", message);
	else if (line == 0)
		n = asprintf(&text, "%s: %s", path, message);
	else
		n = asprintf(&text, "%s:%d: %s", path, line, message);
	if (n == -1)
		return;
	v = reallocarray(problems->v, problems->n + 1, sizeof(*v));
	if (v == NULL) {
		free(text);
		return;
	}
	problems->v = v;
	v[problems->n].error = error;
	v[problems->n].line = line;
	v[problems->n++].text = text;
}

void
conf_problem_key(struct conf_load *load, bool error, const char *path,
    const char *fmt, ...)
{
	const struct conf_key *key = conf_key_find(path);
	const char *who = key == NULL ? NULL : load->origins[key - conf_keys];
	char message[500];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	if (who != NULL)
		conf_problem(load->problems, error, who, 0, "%s", message);
	else if (key != NULL && load->lines[key - conf_keys] != 0)
		conf_problem(load->problems, error, load->conf->file,
		    load->lines[key - conf_keys], "%s", message);
	else
		conf_problem(load->problems, error, path, 0, "%s", message);
}

void
conf_problems_free(struct conf_problems *problems)
{
	size_t i;

	for (i = 0; i < problems->n; i++)
		free(problems->v[i].text);
	free(problems->v);
	memset(problems, 0, sizeof(*problems));
}

/* By line, those without one first; equal lines as they were found. */
static void
problems_sort(struct conf_problems *problems)
{
	struct conf_problem hold;
	size_t i, k;

	for (i = 1; i < problems->n; i++) {
		hold = problems->v[i];
		for (k = i; k > 0 && problems->v[k - 1].line > hold.line; k--)
			problems->v[k] = problems->v[k - 1];
		problems->v[k] = hold;
	}
}

/*
 * It must be gone within 1 s of SIGTERM (its MCP server sends SIGKILL then),
 * and its directories are its caller's, so it stays that user.
 */
static void
bridge_defaults(struct conf *conf)
{
	conf->shutdown_grace_ms = 800;
	conf->user[0] = '\0';
	conf->group[0] = '\0';
}

struct conf *
conf_load(const struct conf_source *source, struct conf_problems *problems)
{
	struct conf_load load = { .source = source, .problems = problems };
	const char *base = source->progname != NULL ? source->progname : "";
	struct conf *conf;
	struct passwd *pw;
	char path[1024];
	size_t i;

	conf = calloc(1, sizeof(*conf));
	load.conf = conf;
	load.lines = calloc(conf_nkeys, sizeof(*load.lines));
	load.origins = calloc(conf_nkeys, sizeof(*load.origins));
	if (conf == NULL || load.lines == NULL || load.origins == NULL) {
		conf_problem(problems, true, NULL, 0, "out of memory");
		goto out;
	}
	if (strrchr(base, '/') != NULL)
		base = strrchr(base, '/') + 1;
	conf->bridge = strcmp(base, BRIDGE_NAME) == 0;
	for (i = 0; i < conf_nkeys; i++)
		if (conf_keys[i].section != CS_CHAT &&
		    conf_keys[i].section != CS_ROUTE)
			conf_value_default(&conf_keys[i], conf);

	if (conf->bridge)
		bridge_defaults(conf);
	load.home = conf_env(&load, "HOME");
	if (load.home == NULL || *load.home != '/')
		load.home = (pw = getpwuid(source->uid)) != NULL ?
		    pw->pw_dir : "/";
	if (source->cwd != NULL) {
		snprintf(path, sizeof(path), "%s/.env", source->cwd);
		conf_dotenv_read(&load, path);
	}
	snprintf(path, sizeof(path), "%s/.cc_telegram/.env", load.home);
	conf_dotenv_read(&load, path);

	file_read(&load);
	conf_env_apply(&load);
	flags_apply(&load);
	fill_paths(&load);
	fill_zone(&load);
	if (!source->client) {
		conf_tokens_read(&load);
		conf_check(&load);
	}
	problems_sort(problems);
out:
	for (i = 0; i < load.ndotenv; i++) {
		explicit_bzero(load.dotenv[i], strlen(load.dotenv[i]));
		free(load.dotenv[i]);
	}
	free(load.dotenv);
	free(load.lines);
	free(load.origins);
	if (problems->nerrors > 0 && !(source->client && conf != NULL)) {
		conf_free(conf);
		return (NULL);
	}
	return (conf);
}

void
conf_free(struct conf *conf)
{
	char **secrets[4];
	size_t i, k;

	if (conf == NULL)
		return;
	for (i = 0; i < conf_nkeys; i++) {
		const struct conf_key *key = &conf_keys[i];

		if (key->section == CS_CHAT) {
			for (k = 0; k < conf->nchats; k++)
				conf_value_free(key, &conf->chats[k]);
		} else if (key->section == CS_ROUTE) {
			for (k = 0; k < conf->nroutes; k++)
				conf_value_free(key, &conf->routes[k]);
		} else
			conf_value_free(key, conf);
	}
	for (k = 0; k < conf->nchats; k++)
		free(conf->chats[k].name);
	for (k = 0; k < conf->nroutes; k++)
		free(conf->routes[k].name);
	free(conf->chats);
	free(conf->routes);
	secrets[0] = &conf->token;
	secrets[1] = &conf->monitor_token;
	secrets[2] = &conf->intake_token;
	secrets[3] = &conf->webhook_secret;
	for (i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
		if (*secrets[i] != NULL)
			explicit_bzero(*secrets[i], strlen(*secrets[i]));
		free(*secrets[i]);
	}
	free(conf->file);
	free(conf);
}

/*
 * Text of the file with a NUL behind it, or NULL with errno.  Not more than
 * max bytes, no NUL within; a byte order mark in front is left out.
 */
char *
conf_slurp(const char *path, size_t max, size_t *len, mode_t *mode)
{
	struct stat st;
	char *text = NULL;
	ssize_t n;
	size_t have = 0;
	int fd, error = 0;

	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY)) == -1)
		return (NULL);
	if (fstat(fd, &st) == -1)
		error = errno;
	else if (S_ISDIR(st.st_mode))
		error = EISDIR;
	else if ((text = malloc(max + 2)) == NULL)
		error = errno;
	while (error == 0 && have <= max) {
		if ((n = read(fd, text + have, max + 1 - have)) == -1) {
			if (errno != EINTR)
				error = errno;
		} else if (n == 0)
			break;
		else
			have += (size_t)n;
	}
	close(fd);
	if (error == 0 && have > max)
		error = EFBIG;
	if (error == 0 && memchr(text, '\0', have) != NULL)
		error = EILSEQ;
	if (error != 0) {
		free(text);
		errno = error;
		return (NULL);
	}
	text[have] = '\0';
	if (strncmp(text, BOM, sizeof(BOM) - 1) == 0) {
		have -= sizeof(BOM) - 1;
		memmove(text, text + sizeof(BOM) - 1, have + 1);
	}
	*len = have;
	*mode = st.st_mode;
	return (text);
}

/* The first of the default files that is there, or NULL. */
static const char *
default_file(struct conf_load *load, char *path, size_t size)
{
	const char *xdg = conf_env(load, "XDG_CONFIG_HOME");

	if (load->conf->bridge)
		return (NULL);
	if (load->source->uid == 0) {
		strlcpy(path, CCTG_SYSCONFDIR "/cctg/cctgd.conf", size);
		if (access(path, F_OK) == -1)
			strlcpy(path, "/etc/cctg/cctgd.conf", size);
	} else if (xdg != NULL && *xdg == '/')
		snprintf(path, size, "%s/cctg/cctgd.conf", xdg);
	else
		snprintf(path, size, "%s/.config/cctg/cctgd.conf",
		    load->home);
	return (access(path, F_OK) == 0 ? path : NULL);
}

static void
file_read(struct conf_load *load)
{
	const char *path = load->source->file;
	char buf[1024], *text;
	size_t len;
	mode_t mode;

	if (path == NULL)
		path = conf_env(load, "CCTG_CONFIG");
	if (path == NULL)
		path = default_file(load, buf, sizeof(buf));
	if (path == NULL)
		return;
	if ((load->conf->file = strdup(path)) == NULL) {
		conf_problem(load->problems, true, NULL, 0, "out of memory");
		return;
	}
	if ((text = conf_slurp(path, CONF_MAX_BYTES, &len, &mode)) == NULL) {
		conf_problem(load->problems, true, path, 0, "%s",
		    errno == EILSEQ ? "not a text file" : strerror(errno));
		return;
	}
	conf_file_parse(load, path, text);
	free(text);
}

void
conf_set_from(struct conf_load *load, const char *path, const char *value,
    const char *who)
{
	const struct conf_key *key = conf_key_find(path);
	char why[CONF_WHY_SIZE], *full = NULL, here[1024];
	const char *cwd = load->source->cwd;

	if (key == NULL || key->section == CS_CHAT ||
	    key->section == CS_ROUTE) {
		conf_problem(load->problems, true, who, 0,
		    "there is no key \"%.100s\"", path);
		return;
	}
	/* What a shell gives may start from where the shell is. */
	if (key->type == CT_PATH && *value != '/' && *value != '\0' &&
	    strncmp(value, "~/", 2) != 0 &&
	    (cwd != NULL || (cwd = getcwd(here, sizeof(here))) != NULL) &&
	    asprintf(&full, "%s/%s", cwd, value) == -1)
		full = NULL;
	if (conf_value_set(key, load->conf, full != NULL ? full : value, true,
	    why, sizeof(why)) == -1)
		/* The predecessor went on with its default, so do we. */
		conf_problem(load->problems, !load->conf->bridge, who, 0, "%s",
		    why);
	else
		load->origins[key - conf_keys] = who;
	free(full);
}

static void
flags_apply(struct conf_load *load)
{
	const struct conf_flag *flag;
	size_t i;

	for (i = 0; i < load->source->nflags; i++) {
		flag = &load->source->flags[i];
		if (flag->value != NULL)
			conf_set_from(load, flag->key, flag->value, flag->key);
	}
}

/* Set a path that nobody has set. */
static void __attribute__((format(printf, 3, 4)))
fill(struct conf_load *load, char **member, const char *fmt, ...)
{
	va_list ap;

	if (*member != NULL)
		return;
	va_start(ap, fmt);
	if (vasprintf(member, fmt, ap) == -1) {
		*member = NULL;
		conf_problem(load->problems, true, NULL, 0, "out of memory");
	}
	va_end(ap);
}

/*
 * The defaults of the paths: those of a system daemon for root, those of a
 * user otherwise, and the predecessor's for the bridge, whoever starts it.
 */
static void
fill_paths(struct conf_load *load)
{
	struct conf *conf = load->conf;
	const char *state = conf_env(load, "XDG_STATE_HOME");
	const char *run = conf_env(load, "XDG_RUNTIME_DIR");
	const char *home = load->home;

	conf->runtime_dir_given = conf->runtime_dir != NULL;
	conf->events_dir_given = conf->events_dir != NULL;
	if (conf->token_file == NULL)
		fill(load, &conf->token_file, "%s", "");
	if (conf->monitor_token_file == NULL)
		fill(load, &conf->monitor_token_file, "%s", "");
	if (conf->intake_token_file == NULL)
		fill(load, &conf->intake_token_file, "%s", "");
	if (conf->webhook_secret_file == NULL)
		fill(load, &conf->webhook_secret_file, "%s", "");
	if (conf->bridge || load->source->uid != 0) {
		if (state != NULL && *state == '/')
			fill(load, &conf->state_dir, "%s/cctg", state);
		else
			fill(load, &conf->state_dir, "%s/.local/state/cctg",
			    home);
		if (run != NULL && *run == '/')
			fill(load, &conf->runtime_dir, "%s/cctg", run);
		else
			fill(load, &conf->runtime_dir, "%s/run",
			    conf->state_dir != NULL ? conf->state_dir : home);
		fill(load, &conf->events_dir, "%s/.cc_telegram/events", home);
		fill(load, &conf->responses_dir, "%s/.cc_telegram/responses",
		    home);
		return;
	}
	fill(load, &conf->state_dir, "/var/lib/cctg");
	fill(load, &conf->runtime_dir, "/run/cctg");
	fill(load, &conf->events_dir, "/var/spool/cctg/events");
	fill(load, &conf->responses_dir, "/var/spool/cctg/responses");
}

/* The zone of this machine; that of the predecessor for the bridge. */
static void
fill_zone(struct conf_load *load)
{
	const struct conf_key *key = conf_key_find("timezone");
	struct conf *conf = load->conf;
	char link[300], why[CONF_WHY_SIZE];
	const char *tz = conf_env(load, "TZ"), *name;
	ssize_t n;

	if (conf->timezone != NULL)
		return;
	if (conf->bridge && conf_value_set(key, conf, "Europe/Berlin", true,
	    why, sizeof(why)) == 0)
		return;
	if (tz != NULL && *tz != '\0' && conf_value_set(key, conf,
	    tz + (*tz == ':'), true, why, sizeof(why)) == 0)
		return;
	if ((n = readlink("/etc/localtime", link, sizeof(link) - 1)) > 0) {
		link[n] = '\0';
		name = strstr(link, "/zoneinfo/");
		if (name != NULL && conf_value_set(key, conf,
		    name + strlen("/zoneinfo/"), true, why, sizeof(why)) == 0)
			return;
	}
	fill(load, &conf->timezone, "UTC");
}
