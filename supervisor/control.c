/*
 * control.sock: newline-delimited JSON, one object a request, one an answer,
 * in order.  This file has the clients and their lines, ops.c what they ask.
 *
 * Nobody can hold up the supervisor: lines, answers and clients are bounded,
 * nothing is read from a client that does not take its answers, and when
 * there are too many clients the one that was silent for longest goes.
 */
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <json-c/json.h>

#include "common/clock.h"
#include "common/conf.h"
#include "common/json.h"
#include "common/log.h"
#include "common/metrics.h"
#include "supervisor/control.h"
#include "supervisor/listen.h"

#define CLIENTS_MAX 128
#define LINE_MAX_BYTES (1U << 20)
#define OUTPUT_MAX_BYTES (256U << 10) /* unread answers: no more is read */
#define GROUPS_MAX 64
#define BACKLOG 512
#define ACCEPTS 32 /* a loop turn, so that others get theirs */
#define TAG_MAX_BYTES 256

struct client {
	TAILQ_ENTRY(client) entry; /* the latest heard of at the end */
	struct bufferevent *bev;
	uint64_t id;
	struct wait wait;
	struct json_object *tag; /* of the request at hand, for its answer */
	bool tagged;   /* it has one, which may be null */
	bool skipping; /* the rest of a line that was too long */
	bool eof;      /* it will not ask any more */
	bool closing;  /* to be freed when its answers are out */
};
static TAILQ_HEAD(, client) clients = TAILQ_HEAD_INITIALIZER(clients);
static unsigned int nclients;
static uint64_t last_id;
static int listen_fd = -1;
static struct event *accept_event;

static void control_accept(evutil_socket_t, short, void *);
static bool control_permitted(int);
static bool control_in_group(int, gid_t);
static void control_add(int);
static void control_refuse(int, int, const char *);
static void control_free(struct client *);
static void control_overlong(struct client *, struct evbuffer *);
static void control_read(struct bufferevent *, void *);
static void control_write(struct bufferevent *, void *);
static void control_event(struct bufferevent *, short, void *);
static void control_serve(struct client *);
static void control_line(struct client *, const char *, size_t);
static int control_tag(struct client *, struct json_object *);
static void control_answer(struct client *, struct json_object *);

int
control_init(void)
{
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];

	if ((size_t)snprintf(path, sizeof(path), "%s/control.sock",
	    sup.conf->runtime_dir) >= sizeof(path)) {
		errno = ENAMETOOLONG;
		return (-1);
	}
	if ((listen_fd = listen_unix(path, BACKLOG)) == -1)
		return (-1);
	accept_event = event_new(sup.base, listen_fd, EV_READ | EV_PERSIST,
	    control_accept, NULL);
	if (accept_event == NULL || event_add(accept_event, NULL) == -1)
		return (-1);
	return (0);
}

/* The last act: until then clients can see that we are stopping. */
void
control_close(void)
{
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];

	if (listen_fd == -1)
		return;
	event_del(accept_event);
	close(listen_fd);
	listen_fd = -1;
	if ((size_t)snprintf(path, sizeof(path), "%s/control.sock",
	    sup.conf->runtime_dir) < sizeof(path))
		(void)unlink(path);
}

static void
control_accept(evutil_socket_t fd, short what, void *arg)
{
	const struct timeval pause = {1, 0};
	int s, i;

	(void)what, (void)arg;
	for (i = 0; i < ACCEPTS; i++) {
		s = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (s == -1)
			break;
		if (!control_permitted(s))
			control_refuse(s, EX_NOPERM, "not permitted");
		else
			control_add(s);
	}
	if (i == 0 && (errno == EMFILE || errno == ENFILE ||
	    errno == ENOMEM)) {
		/* The connection stays readable: do not spin. */
		log_warn("control.sock: cannot accept; trying again in %d s",
		    (int)pause.tv_sec);
		event_del(accept_event);
		event_add(accept_event, &pause);
	}
}

/* The same user as ours, root, or a member of the workers' group. */
static bool
control_permitted(int s)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(s, SOL_SOCKET, SO_PEERCRED, &cred, &len) == -1)
		return (false);
	if (cred.uid == 0 || cred.uid == geteuid())
		return (true);
	return (sup.as_root && (cred.gid == sup.gid ||
	    control_in_group(s, sup.gid)));
}

