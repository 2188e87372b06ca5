/*
 * Links: framed messages over one end of a stream socketpair.
 *
 * Called by workers/worker.c and the supervisor; knows nothing of what the
 * messages mean.  Never exits and never asserts on what a peer sent: a
 * malformed frame costs the link.
 *
 * Reading: 64 KiB a recvmsg(2); descriptors that came along wait in a FIFO,
 * and each frame flagged FRAME_FD or FRAME_MEMFD takes the next.  The kernel
 * delivers a descriptor no later than the first byte of the frame that it
 * was sent with (unix(7)), so it is always there in time.
 * Writing: frames collect in two buffers, control before data, and leave
 * with one sendmsg(2) when the loop has nothing else at hand.
 */
#include <sys/mman.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "common/log.h"
#include "common/metrics.h"
#include "ipc/credit.h"
#include "ipc/frame.h"
#include "ipc/link.h"
#include "ipc/memfd.h"
#include "ipc/outbuf.h"

#define READ_BYTES 65536  /* one read: measured best, see DESIGN section 11 */
#define FLUSH_BYTES 65536 /* queued bytes that leave without waiting */
#define FDS_MAX 64	  /* descriptors in one message, SCM_MAX_FD is 253 */
#define TURN_READS 4	  /* reads a loop turn, so that others get theirs */

_Static_assert(CREDIT_BYTES - CREDIT_BYTES / CREDIT_BYTES_PART >=
    MSG_MAX_BYTES, "an idle receiver leaves credit for any message");

struct link {
	struct event_base *base;
	struct event *rd, *wr;
	int fd;
	enum process_class self, peer;
	uint32_t generation;
	const struct link_ops *ops;
	void *arg;

	struct credit_tx tx;
	struct credit_rx rx;
	bool starved; /* a send failed with EAGAIN */
	bool paused;
	bool broken;	/* fails at the next read: closed() comes from there */
	bool dead;	/* closed() is due or done */
	bool in_dirty;
	bool full;	/* the last read filled its room: there may be more */
	bool reading;	/* inside link_read(): do not free */
	bool freed;	/* freed while reading */
	uint64_t stalls;

	uint8_t *in;
	size_t in_len, in_size;
	int *in_fd;
	size_t in_nfds, in_fdsize;

	struct outbuf out[2]; /* control, data */
	LIST_ENTRY(link) dirty;
};

enum { OUT_CONTROL, OUT_DATA };

static LIST_HEAD(, link) dirty = LIST_HEAD_INITIALIZER(dirty);
static struct event *flush_event;

static void link_readcb(evutil_socket_t, short, void *);
static void link_writecb(evutil_socket_t, short, void *);
static void link_flushcb(evutil_socket_t, short, void *);
static void link_mark(struct link *);
static void link_flush(struct link *);
static void link_break(struct link *);
static void link_fail(struct link *, enum link_end);
static bool link_read(struct link *);
static void link_destroy(struct link *);
static int link_queue(struct link *, enum msg_type, uint64_t, const void *,
    size_t, int, uint8_t);
static ssize_t link_recv(struct link *);
static int link_take_fds(struct link *, struct msghdr *);
static void link_drop_fds(struct cmsghdr *, size_t);
static int link_next_fd(struct link *);
static int link_parse(struct link *);
static int link_dispatch(struct link *, const struct frame_header *,
    const uint8_t *);
static int link_deliver(struct link *, struct frame *);
static int link_grant(struct link *, const struct frame *);
static void link_return_credit(struct link *);

struct link *
link_new(struct event_base *base, int fd, enum process_class self,
    enum process_class peer, uint32_t generation, const struct link_ops *ops,
    void *arg)
{
	struct link *l;

	if (evutil_make_socket_nonblocking(fd) == -1)
		return (NULL);
	if ((l = calloc(1, sizeof(*l))) == NULL)
		return (NULL);
	l->base = base;
	l->fd = fd;
	l->self = self;
	l->peer = peer;
	l->generation = generation;
	l->ops = ops;
	l->arg = arg;
	credit_tx_init(&l->tx, CREDIT_MSGS, CREDIT_MSGS_MAX, CREDIT_BYTES);
	credit_rx_init(&l->rx, CREDIT_MSGS, CREDIT_MSGS_MAX, CREDIT_BYTES);
	l->rd = event_new(base, fd, EV_READ | EV_PERSIST, link_readcb, l);
	l->wr = event_new(base, fd, EV_WRITE, link_writecb, l);
	if (flush_event == NULL)
		flush_event = event_new(base, -1, 0, link_flushcb, NULL);
	if (l->rd == NULL || l->wr == NULL || flush_event == NULL ||
	    event_add(l->rd, NULL) == -1) {
		l->fd = -1; /* stays the caller's */
		link_destroy(l);
		errno = ENOMEM;
		return (NULL);
	}
	return (l);
}

