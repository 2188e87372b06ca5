/*
 * cctg-monitor: tells how the tree is.
 *
 * Owns nothing but HTTP connections: it reads, without locks, the slots and
 * the board that the supervisor shares with it, and answers on its listeners
 * (http.c) and, through the supervisor, on control.sock ("metrics").  Started
 * by cctgd(8); if it dies, nothing but these answers is missing.
 */
#include <string.h>
#include <unistd.h>

#include <json-c/json.h>

#include "common/json.h"
#include "common/log.h"
#include "workers/monitor/expose.h"
#include "workers/monitor/http.h"
#include "workers/monitor/slots.h"
#include "workers/worker.h"

static int monitor_configure(struct json_object *, bool);
static void monitor_listener(const char *, int);
static enum link_verdict monitor_message(struct peer *, const struct frame *);
static void monitor_drain(uint32_t);
static char *monitor_text(const char *);

static const struct worker_ops ops = {
	.class = PC_MONITOR,
	.configure = monitor_configure,
	.listener = monitor_listener,
	.slot = slots_share,
	.message = monitor_message,
	.drain = monitor_drain,
	.text = monitor_text,
};

int
main(int argc, char **argv)
{
	return (worker_main(argc, argv, &ops));
}

static int
monitor_configure(struct json_object *conf, bool first)
{
	(void)first;
	http_token(json_str(conf, "monitor.token", NULL),
	    json_flag(conf, "bridge", false));
	return (0);
}

/* "http:127.0.0.1:8080" */
static void
monitor_listener(const char *name, int fd)
{
	if (strncmp(name, "http", 4) != 0) {
		log_warnx("no use for a listener named %s", name);
		close(fd);
		return;
	}
	(void)http_listen(worker_base(), fd);
}

/* Nobody has anything to tell it. */
static enum link_verdict
monitor_message(struct peer *p, const struct frame *f)
{
	(void)p, (void)f;
	return (LINK_BAD);
}

static void
monitor_drain(uint32_t grace_ms)
{
	(void)grace_ms;
	http_stop();
	worker_drained();
}

static char *
monitor_text(const char *what)
{
	static struct view view;
	size_t len;

	if (strcmp(what, "metrics") != 0)
		return (NULL);
	slots_view(&view);
	return (expose_text(&view, &len));
}
