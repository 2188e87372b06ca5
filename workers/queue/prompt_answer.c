/*
 * Answers to prompts: presses, replies, commands.  Each is judged here, and
 * refused with one line in the log, one in the counter and a toast; what is
 * valid goes into the response file and ends the prompt.
 */
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/log.h"
#include "common/metrics.h"
#include "workers/queue/idlist.h"
#include "workers/queue/option.h"
#include "workers/queue/prompt_private.h"
#include "workers/queue/response.h"

struct sent {
	int64_t chat_id, message_id;
	enum was_sent was;
};

static void
sent_delivery(const struct store_delivery *d, void *arg)
{
	struct chat *c = chat_by_id(d->chat);
	struct sent *s = arg;
	struct job *j = job_find(d->id);
	const char *messages = j != NULL ? j->messages : d->messages;

	if (c == NULL || moved_to(c->chat_id) != s->chat_id)
		return;
	if (idlist_has(messages, s->message_id))
		s->was = WS_YES;
	else if (s->was == WS_NO && (d->attempts > 1 ||
	    (j != NULL && j->stage >= JOB_MARKING && j->stage <= JOB_UNCLEAR)))
		s->was = WS_PERHAPS;
}

static enum was_sent
prompt_was_sent(struct prompt *p, int64_t chat_id, int64_t message_id)
{
	struct sent s = { chat_id, message_id, WS_NO };

	if (store_event_deliveries(queue.store, p->seq, sent_delivery, &s)
	    == -1)
		return (WS_NO);
	return (s.was);
}

static void
prompt_choose(struct prompt *p, size_t i, const struct answerer *a)
{
	const char *option = option_at(p->options, i);
	bool deny = option_is_negative(option);

	prompt_set_str(p, "option", option);
	prompt_set_str(p, "action", deny ? "deny" : "approve");
	response_press(a, deny ? "deny" : "approve",
	    json_str(p->doc, "id", ""), json_str(p->doc, "task_id", ""),
	    json_str(p->doc, "title", ""), option);
	prompt_settle(p, PS_ANSWERED, a);
}

/* One line in the log, one in the counter. */
static void
prompt_refuse(const struct answerer *a, int64_t chat_id, const char *why)
{
	metric_add(M_presses_refused, 1);
	log_notice("press refused: user %lld in chat %lld: %s",
	    (long long)a->user_id, (long long)chat_id, why);
}

const char *
prompt_press(const char *data, int64_t chat_id, const struct answerer *a)
{
	struct press press = { .role = a->role };
	char token[TOKEN_CHARS + 1];
	struct prompt *p = NULL;
	enum press_verdict v;
	bool stray;

	if (press_read(data, token, &press.option))
		p = prompt_by_token(token);
	if (p != NULL) {
		press.known = true;
		press.state = p->state;
		press.noptions = json_object_array_length(p->options);
		press.was = prompt_was_sent(p, chat_id, a->message_id);
	}
	v = press_judge(&press);
	if (press_reason(v) != NULL)
		prompt_refuse(a, chat_id, press_reason(v));
	/* A copy of which nothing was known is to show the decision, too. */
	stray = press.was == WS_PERHAPS && v == press_late(press.state);
	if (stray) {
		prompt_set_i64(p, "pressed_chat", chat_id);
		prompt_set_i64(p, "pressed_message", a->message_id);
	}
	if (v == PV_SHOWS)
		prompt_details(p, chat_id, a->thread);
	else if (v == PV_DECIDES)
		prompt_choose(p, (size_t)press.option, a);
	else if (stray) {
		p->shown = false;
		prompt_save(p);
		prompt_show(p);
	}
	return (press_toast(v));
}

/* The prompt that this message shows, open or of late; NULL. */
static struct prompt *
prompt_shown_by(int64_t chat_id, int64_t message_id, const char *data)
{
	char token[TOKEN_CHARS + 1];
	struct prompt *p;
	int option;

	LIST_FOREACH(p, &prompts, entry)
		if (p->state == PS_OPEN &&
		    prompt_was_sent(p, chat_id, message_id) == WS_YES)
			return (p);
	if ((p = prompt_by_seq(recall_find(chat_id, message_id))) != NULL)
		return (p);
	/* A copy whose id never came is known by its buttons. */
	if (!press_read(data, token, &option) ||
	    (p = prompt_by_token(token)) == NULL ||
	    prompt_was_sent(p, chat_id, message_id) == WS_NO)
		return (NULL);
	if (p->state == PS_OPEN) {
		prompt_set_i64(p, "pressed_chat", chat_id);
		prompt_set_i64(p, "pressed_message", message_id);
	}
	return (p);
}

const char *
prompt_of_message(int64_t chat_id, int64_t message_id, const char *data)
{
	struct prompt *p = prompt_shown_by(chat_id, message_id, data);

	return (p == NULL ? NULL : json_str(p->doc, "id", NULL));
}

const char *
prompt_reply(int64_t chat_id, int64_t message_id, const char *data,
    const char *text, const struct answerer *a)
{
	struct prompt *p = prompt_shown_by(chat_id, message_id, data);

	if (p == NULL)
		return (NULL);
	if (!role_may(a->role, RIGHT_ANSWER))
		return (press_toast(PV_NOT_ALLOWED));
	if (p->state != PS_OPEN)
		return (press_toast(press_late(p->state)));
	if (text == NULL)
		return ("Only words or a button can answer this.");
	prompt_set_str(p, "text", text);
	prompt_set_str(p, "action", "text");
	response_text(a, text, json_str(p->doc, "id", ""),
	    json_str(p->doc, "title", ""));
	prompt_settle(p, PS_ANSWERED, a);
	return ("");
}

int
prompt_decide(const char *event_id, bool deny, const struct answerer *a,
    const char **error)
{
	struct prompt *p = prompt_by_event(event_id);
	int i;

	if (p == NULL) {
		*error = "no such prompt";
		return (-1);
	}
	if (p->state != PS_OPEN) {
		*error = p->state == PS_ANSWERED ? "already decided" :
		    prompt_state_name(p->state);
		return (-1);
	}
	if ((i = option_find(p->options, deny)) == -1) {
		*error = deny ? "it has no option that denies" :
		    "it has no option that allows";
		return (-1);
	}
	prompt_choose(p, (size_t)i, a);
	return (0);
}
