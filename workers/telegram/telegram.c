/*
 * cctg-telegram: makes the calls that the queue asks for, with one bot
 * token.  It decides neither when nor whether something is sent, and repeats
 * nothing but a text without its entities.
 *
 * This file has the life of the process, its configuration, what is known
 * about the token and the host, and the probes that find it out.  A token
 * that is refused, or a host that is down, never ends the process: calls are
 * answered with when to ask again, and getMe is tried until it succeeds.
 */
#include "config.h"

#include <event2/event.h>
#include <json-c/json.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/scoreboard.h"
#include "workers/telegram/telegram.h"
#include "workers/worker.h"

#define API_URL		   "https://api.telegram.org"
#define CONNECT_TIMEOUT_MS 10000
#define TIMEOUT_MS	   60000
#define POLL_TIMEOUT_MS	   50000 /* the most that the Bot API grants */

#define HOOK_CHECK_MS	   300000

#define OFF_RETRY_MS	   5000 /* when to ask again, without a token */
#define REFUSED_RETRY_MS   1000 /* at least, with a refused one */

static struct api *api;
static struct event *tick;
static struct health health;
static char *api_url, *token, *hook_url, *hook_secret;
static int64_t hook_check_ms;
static long connect_timeout_ms, timeout_ms;
static int64_t poll_timeout_ms;
static bool started, asking; /* asking: getMe is under way */
static char bot_name[sizeof(((struct reply *)NULL)->username)];
static int64_t probe_ms;     /* when it is due again */
static struct event *grace;

static int telegram_configure(struct json_object *, bool);
static int telegram_start(void);
static void telegram_peer_up(struct peer *);
static void telegram_peer_lost(struct peer *, const uint64_t *, size_t);
static enum link_verdict telegram_message(struct peer *,
    const struct frame *);
static void telegram_writable(struct peer *);
static void telegram_drain(uint32_t);
static void telegram_stop(void);
static bool replace(char **, const char *);
static void settings_apply(void);
static bool call_admit(struct verdict *);
static void call_failed(void);
static void call_idle(void);
static void request_done(void *, const struct verdict *,
    const struct reply *);
static void getme_done(const struct verdict *, const struct reply *);
static void name_set(const char *);
static void name_tell(struct peer *);
static void poll_heard(void);
static void host_judge(const struct verdict *);
static void token_judge(const struct verdict *);
static void token_set(enum token_state);
static void state_show(void);
static void probe_begin(void);
static void probe_schedule(void);
static void tick_cb(evutil_socket_t, short, void *);
static void grace_cb(evutil_socket_t, short, void *);

static const struct worker_ops ops = {
	.class = PC_TELEGRAM,
	.configure = telegram_configure,
	.peer_up = telegram_peer_up,
	.peer_lost = telegram_peer_lost,
	.start = telegram_start,
	.message = telegram_message,
	.writable = telegram_writable,
	.drain = telegram_drain,
	.stop = telegram_stop,
};

static const struct api_ops api_callbacks = {
	.begun = calls_begun,
	.done = request_done,
};

static const struct calls_ops calls_callbacks = {
	.admit = call_admit,
	.failed = call_failed,
	.idle = call_idle,
};

static const struct poll_ops poll_callbacks = {
	.heard = poll_heard,
	.doubted = probe_begin,
	.former = hook_former,
};

int
main(int argc, char **argv)
{
	return (worker_main(argc, argv, &ops));
}

/* Life. */

