/*
 * Answers to prompts: presses, replies, commands.  Each is judged here, and
 * refused with one line in the log, one in the counter and a toast; what is
 * valid goes into the response file and ends the prompt.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/json.h"
#include "common/log.h"
#include "common/metrics.h"
#include "workers/queue/prompt_private.h"
#include "workers/queue/response.h"

bool
option_is_negative(const char *option)
{
	static const char *const words[] = { "deny", "no", "nein", "reject",
		"cancel", "abort", "stop", "decline" };
	size_t len;

	while (*option != '\0' && !isalpha((unsigned char)*option))
		option++; /* an emoji or a number may stand first */
	for (len = 0; isalpha((unsigned char)option[len]) ||
	    (unsigned char)option[len] >= 0x80; len++)
		continue;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strlen(words[i]) == len &&
		    strncasecmp(words[i], option, len) == 0)
			return (true);
	return (false);
}

/*
 * Was the prompt's message with this id sent to this chat?  An attempt whose
 * outcome is not known may have put the buttons below a message whose id
 * never came; so may one that is under way.
 */
enum was_sent { WS_NO, WS_PERHAPS, WS_YES };

struct sent {
	int64_t chat_id, message_id;
	enum was_sent was;
};

static bool
message_in(const char *messages, int64_t id)
{
	char *end;

	for (const char *s = messages; s != NULL && *s != '\0';
	    s = *end == ',' ? end + 1 : end) {
		if (strtoll(s, &end, 10) == id)
			return (true);
		if (end == s)
			break;
	}
	return (false);
}

static void
sent_delivery(const struct store_delivery *d, void *arg)
{
	struct chat *c = chat_by_id(d->chat);
	struct sent *s = arg;
	struct job *j = job_find(d->id);
	const char *messages = j != NULL ? j->messages : d->messages;

	if (c == NULL || moved_to(c->chat_id) != s->chat_id)
		return;
	if (message_in(messages, s->message_id))
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
	const char *option = json_object_get_string(
	    json_object_array_get_idx(p->options, i));
	bool deny = option_is_negative(option);

	prompt_set_str(p, "option", option);
	prompt_set_str(p, "action", deny ? "deny" : "approve");
	response_press(a, deny ? "deny" : "approve",
	    json_str(p->doc, "id", ""), json_str(p->doc, "task_id", ""),
	    json_str(p->doc, "title", ""), option);
	prompt_settle(p, PS_ANSWERED, a);
}

/* One line in the log, one in the counter. */
static const char *
prompt_refuse(const struct answerer *a, int64_t chat_id, const char *why,
    const char *toast)
{
	metric_add(M_presses_refused, 1);
	log_notice("press refused: user %lld in chat %lld: %s",
	    (long long)a->user_id, (long long)chat_id, why);
	return (toast);
}

/* The toast for who comes after the end. */
static const char *
late_toast(enum prompt_state state)
{
	static const char *const toasts[NPROMPTSTATES] = {
		[PS_ANSWERED] = "Already decided.",
		[PS_EXPIRED] = "Too late: this has expired.",
		[PS_WITHDRAWN] = "Too late: this was withdrawn.",
	};

	return (toasts[state]);
}

const char *
prompt_press(const char *data, int64_t chat_id, bool allowed,
    const struct answerer *a)
{
	const char *what; /* behind the token */
	enum was_sent was;
	struct prompt *p;
	size_t i;

	if (data[0] != 'p' || strlen(data) < TOKEN_CHARS + 2 ||
	    (p = prompt_by_token(data + 1)) == NULL)
		return (prompt_refuse(a, chat_id, "unknown button",
		    "This button is not known any more."));
	if (!allowed)
		return (prompt_refuse(a, chat_id, "not allowed",
		    "You may not answer this."));
	if ((was = prompt_was_sent(p, chat_id, a->message_id)) == WS_NO)
		return (prompt_refuse(a, chat_id, "another chat or message",
		    "This button does not belong here."));
	what = data + 1 + TOKEN_CHARS;
	if (strcmp(what, "d") == 0) {
		prompt_details(p, chat_id, a->thread);
		return ("");
	}
	if (p->state != PS_OPEN)
		return (prompt_refuse(a, chat_id,
		    prompt_state_name(p->state), late_toast(p->state)));
	i = (size_t)(what[0] - '0'); /* there are ten at most */
	if (!isdigit((unsigned char)what[0]) || what[1] != '\0' ||
	    i >= json_object_array_length(p->options))
		return (prompt_refuse(a, chat_id, "no such option",
		    "There is no such option."));
	if (was == WS_PERHAPS) { /* this copy is to show the decision, too */
		prompt_set_i64(p, "pressed_chat", chat_id);
		prompt_set_i64(p, "pressed_message", a->message_id);
	}
	prompt_choose(p, i, a);
	return ("Done.");
}

const char *
prompt_of_message(int64_t chat_id, int64_t message_id)
{
	struct prompt *p;

	LIST_FOREACH(p, &prompts, entry)
		if (p->state == PS_OPEN &&
		    prompt_was_sent(p, chat_id, message_id) == WS_YES)
			return (json_str(p->doc, "id", NULL));
	return (NULL);
}

bool
prompt_reply(int64_t chat_id, int64_t message_id, const char *text,
    const struct answerer *a)
{
	const char *id = prompt_of_message(chat_id, message_id);
	struct prompt *p = id == NULL ? NULL : prompt_by_event(id);

	if (p == NULL)
		return (false);
	prompt_set_str(p, "text", text);
	prompt_set_str(p, "action", "text");
	response_text(a, text, json_str(p->doc, "id", ""),
	    json_str(p->doc, "title", ""));
	prompt_settle(p, PS_ANSWERED, a);
	return (true);
}

int
prompt_decide(const char *event_id, bool deny, const struct answerer *a,
    const char **error)
{
	struct prompt *p = prompt_by_event(event_id);
	size_t n;

	if (p == NULL) {
		*error = "no such prompt";
		return (-1);
	}
	if (p->state != PS_OPEN) {
		*error = p->state == PS_ANSWERED ? "already decided" :
		    prompt_state_name(p->state);
		return (-1);
	}
	n = json_object_array_length(p->options);
	for (size_t i = 0; i < n; i++) {
		if (option_is_negative(json_object_get_string(
		    json_object_array_get_idx(p->options, i))) != deny)
			continue;
		prompt_choose(p, i, a);
		return (0);
	}
	*error = deny ? "it has no option that denies" :
	    "it has no option that allows";
	return (-1);
}
