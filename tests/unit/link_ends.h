/*
 * Both ends of a link in one process, and what each of them saw.
 */
#ifndef LINK_ENDS_H
#define LINK_ENDS_H

#include <sys/socket.h>
#include <sys/types.h>

#include <dirent.h>
#include <err.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "common/log.h"
#include "common/metrics.h"
#include "common/scoreboard.h"
#include "ipc/frame.h"
#include "ipc/link.h"

#define GENERATION 7
#define SAW_MAX 4096

struct saw {
	enum msg_type type;
	uint64_t id;
	size_t len;
	int fd;
	bool good; /* the payload is the one that fill() made */
};

struct end {
	struct link *link;
	enum link_verdict verdict; /* what the handler returns */
	bool free_in_message, free_in_closed, free_in_writable;
	struct saw saw[SAW_MAX];
	size_t nsaw;
	int closed, writable;
	enum link_end how;
};

static struct event_base *base;
static uint8_t payload[MSG_MAX_BYTES];

/* What the message with that id and length holds. */
static inline void
fill(uint8_t *p, uint64_t id, size_t len)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(i * 7 + (i >> 8) + id * 13);
}

static inline bool
is_filled(const uint8_t *p, uint64_t id, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] != (uint8_t)(i * 7 + (i >> 8) + id * 13))
			return (false);
	return (true);
}

static inline enum link_verdict
end_message(struct link *l, const struct frame *f, void *arg)
{
	struct end *e = arg;

	if (e->nsaw < SAW_MAX)
		e->saw[e->nsaw++] = (struct saw){ f->type, f->id, f->len,
		    f->fd, is_filled(f->data, f->id, f->len) };
	if (e->free_in_message) {
		link_free(l);
		e->link = NULL;
	}
	return (e->verdict);
}

static inline void
end_closed(struct link *l, enum link_end how, void *arg)
{
	struct end *e = arg;

	e->closed++;
	e->how = how;
	if (e->free_in_closed) {
		link_free(l);
		e->link = NULL;
	}
}

static inline void
end_writable(struct link *l, void *arg)
{
	struct end *e = arg;

	e->writable++;
	if (e->free_in_writable) {
		link_free(l);
		e->link = NULL;
	}
}

static const struct link_ops end_ops = { end_message, end_closed,
	end_writable };

static inline void
end_open(struct end *e, int fd, enum process_class self,
    enum process_class peer, uint32_t generation)
{
	memset(e, 0, sizeof(*e));
	e->link = link_new(base, fd, self, peer, generation, &end_ops, e);
	if (e->link == NULL)
		err(1, "link_new");
}

/* A socketpair with a link at each end; buffer in bytes, 0 as it comes. */
static inline void
ends_open(struct end *a, enum process_class ca, struct end *b,
    enum process_class cb, int buffer)
{
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) == -1)
		err(1, "socketpair");
	for (int i = 0; i < 2 && buffer > 0; i++)
		setsockopt(sv[i], SOL_SOCKET, SO_SNDBUF, &buffer,
		    sizeof(buffer));
	end_open(a, sv[0], ca, cb, GENERATION);
	end_open(b, sv[1], cb, ca, GENERATION);
}

static inline void
ends_close(struct end *a, struct end *b)
{
	link_free(a->link);
	link_free(b->link);
	a->link = b->link = NULL;
}

/* Run the loop until nothing is left to do. */
static inline void
settle(void)
{
	int quiet = 0;
	uint64_t before;

	while (quiet < 3) {
		before = (uint64_t)metric_get(M_link_frames_in) +
		    (uint64_t)metric_get(M_link_bytes_in) +
		    (uint64_t)metric_get(M_link_bytes_out);
		event_base_loop(base, EVLOOP_NONBLOCK);
		quiet = before == (uint64_t)metric_get(M_link_frames_in) +
		    (uint64_t)metric_get(M_link_bytes_in) +
		    (uint64_t)metric_get(M_link_bytes_out) ? quiet + 1 : 0;
	}
}

static inline int
send_filled(struct end *e, enum msg_type type, uint64_t id, size_t len)
{
	fill(payload, id, len);
	return (link_send(e->link, type, id, payload, len));
}

static inline int
open_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return (n);
}

/* The loop, and a slot so that the counters count. */
static inline int
ends_setup(void **state)
{
	int fd;

	(void)state;
	log_init("test", (enum log_level)0, 0);
	if ((base = event_base_new()) == NULL || slot_create(&fd) == NULL ||
	    scoreboard_attach(fd) == -1)
		return (-1);
	close(fd);
	return (0);
}

#endif
