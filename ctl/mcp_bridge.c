/*
 * Tools about the bridge, that is cctgd: its process and its figures.  All
 * of them ask the daemon now; nothing is remembered.
 */
#include <sys/syscall.h>
#include <sys/wait.h>

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/nitems.h"
#include "ctl/mcp.h"

#define START_MS 10000 /* to get ready; it takes a tenth of a second */
#define STOP_MS 30000
#define AGAIN_EVERY_MS 20

#define HOW "Start it with systemctl --user start cctgd, or cctgd --daemon."

static void
put(struct json_object *o, const char *key, struct json_object *v)
{
	json_object_object_add(o, key, v);
}

/*
 * Ask on control.sock.  NULL with errno set when nobody is there, a message
 * of the daemon's own otherwise.
 */
static struct json_object *
control(struct ctl *ctl, struct json_object *request, int64_t timeout_ms)
{
	struct json_object *answer = NULL;
	int64_t deadline_ms = clock_mono_ms() + timeout_ms;
	const char *text, *why, *line;
	struct talk t;

	if (talk_open(&t, where_socket(ctl, SOCKET_CONTROL), deadline_ms) ==
	    -1) {
		json_object_put(request);
		return (NULL);
	}
	text = json_object_to_json_string_ext(request, JSON_C_TO_STRING_PLAIN);
	if (talk_write(&t, text, strlen(text), deadline_ms) == 0 &&
	    talk_write(&t, "\n", 1, deadline_ms) == 0 &&
	    (line = talk_line(&t, deadline_ms)) != NULL)
		answer = json_parse(line, strlen(line), &why);
	else if (errno == 0)
		errno = ECONNRESET;
	talk_close(&t);
	json_object_put(request);
	return (answer);
}

/* {"success":…,"message":…}; what did not succeed has failed. */
static struct json_object *
outcome(bool success, bool *failed, const char *message)
{
	struct json_object *o = json_object_new_object();

	put(o, "success", json_object_new_boolean(success));
	talk_add(o, "message", message);
	*failed = !success;
	return (o);
}

static struct json_object *
not_running(struct ctl *ctl, bool *failed)
{
	char text[4400];
	int error = errno;

	snprintf(text, sizeof(text), "Bridge is not running (%s: %s)",
	    where_socket(ctl, SOCKET_CONTROL), strerror(error));
	return (outcome(false, failed, text));
}

/* -- start -------------------------------------------------------------- */

static bool
executable(char *path, size_t size, const char *dir, const char *name)
{
	snprintf(path, size, "%s/%s", dir, name);
	return (access(path, X_OK) == 0);
}

/* Beside this program, in the sbin of its prefix, in PATH. */
static bool
daemon_find(char *path, size_t size)
{
	const char *search = getenv("PATH");
	char self[PATH_MAX] = "", *list, *p, *dir;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n > 0) {
		dir = dirname(self);
		if (executable(path, size, dir, "cctgd") ||
		    executable(path, size, dir, "../sbin/cctgd"))
			return (true);
	}
	if (asprintf(&list, "%s:/usr/local/sbin:/usr/sbin", search != NULL ?
	    search : "/usr/bin") == -1)
		return (false);
	for (p = list; (dir = strsep(&p, ":")) != NULL;)
		if (*dir == '/' && executable(path, size, dir, "cctgd"))
			break;
	free(list);
	return (dir != NULL);
}

/* In a new session, without our standard streams; output goes to out. */
static pid_t
daemon_run(struct ctl *ctl, const char *path, bool check, int out)
{
	const char *argv[8] = { "cctgd" };
	size_t n = 1;
	pid_t pid;

	/* Nobody would read what it logs to its stderr. */
	argv[n++] = check ? "--check" : "--syslog";
	if (ctl->config != NULL) {
		argv[n++] = "--config";
		argv[n++] = ctl->config;
	}
	if (ctl->runtime_dir != NULL) {
		argv[n++] = "--runtime-dir";
		argv[n++] = ctl->runtime_dir;
	}
	if ((pid = fork()) != 0)
		return (pid);
	setsid();
	signal(SIGPIPE, SIG_DFL);
	if (dup2(out, STDOUT_FILENO) != -1 && dup2(out, STDERR_FILENO) != -1)
		execv(path, (char *const *)argv);
	_exit(EX_OSERR);
}

/* What is wrong with the configuration, in its own words. */
static void
daemon_check(struct ctl *ctl, const char *path, char *text, size_t size)
{
	size_t len = strlen(text);
	int fds[2];
	ssize_t n;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) == -1)
		return;
	pid = daemon_run(ctl, path, true, fds[1]);
	close(fds[1]);
	while (len + 1 < size && (n = read(fds[0], text + len, size - len -
	    1)) > 0)
		len += (size_t)n;
	close(fds[0]);
	while (len > 0 && isspace((unsigned char)text[len - 1]))
		len--;
	text[len] = '\0';
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