static bool
control_in_group(int s, gid_t gid)
{
#ifdef SO_PEERGROUPS
	gid_t groups[GROUPS_MAX];
	socklen_t len = sizeof(groups), i;

	if (getsockopt(s, SOL_SOCKET, SO_PEERGROUPS, groups, &len) == -1)
		return (false);
	for (i = 0; i < len / sizeof(groups[0]); i++)
		if (groups[i] == gid)
			return (true);
#else
	(void)s, (void)gid;
#endif
	return (false);
}

static void
control_add(int s)
{
	struct client *c, *idle;

	if (nclients >= CLIENTS_MAX) {
		TAILQ_FOREACH(idle, &clients, entry)
			if (idle->wait.kind == WAIT_NONE)
				break;
		if (idle == NULL) {
			control_refuse(s, EX_TEMPFAIL, "too many clients");
			return;
		}
		control_free(idle);
	}
	if ((c = calloc(1, sizeof(*c))) == NULL ||
	    (c->bev = bufferevent_socket_new(sup.base, s,
	    BEV_OPT_CLOSE_ON_FREE)) == NULL) {
		free(c);
		control_refuse(s, EX_TEMPFAIL, "out of memory");
		return;
	}
	c->id = ++last_id;
	TAILQ_INSERT_TAIL(&clients, c, entry);
	nclients++;
	bufferevent_setcb(c->bev, control_read, control_write, control_event,
	    c);
	/* One line more than the longest is never buffered. */
	bufferevent_setwatermark(c->bev, EV_READ, 0, LINE_MAX_BYTES + 1);
	if (bufferevent_enable(c->bev, EV_READ | EV_WRITE) == -1)
		control_free(c);
}

/* A last word to somebody who does not become a client. */
static void
control_refuse(int s, int code, const char *why)
{
	char line[128];
	int n;

	n = snprintf(line, sizeof(line),
	    "{\"ok\":false,\"error\":\"%s\",\"code\":%d}\n", why, code);
	(void)send(s, line, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
	metric_add(M_control_bad_requests, 1);
	close(s);
}

static void
control_free(struct client *c)
{
	TAILQ_REMOVE(&clients, c, entry);
	nclients--;
	bufferevent_free(c->bev);
	json_object_put(c->tag);
	free(c);
}

static void
control_read(struct bufferevent *bev, void *arg)
{
	struct client *c = arg;

	(void)bev;
	TAILQ_REMOVE(&clients, c, entry);
	TAILQ_INSERT_TAIL(&clients, c, entry);
	control_serve(c);
}

/* All answers are out. */
static void
control_write(struct bufferevent *bev, void *arg)
{
	struct client *c = arg;

	if (c->closing) {
		control_free(c);
		return;
	}
	if (!c->eof)
		bufferevent_enable(bev, EV_READ);
	control_serve(c);
}

static void
control_event(struct bufferevent *bev, short what, void *arg)
{
	struct client *c = arg;

	if ((what & BEV_EVENT_EOF) == 0 || (what & BEV_EVENT_WRITING) != 0) {
		control_free(c);
		return;
	}
	/* It may have closed only its sending half: it gets its answers. */
	c->eof = true;
	(void)bufferevent_disable(bev, EV_READ);
	control_serve(c);
}

/*
 * Serve the lines that are there, until one has to wait or the client is
 * behind with reading.  May free the client.
 */
static void
control_serve(struct client *c)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);
	struct evbuffer *out = bufferevent_get_output(c->bev);
	size_t len;
	char *line;

	while (!c->closing && c->wait.kind == WAIT_NONE) {
		if (evbuffer_get_length(out) > OUTPUT_MAX_BYTES) {
			(void)bufferevent_disable(c->bev, EV_READ);
			return; /* control_write() goes on */
		}
		line = evbuffer_readln(in, &len, EVBUFFER_EOL_LF);
		if (line == NULL && (c->skipping ||
		    evbuffer_get_length(in) > LINE_MAX_BYTES))
			control_overlong(c, in);
		if (line == NULL && c->eof && (len =
		    evbuffer_get_length(in)) > 0 &&
		    (line = calloc(1, len + 1)) != NULL)
			evbuffer_remove(in, line, len);
		if (line == NULL)
			break;
		if (c->skipping)
			c->skipping = false;
		else
			control_line(c, line, len);
		free(line);
	}
	if (c->eof && c->wait.kind == WAIT_NONE && !c->closing) {
		c->closing = true;
		if (evbuffer_get_length(out) == 0)
			control_free(c);
	}
}

