/*
 * The wall clock was set: by its owner, or by NTP on a machine that began in
 * 1970.  Whatever has to wait for a while, or may wait for a while, does so
 * for as long as before.  Time that the machine slept is no such jump.
 */
#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "workers/queue/person.h"
#include "workers/queue/prompt.h"
#include "workers/queue/queue.h"
#include "workers/queue/update.h"

#define META_JUMPS "clock.jumps"

static void
jump_event(struct evm *ev, void *arg)
{
	if (ev->expires_ms != 0)
		ev->expires_ms += *(const int64_t *)arg;
}

static void
jump_job(struct job *j, void *arg)
{
	if (j->not_before_ms == 0)
		return;
	j->not_before_ms += *(const int64_t *)arg;
	if (j->in_lane)
		job_save(j, DS_QUEUED);
}

void
jump_load(void)
{
	char *text = store_get_meta(queue.store, META_JUMPS);

	if (text != NULL)
		skew_load(text);
	free(text);
}

int64_t
jump_wall_ms(void)
{
	jump_check();
	return (clock_wall_ms());
}

void
jump_check(void)
{
	int64_t by_ms = skew_look(clock_wall_ms(), clock_steady_ms());
	char *text;

	if (by_ms == 0)
		return;
	log_notice("the clock was set %s by %.1f s; nothing waits longer or "
	    "shorter for it", by_ms > 0 ? "forward" : "back",
	    (double)llabs(by_ms) / 1000);
	/* What comes from now on has times of the new clock. */
	skew_add(store_next_seq(queue.store), by_ms);
	if ((text = skew_text()) == NULL ||
	    store_put_meta(queue.store, META_JUMPS, text) == -1)
		fatal("clock");
	free(text);
	evm_iterate(jump_event, &by_ms);
	job_iterate(jump_job, &by_ms);
	mode_clock_set(by_ms);
	silence_clock_set(by_ms);
	prompt_clock_set(by_ms);
	person_clock_set(by_ms);
	update_clock_set(by_ms);
	commit_soon();
}
