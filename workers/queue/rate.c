/*
 * Rate budgets; see rate.h.  Pure but for the memory of the windows.
 */
#include <stdlib.h>
#include <string.h>

#include "workers/queue/rate.h"

/*
 * A send is counted when it leaves here and judged when it arrives there:
 * room for the difference between a slow and a fast way.
 */
#define MARGIN_MS 300
#define MINUTE_MS 60000

static int rate_window_init(struct rate_budget *, double, int64_t);
static int64_t rate_window_wait(const struct rate_window *, int64_t, int);
static int64_t rate_spread(const struct rate_budget *, int64_t);

static int
rate_window_init(struct rate_budget *b, double n, int64_t period_ms)
{
	struct rate_window *w = &b->window;

	while (n > RATE_WINDOW_MAX) {
		n /= 2;
		period_ms /= 2;
	}
	if (n < 1) { /* less than one a period: a longer period */
		period_ms = (int64_t)((double)period_ms / n);
		n = 1;
	}
	w->n = (int)n;
	w->period_ms = period_ms;
	w->count = w->head = 0;
	b->limited = b->windowed = true;
	w->ring = calloc((size_t)w->n, sizeof(*w->ring));
	return (w->ring == NULL ? -1 : 0);
}

int
rate_init_bot(struct rate_budget *b, const struct rate_conf *c)
{
	memset(b, 0, sizeof(*b));
	b->last_ms = INT64_MIN / 2;
	if (c->global <= 0)
		return (0);
	return (rate_window_init(b, c->global, 1000));
}

int
rate_init_chat(struct rate_budget *b, const struct rate_conf *c, bool group)
{
	memset(b, 0, sizeof(*b));
	b->last_ms = INT64_MIN / 2;
	if (group) {
		if (c->group_per_minute <= 0)
			return (0);
		return (rate_window_init(b, c->group_per_minute, MINUTE_MS));
	}
	if (c->private <= 0)
		return (0);
	b->limited = true;
	b->bucket.per_ms = c->private / 1000;
	b->bucket.burst = c->private_burst < 1 ? 1 : c->private_burst;
	b->bucket.tokens = b->bucket.burst;
	b->bucket.at_ms = INT64_MIN;
	return (0);
}

void
rate_free(struct rate_budget *b)
{
	free(b->window.ring);
	b->window.ring = NULL;
}

/* Until fewer than limit sends are within the last period. */
static int64_t
rate_window_wait(const struct rate_window *w, int64_t now, int limit)
{
	int64_t free_at;
	int i;

	if (limit < 1)
		limit = 1;
	if (w->count < limit)
		return (0);
	/* The limit-th last send must have left the period. */
	i = (w->head - limit + 2 * w->n) % w->n;
	free_at = w->ring[i] + w->period_ms +
	    (w->period_ms >= MINUTE_MS ? MARGIN_MS : MARGIN_MS / 10);
	return (free_at > now ? free_at - now : 0);
}

/* A group's second half of a minute's messages, evenly spread. */
static int64_t
rate_spread(const struct rate_budget *b, int64_t now)
{
	const struct rate_window *w = &b->window;
	int64_t gap, at;

	if (w->period_ms < MINUTE_MS || w->n < 4)
		return (0);
	if (rate_window_wait(w, now, w->n / 2) == 0)
		return (0);
	gap = (w->period_ms + MARGIN_MS) / (w->n - 1);
	at = b->last_ms + gap;
	return (at > now ? at - now : 0);
}

int64_t
rate_wait(const struct rate_budget *b, int64_t now, bool critical)
{
	const struct rate_bucket *k = &b->bucket;
	double tokens, need;
	int64_t wait, spread;

	if (!b->limited)
		return (0);
	if (b->windowed) {
		wait = rate_window_wait(&b->window, now,
		    critical ? b->window.n : b->window.n - 1);
		spread = critical ? 0 : rate_spread(b, now);
		return (wait > spread ? wait : spread);
	}
	need = critical || k->burst < 2 ? 1 : 2;
	tokens = k->tokens;
	if (k->at_ms != INT64_MIN)
		tokens += (double)(now - k->at_ms) * k->per_ms;
	if (tokens >= need || tokens >= k->burst)
		return (0);
	wait = (int64_t)((need - tokens) / k->per_ms) + 1;
	return (wait);
}

void
rate_take(struct rate_budget *b, int64_t now)
{
	struct rate_bucket *k = &b->bucket;
	struct rate_window *w = &b->window;

	if (!b->limited)
		return;
	b->last_ms = now;
	if (b->windowed) {
		w->ring[w->head] = now;
		w->head = (w->head + 1) % w->n;
		if (w->count < w->n)
			w->count++;
		return;
	}
	if (k->at_ms != INT64_MIN)
		k->tokens += (double)(now - k->at_ms) * k->per_ms;
	if (k->tokens > k->burst)
		k->tokens = k->burst;
	k->at_ms = now;
	k->tokens -= 1;
}

int64_t
rate_interval_ms(const struct rate_budget *b)
{
	if (!b->limited)
		return (0);
	if (b->windowed)
		return (b->window.period_ms / b->window.n);
	return ((int64_t)(1 / b->bucket.per_ms));
}
