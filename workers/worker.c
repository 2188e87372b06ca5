/*
 * The common life of a worker; see worker.h.
 *
 * Owns the event loop, the link to the supervisor, the list of peers, the
 * heartbeat and the last words.  A worker that has lost its supervisor, or
 * cannot understand it, stops: the init system starts a new tree.
 */
#include <sys/queue.h>

#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <event2/event.h>
#include <json-c/json.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/sandbox.h"
#include "common/scoreboard.h"
#include "workers/worker.h"

#define FRAMES_MAX 32 /* of a backtrace */
#define MMAP_BYTES (256 << 10) /* larger pieces of memory are mapped */
#define KEEP_BYTES (1 << 20) /* free at the heap's end, until a heartbeat */
#define TRIM_BYTES (64 << 10) /* over links, that may have left free memory */

struct peer_entry {
	struct peer peer;
	struct slot_link *shown; /* in our slot; NULL: a later one has it */
	uint64_t stalls;	 /* of this link, shown so far */
	TAILQ_ENTRY(peer_entry) entry;
};

static const struct worker_ops *ops;
static struct event_base *base;
static struct link *sup;
static TAILQ_HEAD(, peer_entry) peers = TAILQ_HEAD_INITIALIZER(peers);
static enum process_class own_class;
static char own_name[24];
static bool configured, started, ready, draining, stopping;

static struct event_base *worker_loop(void);
static void worker_heartbeat(evutil_socket_t, short, void *);
static void worker_trim(void);
static void worker_show_link(struct peer_entry *);
static void worker_last_words(int, siginfo_t *, void *);
static void worker_catch_signals(void);
static void worker_stop(int) __attribute__((noreturn));
static enum link_verdict worker_sup_message(struct link *,
    const struct frame *, void *);
static void worker_sup_closed(struct link *, enum link_end, void *);
static enum link_verdict worker_peer_message(struct link *,
    const struct frame *, void *);
static void worker_peer_closed(struct link *, enum link_end, void *);
static void worker_peer_writable(struct link *, void *);
static struct peer_entry *worker_peer_find(unsigned int, unsigned int,
    uint32_t);
static enum link_verdict worker_config(const struct frame *);
static enum link_verdict worker_listener(const struct frame *);
static enum link_verdict worker_slot(const struct frame *);
static enum link_verdict worker_wire(const struct frame *);
static enum link_verdict worker_lost(const struct frame *);
static enum link_verdict worker_start(const struct frame *);
static enum link_verdict worker_drain(const struct frame *);
static enum link_verdict worker_end(const struct frame *);
static enum link_verdict worker_loglevel(const struct frame *);
static enum link_verdict worker_text(const struct frame *);
static enum link_verdict worker_alert(const struct frame *);
static char *worker_malloc_info(void);
static void worker_peer_gone(struct peer_entry *, const uint64_t *, size_t);
static void worker_tell(enum msg_type, uint64_t, const void *, size_t);

/* What the supervisor may say. */
static const struct {
	enum msg_type type;
	enum link_verdict (*handle)(const struct frame *);
} sup_handlers[] = {
	{ SUP_CONFIG_SET, worker_config },
	{ SUP_LISTENER_SHARE, worker_listener },
	{ SUP_SLOT_SHARE, worker_slot },
	{ SUP_PEER_WIRE, worker_wire },
	{ SUP_PEER_LOST, worker_lost },
	{ SUP_WORK_START, worker_start },
	{ SUP_WORK_DRAIN, worker_drain },
	{ SUP_WORK_STOP, worker_end },
	{ SUP_LOG_SET, worker_loglevel },
	{ SUP_TEXT_ASK, worker_text },
	{ SUP_ALERT_TELL, worker_alert },
};

static const struct link_ops sup_link_ops = {
	.message = worker_sup_message,
	.closed = worker_sup_closed,
};

static const struct link_ops peer_link_ops = {
	.message = worker_peer_message,
	.closed = worker_peer_closed,
	.writable = worker_peer_writable,
};