void
link_free(struct link *l)
{
	if (l == NULL)
		return;
	if (l->reading) {
		l->freed = l->dead = true;
		return;
	}
	link_destroy(l);
}

static void
link_destroy(struct link *l)
{
	if (l->in_dirty)
		LIST_REMOVE(l, dirty);
	if (l->rd != NULL)
		event_free(l->rd);
	if (l->wr != NULL)
		event_free(l->wr);
	if (l->fd != -1)
		close(l->fd);
	for (size_t i = 0; i < l->in_nfds; i++)
		close(l->in_fd[i]);
	free(l->in_fd);
	free(l->in);
	outbuf_free(&l->out[OUT_CONTROL]);
	outbuf_free(&l->out[OUT_DATA]);
	free(l);
}

/*
 * The link cannot go on, but its owner is in the middle of a call: closed()
 * comes from the loop.
 */
static void
link_break(struct link *l)
{
	l->broken = true;
	event_active(l->rd, EV_READ, 0);
}

/* The link is of no more use: tell its owner, once. */
static void
link_fail(struct link *l, enum link_end end)
{
	if (l->dead)
		return;
	l->dead = true;
	event_del(l->rd);
	event_del(l->wr);
	if (end == LINK_MALFORMED)
		metric_add(M_link_malformed, 1);
	if (l->ops->closed != NULL)
		l->ops->closed(l, end, l->arg);
}

/* Sending. */

int
link_send(struct link *l, enum msg_type type, uint64_t id, const void *data,
    size_t len)
{
	int fd, rc;

	if (len <= FRAME_INLINE_MAX)
		return (link_queue(l, type, id, data, len, -1, 0));
	if (type >= NMSGS || len > msg_table[type].max) {
		errno = EMSGSIZE;
		return (-1);
	}
	if (!link_can_send(l, type, len)) {
		/* Before a copy is made. */
		return (link_queue(l, type, id, NULL, len, -1, FRAME_MEMFD));
	}
	if ((fd = memfd_payload(data, len)) == -1)
		return (-1);
	rc = link_queue(l, type, id, NULL, len, fd, FRAME_MEMFD);
	close(fd);
	return (rc);
}

int
link_send_packed(struct link *l, enum msg_type type, uint64_t id,
    const struct packer *p)
{
	if (p->failed) {
		errno = ENOMEM;
		return (-1);
	}
	return (link_send(l, type, id, p->buf, p->len));
}

int
link_send_fd(struct link *l, enum msg_type type, uint64_t id,
    const void *data, size_t len, int fd)
{
	if (len > FRAME_INLINE_MAX) {
		errno = EMSGSIZE;
		return (-1);
	}
	return (link_queue(l, type, id, data, len, fd, FRAME_FD));
}

bool
link_can_send(const struct link *l, enum msg_type type, size_t len)
{
	uint32_t cost = msg_table[type].cost;

	if (l->dead)
		return (false);
	if (cost == 0)
		return (true);
	return (credit_can_spend(&l->tx, cost, (uint32_t)len));
}

uint32_t
link_credit(const struct link *l)
{
	return (l->dead ? 0 : credit_available(&l->tx));
}

