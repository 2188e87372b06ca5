/*
 * Calls under way, each in a process of its own: a question that waits for
 * people for hours holds up nobody, what goes wrong in one call harms no
 * other, and to cancel is to kill, which closes the call's connection and so
 * withdraws its question.
 *
 * The process writes one JSON object to its stdout, a pipe: text and failed,
 * or what ctl_fail() says with --json.
 */
#include <sys/prctl.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/nitems.h"
#include "ctl/mcp.h"

#define JOBS_MAX 128
#define SAID_MAX_BYTES (32U << 20)
#define PROGRESS_EVERY_MS 2000

/* What an agent can tell apart; by the exit codes of ctl_fail(). */
static const struct {
	enum ctl_exit exit;
	const char *code;
} codes[] = {
	{ XC_DOWN, "BRIDGE_NOT_RUNNING" },
	{ XC_NOT_FOUND, "NOT_FOUND" },
	{ XC_TIMED_OUT, "TIMED_OUT" },
	{ XC_NOT_ALLOWED, "NOT_PERMITTED" },
	{ XC_BUSY, "BUSY" },
	{ XC_CONFIG, "CONFIGURATION" },
};

static void child(struct mcp *, mcp_run_fn *, struct json_object *, pid_t, int)
    __attribute__((noreturn));
static void finish(struct mcp *, struct mcp_job *);
static void job_free(struct mcp *, struct mcp_job *);

/* The way of tools to write JSON for their callers. */
static const char *
pretty(struct json_object *o)
{
	return (json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY |
	    JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE));
}

