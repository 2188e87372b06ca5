/*
 * call.c - what every method needs of its call: the chat, the text, the
 * keyboard, the rate limits, and the answer.  The texts of the errors are
 * those of the real service.
 */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <json-c/json.h>

#include "tests/sim/sim.h"

static const struct {
	const char	*name;
	int		(*parse)(struct rich *, const char *, size_t,
			    struct rich_error *);
} modes[] = {
	{ "HTML",	html_parse },
	{ "MarkdownV2",	mdv2_parse },
	{ "Markdown",	markdown_parse },
};

static int	check_button(struct call *, struct json_object *);
static int	check_keyboard(struct call *, struct json_object *);
static int	entities(struct call *, const char *, struct rich *);

int
call_fail(struct call *call, int status, const char *fmt, ...)
{
	va_list	ap;

	call->status = status;
	va_start(ap, fmt);
	(void)vsnprintf(call->description, sizeof(call->description), fmt, ap);
	va_end(ap);
	return (-1);
}

void
call_answer(const struct call *call, struct buf *b)
{
	buf_printf(b, "{\"ok\":false,\"error_code\":%d,\"description\":",
	    call->status);
	buf_json_str(b, call->description);
	if (call->retry_after > 0)
		buf_printf(b, ",\"parameters\":{\"retry_after\":%lld}",
		    (long long)call->retry_after);
	if (call->migrate_to != 0)
		buf_printf(b, ",\"parameters\":{\"migrate_to_chat_id\":%lld}",
		    (long long)call->migrate_to);
	buf_putc(b, '}');
}

int
call_true(struct call *call)
{
	buf_puts(call->out, "true");
	return (0);
}

struct chat *
call_chat(struct call *call)
{
	struct chat	*c;
	const char	*id;

	id = params_str(call->params, "chat_id");
	if (id == NULL || *id == '\0') {
		(void)call_fail(call, 400, "Bad Request: chat_id is empty");
		return (NULL);
	}
	c = call->chat_id == 0 ? NULL : store_chat(call->chat_id);
	if (c == NULL && call->chat_id != 0 && !sim.strict_chats)
		c = store_chat_make(call->chat_id);
	if (c == NULL) {
		(void)call_fail(call, 400, "Bad Request: chat not found");
		return (NULL);
	}
	if (c->migrated_to != 0) {
		call->migrate_to = c->migrated_to;
		(void)call_fail(call, 400, "Bad Request: group chat was "
		    "upgraded to a supergroup chat");
		return (NULL);
	}
	if (c->access != ACCESS_OK) {
		(void)call_fail(call, 403, "Forbidden: bot was %s",
		    c->type == CHAT_PRIVATE ? "blocked by the user" :
		    c->type == CHAT_GROUP ? "kicked from the group chat" :
		    "kicked from the supergroup chat");
		return (NULL);
	}
	return (c);
}

int
call_admit(struct call *call, struct chat *c)
{
	enum limit_class	class;
	int64_t			now, wait;

	class = c->type == CHAT_PRIVATE ? LIMIT_PRIVATE : LIMIT_GROUP;
	now = server_mono_ms();
	wait = limit_ask(&c->limit, &sim.rates, class, now);
	if (wait == 0)
		wait = limit_ask(&sim.global, &sim.rates, LIMIT_GLOBAL, now);
	if (wait > 0) {
		call->retry_after = wait;
		return (call_fail(call, 429,
		    "Too Many Requests: retry after %lld", (long long)wait));
	}
	limit_note(&c->limit, &sim.rates, class, now);
	limit_note(&sim.global, &sim.rates, LIMIT_GLOBAL, now);
	return (0);
}

/* Entities given beside plain text; unknown types are left out. */
static int
entities(struct call *call, const char *name, struct rich *r)
{
	static const char *const	 names[] = {
#define X(sym, text, extra) text,
		RICH_ENTITIES(X)
#undef X
	};
	static const char *const	 extras[] = {
#define X(sym, text, extra) extra,
		RICH_ENTITIES(X)
#undef X
	};
	struct json_object		*all, *e, *o;
	const char			*type;
	bool				 broken;
	size_t				 i, k;
	int64_t				 length, offset;

	all = params_json(call->params, name, &broken);
	if (broken || (all != NULL &&
	    !json_object_is_type(all, json_type_array))) {
		json_object_put(all);
		return (call_fail(call, 400, "Bad Request: can't parse "
		    "entities JSON object"));
	}
	for (i = 0; all != NULL && i < json_object_array_length(all); i++) {
		e = json_object_array_get_idx(all, i);
		if (!json_object_is_type(e, json_type_object))
			continue;
		type = json_object_get_string(
		    json_object_object_get(e, "type"));
		offset = json_object_get_int64(
		    json_object_object_get(e, "offset"));
		length = json_object_get_int64(
		    json_object_object_get(e, "length"));
		for (k = 0; type != NULL && k < nitems(names); k++)
			if (strcmp(names[k], type) == 0 && offset >= 0 &&
			    length > 0 && (size_t)offset < r->units &&
			    (size_t)length <= r->units - (size_t)offset) {
				o = extras[k] == NULL ? NULL :
				    json_object_object_get(e, extras[k]);
				rich_add(r, (enum rich_type)k, (size_t)offset,
				    (size_t)length, o == NULL ? NULL :
				    xstrdup(json_object_get_string(o)));
			}
	}
	json_object_put(all);
	rich_sort(r);
	return (0);
}

