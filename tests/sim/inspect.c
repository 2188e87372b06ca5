/*
 * inspect.c - /sim: what the simulator saw, and how a test tells it what to
 * do.  One table of paths; README.md documents each.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>
#include <event2/http.h>
#include <json-c/json.h>

#include "tests/sim/methods.h"
#include "tests/sim/sim.h"

#define NOTES		1024	/* requests that are remembered */
#define NOTE_BODY	4096	/* bytes of each body */

/* A /sim request: parameters of the query, JSON of the body, the answer. */
struct ask {
	const struct params	*params;
	struct json_object	*json;		/* an object or NULL */
	struct buf		*out;
	const char		*error;		/* of a 400 */
};

struct note {
	int64_t		 at_us;
	const struct method *method;
	int64_t		 chat;
	int		 status;
	char		 outcome[64];
	char		 type[64];
	struct buf	 body;
	size_t		 body_len;
};

static int	ask_answers(struct ask *);
static int	ask_chat(struct ask *);
static int	ask_count(struct ask *);
static int	ask_fault(struct ask *);
static int	ask_faults(struct ask *);
static int	ask_messages(struct ask *);
static int	ask_redeliver(struct ask *);
static int	ask_requests(struct ask *);
static int	ask_reset(struct ask *);
static int	ask_stats(struct ask *);
static int	ask_update(struct ask *);
static int	clear_faults(struct ask *);
static void	message_edits(struct buf *, const struct message *);
static void	message_json(struct buf *, const struct message *);
static void	message_media(struct buf *, const struct message *);
static void	note_json(struct buf *, const struct note *);
static const char *outcome_text(const struct ask *);
static void	set_topics(struct chat *, struct json_object *);

static const struct {
	enum evhttp_cmd_type	 cmd;
	const char		*path;
	int			(*run)(struct ask *);
} paths[] = {
	{ EVHTTP_REQ_GET,	"/messages",	ask_messages },
	{ EVHTTP_REQ_GET,	"/count",	ask_count },
	{ EVHTTP_REQ_GET,	"/stats",	ask_stats },
	{ EVHTTP_REQ_GET,	"/requests",	ask_requests },
	{ EVHTTP_REQ_GET,	"/fault",	ask_faults },
	{ EVHTTP_REQ_POST,	"/fault",	ask_fault },
	{ EVHTTP_REQ_DELETE,	"/fault",	clear_faults },
	{ EVHTTP_REQ_POST,	"/chat",	ask_chat },
	{ EVHTTP_REQ_GET,	"/answers",	ask_answers },
	{ EVHTTP_REQ_POST,	"/update",	ask_update },
	{ EVHTTP_REQ_POST,	"/redeliver",	ask_redeliver },
	{ EVHTTP_REQ_POST,	"/reset",	ask_reset },
};

static const char	no_json[] = "a JSON object is needed";
static struct note	notes[NOTES];
static uint64_t		nnotes;

void
inspect_note(const struct call *call, const char *outcome)
{
	struct note	*n = &notes[nnotes++ % NOTES];

	n->at_us = call->now_us;
	n->method = call->method;
	n->chat = call->chat_id;
	n->status = call->status;
	(void)strlcpy(n->outcome, outcome, sizeof(n->outcome));
	(void)strlcpy(n->type, call->type == NULL ? "" : call->type,
	    sizeof(n->type));
	n->body_len = call->body_len;
	buf_clear(&n->body);
	buf_add(&n->body, call->body, call->body_len < NOTE_BODY ?
	    call->body_len : NOTE_BODY);
}

static void
note_json(struct buf *b, const struct note *n)
{
	size_t	len = n->body.len;

	buf_printf(b, "{\"method\":\"%s\",\"chat_id\":%lld,\"at_us\":%lld,"
	    "\"status\":%d,\"outcome\":", n->method->name, (long long)n->chat,
	    (long long)n->at_us, n->status);
	buf_json_str(b, n->outcome);
	buf_key(b, "content_type");
	buf_json_str(b, n->type);
	buf_key(b, "body_bytes");
	buf_int(b, (int64_t)n->body_len);
	/* The cut may have gone through a character. */
	while (len > 0 && n->body_len > len && len > n->body.len - 4 &&
	    !utf8_valid(n->body.p, len))
		len--;
	buf_key(b, "body");
	if (utf8_valid(n->body.p, len))
		buf_json(b, n->body.p, len);
	else
		buf_puts(b, "null");
	buf_putc(b, '}');
}

