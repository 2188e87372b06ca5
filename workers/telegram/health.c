/*
 * What is known about Telegram, and when to ask for more: pure, the clock is
 * a parameter.  Called by telegram.c whenever something has been learned.
 */
#include "workers/telegram/telegram.h"

#define PROBE_MIN_MS 1000   /* the host does not answer */
#define PROBE_MAX_MS 30000
#define TOKEN_MIN_MS 5000   /* the token is refused */
#define TOKEN_MAX_MS 300000
#define QUIET_MS     60000  /* nothing heard for so long: is it there? */

static int64_t doubled(int64_t, int64_t, unsigned int);

enum telegram_state
health_state(const struct health *h)
{
	if (!h->has_token)
		return (TS_OFF);
	if (h->token == TOKEN_BAD || h->breaker.state != BREAKER_CLOSED)
		return (TS_DOWN);
	if (h->token == TOKEN_UNKNOWN || h->breaker.failures > 0)
		return (TS_DEGRADED);
	return (TS_CONNECTED);
}

int64_t
health_probe_in_ms(const struct health *h, int64_t now_ms)
{
	int64_t in_ms;

	if (!h->has_token)
		return (-1);
	if (h->breaker.state == BREAKER_OPEN)
		in_ms = h->breaker.until_ms - now_ms;
	else if (h->token == TOKEN_BAD)
		in_ms = doubled(TOKEN_MIN_MS, TOKEN_MAX_MS,
		    h->refusals > 0 ? h->refusals - 1 : 0);
	else if (h->token == TOKEN_UNKNOWN || h->breaker.failures > 0)
		in_ms = doubled(PROBE_MIN_MS, PROBE_MAX_MS,
		    h->breaker.failures);
	else
		in_ms = h->heard_ms + QUIET_MS - now_ms;
	if (in_ms < h->not_before_ms - now_ms)
		in_ms = h->not_before_ms - now_ms;
	return (in_ms > 0 ? in_ms : 0);
}

bool
health_is_known(const struct health *h, int64_t now_ms)
{
	return (health_state(h) == TS_CONNECTED &&
	    now_ms - h->heard_ms < QUIET_MS);
}

static int64_t
doubled(int64_t first_ms, int64_t max_ms, unsigned int times)
{
	while (times-- > 0 && first_ms < max_ms)
		first_ms *= 2;
	return (first_ms < max_ms ? first_ms : max_ms);
}

unsigned int
health_parallel(unsigned int limit, unsigned int chats, int64_t waited_ms)
{
	if (limit < CALLS_PARALLEL_MAX && chats > 0 &&
	    (chats > 2 * limit || waited_ms >= PATIENCE_MS))
		return (limit + 1);
	return (limit);
}
