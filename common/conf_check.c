/*
 * What a value alone does not show: keys that do not fit together, names
 * that point nowhere.  Called by conf.c when everything is read.
 */
#include <arpa/inet.h>
#include <sys/stat.h>

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/conf_private.h"

static bool is_loopback(const char *host);
static void check_api_url(struct conf_load *);
static void check_webhook(struct conf_load *);
static void check_redis(struct conf_load *);
static void check_chats(struct conf_load *);
static void check_routes(struct conf_load *);
static void check_identity(struct conf_load *);
static void check_listeners(struct conf_load *);
static void check_directories(struct conf_load *);
static void check_hooks(struct conf_load *);

void
conf_check(struct conf_load *load)
{
	struct conf *conf = load->conf;

	check_api_url(load);
	check_webhook(load);
	check_redis(load);
	check_chats(load);
	check_routes(load);
	check_identity(load);
	check_listeners(load);
	check_directories(load);
	check_hooks(load);
	if (strcmp(conf->timezone, "UTC") != 0 &&
	    access("/usr/share/zoneinfo", F_OK) == -1)
		conf_problem_key(load, false, "timezone", "timezone: this "
		    "machine has no time zone data (package tzdata), times "
		    "are shown in UTC");
	if (conf->memory_soft_bytes >= conf->memory_hard_bytes)
		conf_problem_key(load, true, "watchdog.memory_soft",
		    "memory_soft must be less than memory_hard");
	if (conf->allowed_users.n == 0 && conf->nchats == 0 &&
	    conf->token != NULL)
		conf_problem(load->problems, false, NULL, 0,
		    "neither telegram.allowed_users nor a chat is configured: "
		    "nobody will get anything");
}

/* The host of "scheme://user@host:port/path", without brackets. */
static void
url_host(const char *url, char *host, size_t size)
{
	const char *from = strstr(url, "://"), *at;
	size_t len;

	from = from != NULL ? from + 3 : url;
	len = strcspn(from, "/?#");
	for (at = from + len; at > from; at--)
		if (at[-1] == '@') {
			len -= (size_t)(at - from);
			from = at;
			break;
		}
	if (*from == '[') {
		from++;
		len = strcspn(from, "]");
	} else if (memchr(from, ':', len) != NULL)
		len = (size_t)((const char *)memchr(from, ':', len) - from);
	snprintf(host, size, "%.*s", (int)len, from);
}

static bool
is_loopback(const char *host)
{
	struct in_addr v4;
	struct in6_addr v6;

	if (strcasecmp(host, "localhost") == 0)
		return (true);
	if (inet_pton(AF_INET, host, &v4) == 1)
		return ((ntohl(v4.s_addr) >> 24) == 127);
	if (inet_pton(AF_INET6, host, &v6) == 1)
		return (memcmp(&v6, &in6addr_loopback, sizeof(v6)) == 0);
	return (false);
}

static void
check_api_url(struct conf_load *load)
{
	const char *url = load->conf->api_url;
	char host[256];

	url_host(url, host, sizeof(host));
	if (strncasecmp(url, "https://", 8) != 0 &&
	    strncasecmp(url, "http://", 7) != 0)
		conf_problem_key(load, true, "telegram.api_url",
		    "api_url: a URL of http or https is wanted");
	else if (*host == '\0')
		conf_problem_key(load, true, "telegram.api_url",
		    "api_url: the URL names no host");
	else if (strncasecmp(url, "http://", 7) == 0 && !is_loopback(host) &&
	    !load->conf->allow_insecure)
		conf_problem_key(load, true, "telegram.api_url",
		    "api_url: http would show the token to the network; use "
		    "https or set allow_insecure = true");
}

/* Of "scheme://host:port/path": 0 if none is named, -1 if it is none. */
static long
url_port(const char *url)
{
	const char *from = strstr(url, "://"), *colon = NULL, *p;
	char *end;
	long port;

	from = from != NULL ? from + 3 : url;
	for (p = from; *p != '\0' && strchr("/?#", *p) == NULL; p++)
		if (*p == ':')
			colon = p;
		else if (*p == ']' || *p == '@')
			colon = NULL;
	if (colon == NULL)
		return (0);
	port = strtol(colon + 1, &end, 10);
	return (end == p && end > colon + 1 && port > 0 && port < 65536 ?
	    port : -1);
}

/* "/hook" of "https://host:88/hook?x", "/" where there is none; into path. */
static const char *
url_path(const char *url, char *path, size_t size)
{
	const char *from = strstr(url, "://");

	from = from != NULL ? from + 3 : url;
	from += strcspn(from, "/?#");
	snprintf(path, size, "%.*s", (int)strcspn(from, "?#"), from);
	if (*path == '\0')
		strlcpy(path, "/", size);
	return (path);
}

/*
 * What setWebhook of the Bot API takes.  A Bot API server of one's own, which
 * allow_insecure or two loopback addresses stand for, takes http and any
 * port as well.
 */
