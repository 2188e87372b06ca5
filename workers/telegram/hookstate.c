/*
 * What to do about the webhook next: pure, the dice is a parameter.  Called
 * by hook.c when a request has ended.
 *
 * With a webhook wanted, it is set, and looked at now and then, since whoever
 * has the token can set another or none.  Without one, what an earlier life
 * of ours has set has to go before a poll can succeed; what somebody else has
 * set is theirs, and polling will say that it is in conflict.
 */
#include <string.h>

#include "workers/telegram/telegram.h"

#define BACKOFF_FIRST_MS 1000
#define BACKOFF_MAX_MS	 60000

enum wait_kind { NOW, CHECK, BACKOFF };

/* R(step, event) = next step, what is shown then, when. */
struct rule {
	enum hook_step next;
	enum poll_shown shown;
	enum wait_kind wait;
};

static const struct rule wanted[HOOK_STEPS][NHOOKEVENTS] = {
	[HOOK_SET] = {
		[HE_DONE] = { HOOK_LOOK, POLL_WEBHOOK, CHECK },
		[HE_REFUSED] = { HOOK_SET, POLL_OFF, BACKOFF },
		[HE_FAILED] = { HOOK_SET, POLL_OFF, BACKOFF },
	},
	[HOOK_LOOK] = {
		[HE_SAME] = { HOOK_LOOK, POLL_WEBHOOK, CHECK },
		[HE_OTHER] = { HOOK_SET, POLL_CONFLICT, NOW },
		[HE_NONE] = { HOOK_SET, POLL_OFF, NOW },
		[HE_REFUSED] = { HOOK_SET, POLL_OFF, BACKOFF },
		[HE_FAILED] = { HOOK_LOOK, POLL_WEBHOOK, BACKOFF },
	},
};

static const struct rule unwanted[HOOK_STEPS][NHOOKEVENTS] = {
	[HOOK_LOOK] = {
		[HE_SAME] = { HOOK_DELETE, POLL_OFF, NOW },
		[HE_OTHER] = { HOOK_REST, POLL_OFF, NOW },
		[HE_NONE] = { HOOK_REST, POLL_OFF, NOW },
		[HE_REFUSED] = { HOOK_REST, POLL_OFF, NOW },
		[HE_FAILED] = { HOOK_LOOK, POLL_OFF, BACKOFF },
	},
	[HOOK_DELETE] = {
		[HE_DONE] = { HOOK_REST, POLL_OFF, NOW },
		[HE_REFUSED] = { HOOK_REST, POLL_OFF, NOW },
		[HE_FAILED] = { HOOK_DELETE, POLL_OFF, BACKOFF },
	},
};

void
hookstate_init(struct hookstate *s, bool want, bool ours)
{
	memset(s, 0, sizeof(*s));
	s->wanted = want;
	s->step = want ? HOOK_SET : ours ? HOOK_LOOK : HOOK_REST;
	s->shown = POLL_OFF;
}

enum hook_event
hookstate_judge(const struct hookstate *s, const struct verdict *v,
    const char *is, const char *own)
{
	if (v->outcome == CO_REFUSED)
		return (HE_REFUSED);
	if (v->outcome != CO_DELIVERED)
		return (HE_FAILED);
	if (s->step != HOOK_LOOK)
		return (HE_DONE);
	return (*is == '\0' ? HE_NONE : strcmp(is, own) == 0 ? HE_SAME :
	    HE_OTHER);
}

int64_t
hookstate_event(struct hookstate *s, enum hook_event e, int64_t check_ms,
    int64_t retry_after_ms, uint32_t dice)
{
	const struct rule *r = s->wanted ? &wanted[s->step][e] :
	    &unwanted[s->step][e];
	int64_t ms = BACKOFF_FIRST_MS;
	unsigned int i;

	s->step = r->next;
	s->shown = r->shown;
	if (r->wait != BACKOFF) {
		s->failures = 0;
		return (r->wait == CHECK ? check_ms : 0);
	}
	for (i = 0; i < s->failures && ms < BACKOFF_MAX_MS; i++)
		ms *= 2;
	s->failures++;
	ms = ms * 3 / 4 + ms / 2 * (int64_t)(dice % 1024) / 1024;
	if (ms > BACKOFF_MAX_MS)
		ms = BACKOFF_MAX_MS;
	return (ms > retry_after_ms ? ms : retry_after_ms);
}