static int
link_queue(struct link *l, enum msg_type type, uint64_t id, const void *data,
    size_t len, int fd, uint8_t flags)
{
	struct frame_header h = { .version = FRAME_VERSION, .flags = flags,
	    .type = (uint16_t)type, .length = (uint32_t)len, .id = id,
	    .generation = l->generation };
	size_t inlined = flags & FRAME_MEMFD ? 0 : len;
	struct outbuf *o;

	if (l->dead || l->broken) {
		errno = EPIPE;
		return (-1);
	}
	switch (frame_check(&h, l->self, l->peer)) {
	case FRAME_OK:
		break;
	case FRAME_BAD_LENGTH:
		errno = EMSGSIZE;
		return (-1);
	default:
		errno = EPERM;
		return (-1);
	}
	if (!link_can_send(l, type, len)) {
		l->starved = true;
		l->stalls++;
		metric_add(M_link_stalls, 1);
		errno = EAGAIN;
		return (-1);
	}
	o = &l->out[msg_table[type].cost == 0 ? OUT_CONTROL : OUT_DATA];
	if (outbuf_room(o, sizeof(h) + inlined) == -1 ||
	    (fd != -1 && outbuf_add_fd(o, fd) == -1))
		return (-1);
	memcpy(o->buf + o->len, &h, sizeof(h));
	if (inlined > 0)
		memcpy(o->buf + o->len + sizeof(h), data, inlined);
	o->len += sizeof(h) + inlined;
	credit_spend(&l->tx, msg_table[type].cost,
	    msg_table[type].cost == 0 ? 0 : (uint32_t)len);
	metric_add(M_link_frames_out, 1);
	if (flags & FRAME_MEMFD)
		metric_add(M_link_bytes_out, len);
	link_mark(l);
	if (o->len - o->off >= FLUSH_BYTES && !l->reading)
		link_flush(l);
	return (0);
}

static void
link_mark(struct link *l)
{
	if (l->in_dirty)
		return;
	if (LIST_EMPTY(&dirty))
		event_active(flush_event, 0, 0);
	LIST_INSERT_HEAD(&dirty, l, dirty);
	l->in_dirty = true;
}

/*
 * Control overtakes data, but only between frames: a data frame that is
 * partly in the socket is finished first.
 */
static void
link_flush(struct link *l)
{
	struct outbuf *c = &l->out[OUT_CONTROL], *d = &l->out[OUT_DATA], *o;
	size_t limit;
	ssize_t n;

	while (!l->dead && !l->broken) {
		if (d->off < d->edge) {
			o = d;
			limit = c->len > c->off ? d->edge : d->len;
		} else if (c->len > c->off) {
			o = c;
			limit = c->len;
		} else if (d->len > d->off) {
			o = d;
			limit = d->len;
		} else
			break;
		n = outbuf_write(o, l->fd, limit);
		if (n == -1 && (errno == EAGAIN || errno == ENOBUFS)) {
			event_add(l->wr, NULL);
			break;
		}
		if (n == -1) {
			if (errno != EPIPE && errno != ECONNRESET)
				log_warn("link to %s: write; closing it",
				    class_name(l->peer));
			link_break(l);
			break;
		}
		metric_add(M_link_bytes_out, (uint64_t)n);
		outbuf_consume(o, (size_t)n);
	}
}

void
link_flush_all(void)
{
	struct link *l;

	while ((l = LIST_FIRST(&dirty)) != NULL) {
		LIST_REMOVE(l, dirty);
		l->in_dirty = false;
		link_return_credit(l);
		link_flush(l);
	}
}

static void
link_flushcb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
	link_flush_all();
}

static void
link_writecb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	link_flush(arg);
}

/* Receiving. */

void
link_pause(struct link *l, bool paused)
{
	if (l->paused == paused || l->dead)
		return;
	l->paused = paused;
	if (paused)
		event_del(l->rd);
	else
		event_add(l->rd, NULL);
}

static void
link_readcb(evutil_socket_t fd, short what, void *arg)
{
	struct link *l = arg;
	bool more = !l->paused;

	(void)fd, (void)what;
	l->reading = true;
	for (int i = 0; i < TURN_READS && more; i++)
		more = link_read(l) && !l->paused && (l->full || l->broken);
	/* What the peer said before it went is still in the socket. */
	if (l->broken && !more)
		link_fail(l, LINK_ERROR);
	l->reading = false;
	if (l->freed)
		link_destroy(l);
	else if (!l->dead && l->in_len == 0 && l->in_size > OUTBUF_KEEP_BYTES) {
		free(l->in);
		l->in = NULL;
		l->in_size = 0;
	}
	link_flush_all();
}

void
link_drain(struct link *l)
{
	if (l == NULL || l->reading)
		return;
	l->reading = true;
	while (link_read(l))
		continue;
	l->reading = false;
	if (l->freed)
		link_destroy(l);
}

