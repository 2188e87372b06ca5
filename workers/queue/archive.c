/*
 * History: payloads of ended events move into lz4 segments, and what is
 * older, more or larger than configured goes.  In small steps, only while
 * something is there to do, so that no event waits for it.
 */
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "common/clock.h"
#include "common/log.h"
#include "workers/queue/queue.h"

#define STEP_MS 60000	   /* between looks when there was nothing to do */
#define FULL_MS 500	   /* and while events are refused for want of room */
#define BUSY_MS 50	   /* between steps when there was */
#define SEGMENT_EVENTS 64  /* measured: 2.6 x at this size */
#define SEGMENT_BYTES (1U << 20)
#define PRUNE_EVENTS 200   /* a step */
#define SHRINK_PAGES 64    /* a step */

static struct event *step_event;
static struct {
	int64_t seq[SEGMENT_EVENTS];
	size_t n;
	struct packer text; /* each u64 seq, u8 encoding, u32 raw, blob */
	bool asked;
} segment;

static void archive_step(evutil_socket_t, short, void *);
static void archive_add(const struct store_event *, void *);
static bool archive_ask(void);

void
archive_init(void)
{
	const struct timeval tv = { STEP_MS / 1000, 0 };

	step_event = event_new(worker_base(), -1, 0, archive_step, NULL);
	if (step_event == NULL)
		fatalx("cannot create the archive's timer");
	event_add(step_event, &tv);
}

/* Events are refused until there is room: do not wait for the next look. */
void
archive_soon(void)
{
	if (step_event != NULL)
		event_active(step_event, 0, 0);
}

static void
archive_add(const struct store_event *ev, void *arg)
{
	(void)arg;
	if (segment.n == SEGMENT_EVENTS ||
	    segment.text.len + ev->payload_bytes > SEGMENT_BYTES)
		return;
	segment.seq[segment.n++] = ev->seq;
	pack_u64(&segment.text, (uint64_t)ev->seq);
	pack_u8(&segment.text, (uint8_t)ev->encoding);
	pack_u32(&segment.text, ev->raw_bytes);
	pack_blob(&segment.text, ev->payload, ev->payload_bytes);
}

/* Collect a segment and have it compressed; true if one is under way. */
static bool
archive_ask(void)
{
	static struct packer out;
	struct peer *p;

	if (segment.asked)
		return (true);
	segment.n = 0;
	pack_reset(&segment.text);
	if (queue.archive_after_ms <= 0 ||
	    (p = worker_peer_next(PC_COMPRESS, NULL)) == NULL ||
	    store_load_archivable(queue.store,
	    clock_wall_ms() - queue.archive_after_ms, SEGMENT_EVENTS,
	    archive_add, NULL) < SEGMENT_EVENTS || segment.n == 0)
		return (false);
	pack_reset(&out);
	pack_u8(&out, CMP_SEGMENT);
	pack_u32(&out, (uint32_t)segment.text.len);
	pack_blob(&out, segment.text.buf, segment.text.len);
	segment.asked = link_send_packed(p->link, QUEUE_COMPRESS_ASK,
	    ARCHIVE_ASK_ID, &out) == 0;
	return (segment.asked);
}

void
archive_packed(bool ok, const void *data, size_t len)
{
	if (!segment.asked)
		return;
	segment.asked = false;
	if (!ok || segment.n == 0)
		return;
	if (store_put_segment(queue.store, segment.seq, segment.n,
	    (uint32_t)segment.text.len, data, len) == -1)
		fatal("segment");
	commit_soon();
}

void
archive_compress_lost(void)
{
	segment.asked = false;
}

static void
archive_step(evutil_socket_t fd, short what, void *arg)
{
	struct timeval tv = { STEP_MS / 1000, 0 };
	int pruned = 0;
	bool busy;

	(void)fd, (void)what, (void)arg;
	if (!commit_failing()) {
		if (store_damaged(queue.store) != NULL)
			alert_damage();
		busy = archive_ask();
		pruned = store_prune(queue.store, &queue.prune,
		    clock_wall_ms(), PRUNE_EVENTS, false);
		/* Space that a backlog took is given back when it has gone. */
		if (pruned == 0 && queue.open_events == 0 &&
		    store_shrink(queue.store, SHRINK_PAGES) > 0)
			busy = true;
		if (busy || pruned == PRUNE_EVENTS)
			tv = (struct timeval){ 0, BUSY_MS * 1000 };
		if (pruned > 0)
			commit_soon();
		if (pruned == -1)
			log_warnx("history: cannot prune: %s",
			    store_error(queue.store));
		if (queue.full && tv.tv_sec > 0)
			tv = (struct timeval){ 0, FULL_MS * 1000 };
	}
	event_add(step_event, &tv);
}