static int
telegram_configure(struct json_object *o, bool first)
{
	const char *s;
	char *url;

	(void)first;
	s = json_str(o, "telegram.api_url", API_URL);
	if (!api_url_ok(s)) {
		log_errx("telegram.api_url: not a URL of http or https");
		return (-1);
	}
	if ((url = strdup(s)) == NULL)
		fatal("configuration");
	while (*url != '\0' && url[strlen(url) - 1] == '/')
		url[strlen(url) - 1] = '\0';
	connect_timeout_ms = (long)json_i64(o, "telegram.connect_timeout_ms",
	    CONNECT_TIMEOUT_MS);
	timeout_ms = (long)json_i64(o, "telegram.timeout_ms", TIMEOUT_MS);
	poll_timeout_ms = json_i64(o, "telegram.poll_timeout_ms",
	    POLL_TIMEOUT_MS);
	replace(&hook_url, json_str(o, "telegram.webhook.url", ""));
	replace(&hook_secret, json_str(o, "telegram.webhook.secret", ""));
	hook_check_ms = json_i64(o, "telegram.webhook.check_ms",
	    HOOK_CHECK_MS);
	s = json_str(o, "telegram.token", json_str(o, "token", ""));
	/* Another host or another token: what was known is void. */
	if (replace(&api_url, url) | replace(&token, s)) {
		breaker_init(&health.breaker);
		token_set(TOKEN_UNKNOWN);
		commands_want();
	}
	health.has_token = *token != '\0';
	free(url);
	if (*token != '\0' && !token_is_valid(token))
		log_warnx("the bot token does not look like one, which is "
		    "digits, a colon and letters; trying it all the same");
	if (started)
		settings_apply();
	return (0);
}

/* Returns true if that is another text. */
static bool
replace(char **p, const char *s)
{
	if (*p != NULL && strcmp(*p, s) == 0)
		return (false);
	if (*p != NULL)
		freezero(*p, strlen(*p));
	if ((*p = strdup(s)) == NULL)
		fatal("configuration");
	return (true);
}

static int
telegram_start(void)
{
	if (api_init() == -1)
		return (-1);
	api = api_new(worker_base(), &api_callbacks, CALLS_PARALLEL_MAX,
	    M_telegram_connections);
	tick = evtimer_new(worker_base(), tick_cb, NULL);
	grace = evtimer_new(worker_base(), grace_cb, NULL);
	if (api == NULL || tick == NULL || grace == NULL ||
	    calls_init(worker_base(), api, &calls_callbacks) == -1 ||
	    commands_init(worker_base(), api) == -1 ||
	    hook_init(worker_base(), api) == -1 ||
	    poll_init(worker_base(), &poll_callbacks) == -1) {
		log_warn("cannot set up libcurl and its timers");
		return (-1);
	}
	started = true;
	settings_apply();
	return (0);
}

static void
settings_apply(void)
{
	const struct api_settings s = { .url = api_url, .token = token,
	    .connect_timeout_ms = connect_timeout_ms,
	    .timeout_ms = timeout_ms };
	const struct verdict off = { .outcome = CO_NOT_SENT,
	    .retry_after_ms = OFF_RETRY_MS, .description = "no bot token" };

	if (api_configure(api, &s) == -1)
		fatal("settings");
	hook_configure(hook_url, hook_secret, hook_check_ms);
	if (poll_configure(&s, poll_timeout_ms) == -1)
		fatal("settings");
	api_token_state(api, health.token);
	if (!worker_draining())
		calls_close(*token == '\0' ? &off : NULL);
	if (*token == '\0') {
		log_notice("no bot token (telegram.token_file, "
		    "TELEGRAM_BOT_TOKEN): nothing is sent");
		bot_name[0] = '\0';
		slot_note("");
	}
	state_show();
	if (health.token == TOKEN_UNKNOWN)
		probe_begin();
	probe_schedule();
}

static void
telegram_peer_up(struct peer *p)
{
	if (p->class != PC_QUEUE)
		return;
	calls_queue_up(p);
	if (bot_name[0] != '\0')
		name_tell(p);
}

static void
telegram_peer_lost(struct peer *p, const uint64_t *job, size_t n)
{
	(void)job, (void)n;
	if (p->class != PC_QUEUE)
		return;
	calls_queue_lost(p);
	poll_queue_lost(p);
	hook_queue_lost();
}

static enum link_verdict
telegram_message(struct peer *p, const struct frame *f)
{
	switch (f->type) {
	case QUEUE_CALL_ASK:
		return (calls_ask(p, f));
	case QUEUE_CALL_SEEN:
		return (calls_seen(f));
	case QUEUE_POLL_SET:
		return (poll_set(p, f));
	case QUEUE_UPDATE_SEEN:
		return (poll_seen(p, f));
	default:
		return (LINK_BAD);
	}
}