static const char *
webhook_trouble(const struct conf *conf)
{
	const char *url = conf->webhook_url;
	bool https = strncasecmp(url, "https://", 8) == 0;
	long port = url_port(url);
	char host[256], api[256];
	bool own;

	url_host(url, host, sizeof(host));
	url_host(conf->api_url, api, sizeof(api));
	own = conf->allow_insecure ||
	    (is_loopback(host) && is_loopback(api));
	if (!https && (!own || strncasecmp(url, "http://", 7) != 0))
		return ("url: Telegram sends updates to https only; a proxy "
		    "in front of intake.http gives it");
	if (*host == '\0' || port == -1)
		return ("url: the URL names no host or a bad port");
	if (!own && is_loopback(host))
		return ("url: Telegram cannot reach the loopback of this "
		    "machine; name the proxy in front of intake.http");
	if (!own && port != 0 && port != 443 && port != 80 && port != 88 &&
	    port != 8443)
		return ("url: Telegram sends updates to the ports 443, 80, 88 "
		    "and 8443 only");
	if (strcmp(url_path(url, api, sizeof(api)), "/events") == 0)
		return ("url: /events is where intake.http takes events; "
		    "choose another path");
	if (*conf->intake_http == '\0')
		return ("url: nothing would receive what Telegram sends "
		    "there; set intake.http");
	return (NULL);
}

static void
check_webhook(struct conf_load *load)
{
	const char *why;

	if (*load->conf->webhook_url != '\0' &&
	    (why = webhook_trouble(load->conf)) != NULL)
		conf_problem_key(load, true, "telegram.webhook.url", "%s",
		    why);
}

static void
check_redis(struct conf_load *load)
{
	static const char *const schemes[] = { "redis://", "rediss://",
		"unix://" };
	const char *url = load->conf->redis_url;
	size_t i;

	if (*url == '\0')
		return;
	for (i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (strncasecmp(url, schemes[i], strlen(schemes[i])) == 0)
			return;
	conf_problem_key(load, true, "redis.url",
	    "url: a URL of redis, rediss or unix is wanted");
}

static void
check_chats(struct conf_load *load)
{
	struct conf *conf = load->conf;
	size_t i;

	for (i = 0; i < conf->nchats; i++) {
		struct conf_chat *c = &conf->chats[i];

		if (c->id == 0)
			conf_problem(load->problems, true, conf->file, c->line,
			    "chat \"%s\" has no id", c->name);
		if (c->topic == TOPIC_NONE)
			continue;
		if (c->thread != 0)
			conf_problem(load->problems, true, conf->file, c->line,
			    "chat \"%s\": either thread or topic", c->name);
		if (c->id > 0)
			conf_problem(load->problems, true, conf->file, c->line,
			    "chat \"%s\": topic is for forums, whose ids are "
			    "negative", c->name);
	}
}

static bool
is_chat(const struct conf *conf, const char *name)
{
	size_t i;

	for (i = 0; i < conf->nchats; i++)
		if (strcmp(conf->chats[i].name, name) == 0)
			return (true);
	return (false);
}

/* A chat's name, or its number with that of a topic perhaps. */
static void
check_hooks(struct conf_load *load)
{
	const char *to = load->conf->hooks_to;
	size_t digits;

	if (to == NULL || *to == '\0' || is_chat(load->conf, to))
		return;
	to += *to == '-';
	digits = strspn(to, "0123456789");
	to += digits;
	if (digits > 0 && *to == ':' && to[1] != '\0')
		to += 1 + strspn(to + 1, "0123456789");
	if (digits == 0 || *to != '\0')
		conf_problem_key(load, true, "hooks.to",
		    "to: there is no chat \"%s\"", load->conf->hooks_to);
}

static void
check_routes(struct conf_load *load)
{
	struct conf *conf = load->conf;
	size_t i, k;

	for (i = 0; i < conf->nroutes; i++) {
		struct conf_route *route = &conf->routes[i];

		for (k = 0; k < route->chat.n; k++)
			if (!is_chat(conf, route->chat.v[k]))
				conf_problem(load->problems, true, conf->file,
				    route->chat_line, "route \"%s\": there is "
				    "no chat \"%s\"", route->name,
				    route->chat.v[k]);
	}
}

/* The absent default user is the supervisor's matter: it goes on without. */
static void
check_identity(struct conf_load *load)
{
	struct conf *conf = load->conf;

	if (load->source->uid != 0)
		return;
	if (conf->user_given && *conf->user != '\0' &&
	    getpwnam(conf->user) == NULL)
		conf_problem_key(load, true, "user",
		    "user: there is no user \"%s\"", conf->user);
	if (conf->group_given && *conf->group != '\0' &&
	    getgrnam(conf->group) == NULL)
		conf_problem_key(load, true, "group",
		    "group: there is no group \"%s\"", conf->group);
}

/* Events by HTTP from other machines only with a token. */
static void
check_listeners(struct conf_load *load)
{
	struct conf *conf = load->conf;
	char host[256];

	if (*conf->intake_http == '\0')
		return;
	url_host(conf->intake_http, host, sizeof(host));
	if (!is_loopback(host) && conf->intake_token == NULL &&
	    *conf->intake_token_file == '\0')
		conf_problem_key(load, true, "intake.http",
		    "http: an address other than loopback needs a token_file");
}

static void
check_directories(struct conf_load *load)
{
	struct conf *conf = load->conf;

	if (conf->events_dir != NULL && conf->responses_dir != NULL &&
	    strcmp(conf->events_dir, conf->responses_dir) == 0)
		conf_problem_key(load, true, "responses_dir",
		    "responses_dir must be another directory than events_dir");
	/* A socket's name is 107 bytes at most (unix(7)). */
	if (conf->runtime_dir != NULL && strlen(conf->runtime_dir) > 92)
		conf_problem_key(load, true, "runtime_dir",
		    "runtime_dir: too long for the name of a socket");
}
