/*
 * Credit arithmetic of a link; see credit.h.  Called by link.c only, which
 * checks the invariants after every step.
 */
#include <stdbool.h>
#include <stdint.h>

#include "ipc/credit.h"

void
credit_tx_init(struct credit_tx *c, uint32_t msgs, uint32_t most,
    uint32_t bytes)
{
	c->most_msgs = most;
	c->window_bytes = bytes;
	c->granted_msgs = msgs;
	c->granted_bytes = bytes;
	c->spent_msgs = c->spent_bytes = 0;
}

void
credit_rx_init(struct credit_rx *c, uint32_t msgs, uint32_t most,
    uint32_t bytes)
{
	c->window_msgs = msgs;
	c->most_msgs = most;
	c->window_bytes = bytes;
	c->taken_msgs = c->taken_bytes = 0;
	c->returned_msgs = c->returned_bytes = 0;
	c->granted_msgs = c->granted_bytes = 0;
}

bool
credit_can_spend(const struct credit_tx *c, uint32_t n, uint32_t bytes)
{
	return (c->granted_msgs - c->spent_msgs >= n &&
	    c->granted_bytes - c->spent_bytes >= bytes);
}

uint32_t
credit_available(const struct credit_tx *c)
{
	return ((uint32_t)(c->granted_msgs - c->spent_msgs));
}

void
credit_spend(struct credit_tx *c, uint32_t n, uint32_t bytes)
{
	c->spent_msgs += n;
	c->spent_bytes += bytes;
}

int
credit_receive_grant(struct credit_tx *c, uint32_t msgs, uint32_t bytes)
{
	/* What was granted beyond the window was spent before. */
	if (c->granted_msgs + msgs > c->spent_msgs + c->most_msgs ||
	    c->granted_bytes + bytes > c->spent_bytes + c->window_bytes)
		return (-1);
	c->granted_msgs += msgs;
	c->granted_bytes += bytes;
	return (0);
}

int
credit_take(struct credit_rx *c, uint32_t n, uint32_t bytes)
{
	uint64_t limit_msgs = c->window_msgs + c->granted_msgs;
	uint64_t limit_bytes = c->window_bytes + c->granted_bytes;

	if (c->taken_msgs + n > limit_msgs ||
	    c->taken_bytes + bytes > limit_bytes)
		return (-1);
	c->taken_msgs += n;
	c->taken_bytes += bytes;
	return (0);
}

void
credit_release(struct credit_rx *c, uint32_t n, uint32_t bytes)
{
	c->returned_msgs += n;
	c->returned_bytes += bytes;
}

bool
credit_grant_due(struct credit_rx *c, bool force, uint32_t *msgs,
    uint32_t *bytes)
{
	uint64_t owed_msgs = c->returned_msgs - c->granted_msgs;
	uint64_t owed_bytes = c->returned_bytes - c->granted_bytes;
	uint32_t more = 0;

	if (owed_msgs == 0 && owed_bytes == 0)
		return (false);
	if (!force && owed_msgs < c->window_msgs / 2 &&
	    owed_bytes < c->window_bytes / CREDIT_BYTES_PART)
		return (false);
	if (c->taken_msgs == c->window_msgs + c->granted_msgs) {
		more = c->most_msgs - c->window_msgs;
		c->window_msgs = c->most_msgs;
	}
	*msgs = (uint32_t)owed_msgs + more;
	*bytes = (uint32_t)owed_bytes;
	c->granted_msgs += owed_msgs;
	c->granted_bytes += owed_bytes;
	return (true);
}

bool
credit_tx_ok(const struct credit_tx *c)
{
	return (c->spent_msgs <= c->granted_msgs &&
	    c->spent_bytes <= c->granted_bytes &&
	    c->granted_msgs - c->spent_msgs <= c->most_msgs &&
	    c->granted_bytes - c->spent_bytes <= c->window_bytes);
}

bool
credit_rx_ok(const struct credit_rx *c)
{
	return (c->granted_msgs <= c->returned_msgs &&
	    c->returned_msgs <= c->taken_msgs &&
	    c->taken_msgs <= c->window_msgs + c->granted_msgs &&
	    c->granted_bytes <= c->returned_bytes &&
	    c->returned_bytes <= c->taken_bytes &&
	    c->taken_bytes <= c->window_bytes + c->granted_bytes);
}