static int
ask_requests(struct ask *ask)
{
	int64_t		limit = 100;
	uint64_t	i, n;

	(void)params_int(ask->params, "limit", &limit);
	n = nnotes < NOTES ? nnotes : NOTES;
	if (limit >= 0 && (uint64_t)limit < n)
		n = (uint64_t)limit;
	buf_putc(ask->out, '[');
	for (i = nnotes - n; i < nnotes; i++) {
		if (i > nnotes - n)
			buf_putc(ask->out, ',');
		note_json(ask->out, &notes[i % NOTES]);
	}
	buf_putc(ask->out, ']');
	return (0);
}

static void
message_edits(struct buf *b, const struct message *m)
{
	size_t	i;

	buf_key(b, "edits");
	buf_putc(b, '[');
	for (i = 0; i < m->nedits; i++) {
		buf_printf(b, "%s{\"date_ms\":%lld,\"before\":",
		    i > 0 ? "," : "", (long long)(m->edits[i].at_us / 1000));
		buf_json_str(b, m->edits[i].text);
		buf_key(b, "text");
		buf_json_str(b, i + 1 < m->nedits ? m->edits[i + 1].text :
		    m->body.text == NULL ? "" : m->body.text);
		buf_putc(b, '}');
	}
	buf_putc(b, ']');
}

static void
message_media(struct buf *b, const struct message *m)
{
	size_t	kept = m->file_size < DOC_KEEP ? m->file_size : DOC_KEEP;

	buf_key(b, m->media);
	buf_puts(b, "{\"file_name\":");
	buf_json_str(b, m->file_name);
	buf_key(b, "mime_type");
	buf_json_str(b, m->mime);
	buf_key(b, "size");
	buf_int(b, (int64_t)m->file_size);
	buf_key(b, "content");
	if (utf8_valid(m->file, kept))
		buf_json(b, m->file, kept);
	else
		buf_puts(b, "null");
	buf_putc(b, '}');
}

static void
message_json(struct buf *b, const struct message *m)
{
	const char	*text = m->body.text == NULL ? "" : m->body.text;

	buf_printf(b, "{\"seq\":%llu,\"message_id\":%lld,\"chat_id\":%lld,"
	    "\"thread\":%lld,\"reply_to\":%lld,\"from\":%lld,"
	    "\"date_ms\":%lld,\"received_us\":%lld,\"silent\":%s,"
	    "\"deleted\":%s,\"pinned\":%s", (unsigned long long)m->seq,
	    (long long)m->id, (long long)m->chat->id, (long long)m->thread,
	    (long long)m->reply_to, (long long)m->user,
	    (long long)(m->at_us / 1000), (long long)m->at_us,
	    m->silent ? "true" : "false", m->deleted ? "true" : "false",
	    m->pinned ? "true" : "false");
	buf_key(b, "text");
	buf_json(b, text, m->body.len);
	buf_key(b, "units");
	buf_int(b, (int64_t)m->body.units);
	buf_key(b, "raw");
	buf_json_str(b, m->raw != NULL ? m->raw : text);
	buf_key(b, "parse_mode");
	if (m->parse_mode != NULL)
		buf_json_str(b, m->parse_mode);
	else
		buf_puts(b, "null");
	buf_key(b, "entities");
	rich_json(&m->body, b);
	buf_key(b, "reply_markup");
	buf_puts(b, m->markup != NULL ? m->markup : "null");
	buf_key(b, "reaction");
	buf_puts(b, m->reaction != NULL ? m->reaction : "null");
	message_edits(b, m);
	if (m->media != NULL)
		message_media(b, m);
	buf_putc(b, '}');
}

/*
 * Messages of the bot, oldest first; all=1 with those of people.  since is
 * a seq: those after it.  limit takes the newest.
 */
static int
ask_messages(struct ask *ask)
{
	const char	*text = params_str(ask->params, "text");
	struct message	*m, *first = NULL;
	int64_t		 chat = 0, limit = -1, since = -1, thread = 0;
	bool		 all = params_bool(ask->params, "all"), comma = false;

	(void)params_int(ask->params, "chat", &chat);
	(void)params_int(ask->params, "since", &since);
	(void)params_int(ask->params, "limit", &limit);
	(void)params_int(ask->params, "thread", &thread);
#define WANTED(m)	((all || (m)->user == 0) &&			\
	(chat == 0 || (m)->chat->id == chat) &&				\
	(thread == 0 || (m)->thread == thread) &&			\
	(text == NULL || ((m)->body.text != NULL &&			\
	strstr((m)->body.text, text) != NULL)))
	/* From the newest back to where the answer begins. */
	TAILQ_FOREACH_REVERSE(m, &sim.messages, message_list, order) {
		if ((int64_t)m->seq <= since || limit == 0)
			break;
		if (!WANTED(m))
			continue;
		first = m;
		if (limit > 0)
			limit--;
	}
	buf_putc(ask->out, '[');
	for (m = first; m != NULL; m = TAILQ_NEXT(m, order)) {
		if (!WANTED(m))
			continue;
		if (comma)
			buf_putc(ask->out, ',');
		comma = true;
		message_json(ask->out, m);
	}
