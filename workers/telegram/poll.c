/*
 * Long polling: what people do in Telegram, told to the queue.  Called by
 * telegram.c; has connections of its own, so that no send waits for a poll.
 *
 * The queue says from where on it wants updates; before that nothing is
 * polled.  The updates of one answer are told one after the other, as the
 * queue has credit, and only when it has the last of them on disk the next
 * poll begins, whose offset lets Telegram forget them.  So an update whose
 * effect is not on disk comes again, to this process or to the next one, and
 * the queue knows those that it has had by their ids.
 *
 * When polls fail they are tried again for ever (pollstate.c), but for a
 * token that is refused: then getMe finds out when it is good again.
 */
#include <event2/event.h>
#include <json-c/json.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/metrics.h"
#include "workers/telegram/telegram.h"
#include "workers/worker.h"

#define SEEN_WAIT_S 5 /* a commit takes milliseconds */

static struct api *api;
static const struct poll_ops *ops;
static struct event *timer, *patience;
static struct pollstate state;
static enum token_state token;
static int64_t full_s;	       /* how long a poll may wait */
static struct peer *queue;     /* that wants updates; NULL: none does */
static int64_t offset;	       /* where it wants them from */
static int64_t heard_ms;       /* steady clock: since when that holds */
static char bot[24];	       /* the token's first part: whose ids those are */
static bool running, cancelling, stopped;
static bool troubled;	       /* a failure was logged */
static bool held;	       /* there is a webhook, or may be */
static enum poll_shown held_shown; /* … and that is shown */
static int64_t began_ms, asked_s; /* of the poll under way */
static int64_t not_before_ms;  /* the next */
static struct json_object *batch; /* of updates; NULL: none to be told */
static size_t batch_next;      /* to be told */
static int64_t batch_last;     /* the highest id in it */
static bool awaiting;	       /* that the queue has seen told_id */
static uint64_t told_id;

static void poll_consider(void);
static void poll_begin(void);
static void poll_cancel(void);
static void poll_timer(evutil_socket_t, short, void *);
static void poll_patience(evutil_socket_t, short, void *);
static void poll_done(void *, const struct verdict *, const struct reply *);
static void poll_show(void);
static void poll_log(const struct verdict *, enum poll_event, bool);
static bool list_check(struct json_object *, int64_t *);
static void batch_begin(struct json_object *);
static void batch_tell(void);
static int batch_tell_one(struct json_object *);
static void batch_drop(void);

static const struct api_ops api_callbacks = { .done = poll_done };

int
poll_init(struct event_base *base, const struct poll_ops *o)
{
	ops = o;
	pollstate_init(&state);
	poll_show();
	api = api_new(base, &api_callbacks, 1, M_telegram_poll_connections);
	timer = evtimer_new(base, poll_timer, NULL);
	patience = evtimer_new(base, poll_patience, NULL);
	return (api == NULL || timer == NULL || patience == NULL ? -1 : 0);
}

int
poll_configure(const struct api_settings *s, int64_t timeout_ms)
{
	char id[sizeof(bot)];

	if (api_configure(api, s) == -1)
		return (-1);
	/* Another bot's updates are numbered by themselves. */
	snprintf(id, sizeof(id), "%.*s", (int)strcspn(s->token, ":"),
	    s->token);
	if (*bot != '\0' && *id != '\0' && strcmp(bot, id) != 0) {
		batch_drop();
		offset = 0;
	}
	if (*id != '\0')
		strlcpy(bot, id, sizeof(bot));
	full_s = (timeout_ms + 999) / 1000;
	poll_cancel();
	pollstate_init(&state);
	not_before_ms = 0;
	poll_show();
	poll_consider();
	return (0);
}

void
poll_token(enum token_state t)
{
	token = t;
	api_token_state(api, t);
	if (t == TOKEN_GOOD)
		poll_consider();
	else
		poll_cancel();
}

void
poll_hold(bool hold, enum poll_shown shown)
{
	held_shown = shown;
	if (hold == held) {
		poll_show();
		return;
	}
	held = hold;
	poll_cancel();
	/* What the queue has not confirmed comes by the other way, too. */
	batch_drop();
	pollstate_init(&state);
	not_before_ms = 0;
	poll_show();
	poll_consider();
}

