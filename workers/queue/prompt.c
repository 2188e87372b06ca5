/*
 * Prompts; see prompt.h.  Each is a JSON text in the store's meta table under
 * "prompt.SEQ" and a struct here; open ones are few, so they live in a list.
 * This file is their life: from the rendering to the end, and what askers
 * learn of it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <event2/event.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/nitems.h"
#include "workers/queue/option.h"
#include "workers/queue/prompt_private.h"

#define REATTACH_MS 10000     /* DESIGN section 13 */
#define KEEP_MS 604800000LL   /* decided ones, for late presses */
#define KEPT_MAX 512	      /* so many of them */
#define TIMEOUT_MAX_MS 3.2e12 /* a hundred years */

static const char *const state_names[NPROMPTSTATES] = {
#define PROMPT_NAME(name, text) [PS_##name] = text,
	PROMPT_STATES(PROMPT_NAME)
#undef PROMPT_NAME
};

struct prompt_list prompts = LIST_HEAD_INITIALIZER(prompts);
static struct event *expire_event;
static int untold; /* settled, not on disk yet */

static struct prompt *prompt_new(int64_t, struct json_object *);
static void prompt_forget(struct prompt *);
static void prompt_sweep(void);
static void prompt_cancel_copies(int64_t);
static void prompt_unasked(const char *);
static void prompt_schedule(void);
static void prompt_expire(evutil_socket_t, short, void *);

struct prompt *
prompt_by_seq(int64_t seq)
{
	struct prompt *p;

	LIST_FOREACH(p, &prompts, entry)
		if (p->seq == seq)
			return (p);
	return (NULL);
}

struct prompt *
prompt_by_event(const char *id)
{
	struct prompt *p;

	LIST_FOREACH(p, &prompts, entry)
		if (strcmp(json_str(p->doc, "id", ""), id) == 0)
			return (p);
	return (NULL);
}

struct prompt *
prompt_by_token(const char *token)
{
	struct prompt *p;

	LIST_FOREACH(p, &prompts, entry)
		if (strncmp(p->token, token, TOKEN_CHARS) == 0)
			return (p);
	return (NULL);
}

/* Owns doc from now on. */
static struct prompt *
prompt_new(int64_t seq, struct json_object *doc)
{
	struct prompt *p;

	if ((p = calloc(1, sizeof(*p))) == NULL)
		fatal("prompt");
	p->seq = seq;
	p->doc = doc;
	p->options = json_path(doc, "options");
	p->deadline_ms = json_i64(doc, "deadline_ms", 0);
	p->shown = json_flag(doc, "shown", false);
	strlcpy(p->token, json_str(doc, "token", ""), sizeof(p->token));
	for (int i = 0; i < NPROMPTSTATES; i++)
		if (strcmp(state_names[i], json_str(doc, "state", "")) == 0)
			p->state = (enum prompt_state)i;
	LIST_INSERT_HEAD(&prompts, p, entry);
	return (p);
}

static void
set_str(struct json_object *o, const char *key, const char *text)
{
	json_object_object_add(o, key, text == NULL ? NULL :
	    json_object_new_string(text));
}

void
prompt_set_str(struct prompt *p, const char *key, const char *text)
{
	set_str(p->doc, key, text);
}

void
prompt_set_i64(struct prompt *p, const char *key, int64_t v)
{
	json_object_object_add(p->doc, key, json_object_new_int64(v));
}

const char *
prompt_state_name(enum prompt_state state)
{
	return (state_names[state]);
}

void
prompt_save(struct prompt *p)
{
	char key[40];

	set_str(p->doc, "state", state_names[p->state]);
	json_object_object_add(p->doc, "shown",
	    json_object_new_boolean(p->shown));
	snprintf(key, sizeof(key), "prompt.%lld", (long long)p->seq);
	if (store_put_meta(queue.store, key, json_object_to_json_string_ext(
	    p->doc, JSON_C_TO_STRING_PLAIN)) == -1)
		fatal("prompt");
	commit_soon();
}

static void
prompt_forget(struct prompt *p)
{
	char key[40];

	snprintf(key, sizeof(key), "prompt.%lld", (long long)p->seq);
	if (store_put_meta(queue.store, key, NULL) == -1)
		fatal("prompt");
	commit_soon();
	LIST_REMOVE(p, entry);
	json_object_put(p->doc);
	free(p);
}

static void
prompt_loaded(const char *key, const char *value, void *arg)
{
	const char *error;
	struct json_object *o = json_parse(value, strlen(value), &error);
	struct prompt *p;

	(void)arg;
	if (o == NULL) {
		log_errx("prompt %s: %s; it is lost", key, error);
		return;
	}
	p = prompt_new(strtoll(key, NULL, 10), o);
	/* Whoever waited has lost us, too, and has some time to come back. */
	if (p->state == PS_OPEN && json_flag(o, "attended", false))
		p->abandon_ms = jump_wall_ms() + REATTACH_MS;
}

