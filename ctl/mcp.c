/*
 * The verb mcp: lines from stdin to mcp_rpc.c, its answers to stdout, and the
 * pipes of the calls that are under way, in one poll loop.
 *
 * Nothing but JSON goes to stdout, and a client that does not read its
 * answers is not read from, either.  The end of stdin is the end of the
 * server: questions that are open are withdrawn, other calls may finish.
 */
#include <sys/socket.h>

#include <errno.h>
#include <json-c/json.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/utf8.h"
#include "ctl/mcp.h"
#include "ctl/verbs.h"

#define OUT_MAX_BYTES (4U << 20) /* unread: nothing more is read */
#define FINISH_MS 5000		 /* for calls when stdin has ended */
#define FIXED 3			 /* poll entries that are no jobs */

static int serve(struct mcp *);
static bool wait_events(struct mcp *, struct pollfd **, size_t *, bool eof,
    int64_t deadline_ms);
static void jobs_serve(struct mcp *, const struct pollfd *, size_t);
static bool input_read(struct mcp *);
static void input_lines(struct mcp *);
static bool output_write(struct mcp *);
static void waiting_end(struct mcp *);

static void
need(const struct mcp *m, const void *p)
{
	if (p == NULL)
		ctl_fail(m->ctl, XC_FAILED, "out of memory");
}

void
mcp_write(struct mcp *m, struct json_object *o)
{
	const char *text;
	char *clean = NULL;
	size_t len;

	text = json_object_to_json_string_length(o, JSON_C_TO_STRING_PLAIN |
	    JSON_C_TO_STRING_NOSLASHESCAPE, &len);
	need(m, text);
	/* What came from files or the daemon is not always UTF-8. */
	if (!utf8_clean(text, len)) {
		text = clean = utf8_scrub(text, len, &len);
		need(m, text);
	}
	if (m->out_size - m->out_len < len + 1) {
		m->out_size = (m->out_len + len + 1) * 2;
		m->out = realloc(m->out, m->out_size);
		need(m, m->out);
	}
	memcpy(m->out + m->out_len, text, len);
	m->out_len += len;
	m->out[m->out_len++] = '\n';
	free(clean);
	json_object_put(o);
}

/* False when nobody reads any more. */
static bool
output_write(struct mcp *m)
{
	ssize_t n;

	/* Neither call may block: poll(2) promises PIPE_BUF bytes only. */
	n = send(STDOUT_FILENO, m->out, m->out_len, MSG_DONTWAIT |
	    MSG_NOSIGNAL);
	if (n == -1 && errno == ENOTSOCK)
		n = write(STDOUT_FILENO, m->out, m->out_len < PIPE_BUF ?
		    m->out_len : PIPE_BUF);
	if (n == -1)
		return (errno == EAGAIN || errno == EINTR);
	m->out_len -= (size_t)n;
	memmove(m->out, m->out + n, m->out_len);
	return (true);
}

static void
input_lines(struct mcp *m)
{
	char *line = m->in, *end;
	size_t left = m->in_len;

	while ((end = memchr(line, '\n', left)) != NULL) {
		if (m->skip)
			m->skip = false;
		else if (end - line > MCP_LINE_MAX_BYTES)
			mcp_rpc_too_long(m);
		else
			mcp_rpc_line(m, line, (size_t)(end - line));
		left -= (size_t)(end - line) + 1;
		line = end + 1;
	}
	memmove(m->in, line, left);
	m->in_len = left;
	if (!m->skip && left > MCP_LINE_MAX_BYTES) {
		mcp_rpc_too_long(m);
		m->skip = true;
	}
	if (m->skip)
		m->in_len = 0;
}

/* False at the end. */
static bool
input_read(struct mcp *m)
{
	ssize_t n;

	if (m->in_size - m->in_len < 65536) {
		m->in_size = m->in_size * 2 + 65536;
		m->in = realloc(m->in, m->in_size);
		need(m, m->in);
	}
	n = read(STDIN_FILENO, m->in + m->in_len, m->in_size - m->in_len);
	if (n == -1)
		return (errno == EINTR || errno == EAGAIN);
	m->in_len += (size_t)n;
	if (n == 0 && m->in_len > 0 && !m->skip)
		m->in[m->in_len++] = '\n'; /* the last line may lack it */
	input_lines(m);
	return (n > 0);
}

