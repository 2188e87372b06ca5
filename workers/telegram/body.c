/*
 * Reads a call as the queue sends it and writes it as the body of a request.
 * Pure; called by calls.c and api.c.
 */
#include <string.h>

#include "workers/telegram/bot_commands.h"
#include "workers/telegram/telegram.h"

static void body_message(struct buf *, const struct call_fields *, bool);
static void body_answer(struct buf *, const struct call_fields *);
static void body_reaction(struct buf *, const struct call_fields *);
static void body_topic(struct buf *, const struct call_fields *);
static void body_allowed(struct buf *);

bool
body_unpack(struct call_fields *c, const void *data, size_t len)
{
	struct unpacker u;
	uint8_t method;

	unpack_init(&u, data, len);
	method = unpack_u8(&u);
	c->method = method;
	c->flags = unpack_u8(&u);
	c->attempt = unpack_u32(&u);
	c->chat = unpack_i64(&u);
	c->thread = unpack_i64(&u);
	c->message_id = unpack_i64(&u);
	c->text = unpack_span(&u);
	c->markup = unpack_span(&u);
	c->document_name = unpack_span(&u);
	c->document = unpack_span(&u);
	return (unpack_done(&u) && method <= CALL_TOPIC);
}

_Static_assert((int)API_SEND == CALL_SEND && (int)API_EDIT == CALL_EDIT &&
    (int)API_DOCUMENT == CALL_DOCUMENT && (int)API_ANSWER == CALL_ANSWER &&
    (int)API_REACT == CALL_REACT && (int)API_TOPIC == CALL_TOPIC &&
    (int)API_CALLS == CALL_TOPIC + 1,
    "the queue's methods are the first of ours");

enum api_method
body_method(const struct call_fields *c)
{
	return ((enum api_method)c->method);
}

/* Ids of chats have 52 bits at most (Bot API). */
int64_t
body_lane(const struct call_fields *c, uint64_t id)
{
	if (c->method != CALL_ANSWER && c->method != CALL_TOPIC)
		return (c->chat);
	return (INT64_MIN + (int64_t)(id & INT64_MAX >> 1));
}

int64_t
body_thread(const struct call_fields *c)
{
	return (c->method == CALL_EDIT || c->thread == 1 ? 0 : c->thread);
}

void
body_json(struct buf *t, const struct call_fields *c, bool plain)
{
	switch (c->method) {
	case CALL_ANSWER:
		body_answer(t, c);
		break;
	case CALL_REACT:
		body_reaction(t, c);
		break;
	case CALL_TOPIC:
		body_topic(t, c);
		break;
	default:
		body_message(t, c, plain);
		break;
	}
}

/*
 * sendMessage, as a reply if it names a message, or editMessageText.  An edit
 * that names no reply_markup takes the buttons away: so the Bot API has it,
 * and so the queue wants it.
 */
static void
body_message(struct buf *t, const struct call_fields *c, bool plain)
{
	buf_str(t, "{\"chat_id\":");
	buf_i64(t, c->chat);
	if (c->method == CALL_EDIT) {
		buf_str(t, ",\"message_id\":");
		buf_i64(t, c->message_id);
	}
	if (body_thread(c) != 0) {
		buf_str(t, ",\"message_thread_id\":");
		buf_i64(t, body_thread(c));
	}
	if (c->method == CALL_SEND && c->message_id != 0) {
		buf_str(t, ",\"reply_parameters\":{\"message_id\":");
		buf_i64(t, c->message_id);
		buf_str(t, ",\"allow_sending_without_reply\":true}");
	}
	buf_str(t, ",\"text\":");
	buf_json(t, c->text.p, c->text.len);
	if (!plain)
		buf_str(t, ",\"parse_mode\":\"HTML\"");
	if ((c->flags & CALL_SILENT) != 0 && c->method != CALL_EDIT)
		buf_str(t, ",\"disable_notification\":true");
	if (c->markup.len > 0) {
		buf_str(t, ",\"reply_markup\":");
		buf_add(t, c->markup.p, c->markup.len);
	}
	buf_str(t, "}");
}

/* answerCallbackQuery: the query's id has no field of its own. */
static void
body_answer(struct buf *t, const struct call_fields *c)
{
	buf_str(t, "{\"callback_query_id\":");
	buf_json(t, c->document_name.p, c->document_name.len);
	if (c->text.len > 0) {
		buf_str(t, ",\"text\":");
		buf_json(t, c->text.p, c->text.len);
	}
	buf_str(t, "}");
}

/* setMessageReaction; without an emoji it takes ours away. */
static void
body_reaction(struct buf *t, const struct call_fields *c)
{
	buf_str(t, "{\"chat_id\":");
	buf_i64(t, c->chat);
	buf_str(t, ",\"message_id\":");
	buf_i64(t, c->message_id);
	buf_str(t, ",\"reaction\":[");
	if (c->text.len > 0) {
		buf_str(t, "{\"type\":\"emoji\",\"emoji\":");
		buf_json(t, c->text.p, c->text.len);
		buf_str(t, "}");
	}
	buf_str(t, "]}");
}

/* createForumTopic */
static void
body_topic(struct buf *t, const struct call_fields *c)
{
	buf_str(t, "{\"chat_id\":");
	buf_i64(t, c->chat);
	buf_str(t, ",\"name\":");
	buf_json(t, c->text.p, c->text.len);
	buf_str(t, "}");
}

/* What we want to hear of, however it comes. */
static void
body_allowed(struct buf *t)
{
	buf_str(t, ",\"allowed_updates\":[\"message\","
	    "\"edited_message\",\"callback_query\",\"my_chat_member\"]}");
}

void
body_updates(struct buf *t, int64_t offset, unsigned int limit,
    int64_t timeout_s)
{
	buf_str(t, "{\"timeout\":");
	buf_i64(t, timeout_s);
	buf_str(t, ",\"limit\":");
	buf_i64(t, limit);
	if (offset != 0) {
		buf_str(t, ",\"offset\":");
		buf_i64(t, offset);
	}
	body_allowed(t);
}

void
body_webhook(struct buf *t, const char *url, const char *secret)
{
	buf_str(t, "{\"url\":");
	buf_json(t, url, strlen(url));
	buf_str(t, ",\"secret_token\":");
	buf_json(t, secret, strlen(secret));
	body_allowed(t);
}

void
body_commands(struct buf *t)
{
#define COMMAND(name, what) \
	",{\"command\":\"" #name "\",\"description\":\"" what "\"}"
	static const char list[] = BOT_COMMANDS(COMMAND);
#undef COMMAND

	buf_str(t, "{\"commands\":[");
	buf_str(t, list + 1); /* behind the first comma */
	buf_str(t, "]}");
}