/* Decided ones are remembered for late presses, but not for ever. */
static void
prompt_sweep(void)
{
	int64_t before = clock_wall_ms() - KEEP_MS;
	struct prompt *p, *next;
	int kept = 0;

	LIST_FOREACH_SAFE(p, &prompts, entry, next)
		if (p->state != PS_OPEN && p->shown && !p->telling &&
		    p->asked == NULL && p->edits == 0 &&
		    (++kept > KEPT_MAX ||
		    json_i64(p->doc, "decided_ms", 0) < before))
			prompt_forget(p);
}

void
prompt_load(void)
{
	expire_event = event_new(worker_base(), -1, 0, prompt_expire, NULL);
	if (expire_event == NULL)
		fatalx("cannot create the timer of prompts");
	if (store_each_meta(queue.store, "prompt.", prompt_loaded, NULL) == -1)
		log_errx("prompts: %s", store_error(queue.store));
	prompt_sweep();
	prompt_schedule();
}

/*
 * Until when it may be answered: data.timeout_ms or data.timeout_minutes
 * after it was received, else as long as the event lasts.
 */
static int64_t
prompt_deadline(struct json_object *event, const struct evm *ev)
{
	double ms = json_num(event, "data.timeout_ms",
	    json_num(event, "data.timeout_minutes", 0) * 60000);

	return (ms >= 1 && ms <= TIMEOUT_MAX_MS ?
	    ev->received_ms + skew_since(ev->seq) + (int64_t)ms :
	    ev->expires_ms);
}

/* The question in words: what the asker says, or at least what it is about. */
static const char *
prompt_question(struct json_object *event)
{
	static const char *const paths[] = { "data.approval_prompt",
		"description", "title" };
	const char *text = "";

	for (size_t i = 0; i < nitems(paths) && *text == '\0'; i++)
		text = json_str(event, paths[i], "");
	return (text);
}

/* Files come as documents behind the text with the buttons. */
static int
prompt_documents(const struct job *j)
{
	int n = 0;

	for (int i = 0; i < j->nparts; i++)
		n += j->part[i].kind == PART_DOCUMENT;
	return (n);
}

void
prompt_begin(struct job *j)
{
	struct evm *ev = j->ev;
	struct json_object *event, *doc;
	char token[TOKEN_CHARS + 1];
	const char *error;
	struct prompt *p;

	if (prompt_by_seq(ev->seq) != NULL || evm_load(ev) == -1 ||
	    (event = json_parse(ev->payload, ev->payload_bytes, &error))
	    == NULL)
		return;
	prompt_sweep();
	for (int i = 0; i < TOKEN_CHARS; i += 8)
		snprintf(token + i, sizeof(token) - (size_t)i, "%08x",
		    arc4random());
	doc = json_object_new_object();
	set_str(doc, "id", json_str(event, "event_id", ""));
	set_str(doc, "task_id", json_str(event, "task_id", ""));
	set_str(doc, "title", json_str(event, "title", ""));
	set_str(doc, "question", prompt_question(event));
	set_str(doc, "token", token);
	json_object_object_add(doc, "asked_ms",
	    json_object_new_int64(ev->received_ms));
	json_object_object_add(doc, "deadline_ms",
	    json_object_new_int64(prompt_deadline(event, ev)));
	json_object_object_add(doc, "options", option_list(event));
	json_object_object_add(doc, "documents",
	    json_object_new_int(prompt_documents(j)));
	json_object_object_add(doc, "event", event);
	if (query_is_attended(json_str(doc, "id", "")))
		json_object_object_add(doc, "attended",
		    json_object_new_boolean(true));
	p = prompt_new(ev->seq, doc);
	prompt_save(p);
	prompt_schedule();
}

int
prompt_withdraw(const char *event_id, const char *why)
{
	struct prompt *p = prompt_by_event(event_id);

	if (p == NULL || p->state != PS_OPEN)
		return (-1);
	prompt_set_str(p, "why", why);
	prompt_settle(p, PS_WITHDRAWN, NULL);
	return (0);
}

void
prompt_time_over(const char *event_id)
{
	struct prompt *p = prompt_by_event(event_id);

	if (p == NULL)
		prompt_unasked(event_id);
	else if (p->state == PS_OPEN)
		prompt_settle(p, PS_EXPIRED, NULL);
}