/* Nobody is there any more who could want the answers of people. */
static void
waiting_end(struct mcp *m)
{
	struct mcp_job *job, *next;

	TAILQ_FOREACH_SAFE(job, &m->jobs, entry, next)
		if (job->tool != NULL && job->tool->waits)
			mcp_job_cancel(m, job);
}

/* False when stdout is gone. */
static bool
wait_events(struct mcp *m, struct pollfd **pfds, size_t *size, bool eof,
    int64_t deadline_ms)
{
	int64_t now_ms = clock_mono_ms(), next_ms, left_ms = -1;
	struct mcp_job *job;
	struct pollfd *p;
	size_t n = FIXED;

	next_ms = mcp_job_progress(m, now_ms);
	if (eof && (next_ms == -1 || deadline_ms < next_ms))
		next_ms = deadline_ms;
	if (next_ms != -1)
		left_ms = next_ms > now_ms ? next_ms - now_ms : 0;
	if (*size < m->njobs + FIXED) {
		*size = m->njobs * 2 + FIXED;
		*pfds = reallocarray(*pfds, *size, sizeof(**pfds));
		need(m, *pfds);
	}
	p = *pfds;
	p[0] = (struct pollfd){ .fd = eof || m->out_len > OUT_MAX_BYTES ? -1 :
		STDIN_FILENO, .events = POLLIN };
	p[1] = (struct pollfd){ .fd = STDOUT_FILENO,
		.events = m->out_len > 0 ? POLLOUT : 0 };
	p[2] = (struct pollfd){ .fd = m->listen_fd, .events = POLLIN };
	TAILQ_FOREACH(job, &m->jobs, entry)
		p[n++] = (struct pollfd){ .fd = job->fd, .events = POLLIN };
	if (poll(p, n, (int)left_ms) == -1)
		for (n = 0; n < m->njobs + FIXED; n++)
			p[n].revents = 0;
	return ((p[1].revents & (POLLERR | POLLNVAL)) == 0 &&
	    ((p[1].revents & POLLOUT) == 0 || output_write(m)));
}

/* The entries stand in the order of the list. */
static void
jobs_serve(struct mcp *m, const struct pollfd *p, size_t n)
{
	struct mcp_job *job, *next;
	size_t i = 0;

	TAILQ_FOREACH_SAFE(job, &m->jobs, entry, next) {
		if (i == n)
			break;
		if (p[i++].revents != 0)
			mcp_job_read(m, job);
	}
}

static int
serve(struct mcp *m)
{
	struct pollfd *pfds = NULL;
	int64_t deadline_ms = 0;
	size_t size = 0, n;
	bool eof = false;

	for (;;) {
		if (eof && ((m->njobs == 0 && m->out_len == 0) ||
		    clock_mono_ms() >= deadline_ms))
			break;
		n = m->njobs;
		if (!wait_events(m, &pfds, &size, eof, deadline_ms))
			break;
		jobs_serve(m, pfds + FIXED, n);
		if (pfds[2].revents != 0)
			mcp_listen_read(m);
		if (pfds[0].revents == 0 || input_read(m))
			continue;
		eof = true;
		deadline_ms = clock_mono_ms() + FINISH_MS;
		waiting_end(m);
		mcp_listen_end(m);
	}
	while (!TAILQ_EMPTY(&m->jobs))
		mcp_job_cancel(m, TAILQ_FIRST(&m->jobs));
	free(pfds);
	return (XC_OK);
}

static int
mcp_run(struct ctl *ctl)
{
	struct mcp m = { .ctl = ctl, .listen_fd = -1 };
	int rc;

	TAILQ_INIT(&m.jobs);
	TAILQ_INIT(&m.listens);
	signal(SIGPIPE, SIG_IGN);
	rc = serve(&m);
	free(m.in);
	free(m.out);
	return (rc);
}

const struct verb verb_mcp = {
	.name = "mcp",
	.operands = "",
	.doc = "serve agents on stdin and stdout (Model Context Protocol)",
	.run = mcp_run,
};
