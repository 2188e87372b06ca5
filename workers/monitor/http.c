/*
 * The HTTP server, by evhttp(3): one table of paths, GET and HEAD only.
 *
 * Called by monitor.c.  Every answer is computed from a view taken at that
 * moment and needs no waiting.  Requests are small, so headers and bodies are
 * bounded; connections are, too (clients.c); an idle one is closed after
 * TIMEOUT_S.  Errors are JSON: {"error":TEXT,"code":STATUS}.
 */
#include <sys/socket.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <json-c/json.h>

#include "common/log.h"
#include "common/nitems.h"
#include "workers/httpd.h"
#include "workers/monitor/clients.h"
#include "workers/monitor/expose.h"
#include "workers/monitor/health.h"
#include "workers/monitor/http.h"
#include "workers/monitor/slots.h"

#define HEADERS_MAX 16384
#define BODY_MAX 4096
#define TIMEOUT_S 60

struct answer {
	int status;
	const char *type;
	char *body; /* malloc'd; NULL: out of memory */
	size_t len;
};

static void answer_health(const struct view *, struct answer *);
static void answer_ready(const struct view *, struct answer *);
static void answer_live(const struct view *, struct answer *);
static void answer_metrics(const struct view *, struct answer *);
static void answer_brief(const struct view *, struct answer *);
static void answer_report(const struct view *, struct answer *);
static void answer_json(struct answer *, struct json_object *);
static void answer_error(struct answer *, int, const char *);
static struct bufferevent *http_connectedcb(struct event_base *, void *);
static void http_requestcb(struct evhttp_request *, void *);
static void http_answer(struct evhttp_request *, struct answer *);
static bool http_is_mcp(struct evhttp_request *);
static void http_reply(struct evhttp_request *, const struct answer *);
static const char *http_reason(int);

static const char type_json[] = "application/json";
static const char type_text[] = "text/plain; charset=utf-8";
static const char type_metrics[] = "text/plain; version=0.0.4; charset=utf-8";

static const struct path {
	const char *path;
	bool guarded; /* wants the token, if there is one */
	void (*answer)(const struct view *, struct answer *);
} paths[] = {
	{ "/health", false, answer_health },
	{ "/ready", false, answer_ready },
	{ "/live", false, answer_live },
	{ "/metrics", true, answer_metrics },
	{ "/report", true, answer_report },
};

static const struct {
	int status;
	const char *reason;
} reasons[] = {
	{ 200, "OK" },
	{ 401, "Unauthorized" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 500, "Internal Server Error" },
	{ 503, "Service Unavailable" },
};

static char *wanted_token;
static bool mcp_about, stopped;

int
http_listen(struct event_base *base, int fd)
{
	static const struct httpd_bounds bounds = { BODY_MAX, HEADERS_MAX,
		TIMEOUT_S };
	static struct evhttp *http;
	const int on = 1;

	/* Connections inherit it.  An answer leaves in several writes, and
	 * the last would wait 40 ms for the client's delayed ACK. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (http == NULL) {
		http = httpd_init(base, &bounds, http_requestcb);
		if (http == NULL)
			fatalx("http: out of memory");
		evhttp_set_bevcb(http, http_connectedcb, NULL);
		httpd_start();
	}
	return (httpd_listen(fd));
}

void
http_token(const char *token, bool bridge)
{
	char *copy = NULL;

	if (token != NULL && *token != '\0' && (copy = strdup(token)) == NULL)
		fatal("cannot keep the token");
	if (wanted_token != NULL)
		explicit_bzero(wanted_token, strlen(wanted_token));
	free(wanted_token);
	wanted_token = copy;
	mcp_about = bridge;
}

void
http_stop(void)
{
	stopped = true;
	httpd_stop();
}

/*
 * A listener accepts all that wait in one turn.  When there are enough, the
 * rest waits for the next turn, in which those that had to go have gone.
 */
static struct bufferevent *
http_connectedcb(struct event_base *base, void *arg)
{
	struct bufferevent *bev = clients_new(base, arg);

	if (clients_full())
		httpd_pause(0);
	return (bev);
}

/* Requests. */

static void
http_requestcb(struct evhttp_request *req, void *arg)
{
	struct answer a = { .status = 200, .type = type_json };

	(void)arg;
	clients_used(evhttp_connection_get_bufferevent(
	    evhttp_request_get_connection(req)));
	http_answer(req, &a);
	if (a.body == NULL)
		answer_error(&a, 500, "out of memory");
	http_reply(req, &a);
	free(a.body);
}

static void
http_answer(struct evhttp_request *req, struct answer *a)
{
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(req);
	const char *name = uri == NULL ? NULL : evhttp_uri_get_path(uri);
	struct evkeyvalq *headers = evhttp_request_get_output_headers(req);
	enum evhttp_cmd_type method = evhttp_request_get_command(req);
	static struct view view; /* 40 KiB */
	const struct path *p;

	for (p = paths; p < paths + nitems(paths); p++)
		if (name != NULL && strcmp(name, p->path) == 0)
			break;
	if (p == paths + nitems(paths)) {
		answer_error(a, 404, "no such path; there are /health, "
		    "/ready, /live, /metrics and /report");
	} else if (method != EVHTTP_REQ_GET && method != EVHTTP_REQ_HEAD) {
		evhttp_add_header(headers, "Allow", "GET, HEAD");
		answer_error(a, 405, "only GET and HEAD");
	} else {
		slots_view(&view);
		if (!p->guarded || httpd_authorised(req, wanted_token))
			p->answer(&view, a);
		else if (p->answer == answer_metrics && http_is_mcp(req))
			answer_brief(&view, a);
		else {
			evhttp_add_header(headers, "WWW-Authenticate",
			    "Bearer");
			answer_error(a, 401, "the bearer token is missing "
			    "or wrong");
		}
	}
}

/*
 * The MCP server of co8/cctelegram knows no token and takes a refusal for a
 * bridge that does not run.  In its place, and from this machine, the few
 * figures that it reads are told without one.
 */
static bool
http_is_mcp(struct evhttp_request *req)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int fd = bufferevent_getfd(evhttp_connection_get_bufferevent(
	    evhttp_request_get_connection(req)));

	if (!mcp_about || evhttp_find_header(
	    evhttp_request_get_input_headers(req), "Authorization") != NULL ||
	    getpeername(fd, (struct sockaddr *)&ss, &len) == -1)
		return (false);
	if (ss.ss_family == AF_INET)
		return (ntohl(((struct sockaddr_in *)&ss)->sin_addr.s_addr) >>
		    24 == 127);
	return (ss.ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(
	    &((struct sockaddr_in6 *)&ss)->sin6_addr));
}

