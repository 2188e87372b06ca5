/*
 * Rate budgets: how soon may a message go to a chat?  Pure: the clock is a
 * parameter, in monotonic milliseconds.
 *
 * Limits of the Bot API (core.telegram.org/bots/faq, "My bot is hitting
 * limits"): about 30 messages a second in all, 1 a second to one chat with
 * short bursts allowed, 20 a minute to one group.
 */
#ifndef QUEUE_RATE_H
#define QUEUE_RATE_H

#include <stdbool.h>
#include <stdint.h>

#define RATE_WINDOW_MAX 256 /* sends remembered; faster limits use a bucket */

struct rate_conf {
	double global;	     /* a second; 0: no limit */
	double private;	     /* a second */
	double private_burst;
	double group_per_minute;
};

/* At most n in any period; for n beyond RATE_WINDOW_MAX, n and the period
 * are divided alike. */
struct rate_window {
	int n;
	int64_t period_ms;
	int count, head;
	int64_t *ring; /* times of the last n sends */
};

struct rate_bucket {
	double per_ms, burst, tokens;
	int64_t at_ms;
};

/* The budget of one chat, or of the whole bot. */
struct rate_budget {
	bool limited;
	bool windowed;
	struct rate_window window;
	struct rate_bucket bucket;
	int64_t last_ms;
};

/* Each returns 0 or -1 when out of memory. */
int rate_init_bot(struct rate_budget *, const struct rate_conf *);
int rate_init_chat(struct rate_budget *, const struct rate_conf *, bool group);
void rate_free(struct rate_budget *);

/*
 * Milliseconds until a message may go; 0: at once.  One place of each chat's
 * budget is kept for critical messages, and a group whose budget is half
 * spent gets the rest evenly spread, so that a place is free soon again.
 */
int64_t rate_wait(const struct rate_budget *, int64_t now_ms, bool critical);
void rate_take(struct rate_budget *, int64_t now_ms);
/* Sustained milliseconds a message; 0 without a limit. */
int64_t rate_interval_ms(const struct rate_budget *);

#endif
