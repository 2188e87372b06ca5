/*
 * Wiring: which workers talk to each other, and the socketpairs between them.
 *
 * A wire joins two children.  It is made as soon as both live: both ends
 * travel to them over their own links, ahead of SUP_WORK_START, so that no
 * worker starts before all its peers are wired.  A survivor of a peer's death
 * is told what the dead one was doing and gets a new wire when there is
 * somebody to talk to again; it need not wait.
 */
#include <sys/queue.h>
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/nitems.h"
#include "supervisor/supervisor.h"

/* A pair that breaks its link again within this time has to wait for it. */
#define REWIRE_MS 1000

struct wire {
	TAILQ_ENTRY(wire) entry;
	struct child *end[2];
	uint32_t generation;
	int64_t made_ms;
	bool broken; /* wire_retry() makes a new one */
};
static TAILQ_HEAD(, wire) wires = TAILQ_HEAD_INITIALIZER(wires);
static uint32_t last_generation;

/* Who talks to whom. */
static const enum process_class pairs[][2] = {
	{PC_INTAKE, PC_QUEUE},
	{PC_TELEGRAM, PC_QUEUE},
	{PC_REDIS, PC_QUEUE},
	{PC_MONITOR, PC_QUEUE},
	{PC_ANALYZE, PC_QUEUE},
	{PC_FORMAT, PC_QUEUE},
	{PC_COMPRESS, PC_QUEUE},
};

static bool wire_complete(const struct child *);
static bool wire_wanted(const struct child *, const struct child *);
static struct wire *wire_between(const struct child *, const struct child *);
static int wire_make(struct child *, struct child *);
static int wire_send(struct child *, const struct child *, uint32_t, int);
static void wire_send_lost(struct child *, const struct child *, uint32_t,
    bool);
static uint32_t wire_jobs(const struct slot *, uint64_t[SLOT_JOBS]);

/* Wire a child to all that live and that it wants; then it may start. */
void
wire_child(struct child *c)
{
	struct child *other;

	TAILQ_FOREACH(other, &sup.children, entry)
		if (wire_wanted(c, other) && wire_between(c, other) == NULL &&
		    wire_make(c, other) == -1) {
			log_warn("no link between %s and %s yet; trying again",
			    c->worker->name, other->worker->name);
			sup.rewire = true;
		}
	if (!c->started && c->link != NULL && wire_complete(c)) {
		c->started = true;
		child_send(c, SUP_WORK_START);
	}
}

/* Has the child a wire to every living peer? */
static bool
wire_complete(const struct child *c)
{
	struct child *other;

	TAILQ_FOREACH(other, &sup.children, entry)
		if (wire_wanted(c, other) && wire_between(c, other) == NULL)
			return (false);
	return (true);
}

/*
 * A child is gone: tell each survivor, with the jobs that the dead one was
 * executing if it crashed, since only those count against a job.
 */
void
wire_lost(struct child *dead, bool crashed)
{
	struct wire *w, *next;

	TAILQ_FOREACH_SAFE(w, &wires, entry, next) {
		if (w->end[0] != dead && w->end[1] != dead)
			continue;
		wire_send_lost(w->end[w->end[0] == dead], dead, w->generation,
		    crashed);
		TAILQ_REMOVE(&wires, w, entry);
		free(w);
	}
}

/*
 * One end says that its link broke although nobody died.  Both are told that
 * it is lost and get a new one, but not in a tight loop.
 */
void
wire_broken(struct child *c, unsigned int class, unsigned int index,
    uint32_t generation)
{
	struct wire *w;

	TAILQ_FOREACH(w, &wires, entry)
		if (w->generation == generation && !w->broken &&
		    (w->end[0] == c || w->end[1] == c))
			break;
	if (w == NULL)
		return; /* the peer died, or the other end spoke first */
	log_warnx("the link between %s and %s/%u broke; making a new one",
	    c->worker->name, class < NCLASSES ? class_name(class) : "?",
	    index);
	wire_send_lost(w->end[0], w->end[1], generation, false);
	wire_send_lost(w->end[1], w->end[0], generation, false);
	w->broken = true;
	sup.rewire = true;
	if (clock_mono_ms() - w->made_ms >= REWIRE_MS)
		wire_retry();
}