int
worker_main(int argc, char **argv, const struct worker_ops *o)
{
	const struct timeval beat = { HEARTBEAT_MS / 1000,
	    HEARTBEAT_MS % 1000 * 1000 };
	struct event *ev;
	enum log_level level = LL_INFO;

	if (argc < 2 || fcntl(WORKER_LINK_FD, F_GETFD) == -1) {
		fprintf(stderr, "%s: started by cctgd(8), not by hand\n",
		    argv[0]);
		return (EX_USAGE);
	}
	/* Setting it keeps glibc from raising it, by which large buffers
	 * would come to lie between small ones; one arena, since nothing here
	 * has more than one busy thread. */
	mallopt(M_MMAP_THRESHOLD, MMAP_BYTES);
	mallopt(M_TRIM_THRESHOLD, KEEP_BYTES);
	mallopt(M_ARENA_MAX, 1);
	ops = o;
	own_class = o->class;
	strlcpy(own_name, argv[1], sizeof(own_name));
	if (argc > 2)
		level = (enum log_level)strtonum(argv[2], LL_ERR, LL_DEBUG,
		    NULL);
	log_init(own_name, level ? level : LL_INFO,
	    getenv("CCTG_SYSLOG") != NULL);
	if (scoreboard_attach(WORKER_SLOT_FD) == -1)
		fatal("cannot map the scoreboard slot");
	close(WORKER_SLOT_FD);
	slot_links_reset();
	worker_catch_signals();

	base = worker_loop();
	sup = link_new(base, WORKER_LINK_FD, own_class, PC_SUPERVISOR, 0,
	    &sup_link_ops, NULL);
	ev = event_new(base, -1, EV_PERSIST, worker_heartbeat, NULL);
	if (sup == NULL || ev == NULL || event_add(ev, &beat) == -1)
		fatal("cannot set up the link to the supervisor");
	setproctitle("starting");
	for (;;) {
		slot_turn();
		if (event_base_loop(base, EVLOOP_ONCE) == -1)
			fatal("event loop");
	}
}

/*
 * A loop that looks at its sockets at least every 10 ms, even when callbacks
 * keep activating one another (libevent runs those in the same turn).
 */
static struct event_base *
worker_loop(void)
{
	const struct timeval interval = { 0, 10000 };
	struct event_config *config;
	struct event_base *b = NULL;

	if ((config = event_config_new()) != NULL &&
	    event_config_set_max_dispatch_interval(config, &interval, -1, 0)
	    == 0)
		b = event_base_new_with_config(config);
	if (b == NULL)
		fatalx("cannot create the event loop");
	event_config_free(config);
	return (b);
}

static void
worker_heartbeat(evutil_socket_t fd, short what, void *arg)
{
	struct peer_entry *e;

	(void)fd, (void)what, (void)arg;
	slot_turn();
	TAILQ_FOREACH(e, &peers, entry)
		worker_show_link(e);
	worker_trim();
}

/*
 * free(3) gives back what lies at the end of the heap only, and a large event
 * in pieces rarely does.  Not after each one: it costs a walk over the heap.
 */
static void
worker_trim(void)
{
	static int64_t trimmed_at;
	int64_t moved = metric_get(M_link_bytes_in) +
	    metric_get(M_link_bytes_out);

	if (moved - trimmed_at < TRIM_BYTES)
		return;
	trimmed_at = moved;
	malloc_trim(0);
}

/* Credit and stalls of a link, for the monitor. */
static void
worker_show_link(struct peer_entry *e)
{
	uint64_t stalls;

	if (e->shown == NULL)
		return;
	if (e->peer.link == NULL) {
		e->shown->used = SLOT_LINK_DOWN;
		return;
	}
	stalls = link_stalls(e->peer.link);
	e->shown->credit = link_credit(e->peer.link);
	e->shown->stalls += stalls - e->stalls;
	e->stalls = stalls;
}

/*
 * A fatal signal: leave word in the slot, then die of it.  Only what is
 * async-signal-safe (signal-safety(7)); backtrace(3) was called once before,
 * so that its library is loaded.
 */
