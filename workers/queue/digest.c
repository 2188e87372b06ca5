/*
 * Digests: where a chat's rate would not carry its bulk away in time, many
 * low and normal events travel in one message.  The first of them leads: it
 * is rendered and called for all, and all end with it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "workers/queue/queue.h"

#define DIGEST_BYTES (1U << 20) /* of payloads in one digest */

static const char head[] = "{\"members\":[";

bool
digest_wanted(const struct chat *c, const struct job *j)
{
	return (queue.digest_max > 1 && j->lane == LANE_BULK &&
	    !(j->flags & DF_NODIGEST) && j->parts_done == 0 && !j->closing &&
	    j->ev->kind != EK_PROGRESS && j->ev->kind != EK_MODE &&
	    j->ev->kind != EK_APPROVAL && !j->ev->attached &&
	    sched_backlogged(c));
}

bool
digest_collect(struct chat *c, struct job *lead, int64_t now_ms)
{
	int64_t wall = clock_wall_ms();
	size_t bytes = lead->ev->payload_bytes;
	struct job *j, *next;
	bool silent;
	int n = 1;

	for (j = TAILQ_NEXT(lead, entry); j != NULL && n < queue.digest_max;
	    j = TAILQ_NEXT(j, entry))
		if (j->stage == JOB_QUEUED && evm_settled(j->ev))
			n++;
	if (n < queue.digest_max) {
		if (c->collecting_ms == 0)
			c->collecting_ms = now_ms;
		if (now_ms < c->collecting_ms + queue.digest_collect_ms)
			return (false);
	}
	c->collecting_ms = 0;
	for (j = TAILQ_NEXT(lead, entry); j != NULL; j = next) {
		next = TAILQ_NEXT(j, entry);
		if (lead->nmembers + 1 >= queue.digest_max)
			break;
		if (j->stage != JOB_QUEUED || !evm_settled(j->ev) ||
		    !digest_wanted(c, j) || !mode_allows(j, &silent) ||
		    j->not_before_ms > wall ||
		    (j->ev->expires_ms != 0 && j->ev->expires_ms <= wall))
			continue;
		bytes += j->ev->payload_bytes;
		if (bytes > DIGEST_BYTES)
			break;
		job_remove(j);
		j->leader = lead;
		TAILQ_INSERT_TAIL(&lead->members, j, entry);
		lead->nmembers++;
	}
	return (true);
}

/* The members' normalised events are JSON texts already: join them. */
int
digest_pack(const struct job *lead, struct packer *out)
{
	size_t size = sizeof(head) + lead->ev->payload_bytes + 64, at;
	const struct job *j;
	char *text;

	TAILQ_FOREACH(j, &lead->members, entry)
		size += j->ev->payload_bytes + 1;
	if ((text = malloc(size)) == NULL)
		return (-1);
	at = strlcpy(text, head, size);
	memcpy(text + at, lead->ev->payload, lead->ev->payload_bytes);
	at += lead->ev->payload_bytes;
	TAILQ_FOREACH(j, &lead->members, entry) {
		text[at++] = ',';
		memcpy(text + at, j->ev->payload, j->ev->payload_bytes);
		at += j->ev->payload_bytes;
	}
	at += (size_t)snprintf(text + at, size - at, "],\"total\":%d}",
	    lead->nmembers + 1);
	pack_blob(out, text, at);
	free(text);
	return (0);
}

void
digest_dissolve(struct job *lead)
{
	struct job *j;

	while ((j = TAILQ_FIRST(&lead->members)) != NULL) {
		TAILQ_REMOVE(&lead->members, j, entry);
		j->leader = NULL;
		j->flags |= lead->flags & (DF_NODIGEST | DF_AMBIGUOUS);
		j->not_before_ms = lead->not_before_ms;
		j->stage = JOB_QUEUED;
		job_save(j, DS_QUEUED);
		job_insert(j);
	}
	lead->nmembers = 0;
	job_drop_parts(lead);
	lead->stage = JOB_QUEUED;
}
