/*
 * The operations of control.sock, as a table.  A request is an object with
 * "op"; the answer is {"ok":true,…} or {"ok":false,"error","field"?,"code"}.
 *
 *	ping			pid, version, uptime_s
 *	status			what status.c says (DESIGN section 7)
 *	workers			workers: those of status
 *	crashes			crashes: the last 32
 *	wait			what: "ready" or "restarted", worker (all),
 *				timeout_ms (30000); timed out: code 75 and
 *				timed_out: true
 *	restart			worker: a name, a class or "all"
 *	drain			worker: finishes its work and stays stopped
 *	stop			the whole daemon
 *	reload			restart_keys, replaced; errors with code 78
 *	log			level: "brief" or "verbose"
 *	metrics			text, from the monitor
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <json-c/json.h>

#include "config.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/nitems.h"
#include "supervisor/control.h"

#define WAIT_DEFAULT_MS 30000
#define WAIT_MAX_MS 86400000
#define TEXT_MS 5000 /* what the monitor gets to answer */

#define OP(name)                                                    \
	static enum op_result name(struct json_object *request, uint64_t, \
	    struct json_object *answer, struct wait *)
OP(op_ping);
OP(op_status);
OP(op_workers);
OP(op_crashes);
OP(op_wait);
OP(op_restart);
OP(op_drain);
OP(op_stop);
OP(op_reload);
OP(op_log);
OP(op_metrics);
#undef OP
static bool ops_matches(const struct worker *, const char *);
static bool ops_worker(struct json_object *, const char *, const char **,
    struct json_object *);
static void ops_ok(struct json_object *);

static const struct op {
	const char *name;
	enum op_result (*run)(struct json_object *request, uint64_t id,
	    struct json_object *answer, struct wait *);
} ops[] = {
	{"ping", op_ping},
	{"status", op_status},
	{"workers", op_workers},
	{"crashes", op_crashes},
	{"wait", op_wait},
	{"restart", op_restart},
	{"drain", op_drain},
	{"stop", op_stop},
	{"reload", op_reload},
	{"log", op_log},
	{"metrics", op_metrics},
};

enum op_result
ops_run(struct json_object *request, uint64_t id, struct json_object *answer,
    struct wait *wait)
{
	const char *name = json_str(request, "op", "");
	char shown[64];
	size_t i;

	for (i = 0; i < nitems(ops); i++)
		if (strcmp(name, ops[i].name) == 0)
			return (ops[i].run(request, id, answer, wait));
	ops_error(answer, EX_DATAERR, "op", "unknown operation \"%s\"",
	    log_escape(shown, sizeof(shown), name, strlen(name)));
	return (OP_ANSWER);
}

void
ops_error(struct json_object *answer, int code, const char *field,
    const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	metric_add(M_control_bad_requests, 1);
	status_put(answer, "ok", json_object_new_boolean(false));
	status_put(answer, "error", json_object_new_string(text));
	if (field != NULL)
		status_put(answer, "field", json_object_new_string(field));
	status_put(answer, "code", json_object_new_int(code));
}

static void
ops_ok(struct json_object *answer)
{
	status_put(answer, "ok", json_object_new_boolean(true));
}

/* Is a worker meant by a name, a class or "all"? */
static bool
ops_matches(const struct worker *w, const char *what)
{
	return (!w->removed && (strcmp(what, "all") == 0 ||
	    strcmp(what, w->name) == 0 ||
	    strcmp(what, class_name(w->class)) == 0));
}

/*
 * The request's key "worker", def if it has none.  False, with the error in
 * answer, if that matches nothing.
 */
static bool
ops_worker(struct json_object *request, const char *def, const char **what,
    struct json_object *answer)
{
	char shown[64];
	struct worker *w;

	*what = json_str(request, "worker", def);
	if (*what == NULL) {
		ops_error(answer, EX_DATAERR, "worker", "worker is missing");
		return (false);
	}
	TAILQ_FOREACH(w, &sup.workers, entry)
		if (ops_matches(w, *what))
			return (true);
	ops_error(answer, EX_DATAERR, "worker", "no worker is called \"%s\"",
	    log_escape(shown, sizeof(shown), *what, strlen(*what)));
	return (false);
}

static enum op_result
op_ping(struct json_object *request, uint64_t id, struct json_object *answer,
    struct wait *wait)
{
	(void)request, (void)id, (void)wait;
	ops_ok(answer);
	status_put(answer, "pid", json_object_new_int(getpid()));
	status_put(answer, "version", json_object_new_string(PACKAGE_VERSION));
	status_put(answer, "uptime_s", status_seconds(
	    clock_mono_ms() - sup.started_ms));
	return (OP_ANSWER);
}

static enum op_result
op_status(struct json_object *request, uint64_t id,
    struct json_object *answer, struct wait *wait)
{
	struct json_object *status = status_json();

	(void)request, (void)id, (void)wait;
	if (status == NULL) {
		ops_error(answer, EX_TEMPFAIL, NULL, "out of memory");
		return (OP_ANSWER);
	}
	ops_ok(answer);
	json_object_object_foreach(status, key, value)
		status_put(answer, key, json_object_get(value));
	json_object_put(status);
	return (OP_ANSWER);
}

static enum op_result
op_workers(struct json_object *request, uint64_t id,
    struct json_object *answer, struct wait *wait)
{
	(void)request, (void)id, (void)wait;
	ops_ok(answer);
	status_put(answer, "workers", status_workers());
	return (OP_ANSWER);
}

