/*
 * people.c - what persons do in the chats, at the order of a test: they
 * write, and they press buttons.  Also keeps what the bot answered to their
 * presses.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "tests/sim/methods.h"
#include "tests/sim/sim.h"

#define ANSWERS_MAX	10000
#define QUERY_BASE	4000000000000000LL

struct press {
	TAILQ_ENTRY(press) entry;
	int64_t	 id;
	int64_t	 user;
	int64_t	 chat;
	int64_t	 message;
	char	*data;
	char	*text;			/* of the answer; NULL: none yet */
	bool	 alert;
	int64_t	 answered_us;
};
TAILQ_HEAD(press_list, press);

static struct json_object *find_button(const struct message *,
		    struct json_object *);
static void	forget(struct press *);
static int64_t	get_int(struct json_object *, const char *);
static const char *get_str(struct json_object *, const char *);
static int	press(struct json_object *, struct buf *, const char **);
static void	press_json(struct buf *, const struct press *,
		    const struct message *, const struct chat *);
static int	raw(struct json_object *, struct buf *, const char **);
static void	set_names(int64_t, struct json_object *);
static int	write_text(struct json_object *, struct buf *, const char **);

static struct press_list	presses = TAILQ_HEAD_INITIALIZER(presses);
static uint64_t			npresses;
static int64_t			last_query = QUERY_BASE;

static int64_t
get_int(struct json_object *o, const char *name)
{
	return (json_object_get_int64(json_object_object_get(o, name)));
}

static const char *
get_str(struct json_object *o, const char *name)
{
	return (json_object_get_string(json_object_object_get(o, name)));
}

/* A person's names stand in the private chat with that person. */
static void
set_names(int64_t user, struct json_object *o)
{
	struct chat	*c = store_chat_make(user);

	if (get_str(o, "first_name") != NULL) {
		free(c->title);
		c->title = xstrdup(get_str(o, "first_name"));
	}
	if (get_str(o, "username") != NULL) {
		free(c->username);
		c->username = xstrdup(get_str(o, "username"));
	}
}

/* An update given as it shall be, but for its id. */
static int
raw(struct json_object *o, struct buf *out, const char **error)
{
	struct buf	b = { 0 };
	int64_t		id = 0;

	if (!json_object_is_type(o, json_type_object)) {
		*error = "raw is not an object";
		return (-1);
	}
	json_object_object_foreach(o, key, v) {
		if (strcmp(key, "update_id") == 0)
			continue;
		buf_clear(&b);
		buf_puts(&b, json_object_to_json_string_ext(v,
		    JSON_C_TO_STRING_PLAIN));
		id = updates_add(key, &b);
	}
	buf_free(&b);
	buf_printf(out, "{\"ok\":true,\"update_id\":%lld}", (long long)id);
	return (0);
}

/* A person writes into a chat. */
static int
write_text(struct json_object *o, struct buf *out, const char **error)
{
	const char	*text = get_str(o, "text");
	struct message	*m;
	struct chat	*c;
	struct buf	 b = { 0 };
	int64_t		 chat = get_int(o, "chat"), user = get_int(o, "user");
	int64_t		 id;

	if (user <= 0 || chat == 0) {
		*error = "chat and user are needed";
		return (-1);
	}
	set_names(user, o);
	c = store_chat_make(chat);
	/* Who writes to a bot has not blocked it. */
	if (c->type == CHAT_PRIVATE && c->access == ACCESS_BLOCKED)
		c->access = ACCESS_OK;
	m = store_add(c);
	m->user = user;
	m->at_us = server_now_us();
	m->thread = get_int(o, "thread");
	m->reply_to = get_int(o, "reply_to");
	(void)rich_plain(&m->body, text, strlen(text));
	if (*text == '/' && strcspn(text, " \n") > 1)
		rich_add(&m->body, RICH_COMMAND, 0, strcspn(text, " \n"),
		    NULL);
	shape_message(&b, m);
	id = updates_add("message", &b);
	buf_free(&b);
	if (sim.console)
		console_message(m);
	buf_printf(out, "{\"ok\":true,\"update_id\":%lld,\"message_id\":%lld}",
	    (long long)id, (long long)m->id);
	return (0);
}

/* The button with this text or, counted from 0, with this number. */
static struct json_object *
find_button(const struct message *m, struct json_object *want)
{
	struct json_object	*all, *b, *found = NULL, *row, *rows;
	const char		*text = json_object_get_string(want);
	int64_t			 at = 0, no = -1;
	size_t			 i, k;

	if (m->markup == NULL || text == NULL ||
	    (all = json_tokener_parse(m->markup)) == NULL)
		return (NULL);
	if (json_object_is_type(want, json_type_int))
		no = json_object_get_int64(want);
	rows = json_object_object_get(all, "inline_keyboard");
	for (i = 0; i < json_object_array_length(rows); i++) {
		row = json_object_array_get_idx(rows, i);
		for (k = 0; k < json_object_array_length(row); k++, at++) {
			b = json_object_array_get_idx(row, k);
			if (found == NULL && (at == no || (no == -1 &&
			    strcmp(text, get_str(b, "text")) == 0)))
				found = json_object_get(b);
		}
	}
	json_object_put(all);
	return (found);
}

