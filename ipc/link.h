/*
 * A link: framed messages over one end of a SOCK_STREAM socketpair, with
 * credit, control frames that overtake data, file descriptors and memfd
 * payloads.  Reads 64 KiB at a time, writes batches with one sendmsg(2).
 *
 * A link belongs to one event loop and is not thread-safe.  A malformed
 * frame, an end of file or an error closes the link and calls closed() once,
 * from the loop; it never ends the process.
 */
#ifndef IPC_LINK_H
#define IPC_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc/messages.h"
#include "ipc/pack.h"

struct event_base;
struct link;

/* What a handler sees.  data is valid until the handler returns. */
struct frame {
	enum msg_type type;
	uint64_t id;
	const void *data;
	size_t len;
	int fd; /* +fd messages: the handler owns it; -1 otherwise */
};

/* What a handler returns about the credit that the message cost. */
enum link_verdict {
	LINK_DONE,    /* give it back */
	LINK_KEEP,    /* the work is kept: link_release() will give it back */
	LINK_BAD      /* malformed: close the link, count it */
};

enum link_end { LINK_EOF, LINK_MALFORMED, LINK_ERROR };

struct link_ops {
	enum link_verdict (*message)(struct link *, const struct frame *,
	    void *arg);
	/* The link is closed; it may be freed here.  Not called by
	 * link_free(). */
	void (*closed)(struct link *, enum link_end, void *arg);
	/* Optional: credit or buffer space is there again after link_send()
	 * had failed with EAGAIN. */
	void (*writable)(struct link *, void *arg);
};

/*
 * Take over fd (made non-blocking).  self and peer are the classes at both
 * ends, for the check of who may send what; generation is that of this link,
 * put into every frame; frames of another are dropped and counted.
 * Returns NULL with errno.
 */
struct link *link_new(struct event_base *, int fd, enum process_class self,
    enum process_class peer, uint32_t generation, const struct link_ops *,
    void *arg);
/* Close and free.  Queued frames that were not written are dropped. */
void link_free(struct link *);

/*
 * Queue a message; it leaves at the end of this loop turn, or at once when
 * 64 KiB are waiting.  data is copied (payloads over 64 KiB travel as a
 * sealed memfd).  Returns 0, or -1 with errno: EAGAIN (no credit: keep the
 * work, writable() will tell), EMSGSIZE (outside the bounds of its type),
 * EPIPE (closed), EPERM (not ours to send), ENOMEM.
 */
int link_send(struct link *, enum msg_type, uint64_t id, const void *data,
    size_t len);
int link_send_packed(struct link *, enum msg_type, uint64_t id,
    const struct packer *);
/* The same with a descriptor, which is duplicated: the caller keeps its own.
 */
int link_send_fd(struct link *, enum msg_type, uint64_t id, const void *data,
    size_t len, int fd);
/* Would a message of that type and length find credit? */
bool link_can_send(const struct link *, enum msg_type, size_t len);
/* Messages for which there is credit: what a scheduler balances by. */
uint32_t link_credit(const struct link *);

/* Give back the credit of one message kept with LINK_KEEP, len as received.
 */
void link_release(struct link *, size_t len);
/* Hand out all that the peer sent before it died, then closed() if it did:
 * answers that are in the socket already are answers. */
void link_drain(struct link *);
/* Stop and resume reading altogether. */
void link_pause(struct link *, bool paused);

/* Write out everything queued on every link now, as far as the sockets take
 * it.  The loop does this by itself at the end of each turn. */
void link_flush_all(void);

uint32_t link_generation(const struct link *);
enum process_class link_peer(const struct link *);
/* Calls of link_send() that found no credit since the link began. */
uint64_t link_stalls(const struct link *);

const char *class_name(enum process_class);
/* -1 if there is no such class. */
int class_by_name(const char *);
bool class_is_pool(enum process_class);
const char *msg_name(enum msg_type);
const char *outcome_name(enum call_outcome);

#endif
