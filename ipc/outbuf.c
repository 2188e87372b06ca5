/*
 * Frames that wait to be written; see outbuf.h.  Called by link.c only.  On
 * lack of memory nothing has changed.
 */
#include <sys/socket.h>
#include <sys/uio.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ipc/frame.h"
#include "ipc/outbuf.h"

/* Moves what is pending to the front before it asks for memory. */
int
outbuf_room(struct outbuf *o, size_t n)
{
	size_t size = o->size ? o->size : 4096;
	uint8_t *buf;

	if (o->size - o->len >= n)
		return (0);
	if (o->off > 0) {
		memmove(o->buf, o->buf + o->off, o->len - o->off);
		for (size_t i = o->fdoff; i < o->nfds; i++)
			o->fd[i].at -= o->off;
		o->len -= o->off;
		o->edge -= o->off;
		o->off = 0;
		if (o->size - o->len >= n)
			return (0);
	}
	while (size - o->len < n)
		size *= 2;
	if ((buf = realloc(o->buf, size)) == NULL)
		return (-1);
	o->buf = buf;
	o->size = size;
	return (0);
}

int
outbuf_add_fd(struct outbuf *o, int fd)
{
	void *p;

	if (o->nfds == o->fdsize) {
		size_t n = o->fdsize ? o->fdsize * 2 : 8;

		if ((p = reallocarray(o->fd, n, sizeof(*o->fd))) == NULL)
			return (-1);
		o->fd = p;
		o->fdsize = n;
	}
	if ((fd = fcntl(fd, F_DUPFD_CLOEXEC, 0)) == -1)
		return (-1);
	o->fd[o->nfds].at = o->len;
	o->fd[o->nfds++].fd = fd;
	return (0);
}

void
outbuf_free(struct outbuf *o)
{
	for (size_t i = o->fdoff; i < o->nfds; i++)
		close(o->fd[i].fd);
	free(o->fd);
	free(o->buf);
	*o = (struct outbuf){ 0 };
}

void
outbuf_consume(struct outbuf *o, size_t n)
{
	struct frame_header h;

	o->off += n;
	while (o->edge < o->off) {
		memcpy(&h, o->buf + o->edge, sizeof(h));
		o->edge += sizeof(h) + (h.flags & FRAME_MEMFD ? 0 : h.length);
	}
	if (o->off < o->len)
		return;
	o->off = o->len = o->edge = 0;
	o->nfds = o->fdoff = 0;
	if (o->size > OUTBUF_KEEP_BYTES) {
		free(o->buf);
		o->buf = NULL;
		o->size = 0;
	}
}

/* A frame with a descriptor has to begin a sendmsg(2) of its own. */
ssize_t
outbuf_write(struct outbuf *o, int sock, size_t limit)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { o->buf + o->off, limit - o->off };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;
	size_t next = o->fdoff;
	bool with_fd = false;
	ssize_t n;

	if (next < o->nfds && o->fd[next].at == o->off) {
		memset(&control, 0, sizeof(control));
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control.buf);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &o->fd[next].fd, sizeof(int));
		with_fd = true;
		next++;
	}
	if (next < o->nfds && o->fd[next].at < limit)
		iov.iov_len = o->fd[next].at - o->off;
	do
		n = sendmsg(sock, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n == -1 && errno == EINTR);
	if (n > 0 && with_fd)
		close(o->fd[o->fdoff++].fd);
	return (n);
}
