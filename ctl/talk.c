/*
 * Speaking with the daemon: lines of JSON over a Unix socket, with a deadline
 * for everything.  Used by all verbs; what goes wrong is told to the user
 * with the exit code of cctgctl(1).
 */
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <errno.h>
#include <json-c/json.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/json.h"
#include "ctl/ctl.h"

#define ANSWER_MAX_BYTES (16U << 20)

static int wait_for(int fd, short events, int64_t deadline_ms);

int
talk_open(struct talk *t, const char *path, int64_t deadline_ms)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int64_t left_ms = deadline_ms - clock_mono_ms();
	struct timeval tv;

	memset(t, 0, sizeof(*t));
	t->fd = -1;
	if (strlcpy(sun.sun_path, path, sizeof(sun.sun_path)) >=
	    sizeof(sun.sun_path)) {
		errno = ENAMETOOLONG;
		return (-1);
	}
	if ((t->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) == -1)
		return (-1);
	/* A connect() to a full backlog waits as long as a send() may. */
	if (deadline_ms != TALK_FOREVER) {
		tv = clock_timeval(left_ms < 1 ? 1 : left_ms);
		(void)setsockopt(t->fd, SOL_SOCKET, SO_SNDTIMEO, &tv,
		    sizeof(tv));
	}
	if (connect(t->fd, (struct sockaddr *)&sun, sizeof(sun)) == -1) {
		if (errno == EAGAIN)
			errno = ETIMEDOUT;
		talk_close(t);
		return (-1);
	}
	return (0);
}

void
talk_close(struct talk *t)
{
	int error = errno;

	if (t->fd != -1)
		close(t->fd);
	t->fd = -1;
	free(t->buf);
	t->buf = NULL;
	errno = error;
}

static int
wait_for(int fd, short events, int64_t deadline_ms)
{
	struct pollfd pfd = { .fd = fd, .events = events };
	int64_t left_ms;
	int n;

	for (;;) {
		left_ms = deadline_ms == TALK_FOREVER ? -1 :
		    deadline_ms - clock_mono_ms();
		if (deadline_ms != TALK_FOREVER && left_ms < 0)
			left_ms = 0;
		n = poll(&pfd, 1, left_ms > 60000 ? 60000 : (int)left_ms);
		if (n > 0)
			return (0);
		if (n == -1 && errno != EINTR)
			return (-1);
		if (deadline_ms != TALK_FOREVER &&
		    clock_mono_ms() >= deadline_ms) {
			errno = ETIMEDOUT;
			return (-1);
		}
	}
}

int
talk_write(struct talk *t, const char *p, size_t len, int64_t deadline_ms)
{
	ssize_t n;

	while (len > 0) {
		n = send(t->fd, p, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		} else if (n == -1 && errno == EAGAIN) {
			if (wait_for(t->fd, POLLOUT, deadline_ms) == -1)
				return (-1);
		} else if (n == -1 && errno != EINTR)
			return (-1);
	}
	return (0);
}

char *
talk_line(struct talk *t, int64_t deadline_ms)
{
	size_t seen = 0;
	char *end, *line, *buf;
	ssize_t n;

	/* What the last call returned is not wanted any more. */
	if (t->len > 0)
		memmove(t->buf, t->buf + t->taken, t->len - t->taken);
	t->len -= t->taken;
	t->taken = 0;
	for (;;) {
		end = t->len > seen ? memchr(t->buf + seen, '\n',
		    t->len - seen) : NULL;
		if (end != NULL) {
			line = t->buf;
			*end = '\0';
			t->taken = (size_t)(end - t->buf) + 1;
			return (line);
		}
		seen = t->len;
		if (t->size - t->len < 4096) {
			if (t->size > ANSWER_MAX_BYTES) {
				errno = EMSGSIZE;
				return (NULL);
			}
			buf = realloc(t->buf, t->size * 2 + 16384);
			if (buf == NULL)
				return (NULL);
			t->buf = buf;
			t->size = t->size * 2 + 16384;
		}
		if (wait_for(t->fd, POLLIN, deadline_ms) == -1)
			return (NULL);
		n = recv(t->fd, t->buf + t->len, t->size - t->len,
		    MSG_DONTWAIT);
		if (n > 0)
			t->len += (size_t)n;
		else if (n == 0) {
			errno = 0;
			return (NULL);
		} else if (errno != EAGAIN && errno != EINTR)
			return (NULL);
	}
}

enum ctl_exit
talk_exit(int error)
{
	switch (error) {
	case ENOENT:
	case ECONNREFUSED:
	case ENOTDIR:
		return (XC_DOWN);
	case EACCES:
	case EPERM:
		return (XC_NOT_ALLOWED);
	case ETIMEDOUT:
		return (XC_TIMED_OUT);
	case EPIPE:
	case ECONNRESET:
	case 0:
		return (XC_BUSY);
	default:
		return (XC_FAILED);
	}
}