/* One read; false when there is nothing more or the link has ended. */
static bool
link_read(struct link *l)
{
	ssize_t n;

	if (l->dead)
		return (false);
	n = link_recv(l);
	if (n == -1 && errno == EAGAIN)
		return (false);
	if (n <= 0) {
		link_fail(l, n == 0 || errno == ECONNRESET ? LINK_EOF :
		    LINK_ERROR);
		return (false);
	}
	metric_add(M_link_bytes_in, (uint64_t)n);
	if (link_parse(l) == -1) {
		link_fail(l, LINK_MALFORMED);
		return (false);
	}
	return (!l->dead);
}

/* Returns bytes, 0 at the end of file, -1 with errno. */
static ssize_t
link_recv(struct link *l)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} control;
	struct iovec iov;
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
	    .msg_control = &control, .msg_controllen = sizeof(control.buf) };
	size_t size = l->in_size ? l->in_size : READ_BYTES;
	uint8_t *buf;
	ssize_t n;

	while (size - l->in_len < READ_BYTES)
		size *= 2;
	if (size != l->in_size) {
		if ((buf = realloc(l->in, size)) == NULL)
			return (-1);
		l->in = buf;
		l->in_size = size;
	}
	iov.iov_base = l->in + l->in_len;
	iov.iov_len = READ_BYTES;
	do
		n = recvmsg(l->fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	while (n == -1 && errno == EINTR);
	if (n == -1)
		return (-1);
	l->in_len += (size_t)n;
	l->full = n == READ_BYTES;
	if (link_take_fds(l, &msg) == -1)
		return (-1);
	return (n);
}

static void
link_drop_fds(struct cmsghdr *c, size_t n)
{
	int fd;

	for (size_t i = 0; i < n; i++) {
		memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
		close(fd);
	}
}

static int
link_take_fds(struct link *l, struct msghdr *msg)
{
	struct cmsghdr *c;
	size_t n;
	int *p;

	for (c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		if (l->in_nfds + n > l->in_fdsize) {
			p = reallocarray(l->in_fd, l->in_nfds + n,
			    sizeof(int));
			if (p == NULL) {
				link_drop_fds(c, n);
				errno = ENOMEM;
				return (-1);
			}
			l->in_fd = p;
			l->in_fdsize = l->in_nfds + n;
		}
		memcpy(l->in_fd + l->in_nfds, CMSG_DATA(c), n * sizeof(int));
		l->in_nfds += n;
	}
	if (msg->msg_flags & MSG_CTRUNC) {
		errno = EMFILE; /* no room for a descriptor: a frame lost */
		return (-1);
	}
	return (0);
}

static int
link_next_fd(struct link *l)
{
	int fd;

	if (l->in_nfds == 0)
		return (-1);
	fd = l->in_fd[0];
	memmove(l->in_fd, l->in_fd + 1, --l->in_nfds * sizeof(int));
	return (fd);
}

/* Hand out every whole frame.  Returns -1 if the stream makes no sense. */
static int
link_parse(struct link *l)
{
	struct frame_header h;
	size_t at = 0, inlined;
	enum frame_error e;

	while (!l->dead && l->in_len - at >= sizeof(h)) {
		memcpy(&h, l->in + at, sizeof(h));
		e = frame_check(&h, l->peer, l->self);
		if (e != FRAME_OK) {
			log_warnx("link to %s: %s (type %u, length %u); "
			    "closing it", class_name(l->peer),
			    frame_strerror(e), h.type, h.length);
			return (-1);
		}
		inlined = h.flags & FRAME_MEMFD ? 0 : h.length;
		if (l->in_len - at - sizeof(h) < inlined)
			break;
		if (link_dispatch(l, &h, l->in + at + sizeof(h)) == -1)
			return (-1);
		at += sizeof(h) + inlined;
	}
	if (at > 0) {
		memmove(l->in, l->in + at, l->in_len - at);
		l->in_len -= at;
	}
	/* Only the frame that has begun to arrive may have one waiting. */
	if (!l->dead && l->in_nfds > (l->in_len > 0)) {
		log_warnx("link to %s: %zu descriptors without a frame; "
		    "closing it", class_name(l->peer), l->in_nfds);
		return (-1);
	}
	return (0);
}

