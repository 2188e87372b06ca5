/*
 * Frames that wait to be written to a socket, with the descriptors that
 * travel with them.
 */
#ifndef IPC_OUTBUF_H
#define IPC_OUTBUF_H

#include <sys/types.h>

#include <stddef.h>
#include <stdint.h>

#define OUTBUF_KEEP_BYTES (256U << 10) /* an idle one above it is given back */

struct outbuf {
	uint8_t *buf;
	size_t off, len, size; /* pending: off..len */
	size_t edge; /* the first frame boundary at or behind off */
	struct {
		size_t at; /* offset of the frame that carries it */
		int fd;
	} *fd;
	size_t nfds, fdsize, fdoff;
};

/* Make room for n more bytes behind len.  -1 with errno. */
int outbuf_room(struct outbuf *, size_t n);
/* Let a descriptor (duplicated) travel with the frame that will begin at len.
 * -1 with errno. */
int outbuf_add_fd(struct outbuf *, int fd);
/*
 * Write what is pending up to the offset limit, as far as the next frame that
 * carries a descriptor.  Bytes written, or -1 with errno.
 */
ssize_t outbuf_write(struct outbuf *, int sock, size_t limit);
/* The first n pending bytes are written. */
void outbuf_consume(struct outbuf *, size_t n);
void outbuf_free(struct outbuf *);

#endif