static void
worker_last_words(int sig, siginfo_t *info, void *context)
{
	struct slot *s = scoreboard_own();
	void *frame[FRAMES_MAX];
	int fd[2], n;
	ssize_t len;

	(void)context;
	if (s != NULL) {
		n = backtrace(frame, FRAMES_MAX);
		len = snprintf(s->obituary, sizeof(s->obituary),
		    "address %p\n", info->si_addr);
		if (len < 0)
			len = 0;
		if (pipe2(fd, O_NONBLOCK | O_CLOEXEC) == 0) {
			backtrace_symbols_fd(frame, n, fd[1]);
			n = (int)read(fd[0], s->obituary + len,
			    sizeof(s->obituary) - (size_t)len - 1);
			if (n > 0)
				s->obituary[len + n] = '\0';
		} else {
			/* A CPU worker's sandbox has no pipes: addresses
			 * alone, relative ones come from the map. */
			for (int i = 0; i < n && (size_t)len <
			    sizeof(s->obituary) - 24; i++)
				len += snprintf(s->obituary + len,
				    sizeof(s->obituary) - (size_t)len,
				    "%p\n", frame[i]);
		}
		s->obituary_signal = (uint32_t)sig;
	}
	signal(sig, SIG_DFL);
	raise(sig);
}

static void
worker_catch_signals(void)
{
	static const int fatal_signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE,
	    SIGABRT, SIGSYS, SIGTRAP };
	struct sigaction sa = { .sa_sigaction = worker_last_words,
	    .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESETHAND };
	static char stack[65536];
	const stack_t alt = { .ss_sp = stack, .ss_size = sizeof(stack) };
	void *frame[1];

	(void)backtrace(frame, 1); /* loads libgcc, see above */
	if (sigaltstack(&alt, NULL) == -1)
		fatal("sigaltstack");
	for (size_t i = 0; i < sizeof(fatal_signals) / sizeof(int); i++)
		if (sigaction(fatal_signals[i], &sa, NULL) == -1)
			fatal("sigaction %d", fatal_signals[i]);
	signal(SIGPIPE, SIG_IGN);
	/* The terminal's and the service manager's signals go to the whole
	 * group; the supervisor decides when a worker ends. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
}

static void
worker_stop(int code)
{
	if (!stopping) {
		stopping = true;
		if (ops->stop != NULL && started)
			ops->stop();
		link_flush_all();
	}
	_exit(code);
}

/* Peers. */

static struct peer_entry *
worker_peer_find(unsigned int class, unsigned int index, uint32_t generation)
{
	struct peer_entry *e;

	TAILQ_FOREACH(e, &peers, entry)
		if (e->peer.class == class && e->peer.index == index &&
		    e->peer.generation == generation)
			return (e);
	return (NULL);
}

struct peer *
worker_peer_next(enum process_class class, struct peer *p)
{
	struct peer_entry *e;

	e = p == NULL ? TAILQ_FIRST(&peers) :
	    TAILQ_NEXT((struct peer_entry *)p, entry);
	for (; e != NULL; e = TAILQ_NEXT(e, entry))
		if (e->peer.class == class && e->peer.link != NULL)
			return (&e->peer);
	return (NULL);
}

static enum link_verdict
worker_peer_message(struct link *l, const struct frame *f, void *arg)
{
	struct peer_entry *e = arg;

	(void)l;
	return (ops->message(&e->peer, f));
}

static void
worker_peer_writable(struct link *l, void *arg)
{
	struct peer_entry *e = arg;

	(void)l;
	if (ops->writable != NULL)
		ops->writable(&e->peer);
}

/*
 * A link ended.  The supervisor knows about a peer that died and will say
 * so, with the jobs that it was executing; about a broken link between two
 * living ones it has to be told.
 */
static void
worker_peer_closed(struct link *l, enum link_end end, void *arg)
{
	struct peer_entry *e = arg;
	struct packer p = { 0 };

	link_free(l);
	e->peer.link = NULL;
	if (end == LINK_EOF)
		return;
	pack_u8(&p, (uint8_t)e->peer.class);
	pack_u8(&p, (uint8_t)e->peer.index);
	pack_u32(&p, e->peer.generation);
	worker_tell(WORKER_LINK_LOST, 0, p.buf, p.len);
	pack_free(&p);
}

static void
worker_peer_gone(struct peer_entry *e, const uint64_t *job, size_t n)
{
	if (started) /* nothing was asked before, so nothing is answered */
		link_drain(e->peer.link);
	if (e->peer.link != NULL)
		worker_show_link(e);
	link_free(e->peer.link);
	e->peer.link = NULL;
	worker_show_link(e);
	TAILQ_REMOVE(&peers, e, entry);
	if (ops->peer_lost != NULL)
		ops->peer_lost(&e->peer, job, n);
	free(e);
}

