/*
 * The table of outcomes; see verdict.h.
 */
#include "workers/queue/verdict.h"

#define BACKOFF_FIRST_MS 500
#define BACKOFF_MAX_MS 30000
#define RATE_LIMITED_DEFAULT_MS 5000 /* 429 without a usable retry_after */
#define RATE_LIMITED_EXTRA_MS 1000   /* DESIGN allows up to 5 s more */
#define MOVES_MAX 3 /* of one delivery, followed at once */

enum wait_kind { W_NONE, W_BACKOFF, W_RETRY_AFTER };

static const struct {
	enum verdict_action action;
	enum verdict_scope scope;
	enum wait_kind wait;
	bool ambiguous;
} table[NOUTCOMES] = {
	[CO_DELIVERED] = { VA_DONE, VS_NOBODY, W_NONE, false },
	[CO_UNCHANGED] = { VA_DONE, VS_NOBODY, W_NONE, false },
	[CO_NOT_SENT] = { VA_RETRY, VS_CHAT, W_BACKOFF, false },
	[CO_RATE_LIMITED] = { VA_RETRY, VS_CHAT, W_RETRY_AFTER, false },
	[CO_AMBIGUOUS] = { VA_RETRY, VS_CHAT, W_BACKOFF, true },
	[CO_REFUSED] = { VA_DEAD, VS_NOBODY, W_NONE, false },
	[CO_GONE] = { VA_RENEW, VS_NOBODY, W_NONE, false },
	[CO_UNAUTHORISED] = { VA_RETRY, VS_BOT, W_BACKOFF, false },
	[CO_SUSPENDED] = { VA_SUSPEND, VS_NOBODY, W_NONE, false },
	[CO_MIGRATED] = { VA_MIGRATE, VS_NOBODY, W_NONE, false },
};

int64_t
backoff_ms(int n, double jitter)
{
	int64_t ms = BACKOFF_FIRST_MS;

	for (int i = 1; i < n && ms < BACKOFF_MAX_MS; i++)
		ms *= 2;
	if (ms > BACKOFF_MAX_MS)
		ms = BACKOFF_MAX_MS;
	return ((int64_t)((double)ms * (0.8 + 0.4 * jitter)));
}

struct verdict
verdict_decide(enum call_outcome o, int attempts, int64_t retry_after_ms,
    bool is_edit, bool is_progress, double jitter)
{
	struct verdict v = { table[o].action, table[o].scope, 0,
	    table[o].ambiguous };

	switch (table[o].wait) {
	case W_NONE:
		break;
	case W_BACKOFF:
		v.wait_ms = backoff_ms(attempts, jitter);
		if (retry_after_ms > v.wait_ms)
			v.wait_ms = retry_after_ms;
		break;
	case W_RETRY_AFTER:
		v.wait_ms = (retry_after_ms > 0 ? retry_after_ms :
		    RATE_LIMITED_DEFAULT_MS) +
		    (int64_t)(RATE_LIMITED_EXTRA_MS * jitter);
		break;
	}
	if (o == CO_AMBIGUOUS && is_edit)
		v.ambiguous = false; /* repeating it changes nothing */
	if (o == CO_AMBIGUOUS && is_progress && !is_edit) {
		v.action = VA_UNCERTAIN;
		v.scope = VS_NOBODY;
		v.wait_ms = 0;
	}
	/* Ids that lead in a circle must not be followed without a pause. */
	if (o == CO_MIGRATED && attempts > MOVES_MAX)
		v.wait_ms = backoff_ms(attempts - MOVES_MAX, jitter);
	if (o == CO_GONE && !is_edit)
		v.action = VA_DEAD;
	return (v);
}
