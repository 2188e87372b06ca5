/*
 * send.c - the methods that put a message into a chat.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <json-c/json.h>

#include "tests/sim/methods.h"
#include "tests/sim/sim.h"

/* What is about to be sent. */
struct draft {
	struct rich	 body;
	const char	*mode;
	char		*markup;
	int64_t		 thread;
	int64_t		 reply_to;
};

static int	ask_reply(struct call *, struct chat *, int64_t *);
static int	ask_thread(struct call *, struct chat *, int64_t *);
static void	draft_free(struct draft *);
static int	draft_prepare(struct call *, struct chat *, struct draft *);
static struct message *draft_send(struct call *, struct chat *,
		    struct draft *, const char *);
static int	send_file(struct call *, const char *);

/* The topic: a forum knows its own, an undeclared supergroup takes any. */
static int
ask_thread(struct call *call, struct chat *c, int64_t *thread)
{
	size_t	i;

	*thread = 0;
	if (params_int(call->params, "message_thread_id", thread) == -1 ||
	    *thread == 0)
		return (0);
	if (*thread > 1 && c->type == CHAT_SUPERGROUP) {
		if (!c->declared)
			return (0);
		for (i = 0; i < c->ntopics; i++)
			if (c->topics[i] == *thread)
				return (0);
	}
	return (call_fail(call, 400, "Bad Request: message thread not found"));
}

static int
ask_reply(struct call *call, struct chat *c, int64_t *reply_to)
{
	struct json_object	*obj;
	bool			 broken, lax;

	*reply_to = 0;
	lax = params_bool(call->params, "allow_sending_without_reply");
	obj = params_json(call->params, "reply_parameters", &broken);
	if (obj != NULL && json_object_is_type(obj, json_type_object)) {
		*reply_to = json_object_get_int64(
		    json_object_object_get(obj, "message_id"));
		lax = json_object_get_boolean(json_object_object_get(obj,
		    "allow_sending_without_reply"));
	} else
		(void)params_int(call->params, "reply_to_message_id",
		    reply_to);
	json_object_put(obj);
	if (*reply_to == 0 || store_find(c, *reply_to) != NULL)
		return (0);
	*reply_to = 0;
	if (lax)
		return (0);
	return (call_fail(call, 400,
	    "Bad Request: message to be replied not found"));
}

static void
draft_free(struct draft *d)
{
	rich_free(&d->body);
	free(d->markup);
	d->markup = NULL;
}

/* All checks between the text and the limits.  On -1 nothing is held. */
static int
draft_prepare(struct call *call, struct chat *c, struct draft *d)
{
	if (call_markup(call, &d->markup) == -1 ||
	    ask_thread(call, c, &d->thread) == -1 ||
	    ask_reply(call, c, &d->reply_to) == -1 ||
	    call_admit(call, c) == -1) {
		draft_free(d);
		return (-1);
	}
	return (0);
}

/* Put it into the chat; takes what the draft holds. */
static struct message *
draft_send(struct call *call, struct chat *c, struct draft *d,
    const char *field)
{
	struct message	*m;

	m = store_add(c);
	m->at_us = call->now_us;
	m->body = d->body;
	m->markup = d->markup;
	m->thread = d->thread;
	m->reply_to = d->reply_to;
	m->silent = params_bool(call->params, "disable_notification");
	edit_raw(call, m, field, d->mode);
	c->received++;
	sim.stats.messages++;
	if (sim.stats.first_us == 0)
		sim.stats.first_us = call->now_us;
	sim.stats.last_us = call->now_us;
	return (m);
}

int
send_message(struct call *call)
{
	struct draft	 d = { 0 };
	struct chat	*c;
	struct message	*m;

	if (call_text(call, "text", &d.body, &d.mode) == -1)
		return (-1);
	if (d.body.len == 0) {
		rich_free(&d.body);
		return (call_fail(call, 400,
		    "Bad Request: message text is empty"));
	}
	if ((c = call_chat(call)) == NULL || (d.body.units > TEXT_MAX &&
	    call_fail(call, 400, "Bad Request: message is too long") == -1)) {
		rich_free(&d.body);
		return (-1);
	}
	if (draft_prepare(call, c, &d) == -1)
		return (-1);
	m = draft_send(call, c, &d, "text");
	shape_message(call->out, m);
	if (sim.console)
		console_message(m);
	return (0);
}

/* A document or photo: uploaded, or named by file_id or address. */
static int
send_file(struct call *call, const char *kind)
{
	static int64_t		 last_file;
	struct draft		 d = { 0 };
	const struct param	*p;
	struct chat		*c;
	struct message		*m;

	p = params_find(call->params, kind);
	if (p != NULL && p->file == NULL && p->len > 9 &&
	    memcmp(p->value, "attach://", 9) == 0)
		p = params_find(call->params, p->value + 9);
	if (p == NULL || (p->file == NULL && p->len == 0))
		return (call_fail(call, 400, "Bad Request: there is no %s in "
		    "the request", kind));
	if (p->len == 0)
		return (call_fail(call, 400,
		    "Bad Request: file must be non-empty"));
	if (call_text(call, "caption", &d.body, &d.mode) == -1)
		return (-1);
	if ((c = call_chat(call)) == NULL || (d.body.units > CAPTION_MAX &&
	    call_fail(call, 400,
	    "Bad Request: message caption is too long") == -1)) {
		rich_free(&d.body);
		return (-1);
	}
	if (draft_prepare(call, c, &d) == -1)
		return (-1);
	m = draft_send(call, c, &d, "caption");
	m->media = kind;
	m->file_no = ++last_file;
	m->file_name = xstrdup(p->file != NULL ? p->file : "file");
	m->mime = xstrdup(p->mime != NULL ? p->mime :
	    "application/octet-stream");
	m->file_size = p->len;
	m->file = xstrndup(p->value, p->len < DOC_KEEP ? p->len : DOC_KEEP);
	sim.stats.documents++;
	shape_message(call->out, m);
	if (sim.console)
		console_message(m);
	return (0);
}

int
send_document(struct call *call)
{
	return (send_file(call, "document"));
}

int
send_photo(struct call *call)
{
	return (send_file(call, "photo"));
}