#undef WANTED
	buf_putc(ask->out, ']');
	return (0);
}

/* Counters only, so that a benchmark may ask often. */
static int
ask_count(struct ask *ask)
{
	struct chat	*c;
	int64_t		 id = 0;
	uint64_t	 n = sim.stats.messages;

	if (params_int(ask->params, "chat", &id) == 0)
		n = (c = store_chat(id)) == NULL ? 0 : c->received;
	buf_printf(ask->out, "{\"messages\":%llu,\"edits\":%llu,"
	    "\"deletes\":%llu,\"documents\":%llu,\"stored\":%llu,"
	    "\"first_us\":%lld,\"last_us\":%lld}", (unsigned long long)n,
	    (unsigned long long)sim.stats.edits,
	    (unsigned long long)sim.stats.deletes,
	    (unsigned long long)sim.stats.documents,
	    (unsigned long long)sim.nmessages,
	    (long long)sim.stats.first_us, (long long)sim.stats.last_us);
	return (0);
}

static int
ask_stats(struct ask *ask)
{
	const struct stats	*s = &sim.stats;
	struct buf		*b = ask->out;
	const char		*comma = "";
	size_t			 i;
	const struct {
		const char	*name;
		uint64_t	 v;
	} numbers[] = {
		{ "requests", s->requests }, { "messages", s->messages },
		{ "edits", s->edits }, { "deletes", s->deletes },
		{ "documents", s->documents },
		{ "connections", s->connections },
		{ "in_flight", s->in_flight },
		{ "max_in_flight", s->max_in_flight },
		{ "sent_429", s->by_status[429] },
		{ "faults", s->faults }, { "dropped", s->dropped },
		{ "bad_tokens", s->bad_tokens },
		{ "unknown_methods", s->unknown_methods },
		{ "polls_open", s->polls_open },
		{ "updates_pending", updates_pending() },
		{ "first_ms", (uint64_t)s->first_us / 1000 },
		{ "last_ms", (uint64_t)s->last_us / 1000 },
	};

	buf_putc(b, '{');
	for (i = 0; i < nitems(numbers); i++) {
		buf_key(b, numbers[i].name);
		buf_int(b, (int64_t)numbers[i].v);
	}
	buf_key(b, "by_status");
	buf_putc(b, '{');
	for (i = 0; i < nitems(s->by_status); i++)
		if (s->by_status[i] > 0) {
			buf_printf(b, "%s\"%zu\":%llu", comma, i,
			    (unsigned long long)s->by_status[i]);
			comma = ",";
		}
	buf_puts(b, "},\"methods\":{");
	for (comma = "", i = 0; i < nmethods; i++)
		if (method_stats[i].requests > 0) {
			buf_printf(b, "%s\"%s\":{\"requests\":%llu,"
			    "\"ok\":%llu,\"failed\":%llu}", comma,
			    methods[i].name,
			    (unsigned long long)method_stats[i].requests,
			    (unsigned long long)method_stats[i].ok,
			    (unsigned long long)method_stats[i].failed);
			comma = ",";
		}
	buf_puts(b, "}}");
	return (0);
}

static int
ask_fault(struct ask *ask)
{
	if (ask->json == NULL) {
		ask->error = no_json;
		return (-1);
	}
	if (fault_add(ask->json, &ask->error) == -1)
		return (-1);
	buf_puts(ask->out, "{\"ok\":true}");
	return (0);
}

static int
ask_faults(struct ask *ask)
{
	fault_json(ask->out);
	return (0);
}

static int
clear_faults(struct ask *ask)
{
	fault_clear();
	buf_puts(ask->out, "{\"ok\":true}");
	return (0);
}

static int
ask_update(struct ask *ask)
{
	if (ask->json == NULL) {
		ask->error = no_json;
		return (-1);
	}
	return (people_act(ask->json, ask->out, &ask->error));
}

static int
ask_redeliver(struct ask *ask)
{
	int64_t	id;

	id = ask->json == NULL ? 0 : json_object_get_int64(
	    json_object_object_get(ask->json, "update_id"));
	if (updates_redeliver(id) == -1) {
		ask->error = "no such update";
		return (-1);
	}
	buf_puts(ask->out, "{\"ok\":true}");
	return (0);
}