/* Copies that have not left need not. */
static void
prompt_cancel_copies(int64_t seq)
{
	struct evm *ev = evm_find(seq);
	struct job *j, *next;

	if (ev == NULL)
		return;
	ev->refs++;
	LIST_FOREACH_SAFE(j, &ev->jobs, sibling, next)
		if (j->in_lane && j->stage <= JOB_RENDERED &&
		    j->parts_done == 0)
			final_put(j, DS_SUPPRESSED, "cancelled");
	evm_unref(ev);
}

/* Nobody waits for it before it was asked: nobody need be. */
static void
prompt_unasked(const char *event_id)
{
	int64_t seq = store_find_id(queue.store, event_id, strlen(event_id));

	if (seq > 0)
		prompt_cancel_copies(seq);
}

/* The end of a prompt, whichever. */
void
prompt_settle(struct prompt *p, enum prompt_state state,
    const struct answerer *a)
{
	p->state = state;
	p->shown = false;
	prompt_set_i64(p, "decided_ms", clock_wall_ms());
	if (a != NULL) {
		prompt_set_i64(p, "user_id", a->user_id);
		prompt_set_str(p, "username", a->username);
		prompt_set_str(p, "first_name", a->first_name);
	}
	log_notice("prompt %s: %s%s%s by user %lld",
	    json_str(p->doc, "id", "?"), state_names[state],
	    state == PS_ANSWERED ? ", " : "", state == PS_ANSWERED ?
	    json_str(p->doc, "action", "?") : "",
	    (long long)json_i64(p->doc, "user_id", 0));
	prompt_save(p);
	p->telling = true;
	untold++;
	prompt_cancel_copies(p->seq);
	prompt_show(p);
	prompt_schedule();
}

/* Ends that are on disk now: those who wait are told. */
void
prompt_committed(void)
{
	struct prompt *p;

	if (untold == 0)
		return;
	untold = 0;
	LIST_FOREACH(p, &prompts, entry)
		if (p->telling) {
			p->telling = false;
			query_prompt_settled(json_str(p->doc, "id", ""));
		}
}

struct copies {
	int open, arrived;
};

static void
copy_seen(const struct store_delivery *d, void *arg)
{
	struct copies *c = arg;

	if (!DS_IS_FINAL(d->state))
		c->open++;
	else if (d->state != DS_SUPPRESSED && d->state != DS_DEAD)
		c->arrived++;
}

const char *
prompt_hopeless(int64_t seq)
{
	struct copies c = { 0 };

	if (store_event_deliveries(queue.store, seq, copy_seen, &c) == -1 ||
	    c.open > 0)
		return (NULL);
	if (c.arrived == 0)
		return ("not delivered");
	return (prompt_by_seq(seq) == NULL ? "its answer is not kept any more"
	    : NULL);
}

void
prompt_copy_ended(const struct job *j)
{
	struct prompt *p = prompt_by_seq(j->ev->seq);
	char why[128];

	if (j->final_state == DS_DELIVERED ||
	    prompt_hopeless(j->ev->seq) == NULL)
		return;
	snprintf(why, sizeof(why), "not delivered: %s",
	    j->reason == NULL ? "?" : j->reason);
	if (p == NULL)
		query_prompt_failed(j->ev->seq, why);
	else if (p->state == PS_OPEN) {
		prompt_set_str(p, "why", why);
		prompt_settle(p, PS_WITHDRAWN, NULL);
	}
}

/* Time. */

static void
prompt_schedule(void)
{
	int64_t at = INT64_MAX, now = clock_wall_ms();
	struct timeval tv;
	struct prompt *p;

	LIST_FOREACH(p, &prompts, entry) {
		if (p->state != PS_OPEN)
			continue;
		if (p->deadline_ms != 0 && p->deadline_ms < at)
			at = p->deadline_ms;
		if (p->abandon_ms != 0 && p->abandon_ms < at)
			at = p->abandon_ms;
	}
	event_del(expire_event);
	if (at == INT64_MAX)
		return;
	at = at > now ? at - now : 0;
	tv.tv_sec = at / 1000;
	tv.tv_usec = at % 1000 * 1000;
	event_add(expire_event, &tv);
}

static void
prompt_expire(evutil_socket_t fd, short what, void *arg)
{
	int64_t now = jump_wall_ms();
	struct prompt *p;

	(void)fd, (void)what, (void)arg;
	LIST_FOREACH(p, &prompts, entry) {
		if (p->state != PS_OPEN)
			continue;
		if (p->deadline_ms != 0 && p->deadline_ms <= now)
			prompt_settle(p, PS_EXPIRED, NULL);
		else if (p->abandon_ms != 0 && p->abandon_ms <= now) {
			prompt_set_str(p, "why", "the asker has gone");
			prompt_settle(p, PS_WITHDRAWN, NULL);
		}
	}
	prompt_schedule();
}