/* The callback query; a message that is gone is shown as inaccessible. */
static void
press_json(struct buf *b, const struct press *p, const struct message *m,
    const struct chat *c)
{
	buf_printf(b, "{\"id\":\"%lld\",\"from\":", (long long)p->id);
	shape_user(b, p->user);
	buf_puts(b, ",\"message\":");
	if (m != NULL)
		shape_message(b, m);
	else {
		buf_puts(b, "{\"chat\":");
		shape_chat(b, c);
		buf_printf(b, ",\"message_id\":%lld,\"date\":0}",
		    (long long)p->message);
	}
	buf_printf(b, ",\"chat_instance\":\"%llu\",\"data\":",
	    (unsigned long long)(uint64_t)p->chat);
	buf_json_str(b, p->data);
	buf_putc(b, '}');
}

static void
forget(struct press *p)
{
	TAILQ_REMOVE(&presses, p, entry);
	npresses--;
	free(p->data);
	free(p->text);
	free(p);
}

/* A person presses a button of a message. */
static int
press(struct json_object *o, struct buf *out, const char **error)
{
	struct json_object	*button = NULL;
	struct chat		*c;
	struct message		*m;
	struct press		*p;
	struct buf		 b = { 0 };
	const char		*data = get_str(o, "data");
	int64_t			 id, user = get_int(o, "user");

	c = store_chat(get_int(o, "chat"));
	m = c == NULL ? NULL : store_find(c, get_int(o, "message_id"));
	if (data == NULL && m != NULL) {
		button = find_button(m, json_object_object_get(o, "button"));
		data = button == NULL ? NULL :
		    get_str(button, "callback_data");
	}
	if (user <= 0 || c == NULL || data == NULL) {
		*error = user <= 0 ? "user is needed" : c == NULL ?
		    "no such chat" : m == NULL ? "no such message" :
		    "no such button";
		json_object_put(button);
		return (-1);
	}
	set_names(user, o);
	p = xcalloc(1, sizeof(*p));
	p->id = ++last_query;
	p->user = user;
	p->chat = c->id;
	p->message = get_int(o, "message_id");
	p->data = xstrdup(data);
	json_object_put(button);
	TAILQ_INSERT_TAIL(&presses, p, entry);
	if (++npresses > ANSWERS_MAX)
		forget(TAILQ_FIRST(&presses));
	if (sim.console)
		console_note(c, "user %lld presses \"%s\" of message %lld",
		    (long long)user, get_str(o, "button") != NULL ?
		    get_str(o, "button") : p->data, (long long)p->message);
	press_json(&b, p, m, c);
	id = updates_add("callback_query", &b);
	buf_free(&b);
	buf_printf(out, "{\"ok\":true,\"update_id\":%lld,"
	    "\"callback_query_id\":\"%lld\"}", (long long)id,
	    (long long)last_query);
	return (0);
}

int
people_act(struct json_object *o, struct buf *out, const char **error)
{
	if (json_object_object_get(o, "raw") != NULL)
		return (raw(json_object_object_get(o, "raw"), out, error));
	if (json_object_object_get(o, "text") != NULL)
		return (write_text(o, out, error));
	if (json_object_object_get(o, "message_id") != NULL)
		return (press(o, out, error));
	*error = "neither raw nor text nor message_id is there";
	return (-1);
}

/* answerCallbackQuery */
int
people_answer(struct call *call)
{
	const struct param	*text = params_find(call->params, "text");
	struct press		*p = NULL;
	int64_t			 id;

	if (params_int(call->params, "callback_query_id", &id) == 0)
		TAILQ_FOREACH_REVERSE(p, &presses, press_list, entry)
			if (p->id == id)
				break;
	if (p == NULL)
		return (call_fail(call, 400, "Bad Request: query is too old "
		    "and response timeout expired or query ID is invalid"));
	if (text != NULL && (!utf8_valid(text->value, text->len) ||
	    utf8_units(text->value, text->len) > 200))
		return (call_fail(call, 400, "Bad Request: MESSAGE_TOO_LONG"));
	free(p->text);
	p->text = xstrdup(text == NULL ? "" : text->value);
	p->alert = params_bool(call->params, "show_alert");
	p->answered_us = call->now_us;
	if (sim.console && *p->text != '\0')
		console_note(store_chat_make(p->chat), "toast for user %lld: "
		    "%s", (long long)p->user, p->text);
	return (call_true(call));
}

void
people_answers_json(struct buf *b, int64_t limit)
{
	const struct press	*p;
	uint64_t		 n = 0;
	const char		*comma = "";

	TAILQ_FOREACH(p, &presses, entry)
		n += p->text != NULL;
	buf_putc(b, '[');
	TAILQ_FOREACH(p, &presses, entry) {
		if (p->text == NULL || (limit >= 0 && n-- > (uint64_t)limit))
			continue;
		buf_printf(b, "%s{\"callback_query_id\":\"%lld\","
		    "\"user\":%lld,\"chat_id\":%lld,\"message_id\":%lld,"
		    "\"show_alert\":%s,\"date_ms\":%lld,\"data\":", comma,
		    (long long)p->id, (long long)p->user, (long long)p->chat,
		    (long long)p->message, p->alert ? "true" : "false",
		    (long long)(p->answered_us / 1000));
		buf_json_str(b, p->data);
		buf_key(b, "text");
		buf_json_str(b, p->text);
		buf_putc(b, '}');
		comma = ",";
	}
	buf_putc(b, ']');
}

void
people_reset(void)
{
	while (!TAILQ_EMPTY(&presses))
		forget(TAILQ_FIRST(&presses));
}
