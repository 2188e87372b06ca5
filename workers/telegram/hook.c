/*
 * The webhook at Telegram: set, looked after, and taken away when updates are
 * polled for again.  The updates themselves come to intake.  Called by
 * telegram.c, and by poll.c with what the queue remembers.
 *
 * The queue keeps the address that was set last, from before the request
 * until it is known to be gone, so that a daemon that was configured for
 * polling meanwhile knows whose webhook it finds.
 */
#include <event2/event.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/metrics.h"
#include "workers/telegram/telegram.h"
#include "workers/worker.h"

static struct api *api;
static struct event *timer;
static struct hookstate state;
static enum token_state token;
static char *url, *secret;   /* that are wanted, "" none */
static char *ours;	     /* what Telegram may have from us, "" none */
static char *told;	     /* what the queue has heard; NULL: ask again */
static int64_t check_ms;
static int64_t error_s;	     /* wall time of the last error that was logged */
static bool running, waiting, stopped;
static bool troubled;	     /* a failure was logged */

static void hook_set_text(char **, const char *);
static void hook_begin(void);
static void hook_later(int64_t);
static void hook_timer(evutil_socket_t, short, void *);
static void hook_show(void);
static void hook_log(enum hook_event, const struct verdict *);
static void hook_errors(const struct reply *);

int
hook_init(struct event_base *base, struct api *a)
{
	api = a;
	hook_set_text(&url, "");
	hook_set_text(&secret, "");
	hook_set_text(&ours, "");
	timer = evtimer_new(base, hook_timer, NULL);
	return (timer == NULL ? -1 : 0);
}

void
hook_configure(const char *u, const char *s, int64_t ms)
{
	bool same = strcmp(u, url) == 0 && strcmp(s, secret) == 0;

	check_ms = ms;
	hook_set_text(&url, u);
	hook_set_text(&secret, s);
	if (same)
		return;
	error_s = clock_wall_ms() / 1000;
	hookstate_init(&state, *url != '\0', *ours != '\0');
	waiting = false;
	hook_show();
	hook_begin();
}

void
hook_former(const char *u)
{
	hook_set_text(&told, u);
	if (*ours == '\0')
		hook_set_text(&ours, u);
	if (!state.wanted && state.step == HOOK_REST && *ours != '\0')
		hookstate_init(&state, false, true);
	hook_tell();
	hook_show();
	hook_begin();
}

/* Have the queue remember what Telegram may have from us. */
void
hook_tell(void)
{
	static struct packer out;
	struct peer *p = worker_peer_next(PC_QUEUE, NULL);

	if (p == NULL || told == NULL || strcmp(told, ours) == 0)
		return;
	pack_reset(&out);
	pack_str(&out, ours);
	if (link_send_packed(p->link, TELEGRAM_HOOK_TELL, 0, &out) == 0)
		hook_set_text(&told, ours);
	else if (errno != EPIPE)
		log_warn("cannot tell the queue about the webhook");
}

void
hook_queue_lost(void)
{
	free(told);
	told = NULL;
}

/* Another token, or another host, has webhooks of its own. */
void
hook_token(enum token_state t)
{
	token = t;
	if (t == TOKEN_UNKNOWN && url != NULL && !running) {
		hookstate_init(&state, *url != '\0', *ours != '\0');
		waiting = false;
		hook_show();
	}
	hook_begin();
}

void
hook_stop(void)
{
	stopped = true;
	if (timer != NULL)
		evtimer_del(timer);
}

void *
hook_arg(void)
{
	return (&state);
}

static void
hook_set_text(char **p, const char *s)
{
	char *copy;

	if ((copy = strdup(s)) == NULL)
		fatal("webhook");
	free(*p);
	*p = copy;
}

static void
hook_begin(void)
{
	static const enum api_method methods[HOOK_STEPS] = {
		[HOOK_SET] = API_SETHOOK,
		[HOOK_LOOK] = API_HOOKINFO,
		[HOOK_DELETE] = API_NOHOOK,
	};
	struct buf body = { 0 };

	if (api == NULL || stopped || running || waiting ||
	    token != TOKEN_GOOD || state.step == HOOK_REST)
		return;
	if (state.step == HOOK_SET) {
		hook_set_text(&ours, url);
		hook_tell();
		body_webhook(&body, url, secret);
	} else
		buf_str(&body, "{}");
	running = api_start_own(api, methods[state.step], &body, 0,
	    hook_arg()) == 0;
	buf_free(&body);
	if (!running)
		hook_later(1000);
}

static void
hook_later(int64_t ms)
{
	const struct timeval tv = { ms / 1000, ms % 1000 * 1000 };

	if (stopped)
		return;
	waiting = true;
	evtimer_add(timer, &tv);
}

static void
hook_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
	waiting = false;
	hook_begin();
}

/* Polls wait until no webhook of ours can be there. */
static void
hook_show(void)
{
	poll_hold(state.wanted || state.step != HOOK_REST, state.shown);
}

void
hook_done(const struct verdict *v, const struct reply *r)
{
	enum hook_event e;
	int64_t ms;

	running = false;
	if (v->stale) {
		hookstate_init(&state, *url != '\0', *ours != '\0');
		hook_show();
		hook_begin();
		return;
	}
	if (v->outcome != CO_DELIVERED)
		metric_addv(M_telegram_errors,
		    metrics_telegram_error(v->code, v->timed_out), 1);
	e = hookstate_judge(&state, v, r->hook_url, *url != '\0' ? url : ours);
	hook_log(e, v);
	if (e == HE_SAME)
		hook_errors(r);
	ms = hookstate_event(&state, e, check_ms, v->retry_after_ms,
	    arc4random());
	if (state.step == HOOK_REST) {
		hook_set_text(&ours, "");
		hook_tell();
	} else if (ms > 0)
		hook_later(ms);
	hook_show();
	hook_begin();
}

/* Addresses may be secrets: none is logged. */
static void
hook_log(enum hook_event e, const struct verdict *v)
{
	char text[256];

	switch (e) {
	case HE_DONE:
		log_notice("the webhook is %s", state.step == HOOK_SET ?
		    "set: Telegram sends updates there" :
		    "taken away: updates are polled for");
		break;
	case HE_OTHER:
		if (state.wanted)
			log_warnx("another program has set another webhook "
			    "for this bot; setting ours again");
		break;
	case HE_NONE:
		if (state.wanted)
			log_warnx("another program has taken the webhook "
			    "away; setting it again");
		break;
	case HE_REFUSED:
	case HE_FAILED:
		if (troubled)
			return;
		troubled = true;
		log_escape(text, sizeof(text), v->description,
		    strlen(v->description));
		log_warnx("webhook: %s; trying again", text);
		return;
	default:
		break;
	}
	troubled = false;
}

/* What Telegram says about its attempts to reach intake. */
static void
hook_errors(const struct reply *r)
{
	char text[256];

	if (r->hook_error_s <= error_s)
		return;
	error_s = r->hook_error_s;
	log_escape(text, sizeof(text), r->hook_error, strlen(r->hook_error));
	log_warnx("Telegram could not deliver to the webhook: %s", text);
}