void
poll_stop(void)
{
	stopped = true;
	poll_cancel();
	batch_drop();
	evtimer_del(timer);
}

void
poll_free(void)
{
	batch_drop();
	api_free(api);
	api = NULL;
}

/* The queue. */

enum link_verdict
poll_set(struct peer *p, const struct frame *f)
{
	struct unpacker u;
	int64_t from;
	char *url;

	unpack_init(&u, f->data, f->len);
	from = unpack_i64(&u);
	url = span_dup(unpack_span(&u));
	if (url == NULL)
		fatal("poll");
	if (!unpack_done(&u)) {
		free(url);
		return (LINK_BAD);
	}
	poll_cancel();
	batch_drop();
	queue = p;
	offset = from;
	heard_ms = clock_steady_ms();
	ops->former(url);
	free(url);
	poll_consider();
	return (LINK_DONE);
}

enum link_verdict
poll_seen(struct peer *p, const struct frame *f)
{
	/* Those before the last one tell nothing new. */
	if (p != queue || !awaiting || f->id != told_id)
		return (LINK_DONE);
	awaiting = false;
	evtimer_del(patience);
	if (batch == NULL) {
		offset = batch_last + 1;
		poll_consider();
	}
	return (LINK_DONE);
}

/* There is nobody to tell: what comes now would only have to come again. */
void
poll_queue_lost(struct peer *p)
{
	if (p != queue)
		return;
	queue = NULL;
	poll_cancel();
	batch_drop();
}

void
poll_writable(struct peer *p)
{
	if (p == queue && batch != NULL)
		batch_tell();
}

/* Polls. */

/* Begin the next poll if its time has come. */
static void
poll_consider(void)
{
	int64_t wait_ms = not_before_ms - clock_mono_ms();
	struct timeval tv;

	if (stopped || held || running || queue == NULL ||
	    queue->link == NULL || batch != NULL || awaiting ||
	    token != TOKEN_GOOD)
		return;
	if (wait_ms <= 0) {
		poll_begin();
		return;
	}
	tv.tv_sec = wait_ms / 1000;
	tv.tv_usec = wait_ms % 1000 * 1000;
	evtimer_add(timer, &tv);
}

static void
poll_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
	poll_consider();
}

/* The queue does not say that it has them: give them to it again. */
static void
poll_patience(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
	if (batch != NULL || !awaiting)
		return;
	log_debug("update %llu was not confirmed; polling for it again",
	    (unsigned long long)told_id);
	awaiting = false;
	poll_consider();
}

static void
poll_begin(void)
{
	static struct buf body;

	asked_s = pollstate_timeout_s(&state, full_s);
	began_ms = clock_mono_ms();
	buf_reset(&body);
	body_updates(&body, pollstate_offset(offset, heard_ms,
	    clock_steady_ms()), state.limit, asked_s);
	if (api_start_own(api, API_UPDATES, &body,
	    asked_s * 1000 + POLL_STALL_MS, NULL) == -1) {
		log_warn("cannot begin a poll; trying again in 1 s");
		not_before_ms = began_ms + 1000;
		poll_consider();
		return;
	}
	running = true;
}

static void
poll_cancel(void)
{
	cancelling = true;
	api_abort_all(api);
	cancelling = running = false;
	state.shown = POLL_OFF;
	poll_show();
}

static void
poll_done(void *arg, const struct verdict *v, const struct reply *r)
{
	struct poll_end end = { .began_ms = began_ms, .asked_s = asked_s,
	    .now_ms = clock_mono_ms(), .retry_after_ms = v->retry_after_ms };
	bool was_conflict = state.conflict, usable;

	(void)arg;
	if (cancelling)
		return;
	running = false;
	usable = list_check(r->list, &batch_last);
	end.event = pollstate_judge(v, usable);
	end.updates = usable ? json_object_array_length(r->list) : 0;
	not_before_ms = end.now_ms + pollstate_event(&state, &end,
	    arc4random());
	poll_show();
	poll_log(v, end.event, was_conflict);
	if (end.event == PE_ANSWERED) {
		ops->heard();
		if (end.updates > 0)
			batch_begin(r->list);
	} else
		metric_addv(M_telegram_errors,
		    metrics_telegram_error(v->code, v->timed_out), 1);
	if (v->outcome == CO_UNAUTHORISED || v->host == HOST_FAILED)
		ops->doubted();
	poll_consider();
}