static enum op_result
op_crashes(struct json_object *request, uint64_t id,
    struct json_object *answer, struct wait *wait)
{
	(void)request, (void)id, (void)wait;
	ops_ok(answer);
	status_put(answer, "crashes", obituary_json());
	return (OP_ANSWER);
}

static enum op_result
op_wait(struct json_object *request, uint64_t id, struct json_object *answer,
    struct wait *wait)
{
	const char *what = json_str(request, "what", "ready"), *worker;
	int64_t ms = json_i64(request, "timeout_ms", WAIT_DEFAULT_MS);

	(void)id;
	if (strcmp(what, "ready") != 0 && strcmp(what, "restarted") != 0) {
		ops_error(answer, EX_DATAERR, "what",
		    "what must be \"ready\" or \"restarted\"");
		return (OP_ANSWER);
	}
	if (ms < 0 || ms > WAIT_MAX_MS) {
		ops_error(answer, EX_DATAERR, "timeout_ms",
		    "timeout_ms must be 0 to %d", WAIT_MAX_MS);
		return (OP_ANSWER);
	}
	if (!ops_worker(request, "all", &worker, answer))
		return (OP_ANSWER);
	wait->kind = what[2] == 'a' ? WAIT_READY : WAIT_RESTARTED;
	strlcpy(wait->worker, worker, sizeof(wait->worker));
	wait->deadline_ms = clock_mono_ms() + ms;
	wait->since = sup.changes;
	if (!ops_poll(wait, clock_mono_ms(), answer))
		return (OP_WAIT);
	wait->kind = WAIT_NONE;
	return (OP_ANSWER);
}

bool
ops_poll(const struct wait *wait, int64_t now_ms, struct json_object *answer)
{
	struct worker *w;
	bool over = wait->kind != WAIT_TEXT;

	TAILQ_FOREACH(w, &sup.workers, entry) {
		if (wait->kind == WAIT_TEXT || !ops_matches(w, wait->worker))
			continue;
		if (w->state != WS_READY || (wait->kind == WAIT_RESTARTED &&
		    w->restarted_at <= wait->since))
			over = false;
	}
	if (over && wait->kind == WAIT_READY &&
	    strcmp(wait->worker, "all") == 0 && !sup.was_ready)
		over = false;
	if (over) {
		ops_ok(answer);
		return (true);
	}
	if (now_ms < wait->deadline_ms)
		return (false);
	ops_error(answer, EX_TEMPFAIL, NULL, "timed out");
	status_put(answer, "timed_out", json_object_new_boolean(true));
	return (true);
}

static enum op_result
op_restart(struct json_object *request, uint64_t id,
    struct json_object *answer, struct wait *wait)
{
	struct json_object *names;
	struct worker *w;
	const char *what;

	(void)id, (void)wait;
	if (!ops_worker(request, "all", &what, answer))
		return (OP_ANSWER);
	ops_ok(answer);
	names = json_object_new_array();
	TAILQ_FOREACH(w, &sup.workers, entry)
		if (ops_matches(w, what)) {
			status_append(names,
			    json_object_new_string(w->name));
			tree_restart(w, "asked for");
		}
	status_put(answer, "workers", names);
	return (OP_ANSWER);
}

static enum op_result
op_drain(struct json_object *request, uint64_t id, struct json_object *answer,
    struct wait *wait)
{
	struct worker *w;
	const char *what;

	(void)id, (void)wait;
	if (!ops_worker(request, NULL, &what, answer))
		return (OP_ANSWER);
	ops_ok(answer);
	TAILQ_FOREACH(w, &sup.workers, entry)
		if (ops_matches(w, what)) {
			log_info("worker %s: draining: asked for", w->name);
			tree_stop_worker(w);
		}
	return (OP_ANSWER);
}

static enum op_result
op_stop(struct json_object *request, uint64_t id, struct json_object *answer,
    struct wait *wait)
{
	(void)request, (void)id, (void)wait;
	ops_ok(answer);
	status_put(answer, "pid", json_object_new_int(getpid()));
	shutdown_begin("asked for on control.sock");
	return (OP_ANSWER);
}

static enum op_result
op_reload(struct json_object *request, uint64_t id,
    struct json_object *answer, struct wait *wait)
{
	char *error = NULL;

	(void)request, (void)id, (void)wait;
	if (reload_now(answer, &error) == 0)
		ops_ok(answer);
	else
		ops_error(answer, EX_CONFIG, NULL, "%s",
		    error != NULL ? error : "out of memory");
	free(error);
	return (OP_ANSWER);
}

static enum op_result
op_log(struct json_object *request, uint64_t id, struct json_object *answer,
    struct wait *wait)
{
	const char *level = json_str(request, "level", "");

	(void)id, (void)wait;
	if (strcmp(level, "brief") != 0 && strcmp(level, "verbose") != 0) {
		ops_error(answer, EX_DATAERR, "level",
		    "level must be \"brief\" or \"verbose\"");
		return (OP_ANSWER);
	}
	reload_log_level(level[0] == 'v' ? LL_DEBUG : LL_INFO);
	ops_ok(answer);
	return (OP_ANSWER);
}

static enum op_result
op_metrics(struct json_object *request, uint64_t id,
    struct json_object *answer, struct wait *wait)
{
	struct worker *w = tree_find_index(PC_MONITOR, 0);

	(void)request;
	if (w == NULL || w->state != WS_READY ||
	    child_ask(w->child, id, "metrics") == -1) {
		ops_error(answer, EX_TEMPFAIL, NULL,
		    "the monitor is not ready");
		return (OP_ANSWER);
	}
	wait->kind = WAIT_TEXT;
	wait->deadline_ms = clock_mono_ms() + TEXT_MS;
	return (OP_WAIT);
}
