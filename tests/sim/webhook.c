/*
 * webhook.c - delivery of updates by POST to an address of the bot's own,
 * one at a time, each on a connection of its own, the next when this one
 * was answered with 2xx.  Other than the real service it takes http.
 */
#include "config.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <json-c/json.h>

#include "tests/sim/methods.h"
#include "tests/sim/sim.h"

#define RETRY_S		1
#define TIMEOUT_S	10

static void	failed(const char *);
static void	on_answer(struct evhttp_request *, void *);
static void	on_retry(evutil_socket_t, short, void *);
static int	post(const char *, size_t);
static void	retry_later(void);

static struct {
	struct evhttp_uri		*uri;
	char				*url;
	char				*secret;
	struct evhttp_connection	*connection;
	struct event			*retry;
	bool				 busy;
	int64_t				 error_s;
	char				 error[128];
} hook;

bool
webhook_active(void)
{
	return (hook.url != NULL);
}

void
webhook_reset(void)
{
	if (hook.connection != NULL)
		evhttp_connection_free(hook.connection);
	if (hook.retry != NULL)
		event_free(hook.retry);
	if (hook.uri != NULL)
		evhttp_uri_free(hook.uri);
	free(hook.url);
	free(hook.secret);
	memset(&hook, 0, sizeof(hook));
}

static void
on_retry(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	webhook_kick();
}

static void
retry_later(void)
{
	const struct timeval	tv = { .tv_sec = RETRY_S };

	if (hook.retry == NULL)
		hook.retry = evtimer_new(sim.base, on_retry, NULL);
	if (hook.retry != NULL)
		(void)evtimer_add(hook.retry, &tv);
}

static void
failed(const char *why)
{
	hook.error_s = server_now_us() / 1000000;
	(void)strlcpy(hook.error, why, sizeof(hook.error));
	retry_later();
}

static void
on_answer(struct evhttp_request *req, void *arg)
{
	char	why[64];
	int	status;

	(void)arg;
	hook.busy = false;
	hook.connection = NULL;
	status = req == NULL ? 0 : evhttp_request_get_response_code(req);
	if (status >= 200 && status < 300) {
		updates_pop();
		webhook_kick();
	} else if (status == 0)
		failed("Connection refused");
	else {
		(void)snprintf(why, sizeof(why),
		    "Wrong response from the webhook: %d", status);
		failed(why);
	}
}

/* Takes a copy of the update. */
static int
post(const char *s, size_t len)
{
	struct evhttp_request	*req;
	struct evkeyvalq	*head;
	const char		*path = evhttp_uri_get_path(hook.uri);
	const char		*query = evhttp_uri_get_query(hook.uri);
	char			 target[1024];

	hook.connection = evhttp_connection_base_new(sim.base, NULL,
	    evhttp_uri_get_host(hook.uri),
	    (uint16_t)(evhttp_uri_get_port(hook.uri) > 0 ?
	    evhttp_uri_get_port(hook.uri) : 80));
	req = evhttp_request_new(on_answer, NULL);
	if (hook.connection == NULL || req == NULL)
		errx(1, "out of memory");
	evhttp_connection_set_timeout(hook.connection, TIMEOUT_S);
	evhttp_connection_free_on_completion(hook.connection);
	head = evhttp_request_get_output_headers(req);
	(void)evhttp_add_header(head, "Host", evhttp_uri_get_host(hook.uri));
	(void)evhttp_add_header(head, "Content-Type", "application/json");
	if (hook.secret != NULL)
		(void)evhttp_add_header(head,
		    "X-Telegram-Bot-Api-Secret-Token", hook.secret);
	(void)evbuffer_add(evhttp_request_get_output_buffer(req), s, len);
	(void)snprintf(target, sizeof(target), "%s%s%s",
	    path == NULL || *path == '\0' ? "/" : path,
	    query == NULL ? "" : "?", query == NULL ? "" : query);
	return (evhttp_make_request(hook.connection, req, EVHTTP_REQ_POST,
	    target));
}

void
webhook_kick(void)
{
	const char	*s;
	size_t		 len;

	if (hook.url == NULL || hook.busy ||
	    (s = updates_first(&len)) == NULL)
		return;
	hook.busy = true;
	if (post(s, len) == -1) {
		hook.busy = false;
		hook.connection = NULL;
		failed("cannot connect");
	}
}

int
webhook_set(struct call *call)
{
	struct json_object	*kinds;
	struct evhttp_uri	*uri;
	const char		*scheme, *secret, *url;
	bool			 broken;

	url = params_str(call->params, "url");
	secret = params_str(call->params, "secret_token");
	if (url == NULL || *url == '\0')
		return (webhook_delete(call));
	uri = evhttp_uri_parse(url);
	scheme = uri == NULL ? NULL : evhttp_uri_get_scheme(uri);
	if (scheme == NULL || strcmp(scheme, "http") != 0 ||
	    evhttp_uri_get_host(uri) == NULL) {
		if (uri != NULL)
			evhttp_uri_free(uri);
		return (call_fail(call, 400, "Bad Request: bad webhook: "
		    "the simulator delivers to http addresses only"));
	}
	if (secret != NULL && (strlen(secret) > 256 || strspn(secret,
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
	    != strlen(secret))) {
		evhttp_uri_free(uri);
		return (call_fail(call, 400, "Bad Request: secret token "
		    "contains unallowed characters"));
	}
	webhook_reset();
	hook.uri = uri;
	hook.url = xstrdup(url);
	hook.secret = secret == NULL ? NULL : xstrdup(secret);
	if ((kinds = params_json(call->params, "allowed_updates", &broken)) !=
	    NULL) {
		updates_allow(kinds);
		json_object_put(kinds);
	}
	updates_conflict();
	while (params_bool(call->params, "drop_pending_updates") &&
	    updates_pending() > 0)
		updates_pop();
	webhook_kick();
	return (call_true(call));
}

int
webhook_delete(struct call *call)
{
	webhook_reset();
	while (params_bool(call->params, "drop_pending_updates") &&
	    updates_pending() > 0)
		updates_pop();
	return (call_true(call));
}

int
webhook_info(struct call *call)
{
	buf_puts(call->out, "{\"url\":");
	buf_json_str(call->out, hook.url == NULL ? "" : hook.url);
	buf_printf(call->out, ",\"has_custom_certificate\":false,"
	    "\"pending_update_count\":%llu",
	    (unsigned long long)updates_pending());
	if (hook.error_s != 0) {
		buf_printf(call->out, ",\"last_error_date\":%lld,"
		    "\"last_error_message\":", (long long)hook.error_s);
		buf_json_str(call->out, hook.error);
	}
	buf_putc(call->out, '}');
	return (0);
}
