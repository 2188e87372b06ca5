/*
 * edit.c - the methods that change a message: text, caption, keyboard,
 * reaction, pin, deletion.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <json-c/json.h>

#include "tests/sim/methods.h"
#include "tests/sim/sim.h"

/* What the message shall become. */
struct change {
	struct rich	 body;
	const char	*mode;
	char		*markup;
};

static int	edit(struct call *, const char *);
static struct message *find_message(struct call *, struct chat *,
		    const char *);
static bool	is_reaction(const char *);
static int	pin(struct call *, bool);

/* Keep the text as it was sent, if that differs from what is shown. */
void
edit_raw(struct call *call, struct message *m, const char *field,
    const char *mode)
{
	const struct param	*p;

	free(m->raw);
	m->raw = NULL;
	m->parse_mode = mode;
	if (mode != NULL && (p = params_find(call->params, field)) != NULL)
		m->raw = xstrndup(p->value, p->len);
}

static struct message *
find_message(struct call *call, struct chat *c, const char *what)
{
	struct message	*m;
	int64_t		 id;

	if (params_int(call->params, "message_id", &id) == -1 ||
	    (m = store_find(c, id)) == NULL) {
		(void)call_fail(call, 400, "Bad Request: message %snot found",
		    what);
		return (NULL);
	}
	return (m);
}

/* The three ways to edit; field is NULL for the keyboard alone. */
static int
edit(struct call *call, const char *field)
{
	struct change	 d = { 0 };
	struct chat	*c;
	struct message	*m;
	size_t		 max = TEXT_MAX;

	if (field != NULL && call_text(call, field, &d.body, &d.mode) == -1)
		return (-1);
	if (field != NULL && strcmp(field, "caption") == 0)
		max = CAPTION_MAX;
	else if (field != NULL && d.body.len == 0)
		call_fail(call, 400, "Bad Request: message text is empty");
	if (d.body.units > max)
		call_fail(call, 400, "%s", max == TEXT_MAX ?
		    "Bad Request: MESSAGE_TOO_LONG" :
		    "Bad Request: MEDIA_CAPTION_TOO_LONG");
	if (call->status != 200 || (c = call_chat(call)) == NULL ||
	    call_markup(call, &d.markup) == -1 ||
	    (m = find_message(call, c, "to edit ")) == NULL)
		goto fail;
	if (m->user != 0)
		call_fail(call, 400, "Bad Request: message can't be edited");
	else if (field != NULL && (m->media != NULL) != (max == CAPTION_MAX))
		call_fail(call, 400, "Bad Request: there is no %s in the "
		    "message to edit", field);
	else if ((field == NULL || rich_equal(&m->body, &d.body)) &&
	    strcmp(m->markup == NULL ? "" : m->markup,
	    d.markup == NULL ? "" : d.markup) == 0)
		call_fail(call, 400, "Bad Request: message is not modified: "
		    "specified new message content and reply markup are "
		    "exactly the same as a current content and reply markup "
		    "of the message");
	if (call->status != 200 || call_admit(call, c) == -1)
		goto fail;
	store_edit(m, field == NULL ? NULL : &d.body, call->now_us);
	if (field != NULL)
		edit_raw(call, m, field, d.mode);
	free(m->markup);
	m->markup = d.markup;
	sim.stats.edits++;
	shape_message(call->out, m);
	if (sim.console)
		console_edit(m);
	return (0);
fail:
	rich_free(&d.body);
	free(d.markup);
	return (-1);
}

int
edit_text(struct call *call)
{
	return (edit(call, "text"));
}

int
edit_caption(struct call *call)
{
	return (edit(call, "caption"));
}

int
edit_markup(struct call *call)
{
	return (edit(call, NULL));
}

int
edit_delete(struct call *call)
{
	struct chat	*c;
	struct message	*m;

	if ((c = call_chat(call)) == NULL ||
	    (m = find_message(call, c, "to delete ")) == NULL)
		return (-1);
	m->deleted = true;
	sim.stats.deletes++;
	if (sim.console)
		console_delete(m);
	return (call_true(call));
}

/* The emoji that may be a reaction, as the Bot API lists them. */
static const char	reactions[] =
	"👍 👎 ❤ 🔥 🥰 👏 😁 🤔 🤯 😱 🤬 😢 🎉 🤩 🤮 💩 🙏 👌 🕊 🤡 🥱 🥴 😍 🐳 "
	"❤‍🔥 🌚 🌭 💯 🤣 ⚡ 🍌 🏆 💔 🤨 😐 🍓 🍾 💋 🖕 😈 😴 😭 🤓 👻 👨‍💻 👀 🎃 🙈 😇 "
	"😨 🤝 ✍ 🤗 🫡 🎅 🎄 ☃ 💅 🤪 🗿 🆒 💘 🙉 🦄 😘 💊 🙊 😎 👾 🤷‍♂ 🤷 🤷‍♀ 😡";

/* With or without the selector for the emoji style, U+FE0F. */
static bool
is_reaction(const char *emoji)
{
	const char	*s;
	size_t		 len;

	if (emoji == NULL || *emoji == '\0')
		return (false);
	len = strlen(emoji);
	if (len > 3 && memcmp(emoji + len - 3, "\xef\xb8\x8f", 3) == 0)
		len -= 3;
	for (s = reactions; *s != '\0'; s += strspn(s, " ")) {
		if (strcspn(s, " ") == len && memcmp(s, emoji, len) == 0)
			return (true);
		s += strcspn(s, " ");
	}
	return (false);
}

int
edit_reaction(struct call *call)
{
	struct json_object	*list, *r;
	struct chat		*c;
	struct message		*m;
	const char		*emoji;
	bool			 broken;
	size_t			 i;

	if ((c = call_chat(call)) == NULL ||
	    (m = find_message(call, c, "to react ")) == NULL)
		return (-1);
	list = params_json(call->params, "reaction", &broken);
	if (broken || (list != NULL &&
	    !json_object_is_type(list, json_type_array))) {
		json_object_put(list);
		return (call_fail(call, 400, "Bad Request: can't parse "
		    "reaction types JSON object"));
	}
	for (i = 0; list != NULL && i < json_object_array_length(list); i++) {
		r = json_object_array_get_idx(list, i);
		emoji = json_object_is_type(r, json_type_object) ?
		    json_object_get_string(json_object_object_get(r, "emoji"))
		    : NULL;
		if (!is_reaction(emoji)) {
			json_object_put(list);
			return (call_fail(call, 400,
			    "Bad Request: REACTION_INVALID"));
		}
	}
	free(m->reaction);
	m->reaction = list == NULL ? NULL :
	    xstrdup(json_object_to_json_string_ext(list,
	    JSON_C_TO_STRING_PLAIN));
	json_object_put(list);
	if (sim.console)
		console_note(c, "reaction to message %lld: %s",
		    (long long)m->id, m->reaction == NULL ? "none" :
		    m->reaction);
	return (call_true(call));
}

static int
pin(struct call *call, bool pinned)
{
	struct chat	*c;
	struct message	*m;

	if ((c = call_chat(call)) == NULL || (m = find_message(call, c,
	    pinned ? "to pin " : "to unpin ")) == NULL)
		return (-1);
	m->pinned = pinned;
	return (call_true(call));
}

int
edit_pin(struct call *call)
{
	return (pin(call, true));
}

int
edit_unpin(struct call *call)
{
	return (pin(call, false));
}