void
talk_connect(struct ctl *ctl, struct talk *t, enum ctl_socket socket,
    int64_t timeout_ms)
{
	const char *path = where_socket(ctl, socket);

	if (talk_open(t, path, clock_mono_ms() + timeout_ms) == 0)
		return;
	if (talk_exit(errno) == XC_DOWN)
		ctl_fail(ctl, XC_DOWN, "cctgd is not running (%s: %s)", path,
		    strerror(errno));
	ctl_fail(ctl, talk_exit(errno), "%s: %s", path, strerror(errno));
}

void
talk_request(struct ctl *ctl, struct talk *t, struct json_object *request,
    int64_t timeout_ms)
{
	int64_t deadline_ms = clock_mono_ms() + timeout_ms;
	const char *text;
	size_t len;

	text = json_object_to_json_string_length(request,
	    JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);
	if (text == NULL)
		ctl_fail(ctl, XC_FAILED, "out of memory");
	if (talk_write(t, text, len, deadline_ms) == -1 ||
	    talk_write(t, "\n", 1, deadline_ms) == -1)
		ctl_fail(ctl, errno == ETIMEDOUT ? XC_BUSY : talk_exit(errno),
		    "the daemon does not read: %s", strerror(errno));
}

struct json_object *
talk_answer(struct ctl *ctl, struct talk *t, int64_t timeout_ms)
{
	struct json_object *answer;
	const char *why;
	char *line;

	line = talk_line(t, timeout_ms == TALK_FOREVER ? TALK_FOREVER :
	    clock_mono_ms() + timeout_ms);
	if (line == NULL && (errno == 0 || errno == ECONNRESET))
		ctl_fail(ctl, XC_BUSY,
		    "the daemon closed the connection without an answer");
	if (line == NULL)
		ctl_fail(ctl, talk_exit(errno), "no answer: %s",
		    strerror(errno));
	answer = json_parse(line, strlen(line), &why);
	if (answer == NULL || !json_object_is_type(answer, json_type_object))
		ctl_fail(ctl, XC_FAILED, "this answer is not understood: %.60s",
		    line);
	return (answer);
}

/* The codes of sysexits(3) that cctg-protocol(7) lists. */
enum ctl_exit
talk_code(struct json_object *answer)
{
	const char *field = json_str(answer, "field", "");

	if (json_flag(answer, "ok", false))
		return (XC_OK);
	switch (json_i64(answer, "code", 0)) {
	case EX_DATAERR:
		/* A worker, or a chat, that there is not. */
		return (strcmp(field, "worker") == 0 ||
		    strcmp(field, "to") == 0 ? XC_NOT_FOUND : XC_FAILED);
	case EX_NOINPUT:
		return (XC_NOT_FOUND);
	case EX_TEMPFAIL:
		return (json_flag(answer, "timed_out", false) ? XC_TIMED_OUT :
		    XC_BUSY);
	case EX_NOPERM:
		return (XC_NOT_ALLOWED);
	case EX_CONFIG:
		return (XC_CONFIG);
	default:
		return (XC_FAILED);
	}
}

void
talk_check(struct ctl *ctl, struct json_object *answer)
{
	const char *text = json_str(answer, "error", "it failed");
	const char *field = json_str(answer, "field", "");
	enum ctl_exit code = talk_code(answer);

	if (code == XC_OK)
		return;
	/* Some values only the daemon can judge. */
	if (json_i64(answer, "code", 0) == EX_DATAERR && code == XC_FAILED &&
	    ctl_option(ctl, field) != NULL && !ctl->verb->hook)
		ctl_usage(ctl, "--%s: %s", field, text);
	if (*field != '\0' && code == XC_FAILED)
		ctl_fail(ctl, code, "%s: %s", field, text);
	ctl_fail(ctl, code, "%s", text);
}

struct json_object *
talk_ask(struct ctl *ctl, enum ctl_socket socket, struct json_object *request,
    int64_t timeout_ms)
{
	struct json_object *answer;
	struct talk t;

	talk_connect(ctl, &t, socket, TALK_MS);
	talk_request(ctl, &t, request, TALK_MS);
	json_object_put(request);
	answer = talk_answer(ctl, &t, timeout_ms);
	talk_close(&t);
	talk_check(ctl, answer);
	return (answer);
}

struct json_object *
talk_op(const char *op)
{
	struct json_object *request = json_object_new_object();

	talk_add(request, "op", op);
	return (request);
}

void
talk_add(struct json_object *o, const char *key, const char *value)
{
	if (value != NULL)
		json_object_object_add(o, key, json_object_new_string(value));
}