static int
link_dispatch(struct link *l, const struct frame_header *h,
    const uint8_t *inlined)
{
	struct frame f = { .type = h->type, .id = h->id, .len = h->length,
	    .data = inlined, .fd = -1 };
	const void *map = NULL;
	int fd = -1, rc;

	if (h->flags & (FRAME_MEMFD | FRAME_FD)) {
		if ((fd = link_next_fd(l)) == -1) {
			log_warnx("link to %s: %s without its descriptor; "
			    "closing it", class_name(l->peer),
			    msg_name(h->type));
			return (-1);
		}
	}
	metric_add(M_link_frames_in, 1);
	if (h->generation != l->generation) {
		if (fd != -1)
			close(fd);
		metric_add(M_link_stale, 1);
		return (0);
	}
	if (h->flags & FRAME_FD)
		f.fd = fd;
	if (h->flags & FRAME_MEMFD) {
		map = memfd_map(fd, f.len);
		close(fd);
		if (map == NULL) {
			log_warn("link to %s: payload of %s is unusable; "
			    "closing it", class_name(l->peer),
			    msg_name(h->type));
			return (-1);
		}
		f.data = map;
		metric_add(M_link_bytes_in, f.len);
	}
	rc = link_deliver(l, &f);
	if (map != NULL)
		munmap((void *)(uintptr_t)map, f.len);
	return (rc);
}

static int
link_deliver(struct link *l, struct frame *f)
{
	uint32_t cost = msg_table[f->type].cost;

	if (f->type == LINK_CREDIT_GRANT)
		return (link_grant(l, f));
	if (cost != 0 && credit_take(&l->rx, cost, (uint32_t)f->len) == -1) {
		log_warnx("link to %s: %s beyond its credit; closing it",
		    class_name(l->peer), msg_name(f->type));
		if (f->fd != -1)
			close(f->fd);
		return (-1);
	}
	switch (l->ops->message(l, f, l->arg)) {
	case LINK_DONE:
		if (cost != 0 && !l->dead)
			link_release(l, f->len);
		return (0);
	case LINK_KEEP:
		return (0);
	case LINK_BAD:
		break;
	}
	log_warnx("link to %s: malformed %s of %zu bytes; closing it",
	    class_name(l->peer), msg_name(f->type), f->len);
	return (-1);
}

static int
link_grant(struct link *l, const struct frame *f)
{
	struct unpacker u;
	uint32_t msgs, bytes;

	unpack_init(&u, f->data, f->len);
	msgs = unpack_u32(&u);
	bytes = unpack_u32(&u);
	if (!unpack_done(&u) || credit_receive_grant(&l->tx, msgs, bytes) == -1
	    || !credit_tx_ok(&l->tx)) {
		log_warnx("link to %s: impossible grant of %u messages, "
		    "%u bytes; closing it", class_name(l->peer), msgs, bytes);
		return (-1);
	}
	if (l->starved) {
		l->starved = false;
		if (l->ops->writable != NULL)
			l->ops->writable(l, l->arg);
	}
	return (0);
}

void
link_release(struct link *l, size_t len)
{
	if (l->dead || l->broken)
		return;
	credit_release(&l->rx, 1, (uint32_t)len);
	if (!credit_rx_ok(&l->rx)) {
		/* Our own arithmetic is wrong: this link cannot go on. */
		log_errx("link to %s: more credit released than taken; "
		    "closing it", class_name(l->peer));
		link_break(l);
		return;
	}
	link_mark(l);
}

static void
link_return_credit(struct link *l)
{
	uint32_t grant[2];

	if (l->dead || l->broken ||
	    !credit_grant_due(&l->rx, false, &grant[0], &grant[1]))
		return;
	if (link_queue(l, LINK_CREDIT_GRANT, 0, grant, sizeof(grant), -1, 0)
	    == -1) {
		log_warn("link to %s: cannot grant; closing it",
		    class_name(l->peer));
		link_break(l);
	}
}

uint32_t
link_generation(const struct link *l)
{
	return (l->generation);
}

enum process_class
link_peer(const struct link *l)
{
	return (l->peer);
}

uint64_t
link_stalls(const struct link *l)
{
	return (l->stalls);
}
