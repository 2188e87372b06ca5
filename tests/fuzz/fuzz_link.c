/*
 * Fuzz target: bytes from a peer that has lost its mind.  They go into a
 * link as they are, and every frame that comes out of it is read field by
 * field as the workers do.  The link may close; nothing else may happen.
 */
#include <sys/socket.h>

#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "common/log.h"
#include "ipc/frame.h"
#include "ipc/link.h"
#include "tests/fuzz/fuzz.h"

#define GENERATION 3

static struct event_base *base;
static bool closed;

static enum link_verdict on_message(struct link *, const struct frame *,
    void *);
static void on_closed(struct link *, enum link_end, void *);

static const struct link_ops ops = { .message = on_message,
	.closed = on_closed };

static enum link_verdict
on_message(struct link *l, const struct frame *f, void *arg)
{
	struct unpacker u;
	struct span s;
	size_t sum = 0, i;
	const uint8_t *p = f->data;
	volatile uint8_t last;

	(void)l, (void)arg;
	FUZZ_CHECK(f->type < NMSGS);
	FUZZ_CHECK(f->len >= msg_table[f->type].min);
	FUZZ_CHECK(f->len <= msg_table[f->type].max);
	for (i = 0; i < f->len; i++)
		last = p[i];
	(void)last;
	unpack_init(&u, f->data, f->len);
	unpack_u8(&u);
	unpack_u16(&u);
	for (i = 0; i < 20 && !u.failed; i++) {
		s = unpack_span(&u);
		sum += s.len;
		FUZZ_CHECK(sum <= f->len);
		if (s.len > 0)
			last = (uint8_t)s.p[s.len - 1];
	}
	if (f->fd != -1)
		close(f->fd);
	return (unpack_done(&u) ? LINK_DONE : LINK_BAD);
}

static void
on_closed(struct link *l, enum link_end end, void *arg)
{
	(void)l, (void)end, (void)arg;
	closed = true;
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	log_init("fuzz_link", (enum log_level)0, 0);
	base = event_base_new();
	FUZZ_CHECK(base != NULL);
	return (0);
}

static size_t
put_frame(uint8_t *buf, enum msg_type type, const void *data, size_t len)
{
	struct frame_header h = { .version = FRAME_VERSION,
		.type = (uint16_t)type, .length = (uint32_t)len,
		.generation = GENERATION };

	memcpy(buf, &h, sizeof(h));
	memcpy(buf + sizeof(h), data, len);
	return (sizeof(h) + len);
}

/* A submitted event, a query and a grant. */
size_t
fuzz_seed(const uint8_t *event, size_t len, uint8_t *buf, size_t size)
{
	static const uint32_t grant[2] = { 1, 100 };
	struct packer p = { 0 };
	size_t n = 0;
	int i;

	if (len > size / 4)
		len = size / 4;
	pack_u8(&p, ORIGIN_FILE);
	pack_u8(&p, 0);
	pack_u8(&p, 1);
	pack_u64(&p, 0);
	for (i = 0; i < 6; i++)
		pack_str(&p, "text");
	pack_blob(&p, event, len);
	n += put_frame(buf + n, INTAKE_EVENT_SUBMIT, p.buf, p.len);
	pack_reset(&p);
	pack_u32(&p, 0);
	pack_blob(&p, event, len);
	n += put_frame(buf + n, INTAKE_QUERY_ASK, p.buf, p.len);
	n += put_frame(buf + n, LINK_CREDIT_GRANT, grant, sizeof(grant));
	pack_free(&p);
	return (n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const struct timeval now = { 0, 0 };
	struct link *l;
	size_t done = 0;
	ssize_t n;
	int sv[2], i;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv) == -1)
		return (0);
	closed = false;
	l = link_new(base, sv[0], PC_QUEUE, PC_INTAKE, GENERATION, &ops, NULL);
	FUZZ_CHECK(l != NULL);
	for (i = 0; i < 64 && !closed; i++) {
		if (done < len && (n = write(sv[1], data + done,
		    len - done)) > 0)
			done += (size_t)n;
		else if (done == len)
			shutdown(sv[1], SHUT_WR);
		event_base_loopexit(base, &now);
		event_base_loop(base, 0);
	}
	close(sv[1]);
	link_free(l);
	return (0);
}
