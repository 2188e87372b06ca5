/*
 * A worker of any class that does nothing, until it is told to misbehave: for
 * the tests of the supervisor.  Its class is in the name that it is given.
 *
 * In $CCTG_DUMMY_DIR, the file start.NAME is read at each start, the file
 * do.NAME is looked for ten times a second and removed when it was read
 * (NAME: "format.0").  Either holds one order:
 *
 *	crash		a null pointer is written to
 *	exit N		_exit(N)
 *	spin		a loop without end
 *	block		a read without end
 *	leak N		N KiB more every tenth of a second
 *	stubborn	drain is never finished, stop takes for ever
 *	unready		the start is never finished
 *	note TEXT	slot_note()
 *	gauge N V	gauge N of the slot becomes V
 *	metric NAME V	the same by its name in metrics.h
 *	job N		job N begins
 *	work N		it begins and never ends
 *	ask		each format peer is asked something (queue)
 *	reject		the next message is called malformed
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>
#include <json-c/json.h>

#include "common/log.h"
#include "common/scoreboard.h"
#include "workers/worker.h"

static struct worker_ops ops;
static bool stubborn, rejecting;
static size_t leak_bytes;
static void *leaked; /* the last, so that the compiler keeps it */
static unsigned int peers_up, peers_lost, jobs_lost;

static bool
dummy_order(const char *kind, char *order, size_t size)
{
	const char *dir = getenv("CCTG_DUMMY_DIR");
	char path[4096], *slash;
	ssize_t n;
	int fd;

	if (dir == NULL)
		return (false);
	snprintf(path, sizeof(path), "%s/%s.%s", dir, kind, worker_name());
	if ((slash = strchr(path + strlen(dir) + 1, '/')) != NULL)
		*slash = '.';
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return (false);
	n = read(fd, order, size - 1);
	close(fd);
	if (strcmp(kind, "do") == 0)
		(void)unlink(path);
	if (n <= 0)
		return (false);
	order[n] = '\0';
	order[strcspn(order, "\n")] = '\0';
	return (true);
}

