/*
 * cctg-intake: where events come in.
 *
 * Owns the events directory, the responses directory, the connections of
 * submit.sock and, if it is configured, an HTTP listener.  Everything goes to
 * the queue, and nothing is acknowledged, unlinked or answered before the
 * queue says that it is on disk.  Started by cctgd(8); if it dies, files stay
 * where they are and clients connect again.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "common/json.h"
#include "common/log.h"
#include "workers/intake/intake.h"
#include "workers/worker.h"

#define DRAIN_LOOK_US 5000

struct intake_config intake_config = { .gid = (gid_t)-1 };

static struct peer *queue; /* the last that came up; NULL: none */
static struct event *drain_timer;

static int intake_configure(struct json_object *, bool);
static int intake_replace(char **, const char *);
static int intake_webhook(struct json_object *);
static void intake_listener(const char *, int);
static void intake_peer_up(struct peer *);
static void intake_peer_lost(struct peer *, const uint64_t *, size_t);
static int intake_start(void);
static enum link_verdict intake_message(struct peer *, const struct frame *);
static void intake_writable(struct peer *);
static void intake_drain(uint32_t);
static void intake_drain_look(evutil_socket_t, short, void *);

static const struct worker_ops ops = {
	.class = PC_INTAKE,
	.configure = intake_configure,
	.listener = intake_listener,
	.peer_up = intake_peer_up,
	.peer_lost = intake_peer_lost,
	.start = intake_start,
	.message = intake_message,
	.writable = intake_writable,
	.drain = intake_drain,
};

int
main(int argc, char **argv)
{
	return (worker_main(argc, argv, &ops));
}

/* A changed directory or group takes a new process, which the supervisor
 * starts; the token can change under way. */
static int
intake_configure(struct json_object *conf, bool first)
{
	const char *token = json_str(conf, "intake.token", NULL);

	if (intake_replace(&intake_config.http_token, token) == -1 ||
	    intake_webhook(conf) == -1)
		return (-1);
	intake_config.responses_keep_ms = json_i64(conf, "responses_keep_ms",
	    0);
	if (!first)
		return (0);
	if (intake_replace(&intake_config.events_dir,
	    json_str(conf, "events_dir", NULL)) == -1 ||
	    intake_replace(&intake_config.responses_dir,
	    json_str(conf, "responses_dir", NULL)) == -1 ||
	    intake_replace(&intake_config.group,
	    json_str(conf, "group", "cctg")) == -1)
		return (-1);
	if (intake_config.events_dir == NULL) {
		log_errx("configuration: events_dir is missing");
		return (-1);
	}
	/* It is our own by now, and looking it up takes 10 ms of modules. */
	if (geteuid() != 0)
		intake_config.gid = getegid();
	return (0);
}

/* Whatever is in front of us passes the path on as it stands in the URL. */
static int
intake_webhook(struct json_object *conf)
{
	const char *url = json_str(conf, "telegram.webhook.url", "");
	const char *from = strstr(url, "://");
	char *path = NULL;
	int rc;

	if (*url != '\0') {
		from = from != NULL ? from + 3 : url;
		from += strcspn(from, "/?#");
		path = *from != '/' ? strdup("/") :
		    strndup(from, strcspn(from, "?#"));
		if (path == NULL) {
			log_errx("configuration: out of memory");
			return (-1);
		}
	}
	rc = webhook_configure(path, json_str(conf, "telegram.webhook.secret",
	    NULL));
	free(path);
	return (rc);
}

static int
intake_replace(char **old, const char *text)
{
	char *copy = NULL;

	if (text != NULL && (copy = strdup(text)) == NULL) {
		log_errx("configuration: out of memory");
		return (-1);
	}
	free(*old);
	*old = copy;
	return (0);
}

static void
intake_listener(const char *name, int fd)
{
	if (strcmp(name, "submit") == 0)
		client_listen(fd);
	else if (strncmp(name, "intake", 6) == 0)
		http_listen(worker_base(), fd);
	else {
		log_warnx("no use for a listener named %s", name);
		close(fd);
	}
}

static void
intake_peer_up(struct peer *p)
{
	if (p->class != PC_QUEUE)
		return;
	queue = p;
	pending_set_queue(p);
	query_queue_lost(); /* the one before, if there was one */
	responses_queue_lost();
	webhook_queue_lost();
	query_pump();
	webhook_pump();
}

static void
intake_peer_lost(struct peer *p, const uint64_t *job, size_t n)
{
	(void)job, (void)n;
	if (p != queue)
		return;
	queue = NULL;
	pending_set_queue(NULL);
	query_queue_lost();
	responses_queue_lost();
	webhook_queue_lost();
}

static int
intake_start(void)
{
	turns_init(worker_base());
	files_init(worker_base());
	responses_init(worker_base());
	client_start(worker_base());
	http_start();
	files_start();
	responses_start();
	return (0);
}

static enum link_verdict
intake_message(struct peer *p, const struct frame *f)
{
	switch (f->type) {
	case QUEUE_EVENT_ACCEPT:
	case QUEUE_EVENT_REFUSE:
		return (pending_answer(f));
	case QUEUE_QUERY_ANSWER:
		return (query_answer(f));
	case QUEUE_RESPONSE_WRITE:
		return (p == queue ? responses_write(f) : LINK_DONE);
	case QUEUE_UPDATE_SEEN:
		return (p == queue ? webhook_seen(f) : LINK_DONE);
	default:
		return (LINK_BAD);
	}
}

static void
intake_writable(struct peer *p)
{
	if (p->class != PC_QUEUE)
		return;
	pending_pump();
	query_pump();
	webhook_pump();
	if (pending_ready())
		turns_wake();
}

/* Take nothing more; wait for what the queue has not answered. */
static void
intake_drain(uint32_t grace_ms)
{
	const struct timeval look = { 0, DRAIN_LOOK_US };

	(void)grace_ms; /* the supervisor's to enforce */
	turns_stop();
	client_stop();
	http_stop();
	files_stop();
	drain_timer = event_new(worker_base(), -1, EV_PERSIST,
	    intake_drain_look, NULL);
	if (drain_timer == NULL || event_add(drain_timer, &look) == -1)
		worker_drained();
}

static void
intake_drain_look(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
	if (pending_count() > 0 || !client_idle() || !files_idle() ||
	    !responses_idle() || webhook_count() > 0)
		return;
	event_free(drain_timer);
	drain_timer = NULL;
	worker_drained();
}