/* The supervisor. */

static void
worker_tell(enum msg_type type, uint64_t id, const void *data, size_t len)
{
	if (link_send(sup, type, id, data, len) == -1) {
		log_warn("cannot tell the supervisor %s; stopping",
		    msg_name(type));
		worker_stop(1);
	}
}

static enum link_verdict
worker_sup_message(struct link *l, const struct frame *f, void *arg)
{
	(void)l, (void)arg;
	for (size_t i = 0; i < sizeof(sup_handlers) / sizeof(*sup_handlers);
	    i++)
		if (sup_handlers[i].type == f->type)
			return (sup_handlers[i].handle(f));
	return (LINK_BAD);
}

static void
worker_sup_closed(struct link *l, enum link_end end, void *arg)
{
	(void)l, (void)arg;
	if (!stopping)
		log_notice("the supervisor has gone (%s); stopping",
		    end == LINK_EOF ? "end of file" : "broken link");
	worker_stop(end == LINK_EOF ? 0 : 1);
}

static enum link_verdict
worker_config(const struct frame *f)
{
	struct json_object *config;
	struct unpacker u;
	struct span text;
	const char *error;
	int rc;

	unpack_init(&u, f->data, f->len);
	text = unpack_span(&u);
	if (!unpack_done(&u))
		return (LINK_BAD);
	if ((config = json_parse(text.p, text.len, &error)) == NULL) {
		log_errx("configuration from the supervisor: %s", error);
		return (LINK_BAD);
	}
	rc = ops->configure == NULL ? 0 : ops->configure(config, !configured);
	json_object_put(config);
	if (rc == -1 && !configured)
		worker_stop(EX_CONFIG);
	configured = true;
	return (LINK_DONE);
}

static enum link_verdict
worker_listener(const struct frame *f)
{
	struct unpacker u;
	char *name;

	unpack_init(&u, f->data, f->len);
	name = span_dup(unpack_span(&u));
	if (!unpack_done(&u) || name == NULL || f->fd == -1 ||
	    ops->listener == NULL) {
		free(name);
		if (f->fd != -1)
			close(f->fd);
		return (LINK_BAD);
	}
	ops->listener(name, f->fd);
	free(name);
	return (LINK_DONE);
}

static enum link_verdict
worker_slot(const struct frame *f)
{
	struct unpacker u;
	unsigned int class, index;

	unpack_init(&u, f->data, f->len);
	class = unpack_u8(&u);
	index = unpack_u8(&u);
	if (!unpack_done(&u) || class >= NCLASSES || f->fd == -1 ||
	    ops->slot == NULL) {
		if (f->fd != -1)
			close(f->fd);
		return (LINK_BAD);
	}
	ops->slot(class, index, f->fd);
	return (LINK_DONE);
}

static enum link_verdict
worker_wire(const struct frame *f)
{
	struct peer_entry *e, *old;
	struct unpacker u;

	if ((e = calloc(1, sizeof(*e))) == NULL)
		fatal("peer");
	unpack_init(&u, f->data, f->len);
	e->peer.class = unpack_u8(&u);
	e->peer.index = unpack_u8(&u);
	e->peer.generation = unpack_u32(&u);
	if (!unpack_done(&u) || e->peer.class >= NCLASSES || f->fd == -1) {
		free(e);
		if (f->fd != -1)
			close(f->fd);
		return (LINK_BAD);
	}
	e->peer.link = link_new(base, f->fd, own_class, e->peer.class,
	    e->peer.generation, &peer_link_ops, e);
	if (e->peer.link == NULL)
		fatal("link to %s/%u", class_name(e->peer.class),
		    e->peer.index);
	/* It may run already and speak at once: worker_start() listens. */
	link_pause(e->peer.link, !started);
	TAILQ_FOREACH(old, &peers, entry)
		if (old->peer.class == e->peer.class &&
		    old->peer.index == e->peer.index)
			old->shown = NULL;
	e->shown = slot_link_up(e->peer.class, e->peer.index);
	worker_show_link(e);
	TAILQ_INSERT_TAIL(&peers, e, entry);
	if (ops->peer_up != NULL)
		ops->peer_up(&e->peer);
	return (LINK_DONE);
}

