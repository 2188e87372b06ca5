/*
 * Talking with children: the link of each, what it may say, what it is told.
 *
 * Whatever a child sends is checked by the link for type and length and here
 * for sense; nonsense costs the child its link, and with it its life.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/conf.h"
#include "common/log.h"
#include "common/nitems.h"
#include "supervisor/supervisor.h"

static enum link_verdict child_message(struct link *, const struct frame *,
    void *);
static void child_closed(struct link *, enum link_end, void *);
static enum link_verdict child_ready(struct child *, const struct frame *);
static enum link_verdict child_drained(struct child *, const struct frame *);
static enum link_verdict child_link_lost(struct child *,
    const struct frame *);
static enum link_verdict child_text(struct child *, const struct frame *);
static enum link_verdict child_restart(struct child *, const struct frame *);
static void child_share_slots(struct child *);

static const struct link_ops child_ops = {
	.message = child_message,
	.closed = child_closed,
};

static const struct {
	enum msg_type type;
	enum link_verdict (*handle)(struct child *, const struct frame *);
} handlers[] = {
	{WORKER_LIFE_READY, child_ready},
	{WORKER_LIFE_DRAINED, child_drained},
	{WORKER_LINK_LOST, child_link_lost},
	{WORKER_TEXT_TELL, child_text},
	{WORKER_RESTART_ASK, child_restart},
};

/* Take over our end of a new child's link.  -1 with errno: fd stays. */
int
child_attach(struct child *c, int fd)
{
	c->link = link_new(sup.base, fd, PC_SUPERVISOR, c->worker->class, 0,
	    &child_ops, c);
	return (c->link == NULL ? -1 : 0);
}

struct child *
child_find(pid_t pid)
{
	struct child *c;

	TAILQ_FOREACH(c, &sup.children, entry)
		if (c->pid == pid)
			return (c);
	return (NULL);
}

/*
 * What every new child is told before it is wired: its configuration, its
 * listeners, the slots that it reads.
 */
void
child_introduce(struct child *c)
{
	child_configure(c);
	listen_share(c);
	child_share_slots(c);
}

void
child_configure(struct child *c)
{
	struct packer p = {0};
	char *text;

	if ((text = conf_export(sup.conf, c->worker->class)) == NULL) {
		log_warn("worker %s: cannot write its configuration",
		    c->worker->name);
		return;
	}
	pack_str(&p, text);
	if (c->link != NULL &&
	    link_send_packed(c->link, SUP_CONFIG_SET, 0, &p) == -1)
		log_warn("worker %s: cannot send its configuration",
		    c->worker->name);
	/* The token may be in both. */
	if (p.buf != NULL)
		explicit_bzero(p.buf, p.size);
	explicit_bzero(text, strlen(text));
	pack_free(&p);
	free(text);
}

/* The monitor reads all slots and the board; nobody else reads any. */
static void
child_share_slots(struct child *c)
{
	struct worker *w;

	if (c->worker->class != PC_MONITOR)
		return;
	child_share_slot(c, PC_SUPERVISOR, 0, sup.board_fd);
	TAILQ_FOREACH(w, &sup.workers, entry)
		if (w->slot != NULL)
			child_share_slot(c, w->class, w->index, w->slot_fd);
}

/*
 * Let the monitor read a slot.  It gets a description of its own that is open
 * for reading only, so that it cannot map the slot writable.
 */
void
child_share_slot(struct child *c, unsigned int class, unsigned int index,
    int fd)
{
	const uint8_t who[2] = {(uint8_t)class, (uint8_t)index};
	char path[32];
	int ro;

	if (c->link == NULL)
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if ((ro = open(path, O_RDONLY | O_CLOEXEC)) == -1 ||
	    link_send_fd(c->link, SUP_SLOT_SHARE, 0, who, sizeof(who), ro) ==
	    -1)
		log_warn("worker %s: cannot pass the slot of %s/%u",
		    c->worker->name, class_name(class), index);
	if (ro != -1)
		close(ro);
}

void
child_send(struct child *c, enum msg_type type)
{
	if (c->link != NULL && link_send(c->link, type, 0, NULL, 0) == -1)
		log_warn("worker %s: cannot send %s", c->worker->name,
		    msg_name(type));
}

