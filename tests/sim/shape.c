/*
 * shape.c - the JSON of Bot API objects: users, chats, messages.
 * Pure: from the store into a buffer.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "tests/sim/sim.h"

static void	shape_file(struct buf *, const struct message *);

static const char *const chat_types[] = {
	[CHAT_PRIVATE] = "private",
	[CHAT_GROUP] = "group",
	[CHAT_SUPERGROUP] = "supergroup",
	[CHAT_CHANNEL] = "channel",
};

void
shape_bot(struct buf *b)
{
	buf_puts(b, "{\"id\":");
	buf_int(b, sim.bot_id);
	buf_puts(b, ",\"is_bot\":true,\"first_name\":");
	buf_json_str(b, sim.bot_name);
	buf_puts(b, ",\"username\":");
	buf_json_str(b, sim.bot_name);
	buf_putc(b, '}');
}

/* A person; what is known of him is his private chat. */
void
shape_user(struct buf *b, int64_t id)
{
	const struct chat	*c = store_chat(id);

	buf_puts(b, "{\"id\":");
	buf_int(b, id);
	buf_puts(b, ",\"is_bot\":false,\"first_name\":");
	if (c != NULL)
		buf_json_str(b, c->title);
	else
		buf_printf(b, "\"User %lld\"", (long long)id);
	if (c != NULL && c->username != NULL) {
		buf_puts(b, ",\"username\":");
		buf_json_str(b, c->username);
	}
	buf_puts(b, ",\"language_code\":\"en\"}");
}

void
shape_chat(struct buf *b, const struct chat *c)
{
	buf_puts(b, "{\"id\":");
	buf_int(b, c->id);
	buf_puts(b, c->type == CHAT_PRIVATE ? ",\"first_name\":" :
	    ",\"title\":");
	buf_json_str(b, c->title);
	if (c->username != NULL) {
		buf_puts(b, ",\"username\":");
		buf_json_str(b, c->username);
	}
	if (c->forum)
		buf_puts(b, ",\"is_forum\":true");
	buf_puts(b, ",\"type\":\"");
	buf_puts(b, chat_types[c->type]);
	buf_puts(b, "\"}");
}

static void
shape_file(struct buf *b, const struct message *m)
{
	char	id[96];

	(void)snprintf(id, sizeof(id), "\"file_id\":\"BQACAgIAAx%lld\","
	    "\"file_unique_id\":\"AgAD%lld\"", (long long)m->file_no,
	    (long long)m->file_no);
	buf_printf(b, ",\"%s\":", m->media);
	if (strcmp(m->media, "photo") == 0)
		buf_printf(b, "[{%s,\"width\":800,\"height\":600,"
		    "\"file_size\":%zu}]", id, m->file_size);
	else {
		buf_putc(b, '{');
		buf_key(b, "file_name");
		buf_json_str(b, m->file_name);
		buf_key(b, "mime_type");
		buf_json_str(b, m->mime);
		buf_printf(b, ",%s,\"file_size\":%zu}", id, m->file_size);
	}
}

void
shape_message(struct buf *b, const struct message *m)
{
	const struct message	*reply;

	buf_puts(b, "{\"message_id\":");
	buf_int(b, m->id);
	buf_puts(b, ",\"from\":");
	if (m->user == 0)
		shape_bot(b);
	else
		shape_user(b, m->user);
	buf_puts(b, ",\"chat\":");
	shape_chat(b, m->chat);
	buf_puts(b, ",\"date\":");
	buf_int(b, m->at_us / 1000000);
	if (m->nedits > 0) {
		buf_puts(b, ",\"edit_date\":");
		buf_int(b, m->edits[m->nedits - 1].at_us / 1000000);
	}
	if (m->thread != 0) {
		buf_puts(b, ",\"message_thread_id\":");
		buf_int(b, m->thread);
		buf_puts(b, ",\"is_topic_message\":true");
	}
	if (m->reply_to != 0 &&
	    (reply = store_find(m->chat, m->reply_to)) != NULL) {
		buf_puts(b, ",\"reply_to_message\":");
		if (reply->reply_to == 0)
			shape_message(b, reply);
		else
			buf_printf(b, "{\"message_id\":%lld,\"date\":%lld,"
			    "\"chat\":{\"id\":%lld,\"type\":\"%s\"}}",
			    (long long)reply->id,
			    (long long)(reply->at_us / 1000000),
			    (long long)m->chat->id, chat_types[m->chat->type]);
	}
	if (m->media != NULL)
		shape_file(b, m);
	if (m->body.len > 0) {
		buf_puts(b, m->media == NULL ? ",\"text\":" :
		    ",\"caption\":");
		buf_json(b, m->body.text, m->body.len);
		if (m->body.nents > 0) {
			buf_puts(b, m->media == NULL ? ",\"entities\":" :
			    ",\"caption_entities\":");
			rich_json(&m->body, b);
		}
	}
	if (m->markup != NULL) {
		buf_puts(b, ",\"reply_markup\":");
		buf_puts(b, m->markup);
	}
	buf_putc(b, '}');
}