static enum link_verdict
worker_lost(const struct frame *f)
{
	uint64_t job[SLOT_JOBS];
	struct peer_entry *e;
	struct unpacker u;
	unsigned int class, index;
	uint32_t generation, n;

	unpack_init(&u, f->data, f->len);
	class = unpack_u8(&u);
	index = unpack_u8(&u);
	generation = unpack_u32(&u);
	n = unpack_u32(&u);
	if (n > SLOT_JOBS)
		return (LINK_BAD);
	for (uint32_t i = 0; i < n; i++)
		job[i] = unpack_u64(&u);
	if (!unpack_done(&u))
		return (LINK_BAD);
	if ((e = worker_peer_find(class, index, generation)) != NULL)
		worker_peer_gone(e, job, n);
	return (LINK_DONE);
}

static enum link_verdict
worker_start(const struct frame *f)
{
	struct peer_entry *e;
	int rc;

	(void)f;
	if (started || !configured)
		return (LINK_BAD);
	started = true;
	rc = ops->start == NULL ? 0 : ops->start();
	if (rc == -1)
		worker_stop(1);
	if (rc == 0)
		worker_ready();
	TAILQ_FOREACH(e, &peers, entry)
		if (e->peer.link != NULL)
			link_pause(e->peer.link, false);
	return (LINK_DONE);
}

void
worker_ready(void)
{
	if (ready)
		return;
	if (sandbox_enter(own_class) == -1)
		fatal("cannot enter the sandbox");
	ready = true;
	malloc_trim(0); /* the configuration, above all */
	slot_turn();
	setproctitle("ready");
	worker_tell(WORKER_LIFE_READY, 0, NULL, 0);
}

static enum link_verdict
worker_drain(const struct frame *f)
{
	struct unpacker u;
	uint32_t grace_ms;

	unpack_init(&u, f->data, f->len);
	grace_ms = unpack_u32(&u);
	if (!unpack_done(&u))
		return (LINK_BAD);
	if (draining)
		return (LINK_DONE);
	draining = true;
	setproctitle("draining");
	if (ops->drain != NULL && started)
		ops->drain(grace_ms);
	else
		worker_drained();
	return (LINK_DONE);
}

void
worker_drained(void)
{
	worker_tell(WORKER_LIFE_DRAINED, 0, NULL, 0);
}

void
worker_restart_all(void)
{
	worker_tell(WORKER_RESTART_ASK, 0, NULL, 0);
}

static enum link_verdict
worker_end(const struct frame *f)
{
	(void)f;
	worker_stop(0);
}

static enum link_verdict
worker_loglevel(const struct frame *f)
{
	uint8_t level = *(const uint8_t *)f->data;

	if (level < LL_ERR || level > LL_DEBUG)
		return (LINK_BAD);
	log_set_level(level);
	return (LINK_DONE);
}

/* What malloc_info(3) says, for the supervisor to keep when we leak. */
static char *
worker_malloc_info(void)
{
	char *text = NULL;
	size_t size;
	FILE *f;

	if ((f = open_memstream(&text, &size)) == NULL)
		return (NULL);
	(void)malloc_info(0, f);
	if (fclose(f) == EOF) {
		free(text);
		return (NULL);
	}
	return (text);
}

static enum link_verdict
worker_text(const struct frame *f)
{
	struct packer p = { 0 };
	struct unpacker u;
	char *what, *text;

	unpack_init(&u, f->data, f->len);
	what = span_dup(unpack_span(&u));
	if (!unpack_done(&u) || what == NULL) {
		free(what);
		return (LINK_BAD);
	}
	if (strcmp(what, "malloc") == 0)
		text = worker_malloc_info();
	else
		text = ops->text == NULL ? NULL : ops->text(what);
	pack_str(&p, text);
	if (!p.failed)
		worker_tell(WORKER_TEXT_TELL, f->id, p.buf, p.len);
	pack_free(&p);
	free(text);
	free(what);
	return (LINK_DONE);
}

static enum link_verdict
worker_alert(const struct frame *f)
{
	return (ops->alert == NULL || !started ? LINK_BAD : ops->alert(f));
}

struct event_base *
worker_base(void)
{
	return (base);
}

const char *
worker_name(void)
{
	return (own_name);
}

bool
worker_draining(void)
{
	return (draining);
}
