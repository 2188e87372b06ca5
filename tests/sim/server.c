/*
 * server.c - HTTP: takes requests apart, applies the scripted faults, runs
 * the method and answers.  The only file that knows connections, besides
 * the webhook client in webhook.c.
 */
#include "config.h"

#include <sys/socket.h>

#include <netinet/in.h>

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>

#include "tests/sim/methods.h"
#include "tests/sim/sim.h"

#define BODY_MAX	(64 << 20)

struct parked {
	TAILQ_ENTRY(parked)	 entry;
	struct evhttp_request	*req;
	struct event		*closed;
	struct event		*timer;
	parked_wake		 wake;
	void			*arg;
};

/* An answer that a fault holds back. */
struct delayed {
	struct parked	*parked;
	int		 status;
	char		*body;
	size_t		 len;
};

static TAILQ_HEAD(, parked) all_parked = TAILQ_HEAD_INITIALIZER(all_parked);

static void	answer_fault(struct call *, struct fault *);
static void	api(struct evhttp_request *, const char *, size_t,
		    const char *);
static void	delay(struct call *, struct buf *, int64_t);
static void	delayed_wake(void *, bool);
static void	fault_status(struct call *, struct fault *);
static int	fetch_file(struct evhttp_request *, const char *);
static void	finish(struct call *, struct fault *);
static void	free_connection(evutil_socket_t, short, void *);
static void	hang_wake(void *, bool);
static int	listen_on(const char *, int);
static struct bufferevent *new_connection(struct event_base *, void *);
static void	on_request(struct evhttp_request *, void *);
static void	parked_closed(evutil_socket_t, short, void *);
static void	parked_timeout(evutil_socket_t, short, void *);
static void	raw_answer(struct evhttp_request *, const char *, size_t);
static void	reply_error(struct evhttp_request *, int, const char *);
static evutil_socket_t request_fd(struct evhttp_request *);
static void	run(struct call *, struct fault *);