static bool
is_ready(struct ctl *ctl)
{
	struct json_object *request = talk_op("wait"), *a;
	bool ready;

	talk_add(request, "what", "ready");
	put(request, "timeout_ms", json_object_new_int(START_MS));
	a = control(ctl, request, START_MS);
	ready = json_flag(a, "ok", false);
	json_object_put(a);
	return (ready);
}

static struct json_object *
daemon_start(struct ctl *ctl, const char *path, bool *failed)
{
	const struct timespec pause = { 0, AGAIN_EVERY_MS * 1000000L };
	int64_t give_up_ms = clock_mono_ms() + START_MS;
	char text[1024] = "Bridge failed to start: ";
	struct json_object *o;
	int status = 0;
	pid_t pid, gone = 0;

	pid = daemon_run(ctl, path, false, STDIN_FILENO); /* /dev/null */
	if (pid == -1)
		return (outcome(false, failed, strerror(errno)));
	while (!is_ready(ctl)) {
		gone = waitpid(pid, &status, WNOHANG);
		if (gone == pid || clock_mono_ms() >= give_up_ms)
			break;
		nanosleep(&pause, NULL);
	}
	if (gone != pid && clock_mono_ms() < give_up_ms) {
		o = outcome(true, failed, "Bridge started successfully");
		put(o, "pid", json_object_new_int(pid));
		return (o);
	}
	if (gone == pid && WIFEXITED(status) &&
	    WEXITSTATUS(status) == EX_CONFIG)
		daemon_check(ctl, path, text, sizeof(text));
	else
		strlcat(text, gone == pid ? "it ended at once. " HOW :
		    "it is not ready in time. " HOW, sizeof(text));
	return (outcome(false, failed, text));
}

/* Also says, in action, what was done. */
static struct json_object *
start(struct ctl *ctl, bool *failed, const char **action)
{
	struct json_object *a = control(ctl, talk_op("ping"), TALK_MS), *o;
	char path[PATH_MAX * 2];

	*action = "already_running";
	if (a != NULL) {
		o = outcome(true, failed, "Bridge is already running");
		put(o, "pid", json_object_new_int64(json_i64(a, "pid", 0)));
		json_object_put(a);
		return (o);
	}
	*action = "failed";
	if (talk_exit(errno) != XC_DOWN)
		return (not_running(ctl, failed));
	if (!daemon_find(path, sizeof(path)))
		return (outcome(false, failed, "cctgd is not found beside "
		    "cctgctl or in PATH. " HOW));
	o = daemon_start(ctl, path, failed);
	if (!*failed)
		*action = "started";
	return (o);
}

struct json_object *
mcp_bridge_start(struct ctl *ctl, struct json_object *args, bool *failed)
{
	const char *action;

	(void)args;
	return (start(ctl, failed, &action));
}

struct json_object *
mcp_bridge_ensure(struct ctl *ctl, struct json_object *args, bool *failed)
{
	struct json_object *o;
	const char *action;

	(void)args;
	o = start(ctl, failed, &action);
	talk_add(o, "action", action);
	return (o);
}

/* -- stop and restart --------------------------------------------------- */

struct json_object *
mcp_bridge_stop(struct ctl *ctl, struct json_object *args, bool *failed)
{
	struct json_object *a = control(ctl, talk_op("stop"), TALK_MS);
	struct pollfd pfd = { .events = POLLIN };
	int n;

	(void)args;
	if (a == NULL)
		return (not_running(ctl, failed));
	talk_check(ctl, a);
	pfd.fd = (int)syscall(SYS_pidfd_open, (pid_t)json_i64(a, "pid", 0), 0);
	json_object_put(a);
	if (pfd.fd == -1) /* it has gone */
		return (outcome(true, failed, "Bridge stopped"));
	while ((n = poll(&pfd, 1, STOP_MS)) == -1 && errno == EINTR)
		continue;
	close(pfd.fd);
	return (n == 0 ? outcome(false, failed, "Bridge is still stopping") :
	    outcome(true, failed, "Bridge stopped"));
}

struct json_object *
mcp_bridge_restart(struct ctl *ctl, struct json_object *args, bool *failed)
{
	struct json_object *request = talk_op("restart"), *a, *o;

	(void)args;
	talk_add(request, "worker", "all");
	if ((a = control(ctl, request, TALK_MS)) == NULL)
		return (not_running(ctl, failed));
	talk_check(ctl, a);
	o = outcome(true, failed,
	    "Restart successful: all workers are being replaced");
	put(o, "workers", json_object_get(json_path(a, "workers")));
	json_object_put(a);
	a = control(ctl, talk_op("ping"), TALK_MS);
	put(o, "pid", json_object_new_int64(json_i64(a, "pid", 0)));
	json_object_put(a);
	return (o);
}