static void
poll_show(void)
{
	metric_set(M_telegram_poller, held ? held_shown : state.shown);
}

/* One line when it begins and one when it is over. */
static void
poll_log(const struct verdict *v, enum poll_event e, bool was_conflict)
{
	char text[256];

	log_escape(text, sizeof(text), v->description,
	    strlen(v->description));
	if (state.conflict && !was_conflict)
		log_warnx("another program polls with the token of this bot "
		    "(%s); polling goes on when it stops", text);
	else if (was_conflict && !state.conflict)
		log_notice("nobody else polls with the token of this bot "
		    "any more");
	if (e == PE_ANSWERED && troubled) {
		troubled = false;
		log_notice("polling works again");
	} else if (e != PE_ANSWERED && e != PE_CONFLICT && !troubled) {
		troubled = true;
		log_warnx("polling failed: %s; trying again", *text != '\0' ?
		    text : "no list of updates");
	}
}

/* Updates. */

/* Is it a list of updates?  Gives the highest id in it. */
static bool
list_check(struct json_object *list, int64_t *last)
{
	struct json_object *o, *id;
	size_t i;

	if (list == NULL)
		return (false);
	*last = INT64_MIN;
	for (i = 0; i < json_object_array_length(list); i++) {
		o = json_object_array_get_idx(list, i);
		if (!json_object_is_type(o, json_type_object) ||
		    !json_object_object_get_ex(o, "update_id", &id) ||
		    !json_object_is_type(id, json_type_int))
			return (false);
		if (json_object_get_int64(id) > *last)
			*last = json_object_get_int64(id);
	}
	return (*last != INT64_MAX);
}

static void
batch_begin(struct json_object *list)
{
	heard_ms = clock_steady_ms();
	metric_set(M_telegram_last_update_ms, clock_wall_ms());
	batch = json_object_get(list);
	batch_next = 0;
	awaiting = false;
	batch_tell();
}

/* Tell the queue as many as it takes; the rest when it takes more. */
static void
batch_tell(void)
{
	const struct timeval tv = { SEEN_WAIT_S, 0 };

	for (; batch_next < json_object_array_length(batch); batch_next++)
		if (batch_tell_one(json_object_array_get_idx(batch,
		    batch_next)) == -1)
			return;
	json_object_put(batch);
	batch = NULL;
	if (awaiting) {
		evtimer_add(patience, &tv);
		return;
	}
	offset = batch_last + 1;
	poll_consider();
}

/* -1: not now. */
static int
batch_tell_one(struct json_object *update)
{
	static struct packer out;
	struct json_object *id;
	const char *text;
	size_t len;

	if (queue == NULL || queue->link == NULL)
		return (-1);
	json_object_object_get_ex(update, "update_id", &id);
	text = json_object_to_json_string_length(update,
	    JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);
	if (text == NULL)
		fatal("update");
	pack_reset(&out);
	pack_blob(&out, text, len);
	if (link_send_packed(queue->link, TELEGRAM_UPDATE_TELL,
	    (uint64_t)json_object_get_int64(id), &out) == 0) {
		awaiting = true;
		told_id = (uint64_t)json_object_get_int64(id);
		return (0);
	}
	if (errno == EAGAIN || errno == EPIPE)
		return (-1);
	if (errno != EMSGSIZE)
		fatal("update");
	/* It would never be taken, and the others must not wait for it. */
	log_warnx("update %lld of %zu bytes is too large; left out",
	    (long long)json_object_get_int64(id), len);
	return (0);
}

static void
batch_drop(void)
{
	json_object_put(batch);
	batch = NULL;
	awaiting = false;
}