static void
telegram_writable(struct peer *p)
{
	if (p->class != PC_QUEUE)
		return;
	poll_writable(p);
	hook_tell();
}

/* Requests under way may end by themselves, for as long as there is time. */
static void
telegram_drain(uint32_t grace_ms)
{
	const struct verdict v = { .outcome = CO_NOT_SENT,
	    .description = "shutting down" };
	const struct timeval tv = { grace_ms / 1000,
	    grace_ms % 1000 * 1000 };

	poll_stop();
	commands_stop();
	hook_stop();
	calls_close(&v);
	if (calls_running() == 0)
		worker_drained();
	else
		evtimer_add(grace, &tv);
}

static void
grace_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
	log_notice("%u requests did not end in time; breaking them off",
	    calls_running());
	api_abort_all(api);
}

static void
telegram_stop(void)
{
	if (started) {
		poll_free();
		api_free(api);
	}
	api = NULL;
	freezero(token, strlen(token));
	freezero(hook_secret, strlen(hook_secret));
}

/* Calls. */

static bool
call_admit(struct verdict *v)
{
	int64_t wait_ms;

	if (health.token == TOKEN_BAD) {
		*v = (struct verdict){ .outcome = CO_UNAUTHORISED,
		    .description = "the bot token was refused" };
		v->retry_after_ms = probe_ms - clock_mono_ms();
		if (v->retry_after_ms < REFUSED_RETRY_MS)
			v->retry_after_ms = REFUSED_RETRY_MS;
		return (false);
	}
	if (breaker_admit(&health.breaker, clock_mono_ms(), &wait_ms))
		return (true);
	*v = (struct verdict){ .outcome = CO_NOT_SENT,
	    .retry_after_ms = wait_ms,
	    .description = "Telegram does not answer" };
	return (false);
}

static void
call_failed(void)
{
	breaker_probe_void(&health.breaker, clock_mono_ms());
}

static void
call_idle(void)
{
	if (worker_draining()) {
		evtimer_del(grace);
		worker_drained();
	}
}

static void
request_done(void *arg, const struct verdict *v, const struct reply *r)
{
	enum telegram_state before = (enum telegram_state)
	    metric_get(M_telegram_state);

	host_judge(v);
	if (arg == NULL)
		getme_done(v, r);
	else if (!v->stale)
		token_judge(v);
	if (arg == commands_arg()) {
		commands_done(v);
		arg = NULL;
	} else if (arg == hook_arg()) {
		hook_done(v, r);
		arg = NULL;
	}
	state_show();
	if (before != TS_CONNECTED ||
	    metric_get(M_telegram_state) != TS_CONNECTED)
		probe_schedule();
	if (arg != NULL)
		calls_done(arg, v);
}

/*
 * Polls tell that the host is there, never that it is not: their connection
 * may be cut where those of sends, which do not wait, are not.  A poll that
 * fails is a reason to ask, though; and so is one that succeeds while calls
 * fail, since it may have begun long before they did.
 */
static void
poll_heard(void)
{
	const struct verdict v = { .host = HOST_GOOD };

	if (health.breaker.state == BREAKER_CLOSED) {
		host_judge(&v);
		state_show();
		return;
	}
	breaker_hurry(&health.breaker, clock_mono_ms());
	probe_begin();
	probe_schedule();
}

static void
host_judge(const struct verdict *v)
{
	int64_t now = clock_mono_ms();
	char text[256];

	if (v->host == HOST_SILENT)
		return;
	if (v->host == HOST_GOOD) {
		health.heard_ms = now;
		if (health.breaker.state != BREAKER_CLOSED)
			log_notice("Telegram answers again");
		breaker_result(&health.breaker, true, now);
		return;
	}
	if (!breaker_result(&health.breaker, false, now))
		return;
	metric_add(M_telegram_breaker_opened, 1);
	log_escape(text, sizeof(text), v->description,
	    strlen(v->description));
	log_warnx("Telegram does not answer (%s); next try in %lld s", text,
	    (long long)health.breaker.backoff_ms / 1000);
}

