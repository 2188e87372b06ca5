/*
 * The list of commands that the bot shows in the chat's menu: sent once for
 * each token, beside the calls, when the token is known to be good.  Called
 * by telegram.c.  If it fails the bot works as well; it is tried again later,
 * unless Telegram will have none of it.
 */
#include <event2/event.h>

#include <stdbool.h>
#include <string.h>

#include "common/log.h"
#include "common/metrics.h"
#include "workers/telegram/telegram.h"

#define RETRY_MIN_MS 60000
#define RETRY_MAX_MS 3600000

static struct api *api;
static struct event *timer;
static enum token_state token;
static bool wanted, running, waiting;
static int64_t retry_ms;

static void commands_begin(void);
static void commands_later(int64_t);
static void commands_timer(evutil_socket_t, short, void *);

int
commands_init(struct event_base *base, struct api *a)
{
	api = a;
	timer = evtimer_new(base, commands_timer, NULL);
	return (timer == NULL ? -1 : 0);
}

void
commands_want(void)
{
	wanted = true;
	waiting = false;
	retry_ms = RETRY_MIN_MS;
	commands_begin();
}

void
commands_token(enum token_state t)
{
	token = t;
	commands_begin();
}

void
commands_stop(void)
{
	wanted = false;
}

void *
commands_arg(void)
{
	return (&wanted);
}

static void
commands_begin(void)
{
	struct buf body = { 0 };

	if (api == NULL || !wanted || running || waiting ||
	    token != TOKEN_GOOD)
		return;
	body_commands(&body);
	running = api_start_own(api, API_COMMANDS, &body, 0,
	    commands_arg()) == 0;
	buf_free(&body);
	if (!running)
		commands_later(0);
}

static void
commands_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
	waiting = false;
	commands_begin();
}

static void
commands_later(int64_t at_least_ms)
{
	int64_t ms = retry_ms > at_least_ms ? retry_ms : at_least_ms;
	const struct timeval tv = { ms / 1000, ms % 1000 * 1000 };

	if (!wanted)
		return;
	waiting = true;
	evtimer_add(timer, &tv);
	retry_ms = retry_ms * 2 < RETRY_MAX_MS ? retry_ms * 2 : RETRY_MAX_MS;
}

void
commands_done(const struct verdict *v)
{
	char text[256];

	running = false;
	if (v->stale) {
		commands_begin();
		return;
	}
	if (v->outcome == CO_DELIVERED) {
		wanted = false;
		return;
	}
	metric_addv(M_telegram_errors,
	    metrics_telegram_error(v->code, v->timed_out), 1);
	log_escape(text, sizeof(text), v->description,
	    strlen(v->description));
	log_notice("the list of commands was not set: %s", text);
	if (v->outcome == CO_REFUSED)
		wanted = false;
	else if (v->outcome != CO_UNAUTHORISED)
		commands_later(v->retry_after_ms);
}
