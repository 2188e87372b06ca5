/*
 * The circuit breaker of the API's host: pure, the clock is a parameter.
 * Called by telegram.c before a request begins and when one has ended.  What
 * counts as a failure of the host is decided in outcome.c.
 */
#include "workers/telegram/telegram.h"

/* How soon to ask again while a probe is under way. */
#define PROBE_WAIT_MS 500

static void breaker_open(struct breaker *, int64_t);

void
breaker_init(struct breaker *b)
{
	b->state = BREAKER_CLOSED;
	b->failures = 0;
	b->backoff_ms = 0;
	b->until_ms = 0;
}

bool
breaker_admit(struct breaker *b, int64_t now_ms, int64_t *wait_ms)
{
	*wait_ms = 0;
	switch (b->state) {
	case BREAKER_CLOSED:
		return (true);
	case BREAKER_OPEN:
		if (now_ms >= b->until_ms) {
			b->state = BREAKER_HALF;
			return (true);
		}
		*wait_ms = b->until_ms - now_ms;
		return (false);
	case BREAKER_HALF:
	default:
		*wait_ms = PROBE_WAIT_MS;
		return (false);
	}
}

bool
breaker_result(struct breaker *b, bool good, int64_t now_ms)
{
	if (good) {
		breaker_init(b);
		return (false);
	}
	b->failures++;
	switch (b->state) {
	case BREAKER_CLOSED:
		if (b->failures < BREAKER_FAILURES)
			return (false);
		break;
	case BREAKER_OPEN:
		/* One that was under way when it opened. */
		return (false);
	case BREAKER_HALF:
	default:
		break;
	}
	breaker_open(b, now_ms);
	return (true);
}

void
breaker_hurry(struct breaker *b, int64_t now_ms)
{
	if (b->state == BREAKER_OPEN && b->until_ms > now_ms)
		b->until_ms = now_ms;
}

void
breaker_probe_void(struct breaker *b, int64_t now_ms)
{
	if (b->state != BREAKER_HALF)
		return;
	b->state = BREAKER_OPEN;
	b->until_ms = now_ms;
}

static void
breaker_open(struct breaker *b, int64_t now_ms)
{
	b->backoff_ms = b->backoff_ms == 0 ? BREAKER_MIN_MS :
	    b->backoff_ms * 2;
	if (b->backoff_ms > BREAKER_MAX_MS)
		b->backoff_ms = BREAKER_MAX_MS;
	b->state = BREAKER_OPEN;
	b->until_ms = now_ms + b->backoff_ms;
}