/* A line that is too long: say so once, and drop what is there of it. */
static void
control_overlong(struct client *c, struct evbuffer *in)
{
	struct json_object *answer;

	evbuffer_drain(in, evbuffer_get_length(in));
	if (c->skipping)
		return;
	c->skipping = true;
	metric_add(M_control_requests, 1);
	if ((answer = json_object_new_object()) == NULL)
		return;
	ops_error(answer, EX_DATAERR, NULL, "request of more than %u bytes",
	    LINE_MAX_BYTES);
	control_answer(c, answer);
}

static void
control_line(struct client *c, const char *line, size_t len)
{
	struct json_object *request, *answer;
	const char *why;

	if (strspn(line, " \t\r") == len)
		return;
	metric_add(M_control_requests, 1);
	if ((answer = json_object_new_object()) == NULL)
		return;
	if ((request = json_parse(line, len, &why)) == NULL)
		ops_error(answer, EX_DATAERR, NULL, "not JSON: %s", why);
	else if (!json_object_is_type(request, json_type_object))
		ops_error(answer, EX_DATAERR, NULL, "not a JSON object");
	else if (control_tag(c, request) == -1)
		ops_error(answer, EX_DATAERR, "tag",
		    "longer than %d bytes", TAG_MAX_BYTES);
	else if (ops_run(request, c->id, answer, &c->wait) == OP_WAIT) {
		json_object_put(request);
		json_object_put(answer);
		return;
	}
	json_object_put(request);
	control_answer(c, answer);
}

/* Keep the request's tag for its answer.  -1 if it cannot be one. */
static int
control_tag(struct client *c, struct json_object *request)
{
	struct json_object *tag;
	size_t len;

	if (!json_object_object_get_ex(request, "tag", &tag))
		return (0);
	(void)json_object_to_json_string_length(tag,
	    JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);
	if (len > TAG_MAX_BYTES)
		return (-1);
	c->tag = json_object_get(tag);
	c->tagged = true;
	return (0);
}

/* Queue an answer, and drop it. */
static void
control_answer(struct client *c, struct json_object *answer)
{
	const char *text;
	size_t len;

	if (c->tagged)
		status_put(answer, "tag", c->tag);
	c->tag = NULL;
	c->tagged = false;
	text = json_object_to_json_string_length(answer,
	    JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);
	if (text != NULL) {
		bufferevent_write(c->bev, text, len);
		bufferevent_write(c->bev, "\n", 1);
	}
	json_object_put(answer);
}

/* Something changed, or time has passed: is anybody's wait over? */
void
control_poll(void)
{
	struct json_object *answer;
	struct client *c, *next;
	int64_t now_ms = clock_mono_ms();

	TAILQ_FOREACH_SAFE(c, &clients, entry, next) {
		if (c->wait.kind == WAIT_NONE)
			continue;
		if ((answer = json_object_new_object()) == NULL)
			return;
		if (!ops_poll(&c->wait, now_ms, answer)) {
			json_object_put(answer);
			continue;
		}
		c->wait.kind = WAIT_NONE;
		control_answer(c, answer);
		control_serve(c);
	}
}

/* A worker's text for the client of that id, who may have gone. */
void
control_text(uint64_t id, const void *text, size_t len)
{
	struct json_object *answer;
	struct client *c;

	TAILQ_FOREACH(c, &clients, entry)
		if (c->id == id && c->wait.kind == WAIT_TEXT)
			break;
	if (c == NULL || (answer = json_object_new_object()) == NULL)
		return;
	status_put(answer, "ok", json_object_new_boolean(true));
	status_put(answer, "text", json_object_new_string_len(text, (int)len));
	c->wait.kind = WAIT_NONE;
	control_answer(c, answer);
	control_serve(c);
}