int64_t
server_now_us(void)
{
	struct timespec	ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return ((int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000);
}

int64_t
server_mono_ms(void)
{
	struct timespec	ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return ((int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000 + 1);
}

static evutil_socket_t
request_fd(struct evhttp_request *req)
{
	return (bufferevent_getfd(evhttp_connection_get_bufferevent(
	    evhttp_request_get_connection(req))));
}

void
server_reply(struct evhttp_request *req, int status, const char *type,
    const char *body, size_t len, const char *retry_after)
{
	static struct evbuffer	*out;
	struct evkeyvalq	*head = evhttp_request_get_output_headers(req);
	static const struct {
		int		 status;
		const char	*reason;
	} reasons[] = {
		{ 200, "OK" }, { 400, "Bad Request" }, { 401, "Unauthorized" },
		{ 403, "Forbidden" }, { 404, "Not Found" },
		{ 409, "Conflict" }, { 413, "Request Entity Too Large" },
		{ 429, "Too Many Requests" }, { 500, "Internal Server Error" },
		{ 502, "Bad Gateway" }, { 503, "Service Unavailable" },
		{ 504, "Gateway Timeout" }
	};
	const char		*reason = "Error";
	size_t			 i;

	if (out == NULL && (out = evbuffer_new()) == NULL)
		errx(1, "evbuffer_new");
	for (i = 0; i < nitems(reasons); i++)
		if (reasons[i].status == status)
			reason = reasons[i].reason;
	(void)evhttp_add_header(head, "Content-Type",
	    type == NULL ? "application/json" : type);
	if (retry_after != NULL)
		(void)evhttp_add_header(head, "Retry-After", retry_after);
	if (evbuffer_add(out, body, len) == -1)
		errx(1, "evbuffer_add");
	sim.stats.in_flight--;
	sim.stats.by_status[status >= 0 && status < STATUS_SLOTS ?
	    status : 0]++;
	evhttp_send_reply(req, status, reason, out);
	/* Empty already unless the connection was gone. */
	(void)evbuffer_drain(out, evbuffer_get_length(out));
}

static void
reply_error(struct evhttp_request *req, int status, const char *text)
{
	struct buf	b = { 0 };

	buf_printf(&b, "{\"ok\":false,\"error_code\":%d,\"description\":\"%s\""
	    "}", status, text);
	server_reply(req, status, NULL, b.p, b.len, NULL);
	buf_free(&b);
}

static void
free_connection(evutil_socket_t fd, short what, void *evcon)
{
	(void)fd;
	(void)what;
	evhttp_connection_free(evcon);
}

/*
 * evhttp still uses the connection when it comes back from its callback,
 * so the peer sees the end now and the memory goes in the next turn.
 */
void
server_drop(struct evhttp_request *req)
{
	static const struct timeval	 now;

	sim.stats.in_flight--;
	sim.stats.dropped++;
	(void)shutdown(request_fd(req), SHUT_RDWR);
	if (event_base_once(sim.base, -1, EV_TIMEOUT, free_connection,
	    evhttp_request_get_connection(req), &now) == -1)
		errx(1, "event_base_once");
}

static void
parked_closed(evutil_socket_t fd, short what, void *arg)
{
	struct parked		*p = arg;
	parked_wake		 wake = p->wake;
	void			*wake_arg = p->arg;
	struct evhttp_request	*req;

	(void)fd;
	(void)what;
	req = server_unpark(p);
	sim.stats.in_flight--;
	wake(wake_arg, true);
	evhttp_connection_free(evhttp_request_get_connection(req));
}

void
server_stop(void)
{
	while (!TAILQ_EMPTY(&all_parked))
		parked_closed(-1, 0, TAILQ_FIRST(&all_parked));
	evhttp_free(sim.http);
}

static void
parked_timeout(evutil_socket_t fd, short what, void *arg)
{
	struct parked	*p = arg;

	(void)fd;
	(void)what;
	p->wake(p->arg, false);
}

struct parked *
server_park(struct evhttp_request *req, int64_t ms, parked_wake wake,
    void *arg)
{
	struct parked	*p = xcalloc(1, sizeof(*p));
	struct timeval	 tv;

	TAILQ_INSERT_TAIL(&all_parked, p, entry);
	p->req = req;
	p->wake = wake;
	p->arg = arg;
	p->closed = event_new(sim.base, request_fd(req), EV_CLOSED,
	    parked_closed, p);
	if (p->closed == NULL || event_add(p->closed, NULL) == -1)
		errx(1, "event_new");
	if (ms >= 0) {
		tv.tv_sec = ms / 1000;
		tv.tv_usec = ms % 1000 * 1000;
		p->timer = evtimer_new(sim.base, parked_timeout, p);
		if (p->timer == NULL || evtimer_add(p->timer, &tv) == -1)
			errx(1, "evtimer_new");
	}
	return (p);
}

struct evhttp_request *
server_unpark(struct parked *p)
{
	struct evhttp_request	*req = p->req;

	TAILQ_REMOVE(&all_parked, p, entry);
	event_free(p->closed);
	if (p->timer != NULL)
		event_free(p->timer);
	free(p);
	return (req);
}

static void
hang_wake(void *arg, bool gone)
{
	(void)arg;
	(void)gone;
}

static void
delayed_wake(void *arg, bool gone)
{
	struct delayed	*d = arg;

	if (!gone)
		server_reply(server_unpark(d->parked), d->status, NULL,
		    d->body, d->len, NULL);
	free(d->body);
	free(d);
}

static void
delay(struct call *call, struct buf *b, int64_t ms)
{
	struct delayed	*d = xcalloc(1, sizeof(*d));

	d->status = call->status;
	d->body = xstrndup(b->p, b->len);
	d->len = b->len;
	d->parked = server_park(call->req, ms, delayed_wake, d);
}

/* Bytes that need not be HTTP, and the end of the connection. */
static void
raw_answer(struct evhttp_request *req, const char *s, size_t len)
{
	(void)send(request_fd(req), s, len, MSG_NOSIGNAL);
	server_drop(req);
}

/* An error in the form of the Bot API, or the body that was asked for. */
static void
fault_status(struct call *call, struct fault *f)
{
	struct buf	b = { 0 };

	if (f->body != NULL) {
		server_reply(call->req, call->status,
		    f->type != NULL ? f->type : "text/html", f->body,
		    strlen(f->body), f->retry_header);
		return;
	}
	buf_printf(&b, "{\"ok\":false,\"error_code\":%d,\"description\":",
	    call->status);
	buf_json_str(&b, call->description);
	if (f->retry_after != NULL)
		buf_printf(&b, ",\"parameters\":{\"retry_after\":%s}",
		    f->retry_after);
	else if (f->kind == FAULT_MIGRATE)
		buf_printf(&b, ",\"parameters\":{\"migrate_to_chat_id\":%lld}",
		    (long long)(f->migrate_to != 0 ? f->migrate_to :
		    SUPERGROUPS - llabs(call->chat_id)));
	buf_putc(&b, '}');
	server_reply(call->req, call->status, NULL, b.p, b.len,
	    f->retry_header);
	buf_free(&b);
}

/* The faults that answer in place of the method. */
static void
answer_fault(struct call *call, struct fault *f)
{
	static const char	 noise[] = "\x16\x03\x01\x02garbage \xff\xfe\n";
	static const char	 half[] = "HTTP/1.1 200 OK\r\nContent-Type: "
	    "application/json\r\nContent-Length: 400\r\n\r\n{\"ok\":true,"
	    "\"result\":{\"message_id\":";

	switch (f->kind) {
	case FAULT_CLOSE_BEFORE:
	case FAULT_CLOSE_AFTER:
		server_drop(call->req);
		break;
	case FAULT_HANG:
		(void)server_park(call->req, -1, hang_wake, NULL);
		break;
	case FAULT_GARBAGE:
		if (f->body != NULL)
			raw_answer(call->req, f->body, strlen(f->body));
		else
			raw_answer(call->req, noise, sizeof(noise) - 1);
		break;
	case FAULT_TRUNCATE:
		raw_answer(call->req, half, sizeof(half) - 1);
		break;
	default:
		call->status = (int)f->status;
		(void)strlcpy(call->description, f->description,
		    sizeof(call->description));
		fault_status(call, f);
		break;
	}
}

/* The answer of a method that ran, perhaps spoilt by a fault. */
static void
finish(struct call *call, struct fault *f)
{
	char		 retry[24];

	if (call->status == 200)
		buf_putc(call->out, '}');
	else {
		buf_clear(call->out);
		call_answer(call, call->out);
	}
	if (f != NULL && f->kind == FAULT_DELAY)
		delay(call, call->out, f->ms);
	else if (f != NULL)
		answer_fault(call, f);
	else {
		(void)snprintf(retry, sizeof(retry), "%lld",
		    (long long)call->retry_after);
		server_reply(call->req, call->status, NULL, call->out->p,
		    call->out->len, call->retry_after > 0 ? retry : NULL);
	}
}

/* Run the method unless a fault comes before it. */
static void
run(struct call *call, struct fault *f)
{
	struct method_stats	*st = &method_stats[call->method - methods];
	const char		*outcome = "ok";

	st->requests++;
	if (f != NULL) {
		f->hits++;
		sim.stats.faults++;
		if (!f->act) {
			st->failed++;
			call->status = (int)f->status;
			inspect_note(call, f->name);
			answer_fault(call, f);
			return;
		}
		outcome = f->name;
	}
	buf_puts(call->out, "{\"ok\":true,\"result\":");
	if (call->method->run(call) == -1)
		st->failed++;
	else
		st->ok++;
	if (call->status != 200)
		outcome = call->description;
	inspect_note(call, outcome);
	if (!call->parked)
		finish(call, f);
}

/* path is behind "/bot": the token, a slash, the method. */
static void
api(struct evhttp_request *req, const char *path, size_t len,
    const char *query)
{
	static struct params	 params;
	static struct buf	 out;
	struct call		 call = { .req = req, .status = 200,
				    .out = &out, .params = &params };
	struct evbuffer		*in = evhttp_request_get_input_buffer(req);
	const char		*error = NULL, *name;

	name = memrchr(path, '/', len);
	if (name == NULL || (sim.token != NULL &&
	    (strlen(sim.token) != (size_t)(name - path) ||
	    memcmp(sim.token, path, (size_t)(name - path)) != 0))) {
		sim.stats.bad_tokens++;
		reply_error(req, 401, "Unauthorized");
		return;
	}
	name++;
	call.method = method_find(name, len - (size_t)(name - path));
	if (call.method == NULL) {
		sim.stats.unknown_methods++;
		reply_error(req, 404, "Not Found");
		return;
	}
	call.now_us = server_now_us();
	call.type = evhttp_find_header(evhttp_request_get_input_headers(req),
	    "Content-Type");
	call.body_len = evbuffer_get_length(in);
	call.body = call.body_len == 0 ? "" :
	    (const char *)evbuffer_pullup(in, -1);
	buf_clear(&out);
	if (params_parse(&params, query, call.type, call.body, call.body_len,
	    &error) == -1) {
		(void)call_fail(&call, 400, "%s", error);
		method_stats[call.method - methods].requests++;
		method_stats[call.method - methods].failed++;
		inspect_note(&call, error);
		finish(&call, NULL);
	} else {
		if (params_int(&params, "chat_id", &call.chat_id) == -1)
			call.chat_id = 0;
		run(&call, fault_take(call.method->name, call.chat_id));
	}
	params_clear(&params);
}

/* GET /file/bot<token>/documents/<number> */
static int
fetch_file(struct evhttp_request *req, const char *path)
{
	struct message	*m;
	const char	*no;

	if ((no = strrchr(path, '_')) == NULL ||
	    (m = store_file(strtoll(no + 1, NULL, 10))) == NULL)
		return (-1);
	server_reply(req, 200, "application/octet-stream", m->file,
	    m->file_size < DOC_KEEP ? m->file_size : DOC_KEEP, NULL);
	return (0);
}

static void
on_request(struct evhttp_request *req, void *arg)
{
	const char	*query, *uri = evhttp_request_get_uri(req);
	char		*path;
	size_t		 len;

	(void)arg;
	sim.stats.requests++;
	if (++sim.stats.in_flight > sim.stats.max_in_flight)
		sim.stats.max_in_flight = sim.stats.in_flight;
	len = strcspn(uri, "?");
	query = uri[len] == '?' ? uri + len + 1 : NULL;
	if (strncmp(uri, "/bot", 4) == 0 && memchr(uri, '%', len) == NULL) {
		api(req, uri + 4, len - 4, query);
		return;
	}
	path = xstrndup(uri, len);
	len = params_decode(path, uri, len, false);
	if (strncmp(path, "/bot", 4) == 0)
		api(req, path + 4, len - 4, query);
	else if (strncmp(path, "/sim", 4) == 0)
		inspect_request(req, path + 4, query);
	else if (strncmp(path, "/file/bot", 9) != 0 ||
	    fetch_file(req, path) == -1)
		reply_error(req, 404, "Not Found");
	free(path);
}

static struct bufferevent *
new_connection(struct event_base *base, void *arg)
{
	(void)arg;
	sim.stats.connections++;
	return (bufferevent_socket_new(base, -1, 0));
}

/* Returns the port, or -1. */
static int
listen_on(const char *host, int port)
{
	struct evhttp_bound_socket	*bound;
	struct sockaddr_storage		 ss;
	socklen_t			 len = sizeof(ss);

	if ((bound = evhttp_bind_socket_with_handle(sim.http, host,
	    (uint16_t)port)) == NULL ||
	    getsockname(evhttp_bound_socket_get_fd(bound),
	    (struct sockaddr *)&ss, &len) == -1)
		return (-1);
	return (ntohs(((struct sockaddr_in *)&ss)->sin_port));
}

void
server_listen(int port, const char *port_file)
{
	FILE	*f;

	if ((sim.http = evhttp_new(sim.base)) == NULL)
		errx(1, "evhttp_new");
	evhttp_set_max_body_size(sim.http, BODY_MAX);
	evhttp_set_max_headers_size(sim.http, 64 << 10);
	evhttp_set_timeout(sim.http, 3600);
	evhttp_set_bevcb(sim.http, new_connection, NULL);
	evhttp_set_gencb(sim.http, on_request, NULL);
	if ((port = listen_on("127.0.0.1", port)) == -1)
		err(1, "cannot listen on 127.0.0.1");
	/* Clients that try ::1 first find us, too; not every host has it. */
	(void)listen_on("::1", port);
	if (port_file != NULL) {
		if ((f = fopen(port_file, "we")) == NULL)
			err(1, "%s", port_file);
		(void)fprintf(f, "%d\n", port);
		if (fclose(f) == EOF)
			err(1, "%s", port_file);
	}
	(void)printf("listening on http://127.0.0.1:%d\n", port);
	(void)fflush(stdout);
}