void
prompt_clock_set(int64_t by_ms)
{
	struct prompt *p;

	LIST_FOREACH(p, &prompts, entry) {
		if (p->state != PS_OPEN)
			continue;
		if (p->abandon_ms != 0)
			p->abandon_ms += by_ms;
		if (p->deadline_ms == 0)
			continue;
		p->deadline_ms += by_ms;
		prompt_set_i64(p, "deadline_ms", p->deadline_ms);
		prompt_save(p);
	}
	prompt_schedule();
}

void
prompt_attend(const char *event_id)
{
	struct prompt *p = prompt_by_event(event_id);

	if (p == NULL || p->state != PS_OPEN)
		return;
	p->abandon_ms = 0;
	if (!json_flag(p->doc, "attended", false)) {
		json_object_object_add(p->doc, "attended",
		    json_object_new_boolean(true));
		prompt_save(p);
	}
	prompt_schedule();
}

void
prompt_abandon(const char *event_id, bool gone)
{
	struct prompt *p = prompt_by_event(event_id);

	if (p == NULL && gone)
		prompt_unasked(event_id);
	if (p == NULL || p->state != PS_OPEN)
		return;
	if (gone) {
		prompt_set_str(p, "why", "the asker has gone");
		prompt_settle(p, PS_WITHDRAWN, NULL);
		return;
	}
	p->abandon_ms = jump_wall_ms() + REATTACH_MS;
	prompt_schedule();
}

/* For those who ask. */

/* The open one after that with this seq: they are listed by age. */
static struct prompt *
prompt_next_open(int64_t seq)
{
	struct prompt *p, *found = NULL;

	LIST_FOREACH(p, &prompts, entry)
		if (p->state == PS_OPEN && p->seq > seq &&
		    (found == NULL || p->seq < found->seq))
			found = p;
	return (found);
}

const char *
prompt_by_number(int64_t n)
{
	struct prompt *p = prompt_by_seq(n);

	return (p == NULL ? NULL : json_str(p->doc, "id", NULL));
}

const char *
prompt_only(void)
{
	struct prompt *p = prompt_next_open(0);

	return (p == NULL || prompt_next_open(p->seq) != NULL ? NULL :
	    json_str(p->doc, "id", NULL));
}

struct json_object *
prompt_list(void)
{
	struct json_object *list = json_object_new_array(), *o;
	char text[RFC3339_SIZE];
	struct prompt *p = NULL;

	while ((p = prompt_next_open(p == NULL ? 0 : p->seq)) != NULL) {
		o = json_object_new_object();
		set_str(o, "id", json_str(p->doc, "id", ""));
		json_object_object_add(o, "number",
		    json_object_new_int64(p->seq));
		set_str(o, "title", json_str(p->doc, "title", ""));
		set_str(o, "question", json_str(p->doc, "question", ""));
		json_object_object_add(o, "options",
		    json_object_get(p->options));
		set_str(o, "asked_at", clock_rfc3339(text, sizeof(text),
		    json_i64(p->doc, "asked_ms", 0)));
		set_str(o, "expires_at", p->deadline_ms == 0 ? NULL :
		    clock_rfc3339(text, sizeof(text), p->deadline_ms));
		json_object_array_add(list, o);
	}
	return (list);
}

struct json_object *
prompt_outcome(const char *event_id)
{
	struct prompt *p = prompt_by_event(event_id);
	struct json_object *o, *by;
	char text[RFC3339_SIZE];

	if (p == NULL || p->state == PS_OPEN)
		return (NULL);
	o = json_object_new_object();
	json_object_object_add(o, "ok",
	    json_object_new_boolean(p->state == PS_ANSWERED));
	set_str(o, "id", event_id);
	if (p->state != PS_ANSWERED) {
		set_str(o, "error", state_names[p->state]);
		set_str(o, "reason", json_str(p->doc, "why", NULL));
		json_object_object_add(o, "code",
		    json_object_new_int64(EX_TEMPFAIL));
		if (p->state == PS_EXPIRED)
			json_object_object_add(o, "timed_out",
			    json_object_new_boolean(true));
		return (o);
	}
	set_str(o, "action", json_str(p->doc, "action", ""));
	set_str(o, "option", json_str(p->doc, "option", NULL));
	set_str(o, "text", json_str(p->doc, "text", NULL));
	by = json_object_new_object();
	json_object_object_add(by, "user_id", json_object_new_int64(
	    json_i64(p->doc, "user_id", 0)));
	set_str(by, "username", json_str(p->doc, "username", NULL));
	set_str(by, "first_name", json_str(p->doc, "first_name", NULL));
	json_object_object_add(o, "by", by);
	set_str(o, "at", clock_rfc3339(text, sizeof(text),
	    json_i64(p->doc, "decided_ms", 0)));
	return (o);
}
