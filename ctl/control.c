/*
 * Changing the tree: restart, stop, reload, drain, log; and metrics, which
 * the supervisor gets from the monitor.
 */
#include <sys/syscall.h>

#include <errno.h>
#include <json-c/json.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/json.h"
#include "ctl/ctl.h"
#include "ctl/verbs.h"

#define STOP_MS 30000	/* shutdown_grace and what the workers get on top */
#define RELOAD_MS 30000

/* The members of a list of strings, divided by ", ". */
static const char *
joined(struct json_object *list, char *buf, size_t size)
{
	size_t i;

	buf[0] = '\0';
	if (!json_object_is_type(list, json_type_array))
		return (buf);
	for (i = 0; i < json_object_array_length(list); i++) {
		if (i > 0)
			strlcat(buf, ", ", size);
		strlcat(buf, json_object_get_string(
		    json_object_array_get_idx(list, i)), size);
	}
	return (buf);
}

static int
restart_run(struct ctl *ctl)
{
	struct json_object *request = talk_op("restart"), *a;
	char names[1024];

	talk_add(request, "worker", ctl->noperands > 0 ? ctl->operand[0] :
	    "all");
	a = talk_ask(ctl, SOCKET_CONTROL, request, TALK_MS);
	print_ok(ctl, a, "restarting %s", joined(json_path(a, "workers"),
	    names, sizeof(names)));
	json_object_put(a);
	return (XC_OK);
}

const struct verb verb_restart = {
	.name = "restart",
	.operands = "[WORKER|CLASS|all]",
	.words = "all queue intake telegram monitor analyze format compress",
	.doc = "replace workers",
	.max = 1,
	.run = restart_run,
};

static int
drain_run(struct ctl *ctl)
{
	struct json_object *request = talk_op("drain"), *a;

	talk_add(request, "worker", ctl->operand[0]);
	a = talk_ask(ctl, SOCKET_CONTROL, request, TALK_MS);
	print_ok(ctl, a, "draining %s", ctl->operand[0]);
	json_object_put(a);
	return (XC_OK);
}

const struct verb verb_drain = {
	.name = "drain",
	.operands = "WORKER",
	.doc = "let a worker finish its work and stay stopped",
	.min = 1,
	.max = 1,
	.run = drain_run,
};

/*
 * Returns when the daemon has gone, so that it can be started again at once.
 */
static int
stop_run(struct ctl *ctl)
{
	struct json_object *a;
	struct pollfd pfd = { .events = POLLIN };
	pid_t pid;
	int n;

	a = talk_ask(ctl, SOCKET_CONTROL, talk_op("stop"), TALK_MS);
	pid = (pid_t)json_i64(a, "pid", 0);
	pfd.fd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
	if (pfd.fd != -1) {
		while ((n = poll(&pfd, 1, STOP_MS)) == -1 && errno == EINTR)
			continue;
		close(pfd.fd);
		if (n == 0)
			ctl_fail(ctl, XC_TIMED_OUT,
			    "cctgd (pid %d) is still stopping", (int)pid);
	}
	print_ok(ctl, a, "stopped");
	json_object_put(a);
	return (XC_OK);
}

const struct verb verb_stop = {
	.name = "stop",
	.operands = "",
	.doc = "stop the daemon",
	.run = stop_run,
};

static int
reload_run(struct ctl *ctl)
{
	struct json_object *a, *keys;
	char names[1024];

	a = talk_ask(ctl, SOCKET_CONTROL, talk_op("reload"), RELOAD_MS);
	print_ok(ctl, a, "reloaded");
	keys = json_path(a, "restart_keys");
	if (!ctl->json && keys != NULL && json_object_array_length(keys) > 0)
		fprintf(stderr, "cctgctl: a restart of cctgd is needed for: "
		    "%s\n", joined(keys, names, sizeof(names)));
	json_object_put(a);
	return (XC_OK);
}

const struct verb verb_reload = {
	.name = "reload",
	.operands = "",
	.doc = "read the configuration again",
	.run = reload_run,
};

static int
log_run(struct ctl *ctl)
{
	const char *level = ctl->operand[0];
	struct json_object *request, *a;

	if (strcmp(level, "brief") != 0 && strcmp(level, "verbose") != 0)
		ctl_usage(ctl, "\"%s\" is neither brief nor verbose", level);
	request = talk_op("log");
	talk_add(request, "level", level);
	a = talk_ask(ctl, SOCKET_CONTROL, request, TALK_MS);
	print_ok(ctl, a, NULL);
	json_object_put(a);
	return (XC_OK);
}

const struct verb verb_log = {
	.name = "log",
	.operands = "brief|verbose",
	.words = "brief verbose",
	.doc = "log more or less",
	.min = 1,
	.max = 1,
	.run = log_run,
};

static int
metrics_run(struct ctl *ctl)
{
	struct json_object *a;

	a = talk_ask(ctl, SOCKET_CONTROL, talk_op("metrics"), TALK_MS);
	if (ctl->json)
		print_json(a);
	else
		fputs(json_str(a, "text", ""), stdout);
	json_object_put(a);
	return (XC_OK);
}

const struct verb verb_metrics = {
	.name = "metrics",
	.operands = "",
	.doc = "the figures that /metrics shows",
	.run = metrics_run,
};