static void
http_reply(struct evhttp_request *req, const struct answer *a)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(req);
	struct evbuffer *body = evbuffer_new();
	char length[24];

	evhttp_add_header(headers, "Content-Type", a->type);
	evhttp_add_header(headers, "Cache-Control", "no-store");
	evhttp_add_header(headers, "Access-Control-Allow-Origin", "*");
	snprintf(length, sizeof(length), "%zu", a->len);
	evhttp_add_header(headers, "Content-Length", length);
	if (stopped)
		evhttp_add_header(headers, "Connection", "close");
	if (body != NULL && a->body != NULL &&
	    evhttp_request_get_command(req) != EVHTTP_REQ_HEAD)
		evbuffer_add(body, a->body, a->len);
	/* If the client has gone, this only frees the request. */
	evhttp_send_reply(req, a->status, http_reason(a->status), body);
	if (body != NULL)
		evbuffer_free(body);
}

static const char *
http_reason(int status)
{
	for (size_t i = 0; i < nitems(reasons); i++)
		if (reasons[i].status == status)
			return (reasons[i].reason);
	return ("");
}

/* Answers. */

static void
answer_health(const struct view *v, struct answer *a)
{
	struct health h;

	health_judge(v, &h);
	if (h.status == UNHEALTHY)
		a->status = 503;
	answer_json(a, health_json(v));
}

static void
answer_ready(const struct view *v, struct answer *a)
{
	struct json_object *o;
	const char *why;

	if (!health_ready(v, &why)) {
		answer_error(a, 503, why);
		return;
	}
	o = json_object_new_object();
	json_object_object_add(o, "ready", json_object_new_boolean(true));
	answer_json(a, o);
}

static void
answer_live(const struct view *v, struct answer *a)
{
	(void)v;
	a->type = type_text;
	a->body = strdup("OK");
	a->len = 2;
}

static void
answer_metrics(const struct view *v, struct answer *a)
{
	a->type = type_metrics;
	a->body = expose_text(v, &a->len);
}

static void
answer_brief(const struct view *v, struct answer *a)
{
	a->type = type_metrics;
	a->body = expose_brief(v, &a->len);
}

static void
answer_report(const struct view *v, struct answer *a)
{
	answer_json(a, health_report(v));
}

static void
answer_error(struct answer *a, int status, const char *text)
{
	struct json_object *o = json_object_new_object();

	a->status = status;
	json_object_object_add(o, "error", json_object_new_string(text));
	json_object_object_add(o, "code", json_object_new_int(status));
	answer_json(a, o);
}

/* Takes o over. */
static void
answer_json(struct answer *a, struct json_object *o)
{
	const char *text = json_object_to_json_string_ext(o,
	    JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);

	a->type = type_json;
	if (text != NULL && (a->body = strdup(text)) != NULL)
		a->len = strlen(a->body);
	json_object_put(o);
}
