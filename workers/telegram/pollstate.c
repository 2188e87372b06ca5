/*
 * How polling goes: pure, the clock and the dice are parameters.  Called by
 * poll.c when a poll has ended.
 *
 * "Polling" is shown only when a poll has come back with an answer, so the
 * first one, and the first after any trouble, asks for an answer at once.
 *
 * Of two that poll with one token, Telegram ends the poll of the one that
 * asked earlier with 409.  Neither may give up, for the other may go at any
 * time; so both come back, ever more slowly.  That the other one has gone
 * shows when a few seconds of polling were not disturbed; it is taken as a
 * fact, which a new episode and a new log line would follow, when it could
 * not have been the other's pause.
 */
#include <string.h>

#include "workers/telegram/telegram.h"

static const struct {
	int64_t first_ms, longest_ms;
	enum poll_shown shown;
} events[NPOLLEVENTS] = {
#define POLL_ROW(name, first, longest, shown) \
	[PE_##name] = { (first) * 1000, (longest) * 1000, shown },
	POLL_EVENTS(POLL_ROW)
#undef POLL_ROW
};

/*
 * Telegram keeps updates for 24 hours and numbers them anew after a week
 * without any; in between, an offset does nothing, and later it hides those
 * with lower numbers.
 */
#define OFFSET_MS (2 * 86400000LL)

#define HASTE_MS 1000 /* after an answer that came too early */
#define CALM_MS	 (POLL_PROBE_S * 1000 - 500)

static void conflict_end(struct pollstate *, const struct poll_end *);
static int64_t backoff(struct pollstate *, enum poll_event, uint32_t);

void
pollstate_init(struct pollstate *s)
{
	memset(s, 0, sizeof(*s));
	s->shown = POLL_OFF;
	s->answered_ms = -1;
	s->limit = POLL_LIMIT_MAX;
}

int64_t
pollstate_timeout_s(const struct pollstate *s, int64_t full_s)
{
	if (s->shown == POLL_CONFLICT)
		return (full_s < POLL_PROBE_S ? full_s : POLL_PROBE_S);
	return (s->shown == POLL_POLLING ? full_s : 0);
}

int64_t
pollstate_event(struct pollstate *s, const struct poll_end *end,
    uint32_t dice)
{
	int64_t wait_ms;

	s->shown = events[end->event].shown;
	switch (end->event) {
	case PE_ANSWERED:
		if (s->conflict)
			conflict_end(s, end);
		s->limit = s->limit > POLL_LIMIT_MAX / 2 ? POLL_LIMIT_MAX :
		    s->limit * 2;
		break;
	case PE_CONFLICT:
		s->conflict = true;
		s->conflict_ms = end->now_ms;
		s->answered_ms = -1;
		break;
	case PE_GARBAGE:
		/* Too much of it, or one that cannot be read? */
		if (s->limit > 1)
			s->limit /= 2;
		break;
	default:
		break;
	}
	wait_ms = backoff(s, end->event, dice);
	/* Somebody in between does not let it wait. */
	if (end->event == PE_ANSWERED && end->updates == 0 &&
	    end->now_ms - end->began_ms < end->asked_s * 500)
		wait_ms = HASTE_MS;
	return (wait_ms > end->retry_after_ms ? wait_ms :
	    end->retry_after_ms);
}

/* Polls come back again: for how long, and is it over? */
static void
conflict_end(struct pollstate *s, const struct poll_end *end)
{
	if (s->answered_ms == -1)
		s->answered_ms = end->began_ms;
	if (end->now_ms - s->answered_ms < CALM_MS)
		s->shown = POLL_CONFLICT;
	else if (end->now_ms - s->conflict_ms >= POLL_EPISODE_MS)
		s->conflict = false;
}

/*
 * Each kind of failure has a wait of its own, doubled each time, by a quarter
 * more or less; an answer ends them, but for that of a conflict, which lasts
 * as long as the episode.
 */
static int64_t
backoff(struct pollstate *s, enum poll_event e, uint32_t dice)
{
	int64_t first_ms = events[e].first_ms, ms = first_ms;
	unsigned int i;

	if (e == PE_ANSWERED) {
		for (i = 0; i < NPOLLEVENTS; i++)
			if (i != PE_CONFLICT || !s->conflict)
				s->failures[i] = 0;
		return (0);
	}
	for (i = 0; i < s->failures[e] && ms < events[e].longest_ms; i++)
		ms = ms == 0 ? 1000 : 2 * ms;
	s->failures[e]++;
	ms = ms * 3 / 4 + ms / 2 * (int64_t)(dice % 1024) / 1024;
	if (ms < first_ms)
		ms = first_ms;
	return (ms < events[e].longest_ms ? ms : events[e].longest_ms);
}

int64_t
pollstate_offset(int64_t offset, int64_t heard_ms, int64_t now_ms)
{
	return (now_ms - heard_ms > OFFSET_MS ? 0 : offset);
}

enum poll_event
pollstate_judge(const struct verdict *v, bool has_list)
{
	if (v->outcome == CO_DELIVERED)
		return (has_list ? PE_ANSWERED : PE_GARBAGE);
	if (v->outcome == CO_RATE_LIMITED)
		return (PE_LIMITED);
	if (v->code == 409)
		return (PE_CONFLICT);
	if (v->timed_out)
		return (PE_STALLED);
	return (v->status == 200 ? PE_GARBAGE : PE_FAILED);
}
