/*
 * Health: one list of things that can be wrong, each with its severity and
 * its advice.  Pure: a view in, a judgement out.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/nitems.h"
#include "workers/monitor/health.h"

#define GRACE_MS 1000  /* as in status: DESIGN section 13 */
#define SILENT_MS 4000 /* the heartbeat comes each 1.5 s */

#define TELEGRAM_DOWN 3
#define POLLER_CONFLICT 2

static const char *const status_names[] = {
	[HEALTHY] = "healthy",
	[DEGRADED] = "degraded",
	[UNHEALTHY] = "unhealthy",
};

static void judge_acceptance(const struct view *, struct health *);
static void judge_workers(const struct view *, struct health *);
static void judge_telegram(const struct view *, struct health *);
static void judge_supervisor(const struct view *, struct health *);
static void issue(struct health *, enum health_status, const char *,
    const char *, ...) __attribute__((format(printf, 4, 5)));
static bool unready(const struct view_worker *);

/* In the order in which they are told. */
static void (*const judges[])(const struct view *, struct health *) = {
	judge_acceptance,
	judge_workers,
	judge_telegram,
	judge_supervisor,
};

void
health_judge(const struct view *v, struct health *h)
{
	memset(h, 0, sizeof(*h));
	for (size_t i = 0; i < nitems(judges); i++)
		judges[i](v, h);
}

const char *
health_status_name(enum health_status s)
{
	return (status_names[s]);
}

bool
health_ready(const struct view *v, const char **why)
{
	static char text[HEALTH_TEXT_SIZE];

	*why = text;
	if (v->nworkers == 0) {
		strlcpy(text, "the supervisor has not told its workers yet",
		    sizeof(text));
		return (false);
	}
	for (size_t i = 0; i < v->nworkers; i++)
		if (v->worker[i].state != WS_READY) {
			snprintf(text, sizeof(text), "worker %s is %s",
			    v->worker[i].name,
			    worker_state_name(v->worker[i].state));
			return (false);
		}
	if (view_gauge(v, PC_QUEUE, M_queue_accepting, 0, 1) == 0) {
		strlcpy(text, "the store refuses events", sizeof(text));
		return (false);
	}
	*why = "";
	return (true);
}

static void
judge_acceptance(const struct view *v, struct health *h)
{
	static const enum process_class needed[] = { PC_INTAKE, PC_QUEUE };
	const struct view_worker *w;
	bool queue_lives = false;

	for (size_t i = 0; i < nitems(needed); i++) {
		w = view_worker(v, needed[i]);
		if (w == NULL || unready(w))
			issue(h, UNHEALTHY, "wait a few seconds; if it lasts, "
			    "see cctgctl crashes and the log",
			    "events are not accepted: worker %s is %s",
			    w == NULL ? "queue" : w->name,
			    w == NULL ? "missing" :
			    worker_state_name(w->state));
		else if (needed[i] == PC_QUEUE)
			queue_lives = true;
	}
	if (queue_lives &&
	    view_gauge(v, PC_QUEUE, M_queue_accepting, 0, 1) == 0)
		issue(h, UNHEALTHY, "make room on the disk of state_dir, or "
		    "make it writable; the log names the error",
		    "events are not accepted: the store refuses them");
}

static void
judge_workers(const struct view *v, struct health *h)
{
	const struct view_worker *w;

	for (size_t i = 0; i < v->nworkers; i++) {
		w = &v->worker[i];
		if (w->class == PC_QUEUE || w->class == PC_INTAKE) {
			/* Not being ready is told already. */
			if (!unready(w) && w->silent_ms > SILENT_MS)
				issue(h, DEGRADED, "it will be replaced "
				    "unless it goes on",
				    "worker %s has been silent for %lld s",
				    w->name, (long long)w->silent_ms / 1000);
			continue;
		}
		if (unready(w))
			issue(h, DEGRADED, "see cctgctl crashes and the log",
			    "worker %s is %s", w->name,
			    worker_state_name(w->state));
		else if (w->silent_ms > SILENT_MS)
			issue(h, DEGRADED, "it will be replaced unless it "
			    "goes on", "worker %s has been silent for %lld s",
			    w->name, (long long)w->silent_ms / 1000);
	}
}

static void
judge_telegram(const struct view *v, struct health *h)
{
	if (view_gauge(v, PC_TELEGRAM, M_telegram_token_refused, 0, 1) == 1)
		issue(h, DEGRADED, "put the right token where it is read "
		    "from, and reload; events are kept meanwhile",
		    "Telegram refuses the bot token");
	else if (view_gauge(v, PC_TELEGRAM, M_telegram_state, 0, 3) ==
	    TELEGRAM_DOWN)
		issue(h, DEGRADED, "check the network and telegram.api_url; "
		    "events are kept meanwhile",
		    "Telegram cannot be reached");
	if (view_gauge(v, PC_TELEGRAM, M_telegram_poller, 0, 3) ==
	    POLLER_CONFLICT)
		issue(h, DEGRADED, "stop the other program, or give one of "
		    "the two another bot",
		    "another program polls for this bot");
}

/* What only the supervisor knows: listeners, workers that crash often. */
static void
judge_supervisor(const struct view *v, struct health *h)
{
	if (v->degraded && h->status == HEALTHY)
		issue(h, DEGRADED, "see cctgctl status and the log", "%s",
		    v->reason[0] != '\0' ? v->reason : "degraded");
}

static void
issue(struct health *h, enum health_status status, const char *advice,
    const char *fmt, ...)
{
	va_list ap;

	if (status > h->status)
		h->status = status;
	if (h->nissues == HEALTH_ISSUES)
		return;
	va_start(ap, fmt);
	vsnprintf(h->issue[h->nissues].text, HEALTH_TEXT_SIZE, fmt, ap);
	va_end(ap);
	h->issue[h->nissues++].advice = advice;
}

/* For so long that it matters; at the very start at once. */
static bool
unready(const struct view_worker *w)
{
	return (w->state != WS_READY && (!w->was_ready ||
	    w->state == WS_FAILED || w->state == WS_THROTTLED ||
	    w->unready_ms > GRACE_MS));
}

double
health_error_rate(const struct view *v)
{
	double errors = (double)view_errors(v);
	double all = errors + (double)v->cell[M_telegram_sent];

	return (all <= 0 ? -1 : 100 * errors / all);
}