static void
child(struct mcp *m, mcp_run_fn *run, struct json_object *args, pid_t parent,
    int out)
{
	struct json_object *body, *o = json_object_new_object();
	bool failed = false;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	/* A question must not outlive the agent that asked it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || null == -1 ||
	    dup2(null, STDIN_FILENO) == -1 || dup2(out, STDOUT_FILENO) == -1)
		_exit(XC_FAILED);
	m->ctl->json = true;
	body = run(m->ctl, args, &failed);
	if (json_object_is_type(body, json_type_string))
		json_object_object_add(o, "text", body);
	else
		talk_add(o, "text", pretty(body));
	json_object_object_add(o, "failed", json_object_new_boolean(failed));
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	_exit(fflush(stdout) == EOF ? XC_FAILED : XC_OK);
}

static bool
job_fork(struct mcp *m, struct mcp_job *job, mcp_run_fn *run,
    struct json_object *args)
{
	pid_t parent = getpid();
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) == -1)
		return (false);
	if ((job->pid = fork()) == 0)
		child(m, run, args, parent, fds[1]);
	close(fds[1]);
	job->fd = fds[0];
	if (job->pid == -1)
		close(fds[0]);
	return (job->pid != -1);
}

bool
mcp_job_start(struct mcp *m, const struct mcp_reply *reply,
    const struct mcp_tool *tool, const struct mcp_resource *resource,
    struct json_object *args, struct json_object *token)
{
	struct mcp_job *job = NULL;

	if (m->njobs < JOBS_MAX)
		job = calloc(1, sizeof(*job));
	if (job == NULL || !job_fork(m, job, tool != NULL ? tool->run :
	    resource->read, args)) {
		json_object_put(args);
		free(job);
		return (false);
	}
	job->total_ms = (int64_t)(json_num(args, "timeout_seconds", 0) * 1000);
	json_object_put(args);
	job->reply = *reply;
	job->tool = tool;
	job->uri = resource != NULL ? resource->uri : NULL;
	job->token = tool != NULL && tool->waits ? json_object_get(token) :
	    NULL;
	job->begin_ms = job->tell_ms = clock_mono_ms();
	TAILQ_INSERT_TAIL(&m->jobs, job, entry);
	m->njobs++;
	return (true);
}

struct mcp_job *
mcp_job_find(struct mcp *m, struct json_object *id)
{
	struct mcp_job *job;

	TAILQ_FOREACH(job, &m->jobs, entry)
		if (id != NULL && json_object_equal(job->reply.id, id))
			return (job);
	return (NULL);
}

static void
job_free(struct mcp *m, struct mcp_job *job)
{
	TAILQ_REMOVE(&m->jobs, job, entry);
	m->njobs--;
	kill(job->pid, SIGKILL);
	while (waitpid(job->pid, NULL, 0) == -1 && errno == EINTR)
		continue;
	close(job->fd);
	json_object_put(job->token);
	free(job->buf);
	free(job);
}

void
mcp_job_cancel(struct mcp *m, struct mcp_job *job)
{
	mcp_rpc_drop(m, &job->reply);
	job_free(m, job);
}

/* What the call has to say for its caller, and whether it failed. */
static struct json_object *
said(const struct mcp_job *job, bool *failed)
{
	struct json_object *o, *text, *error;
	const char *why, *code = "FAILED";
	size_t i;

	*failed = true;
	o = job->len > 0 ? json_parse(job->buf, job->len, &why) : NULL;
	if ((text = json_path(o, "text")) != NULL) {
		*failed = json_flag(o, "failed", true);
		json_object_get(text);
	} else {
		for (i = 0; i < nitems(codes); i++)
			if (json_i64(o, "exit", -1) == (int64_t)codes[i].exit)
				code = codes[i].code;
		error = mcp_error(code, json_str(o, "error",
		    "the call ended unexpectedly"), NULL);
		text = json_object_new_string(pretty(error));
		json_object_put(error);
	}
	json_object_put(o);
	return (text);
}

static void
finish(struct mcp *m, struct mcp_job *job)
{
	struct json_object *o = json_object_new_object();
	struct json_object *list = json_object_new_array();
	struct json_object *c = json_object_new_object(), *text;
	bool failed;

	text = said(job, &failed);
	if (job->tool == NULL && failed) {
		mcp_rpc_error(m, &job->reply, -32603, NULL, "%s",
		    json_object_get_string(text));
		json_object_put(text);
		json_object_put(list);
		json_object_put(c);
		json_object_put(o);
		job_free(m, job);
		return;
	}
	talk_add(c, job->tool != NULL ? "type" : "uri", job->tool != NULL ?
	    "text" : job->uri);
	if (job->tool == NULL)
		talk_add(c, "mimeType", "application/json");
	json_object_object_add(c, "text", text);
	json_object_array_add(list, c);
	json_object_object_add(o, job->tool != NULL ? "content" : "contents",
	    list);
	if (job->tool != NULL)
		json_object_object_add(o, "isError",
		    json_object_new_boolean(failed));
	else if (job->reply.modern) {
		json_object_object_add(o, "ttlMs", json_object_new_int(0));
		talk_add(o, "cacheScope", "private");
	}
	mcp_rpc_result(m, &job->reply, o);
	job_free(m, job);
}

void
mcp_job_read(struct mcp *m, struct mcp_job *job)
{
	char *buf;
	ssize_t n;

	if (job->size - job->len < 4096) {
		buf = job->size < SAID_MAX_BYTES ? realloc(job->buf,
		    job->size * 2 + 8192) : NULL;
		if (buf == NULL) {
			job->len = 0;
			finish(m, job);
			return;
		}
		job->buf = buf;
		job->size = job->size * 2 + 8192;
	}
	n = read(job->fd, job->buf + job->len, job->size - job->len);
	if (n > 0)
		job->len += (size_t)n;
	else if (n == 0 || errno != EINTR)
		finish(m, job);
}

static void
progress(struct mcp *m, const struct mcp_job *job, int64_t now_ms)
{
	struct json_object *o = json_object_new_object();
	struct json_object *p = json_object_new_object();

	talk_add(o, "jsonrpc", "2.0");
	talk_add(o, "method", "notifications/progress");
	json_object_object_add(p, "progressToken",
	    json_object_get(job->token));
	json_object_object_add(p, "progress", json_object_new_int64(
	    (now_ms - job->begin_ms) / 1000));
	if (job->total_ms > 0)
		json_object_object_add(p, "total", json_object_new_int64(
		    job->total_ms / 1000));
	talk_add(p, "message", "waiting for an answer");
	json_object_object_add(o, "params", p);
	mcp_write(m, o);
}

int64_t
mcp_job_progress(struct mcp *m, int64_t now_ms)
{
	struct mcp_job *job;
	int64_t next_ms = -1;

	TAILQ_FOREACH(job, &m->jobs, entry) {
		if (job->token == NULL)
			continue;
		if (now_ms >= job->tell_ms) {
			progress(m, job, now_ms);
			job->tell_ms = now_ms + PROGRESS_EVERY_MS;
		}
		if (next_ms == -1 || job->tell_ms < next_ms)
			next_ms = job->tell_ms;
	}
	return (next_ms);
}
