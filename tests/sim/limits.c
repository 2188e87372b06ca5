/*
 * limits.c - rate limits and penalties.  Pure; the clock is a parameter.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "tests/sim/buf.h"
#include "tests/sim/limits.h"

static int64_t	spent_now(const struct limit *, int64_t, int64_t);
static int64_t	wait_bucket(const struct limit *, const struct limit_rates *,
		    int64_t);
static int64_t	wait_window(const struct limit *, int64_t, int64_t, int64_t);

/* What of the bucket is still spent; rate is tokens a second. */
static int64_t
spent_now(const struct limit *l, int64_t rate, int64_t now)
{
	int64_t	back, passed = now - l->at_ms;

	if (l->spent == 0 || passed > 3600 * 1000)
		return (0);
	back = passed * rate;
	return (back >= l->spent ? 0 : l->spent - back);
}

/* Milliseconds until a token is there. */
static int64_t
wait_bucket(const struct limit *l, const struct limit_rates *r, int64_t now)
{
	int64_t	burst, over, rate = r->private_rate;

	burst = r->private_burst > 0 ? r->private_burst : rate;
	over = spent_now(l, rate, now) + 1000 - burst * 1000;
	return (over <= 0 ? 0 : (over + rate - 1) / rate);
}

/* Milliseconds until the oldest call of a full window leaves it. */
static int64_t
wait_window(const struct limit *l, int64_t rate, int64_t per_ms, int64_t now)
{
	int64_t	oldest;

	if (l->size != (size_t)rate)
		return (0);
	oldest = l->log[l->head];
	return (oldest == 0 || now - oldest >= per_ms ? 0 :
	    oldest + per_ms - now);
}

int64_t
limit_ask(struct limit *l, const struct limit_rates *r,
    enum limit_class class, int64_t now)
{
	int64_t	wait = 0;

	if (now < l->until_ms)
		return ((l->until_ms - now + 999) / 1000);
	if (class == LIMIT_GLOBAL && r->global > 0)
		wait = wait_window(l, r->global, 1000, now);
	else if (class == LIMIT_GROUP && r->group > 0)
		wait = wait_window(l, r->group, 60000, now);
	else if (class == LIMIT_PRIVATE && r->private_rate > 0)
		wait = wait_bucket(l, r, now);
	if (wait == 0)
		return (0);
	wait = (wait + 999) / 1000;
	l->until_ms = now + wait * 1000;
	return (wait);
}

void
limit_note(struct limit *l, const struct limit_rates *r,
    enum limit_class class, int64_t now)
{
	int64_t	rate = class == LIMIT_GLOBAL ? r->global : r->group;

	if (class == LIMIT_PRIVATE) {
		if (r->private_rate > 0)
			l->spent = spent_now(l, r->private_rate, now) + 1000;
		l->at_ms = now;
		return;
	}
	if (rate <= 0)
		return;
	if (l->size != (size_t)rate) {
		limit_free(l);
		l->log = xcalloc((size_t)rate, sizeof(*l->log));
		l->size = (size_t)rate;
	}
	l->log[l->head] = now;
	l->head = (l->head + 1) % l->size;
}

void
limit_free(struct limit *l)
{
	free(l->log);
	l->log = NULL;
	l->size = l->head = 0;
}

int
limit_parse(struct limit_rates *r, const char *s)
{
	char		*copy, *rest, *tok, *val;
	const char	*error;
	int64_t		 n;
	size_t		 i;
	int		 ret = 0;
	const struct {
		const char	*name;
		int64_t		*to;
	} names[] = {
		{ "global", &r->global }, { "private", &r->private_rate },
		{ "private_burst", &r->private_burst }, { "group", &r->group }
	};

	rest = copy = xstrdup(s);
	while (ret == 0 && (tok = strsep(&rest, ",")) != NULL) {
		if ((val = strchr(tok, '=')) == NULL) {
			ret = -1;
			break;
		}
		*val++ = '\0';
		n = strtonum(val, 0, 1000000, &error);
		for (i = 0; i < nitems(names); i++)
			if (strcmp(names[i].name, tok) == 0)
				break;
		if (error != NULL || i == nitems(names))
			ret = -1;
		else
			*names[i].to = n;
	}
	free(copy);
	return (ret);
}