static int
ask_answers(struct ask *ask)
{
	int64_t	limit = -1;

	(void)params_int(ask->params, "limit", &limit);
	people_answers_json(ask->out, limit);
	return (0);
}

static void
set_topics(struct chat *c, struct json_object *list)
{
	size_t	i, n = json_object_array_length(list);

	c->topics = xreallocarray(c->topics, n + 1, sizeof(*c->topics));
	for (i = 0; i < n; i++)
		c->topics[i] = json_object_get_int64(
		    json_object_array_get_idx(list, i));
	c->ntopics = n;
}

/* Declare or change a chat. */
static int
ask_chat(struct ask *ask)
{
	static const char *const types[] = {
		[CHAT_PRIVATE] = "private", [CHAT_GROUP] = "group",
		[CHAT_SUPERGROUP] = "supergroup", [CHAT_CHANNEL] = "channel"
	};
	struct chat	*c;
	int64_t		 id;
	size_t		 i;

	id = ask->json == NULL ? 0 : json_object_get_int64(
	    json_object_object_get(ask->json, "id"));
	if (id == 0) {
		ask->error = "id is needed";
		return (-1);
	}
	c = store_chat_make(id);
	c->declared = true;
	json_object_object_foreach(ask->json, key, v) {
		const char	*s = json_object_get_string(v);

		if (strcmp(key, "type") == 0) {
			for (i = 0; i < nitems(types); i++)
				if (s != NULL && strcmp(types[i], s) == 0)
					c->type = (enum chat_type)i;
		} else if (strcmp(key, "title") == 0 && s != NULL) {
			free(c->title);
			c->title = xstrdup(s);
		} else if (strcmp(key, "username") == 0) {
			free(c->username);
			c->username = s == NULL ? NULL : xstrdup(s);
		} else if (strcmp(key, "forum") == 0)
			c->forum = json_object_get_boolean(v);
		else if (strcmp(key, "no_topics") == 0)
			c->no_topics = json_object_get_boolean(v);
		else if (strcmp(key, "blocked") == 0)
			c->access = json_object_get_boolean(v) ?
			    ACCESS_BLOCKED : ACCESS_OK;
		else if (strcmp(key, "migrated_to") == 0)
			c->migrated_to = json_object_get_int64(v);
		else if (strcmp(key, "topics") == 0 &&
		    json_object_is_type(v, json_type_array))
			set_topics(c, v);
	}
	shape_chat(ask->out, c);
	return (0);
}

/* As after the start, except that ids go on rising. */
static int
ask_reset(struct ask *ask)
{
	uint64_t	open, polls;

	store_reset();
	updates_reset();
	people_reset();
	webhook_reset();
	fault_clear();
	open = sim.stats.in_flight;
	polls = sim.stats.polls_open;
	memset(&sim.stats, 0, sizeof(sim.stats));
	sim.stats.in_flight = open;
	sim.stats.polls_open = polls;
	memset(method_stats, 0, nmethods * sizeof(method_stats[0]));
	limit_free(&sim.global);
	memset(&sim.global, 0, sizeof(sim.global));
	nnotes = 0;
	buf_puts(ask->out, "{\"ok\":true}");
	return (0);
}

static const char *
outcome_text(const struct ask *ask)
{
	return (ask->error != NULL ? ask->error : "bad request");
}

void
inspect_request(struct evhttp_request *req, const char *path,
    const char *query)
{
	static struct params	 params;
	static struct buf	 out;
	struct ask		 ask = { .params = &params, .out = &out };
	struct evbuffer		*in = evhttp_request_get_input_buffer(req);
	enum evhttp_cmd_type	 cmd = evhttp_request_get_command(req);
	const char		*error;
	size_t			 i, len = evbuffer_get_length(in);
	int			 status = 404;

	buf_clear(&out);
	for (i = 0; i < nitems(paths); i++)
		if (paths[i].cmd == cmd && strcmp(paths[i].path, path) == 0)
			break;
	if (i < nitems(paths)) {
		/* The body is JSON whatever the client calls it. */
		if (params_parse(&params, query, "application/json",
		    len == 0 ? "" : (const char *)evbuffer_pullup(in, -1),
		    len, &error) == -1)
			ask.error = "the body is not a JSON object";
		ask.json = params.root;
		status = ask.error == NULL && paths[i].run(&ask) == 0 ?
		    200 : 400;
		params_clear(&params);
	}
	if (status != 200) {
		buf_clear(&out);
		buf_puts(&out, "{\"ok\":false,\"error\":");
		buf_json_str(&out, status == 404 ? "no such path" :
		    outcome_text(&ask));
		buf_putc(&out, '}');
	}
	server_reply(req, status, NULL, out.p, out.len, NULL);
}