int
call_text(struct call *call, const char *name, struct rich *r,
    const char **mode)
{
	const struct param	*p = params_find(call->params, name);
	const char		*want = params_str(call->params, "parse_mode");
	struct rich_error	 error;
	size_t			 i;

	*mode = NULL;
	if (p == NULL || p->len == 0)
		return (0);
	if (!utf8_valid(p->value, p->len))
		return (call_fail(call, 400, "Bad Request: strings must be "
		    "encoded in UTF-8"));
	if (want == NULL || *want == '\0' || strcasecmp(want, "none") == 0) {
		(void)rich_plain(r, p->value, p->len);
		if (entities(call, strcmp(name, "caption") == 0 ?
		    "caption_entities" : "entities", r) == -1) {
			rich_free(r);
			return (-1);
		}
		rich_trim(r);
		return (0);
	}
	for (i = 0; i < nitems(modes); i++)
		if (strcasecmp(modes[i].name, want) == 0)
			break;
	if (i == nitems(modes))
		return (call_fail(call, 400,
		    "Bad Request: unsupported parse_mode"));
	*mode = modes[i].name;
	if (modes[i].parse(r, p->value, p->len, &error) == -1)
		return (call_fail(call, 400,
		    "Bad Request: can't parse entities: %s", error.text));
	rich_trim(r);
	return (0);
}

static int
check_button(struct call *call, struct json_object *button)
{
	static const char *const	 actions[] = {
		"url", "login_url", "web_app", "switch_inline_query",
		"switch_inline_query_current_chat", "copy_text", "pay",
		"callback_game", "switch_inline_query_chosen_chat"
	};
	struct json_object		*data, *text;
	size_t				 i, len;

	if (!json_object_is_type(button, json_type_object))
		return (call_fail(call, 400, "Bad Request: can't parse inline "
		    "keyboard button: InlineKeyboardButton must be an "
		    "Object"));
	text = json_object_object_get(button, "text");
	if (text == NULL || json_object_get_string_len(text) == 0)
		return (call_fail(call, 400, "Bad Request: can't parse inline "
		    "keyboard button: Field \"text\" must be non-empty"));
	if ((data = json_object_object_get(button, "callback_data")) != NULL) {
		len = strlen(json_object_get_string(data));
		if (len == 0 || len > CALLBACK_MAX)
			return (call_fail(call, 400,
			    "Bad Request: BUTTON_DATA_INVALID"));
		return (0);
	}
	for (i = 0; i < nitems(actions); i++)
		if (json_object_object_get(button, actions[i]) != NULL)
			return (0);
	return (call_fail(call, 400, "Bad Request: can't parse inline "
	    "keyboard button: Text buttons are unallowed in the inline "
	    "keyboard"));
}

static int
check_keyboard(struct call *call, struct json_object *rows)
{
	struct json_object	*row;
	size_t			 i, k;

	if (!json_object_is_type(rows, json_type_array))
		return (call_fail(call, 400, "Bad Request: field "
		    "\"inline_keyboard\" must be of type Array"));
	for (i = 0; i < json_object_array_length(rows); i++) {
		row = json_object_array_get_idx(rows, i);
		if (!json_object_is_type(row, json_type_array))
			return (call_fail(call, 400, "Bad Request: field "
			    "\"inline_keyboard\" must be an Array of "
			    "Arrays"));
		for (k = 0; k < json_object_array_length(row); k++)
			if (check_button(call,
			    json_object_array_get_idx(row, k)) == -1)
				return (-1);
	}
	return (0);
}

int
call_markup(struct call *call, char **markup)
{
	const struct param	*p = params_find(call->params, "reply_markup");
	struct json_object	*obj, *only, *rows;
	bool			 broken;
	int			 ret = 0;

	*markup = NULL;
	if (p == NULL || p->len == 0)
		return (0);
	if (!utf8_valid(p->value, p->len))
		return (call_fail(call, 400, "Bad Request: strings must be "
		    "encoded in UTF-8"));
	obj = params_json(call->params, "reply_markup", &broken);
	if (broken)
		return (call_fail(call, 400, "Bad Request: can't parse reply "
		    "keyboard markup JSON object"));
	if (!json_object_is_type(obj, json_type_object))
		ret = call_fail(call, 400,
		    "Bad Request: object expected as reply markup");
	else if ((rows = json_object_object_get(obj, "inline_keyboard")) !=
	    NULL && (ret = check_keyboard(call, rows)) == 0 &&
	    json_object_array_length(rows) > 0) {
		only = json_object_new_object();
		json_object_object_add(only, "inline_keyboard",
		    json_object_get(rows));
		*markup = xstrdup(json_object_to_json_string_ext(only,
		    JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
		json_object_put(only);
	}
	json_object_put(obj);
	return (ret);
}