/* What a call's outcome says about the token. */
static void
token_judge(const struct verdict *v)
{
	switch (v->outcome) {
	case CO_UNAUTHORISED:
		/* Several may come back so; getMe alone sets the pace. */
		if (health.token != TOKEN_BAD)
			token_set(TOKEN_BAD);
		break;
	case CO_DELIVERED:
	case CO_UNCHANGED:
	case CO_GONE:
	case CO_SUSPENDED:
	case CO_MIGRATED:
		if (health.token != TOKEN_GOOD)
			token_set(TOKEN_GOOD);
		break;
	default:
		if (v->token_doubt)
			probe_begin();
		break;
	}
}

static void
token_set(enum token_state s)
{
	if (s == TOKEN_BAD) {
		if (health.token != TOKEN_BAD)
			log_errx("Telegram refuses the bot token: events wait "
			    "until it takes it, or another");
		health.refusals++;
	} else {
		if (health.token == TOKEN_BAD && s == TOKEN_GOOD)
			log_notice("Telegram takes the bot token again");
		health.refusals = 0;
	}
	health.token = s;
	metric_set(M_telegram_token_refused, s == TOKEN_BAD);
	if (!started)
		return;
	api_token_state(api, s);
	poll_token(s);
	commands_token(s);
	hook_token(s);
}

/* Probes. */

static void
getme_done(const struct verdict *v, const struct reply *r)
{
	asking = false;
	if (v->stale) {
		probe_begin();
		return;
	}
	if (v->outcome == CO_DELIVERED) {
		token_set(TOKEN_GOOD);
		if (r->username[0] != '\0')
			name_set(r->username);
		return;
	}
	metric_addv(M_telegram_errors,
	    metrics_telegram_error(v->code, v->timed_out), 1);
	if (v->outcome == CO_UNAUTHORISED)
		token_set(TOKEN_BAD);
	else if (v->outcome == CO_RATE_LIMITED)
		health.not_before_ms = clock_mono_ms() + v->retry_after_ms;
}

/* Who the bot is: for status, and for commands that name another one. */
static void
name_set(const char *name)
{
	struct peer *p = worker_peer_next(PC_QUEUE, NULL);
	char note[sizeof(bot_name) + 1], shown[sizeof(note) * 4];

	if (strcmp(name, bot_name) == 0)
		return;
	strlcpy(bot_name, name, sizeof(bot_name));
	snprintf(note, sizeof(note), "@%s", name);
	slot_note(log_escape(shown, sizeof(shown), note, strlen(note)));
	if (p != NULL)
		name_tell(p);
}

static void
name_tell(struct peer *p)
{
	static struct packer out;

	pack_reset(&out);
	pack_str(&out, bot_name);
	if (link_send_packed(p->link, TELEGRAM_NAME_TELL, 0, &out) == -1)
		log_warn("cannot tell the queue that the bot is @%s",
		    bot_name);
}

static void
probe_begin(void)
{
	int64_t wait_ms;

	if (asking || *token == '\0' || worker_draining() ||
	    !breaker_admit(&health.breaker, clock_mono_ms(), &wait_ms))
		return;
	if (api_start_own(api, API_GETME, NULL, 0, NULL) == -1) {
		log_warn("cannot ask Telegram who the bot is; trying again");
		call_failed();
		return;
	}
	asking = true;
}

static void
probe_schedule(void)
{
	int64_t now = clock_mono_ms(), in_ms;
	struct timeval tv;

	if ((in_ms = health_probe_in_ms(&health, now)) == -1) {
		evtimer_del(tick);
		return;
	}
	probe_ms = now + in_ms;
	tv.tv_sec = in_ms / 1000;
	tv.tv_usec = in_ms % 1000 * 1000;
	evtimer_add(tick, &tv);
}

static void
tick_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
	if (!health_is_known(&health, clock_mono_ms()))
		probe_begin();
	probe_schedule();
}

static void
state_show(void)
{
	static enum telegram_state shown = TS_OFF;
	enum telegram_state s = health_state(&health);

	metric_set(M_telegram_state, s);
	if (s != shown)
		log_info("Telegram: %s", metrics_word(M_telegram_state, s));
	shown = s;
}