static void
dummy_metric(const char *name, long value)
{
#define METRIC_SET(m, ...)              \
	if (strcmp(name, #m) == 0)      \
		metric_set(M_##m, value);
	METRICS(METRIC_SET, METRIC_SET, METRIC_SET, METRIC_SET)
#undef METRIC_SET
}

static void
dummy_ask(void)
{
	const char nonsense[64] = {0};
	struct peer *p = NULL;

	while ((p = worker_peer_next(PC_FORMAT, p)) != NULL)
		if (link_send(p->link, QUEUE_FORMAT_ASK, 1, nonsense,
		    sizeof(nonsense)) == -1)
			log_warn("ask");
}

static void
dummy_obey(const char *order)
{
	volatile unsigned int turns = 0;
	unsigned long n = 0;
	char c, name[64];
	int pair[2];
	long value;

	if (strcmp(order, "crash") == 0)
		*(volatile int *)0 = 1;
	else if (sscanf(order, "exit %lu", &n) == 1)
		_exit((int)n);
	else if (strcmp(order, "spin") == 0)
		for (;;)
			turns++;
	else if (strcmp(order, "block") == 0 && pipe(pair) == 0)
		(void)!read(pair[0], &c, 1);
	else if (sscanf(order, "leak %lu", &n) == 1)
		leak_bytes = n << 10;
	else if (strcmp(order, "stubborn") == 0)
		stubborn = true;
	else if (strncmp(order, "note ", 5) == 0)
		slot_note(order + 5);
	else if (sscanf(order, "gauge %lu %ld", &n, &value) == 2)
		metric_set((enum metric)n, value);
	else if (sscanf(order, "metric %63s %ld", name, &value) == 2)
		dummy_metric(name, value);
	else if (sscanf(order, "job %lu", &n) == 1)
		slot_job_begin(n);
	else if (sscanf(order, "work %lu", &n) == 1) {
		slot_job_begin(n);
		for (;;)
			turns++;
	} else if (strcmp(order, "ask") == 0)
		dummy_ask();
	else if (strcmp(order, "reject") == 0)
		rejecting = true;
	else if (strcmp(order, "unready") != 0)
		log_warnx("unknown order: %s", order);
}

static void
dummy_tick(evutil_socket_t fd, short what, void *arg)
{
	char order[128];

	(void)fd, (void)what, (void)arg;
	if (dummy_order("do", order, sizeof(order)))
		dummy_obey(order);
	if (leak_bytes > 0 && (leaked = malloc(leak_bytes)) != NULL)
		explicit_bzero(leaked, leak_bytes);
}

static int
dummy_start(void)
{
	static const struct timeval tv = {0, 100000};
	struct event *ev;
	char order[128];

	ev = event_new(worker_base(), -1, EV_PERSIST, dummy_tick, NULL);
	if (ev == NULL || event_add(ev, &tv) == -1)
		return (-1);
	metric_set(M_queue_accepting, 1);
	if (!dummy_order("start", order, sizeof(order)))
		return (0);
	dummy_obey(order);
	return (strcmp(order, "unready") == 0);
}

static int
dummy_configure(struct json_object *config, bool first)
{
	log_info("configuration %s: %d keys", first ? "first" : "again",
	    json_object_object_length(config));
	return (0);
}

static void
dummy_listener(const char *name, int fd)
{
	log_info("listener %s", name);
	(void)fd; /* stays open: whoever connects waits */
}

static void
dummy_slot(enum process_class class, unsigned int index, int fd)
{
	log_debug("slot of %s/%u", class_name(class), index);
	close(fd);
}

static void
dummy_peer_up(struct peer *p)
{
	peers_up++;
	log_info("peer %s/%u up", class_name(p->class), p->index);
}

static void
dummy_peer_lost(struct peer *p, const uint64_t *job, size_t n)
{
	peers_lost++;
	jobs_lost += (unsigned int)n;
	log_info("peer %s/%u lost with %zu jobs, first %llu",
	    class_name(p->class), p->index, n,
	    n > 0 ? (unsigned long long)job[0] : 0);
}

static enum link_verdict
dummy_message(struct peer *p, const struct frame *f)
{
	log_info("message %s of %s/%u", msg_name(f->type),
	    class_name(p->class), p->index);
	if (f->fd != -1)
		close(f->fd);
	if (rejecting) {
		rejecting = false;
		return (LINK_BAD);
	}
	return (LINK_DONE);
}

static void
dummy_drain(uint32_t grace_ms)
{
	(void)grace_ms;
	if (!stubborn)
		worker_drained();
}

static void
dummy_stop(void)
{
	while (stubborn)
		pause();
}

static enum link_verdict
dummy_alert(const struct frame *f)
{
	struct unpacker u;
	struct span worker, how;
	bool over;

	unpack_init(&u, f->data, f->len);
	over = unpack_u8(&u) != 0;
	(void)unpack_i64(&u);
	worker = unpack_span(&u);
	how = unpack_span(&u);
	if (!unpack_done(&u))
		return (LINK_BAD);
	log_info("alert: %.*s %s: %.*s", (int)worker.len,
	    (const char *)worker.p, over ? "stable again" : "throttled",
	    (int)how.len, (const char *)how.p);
	return (LINK_DONE);
}

static char *
dummy_text(const char *what)
{
	char *text;

	if (asprintf(&text, "%s of %s: %u peers\n", what, worker_name(),
	    peers_up - peers_lost) == -1)
		return (NULL);
	return (text);
}

int
main(int argc, char **argv)
{
	char name[24] = "";
	int class;

	if (argc < 2 || sscanf(argv[1], "%23[a-z]", name) != 1 ||
	    (class = class_by_name(name)) == -1)
		return (2);
	ops = (struct worker_ops){
		.class = (enum process_class)class,
		.configure = dummy_configure,
		.listener = dummy_listener,
		.slot = dummy_slot,
		.peer_up = dummy_peer_up,
		.peer_lost = dummy_peer_lost,
		.start = dummy_start,
		.message = dummy_message,
		.drain = dummy_drain,
		.stop = dummy_stop,
		.alert = dummy_alert,
		.text = dummy_text,
	};
	return (worker_main(argc, argv, &ops));
}