void
child_send_u32(struct child *c, enum msg_type type, uint32_t value)
{
	if (c->link != NULL &&
	    link_send(c->link, type, 0, &value, sizeof(value)) == -1)
		log_warn("worker %s: cannot send %s", c->worker->name,
		    msg_name(type));
}

void
child_log_level(struct child *c, unsigned int level)
{
	uint8_t byte = (uint8_t)level;

	if (c->link != NULL)
		(void)link_send(c->link, SUP_LOG_SET, 0, &byte, sizeof(byte));
}

/* Ask for a text; control_text() gets it.  -1 if nobody can be asked. */
int
child_ask(struct child *c, uint64_t id, const char *what)
{
	struct packer p = {0};
	int rc;

	if (c->link == NULL)
		return (-1);
	pack_str(&p, what);
	rc = link_send_packed(c->link, SUP_TEXT_ASK, id, &p);
	pack_free(&p);
	return (rc);
}

void
child_kill(struct child *c, int sig)
{
	if (kill(c->pid, sig) == -1 && errno != ESRCH)
		log_warn("worker %s: cannot send signal %d to pid %d",
		    c->worker->name, sig, (int)c->pid);
}

static enum link_verdict
child_message(struct link *l, const struct frame *f, void *arg)
{
	size_t i;

	(void)l;
	for (i = 0; i < nitems(handlers); i++)
		if (handlers[i].type == f->type)
			return (handlers[i].handle(arg, f));
	return (LINK_BAD);
}

/*
 * End of file mostly means that it is dying, and SIGCHLD tells the rest.  A
 * child that only closed its link is of no use, either.
 */
static void
child_closed(struct link *l, enum link_end end, void *arg)
{
	struct child *c = arg;
	struct live_sample sample;

	if (end != LINK_EOF && liveness_read(c->pid, &sample) == 0 &&
	    sample.state != 'Z')
		log_warnx("worker %s (pid %d): its link is broken; killing it",
		    c->worker->name, (int)c->pid);
	c->link = NULL;
	link_free(l);
	child_kill(c, SIGKILL);
}

static enum link_verdict
child_ready(struct child *c, const struct frame *f)
{
	(void)f;
	if (!c->started || c->ready_at_ms != 0)
		return (LINK_BAD);
	c->ready_at_ms = clock_mono_ms();
	if (c->role == ROLE_SUCCESSOR)
		replace_ready(c);
	else if (c->role == ROLE_CURRENT)
		tree_event(c->worker, PE_READY);
	return (LINK_DONE);
}

static enum link_verdict
child_drained(struct child *c, const struct frame *f)
{
	(void)f;
	c->drained = true;
	if (sup.stopping)
		tree_changed(); /* shutdown.c has its own order */
	else if (c->role == ROLE_LEAVER)
		replace_drained(c);
	else if (c->role == ROLE_CURRENT)
		tree_event(c->worker, PE_DRAINED);
	return (LINK_DONE);
}

static enum link_verdict
child_link_lost(struct child *c, const struct frame *f)
{
	struct unpacker u;
	unsigned int class, index;
	uint32_t generation;

	unpack_init(&u, f->data, f->len);
	class = unpack_u8(&u);
	index = unpack_u8(&u);
	generation = unpack_u32(&u);
	if (!unpack_done(&u))
		return (LINK_BAD);
	wire_broken(c, class, index, generation);
	return (LINK_DONE);
}

static enum link_verdict
child_text(struct child *c, const struct frame *f)
{
	struct unpacker u;
	struct span text;

	unpack_init(&u, f->data, f->len);
	text = unpack_span(&u);
	if (!unpack_done(&u))
		return (LINK_BAD);
	if (f->id == OBITUARY_ASK)
		obituary_note(c, text.p, text.len);
	else
		control_text(f->id, text.p, text.len);
	return (LINK_DONE);
}

/* By command of an admin in the chat; as `cctgctl restart all`. */
static enum link_verdict
child_restart(struct child *c, const struct frame *f)
{
	struct worker *w;

	(void)c, (void)f;
	TAILQ_FOREACH(w, &sup.workers, entry)
		tree_restart(w, "asked for in the chat");
	return (LINK_DONE);
}
