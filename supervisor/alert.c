/*
 * Throttled workers, told to people: one alert when the crashes of a worker
 * become too many, one line when it has been stable again.  The supervisor
 * reads no event and makes none: it tells the queue, which does.
 *
 * The queue may itself be the one that crashes, or die with what it was told.
 * So each new one is told all that goes on, and what is over for a while; it
 * knows what it has had already by the time at which it began.
 *
 * Called by tree.c.
 */
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "ipc/pack.h"
#include "supervisor/supervisor.h"

#define OVER_MS 60000 /* told to new queues for so long */

static void alert_tell(const struct worker *);

void
alert_begin(struct worker *w, const char *how)
{
	struct episode *e = &w->episode;

	if (e->began_wall_ms != 0 && e->ended_ms == 0)
		return;
	e->began_wall_ms = clock_wall_ms();
	e->ended_ms = 0;
	strlcpy(e->how, how, sizeof(e->how));
	alert_tell(w);
}

void
alert_end(struct worker *w)
{
	if (w->episode.began_wall_ms == 0 || w->episode.ended_ms != 0)
		return;
	w->episode.ended_ms = clock_mono_ms();
	alert_tell(w);
}

void
alert_queue_ready(void)
{
	struct worker *w;

	TAILQ_FOREACH(w, &sup.workers, entry)
		if (w->episode.began_wall_ms != 0 &&
		    (w->episode.ended_ms == 0 ||
		    clock_mono_ms() - w->episode.ended_ms < OVER_MS))
			alert_tell(w);
}

/* If there is nobody to tell now, the next queue is told. */
static void
alert_tell(const struct worker *w)
{
	struct child *queue = tree_child(PC_QUEUE);
	struct packer p = {0};

	if (queue == NULL || queue->link == NULL || queue->ready_at_ms == 0)
		return;
	pack_u8(&p, w->episode.ended_ms != 0);
	pack_i64(&p, w->episode.began_wall_ms);
	pack_str(&p, w->name);
	pack_str(&p, w->episode.how);
	if (link_send_packed(queue->link, SUP_ALERT_TELL, 0, &p) == -1)
		log_warn("the queue cannot be told about %s", w->name);
	pack_free(&p);
}