/* -- status ------------------------------------------------------------- */

struct json_object *
mcp_bridge_check(struct ctl *ctl, struct json_object *args, bool *failed)
{
	struct json_object *a = control(ctl, talk_op("ping"), TALK_MS);
	struct json_object *o = json_object_new_object();

	(void)args;
	*failed = a == NULL;
	put(o, "running", json_object_new_boolean(a != NULL));
	talk_add(o, "message", a != NULL ? "Bridge process is running" :
	    "Bridge process is not running");
	if (a != NULL)
		put(o, "pid", json_object_new_int64(json_i64(a, "pid", 0)));
	json_object_put(a);
	return (o);
}

/* The value of a metric that has no labels. */
static double
metric(const char *text, const char *name)
{
	size_t len = strlen(name);
	const char *line;

	for (line = text; line != NULL && *line != '\0';
	    line = (line = strchr(line, '\n')) != NULL ? line + 1 : NULL)
		if (strncmp(line, name, len) == 0 && line[len] == ' ')
			return (strtod(line + len, NULL));
	return (0);
}

/* Of the workers, measured for this answer. */
static double
memory_mb(struct json_object *status)
{
	struct json_object *workers = json_path(status, "workers");
	double bytes = 0;
	size_t i;

	if (!json_object_is_type(workers, json_type_array))
		return (0);
	for (i = 0; i < json_object_array_length(workers); i++)
		bytes += json_num(json_object_array_get_idx(workers, i),
		    "pss_bytes", 0);
	return (bytes / (1024 * 1024));
}

/* What agents read, by the names that they know; and into bridge when the
 * last event came, if there was one. */
static struct json_object *
figures(struct ctl *ctl, struct json_object *status,
    struct json_object *bridge)
{
	static const struct {
		const char *name, *metric;
		double unit;
	} rows[] = {
		{ "uptime_seconds", "process_uptime_seconds", 1 },
		{ "events_processed", "events_processed_total", 1 },
		{ "telegram_messages_sent", "telegram_messages_sent_total",
		    1 },
		{ "error_count", "errors_total", 1 },
		{ "memory_usage_mb", "memory_usage_bytes", 1024 * 1024 },
		{ "cpu_usage_percent", "cpu_usage_percent", 1 },
	};
	struct json_object *o = json_object_new_object();
	struct json_object *a = control(ctl, talk_op("metrics"), TALK_MS);
	const char *text = json_str(a, "text", "");
	char at[RFC3339_SIZE];
	double d;
	size_t i;

	if ((d = metric(text, "cctg_queue_last_event_timestamp_seconds")) > 0)
		talk_add(bridge, "last_event_time", clock_rfc3339(at,
		    sizeof(at), (int64_t)(d * 1000 + 0.5)));
	for (i = 0; i < nitems(rows); i++) {
		d = metric(text, rows[i].metric) / rows[i].unit;
		put(o, rows[i].name, d == (double)(int64_t)d ?
		    json_object_new_int64((int64_t)d) :
		    json_object_new_double(d));
	}
	/* The tree's own sum comes only every few seconds. */
	if (json_num(o, "memory_usage_mb", 0) == 0)
		put(o, "memory_usage_mb",
		    json_object_new_double(memory_mb(status)));
	json_object_put(a);
	return (o);
}

struct json_object *
mcp_bridge_status(struct ctl *ctl, struct json_object *args, bool *failed)
{
	static const char *const keys[] = { "mode", "version", "pid",
		"reason", "queue", "telegram", "redis" };
	struct json_object *s = control(ctl, talk_op("status"), TALK_MS), *v;
	struct json_object *o = json_object_new_object();
	const char *state = json_str(s, "state", "");
	size_t i;

	(void)args;
	*failed = s == NULL;
	put(o, "running", json_object_new_boolean(s != NULL));
	talk_add(o, "health", strcmp(state, "ok") == 0 ? "healthy" :
	    strcmp(state, "degraded") == 0 ? "degraded" : "unhealthy");
	put(o, "metrics", figures(ctl, s, o));
	if (s == NULL)
		talk_add(o, "message", "Bridge is not running");
	for (i = 0; i < nitems(keys); i++)
		if ((v = json_path(s, keys[i])) != NULL)
			put(o, keys[i], json_object_get(v));
	json_object_put(s);
	return (o);
}