/* Make what could not be made before. */
void
wire_retry(void)
{
	struct wire *w, *next;
	struct child *c;
	int64_t now_ms = clock_mono_ms();

	if (!sup.rewire)
		return;
	sup.rewire = false;
	TAILQ_FOREACH_SAFE(w, &wires, entry, next) {
		if (!w->broken)
			continue;
		if (now_ms - w->made_ms < REWIRE_MS) {
			sup.rewire = true;
			continue;
		}
		TAILQ_REMOVE(&wires, w, entry);
		free(w);
	}
	TAILQ_FOREACH(c, &sup.children, entry)
		wire_child(c);
}

static bool
wire_wanted(const struct child *a, const struct child *b)
{
	enum process_class x = a->worker->class, y = b->worker->class;
	size_t i;

	if (a->link == NULL || b->link == NULL || a->role == ROLE_LEAVER ||
	    b->role == ROLE_LEAVER)
		return (false);
	for (i = 0; i < nitems(pairs); i++)
		if ((pairs[i][0] == x && pairs[i][1] == y) ||
		    (pairs[i][0] == y && pairs[i][1] == x))
			return (true);
	return (false);
}

static struct wire *
wire_between(const struct child *a, const struct child *b)
{
	struct wire *w;

	TAILQ_FOREACH(w, &wires, entry)
		if ((w->end[0] == a && w->end[1] == b) ||
		    (w->end[0] == b && w->end[1] == a))
			return (w);
	return (NULL);
}

static int
wire_make(struct child *a, struct child *b)
{
	struct wire *w;
	int pair[2], rc = -1;

	if ((w = calloc(1, sizeof(*w))) == NULL)
		return (-1);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1) {
		free(w);
		return (-1);
	}
	w->generation = ++last_generation;
	w->end[0] = a;
	w->end[1] = b;
	w->made_ms = clock_mono_ms();
	if (wire_send(a, b, w->generation, pair[0]) == 0) {
		if (wire_send(b, a, w->generation, pair[1]) == 0)
			rc = 0;
		else
			wire_send_lost(a, b, w->generation, false);
	}
	/* The links have made duplicates of their own. */
	close(pair[0]);
	close(pair[1]);
	if (rc == 0)
		TAILQ_INSERT_TAIL(&wires, w, entry);
	else
		free(w);
	return (rc);
}

static int
wire_send(struct child *to, const struct child *peer, uint32_t generation,
    int fd)
{
	struct packer p = {0};
	int rc = -1;

	pack_u8(&p, (uint8_t)peer->worker->class);
	pack_u8(&p, (uint8_t)peer->worker->index);
	pack_u32(&p, generation);
	if (p.failed)
		errno = ENOMEM;
	else
		rc = link_send_fd(to->link, SUP_PEER_WIRE, 0, p.buf, p.len,
		    fd);
	pack_free(&p);
	return (rc);
}

static void
wire_send_lost(struct child *to, const struct child *lost,
    uint32_t generation, bool crashed)
{
	uint64_t job[SLOT_JOBS];
	struct packer p = {0};
	uint32_t i, n;

	if (to->link == NULL)
		return;
	n = crashed ? wire_jobs(lost->slot, job) : 0;
	pack_u8(&p, (uint8_t)lost->worker->class);
	pack_u8(&p, (uint8_t)lost->worker->index);
	pack_u32(&p, generation);
	pack_u32(&p, n);
	for (i = 0; i < n; i++)
		pack_u64(&p, job[i]);
	if (link_send_packed(to->link, SUP_PEER_LOST, 0, &p) == -1)
		log_warn("worker %s: cannot be told that %s is gone",
		    to->worker->name, lost->worker->name);
	pack_free(&p);
}

/* The jobs that a slot shows as under way; the dead do not change it. */
static uint32_t
wire_jobs(const struct slot *s, uint64_t job[SLOT_JOBS])
{
	uint32_t i, n = 0;

	for (i = 0; i < SLOT_JOBS; i++)
		if ((job[n] = s->job[i]) != 0)
			n++;
	return (n);
}
