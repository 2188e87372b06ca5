/*
 * chats.c - the methods about the bot, its chats, topics, files and
 * commands.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <json-c/json.h>

#include "tests/sim/methods.h"
#include "tests/sim/sim.h"

int
chats_get_me(struct call *call)
{
	shape_bot(call->out);
	call->out->len--;
	buf_puts(call->out, ",\"can_join_groups\":true,"
	    "\"can_read_all_group_messages\":false,"
	    "\"supports_inline_queries\":false}");
	return (0);
}


int
chats_get(struct call *call)
{
	struct chat	*c;

	if ((c = call_chat(call)) == NULL)
		return (-1);
	shape_chat(call->out, c);
	call->out->len--;
	buf_puts(call->out, ",\"accent_color_id\":0,"
	    "\"max_reaction_count\":11,\"permissions\":{"
	    "\"can_send_messages\":true,\"can_send_documents\":true}}");
	return (0);
}

/* The bot is an administrator everywhere, everybody else a member. */
int
chats_member(struct call *call)
{
	int64_t	user;

	if (call_chat(call) == NULL)
		return (-1);
	if (params_int(call->params, "user_id", &user) == -1 || user <= 0)
		return (call_fail(call, 400,
		    "Bad Request: invalid user_id specified"));
	buf_puts(call->out, "{\"user\":");
	if (user == sim.bot_id)
		shape_bot(call->out);
	else
		shape_user(call->out, user);
	buf_puts(call->out, user == sim.bot_id ?
	    ",\"status\":\"administrator\",\"can_pin_messages\":true,"
	    "\"can_manage_topics\":true,\"can_be_edited\":false}" :
	    ",\"status\":\"member\"}");
	return (0);
}

int
chats_action(struct call *call)
{
	static const char *const actions[] = {
		"typing", "upload_photo", "record_video", "upload_video",
		"record_voice", "upload_voice", "upload_document",
		"choose_sticker", "find_location", "record_video_note",
		"upload_video_note"
	};
	const char	*action = params_str(call->params, "action");
	size_t		 i;

	if (call_chat(call) == NULL)
		return (-1);
	for (i = 0; action != NULL && i < nitems(actions); i++)
		if (strcasecmp(actions[i], action) == 0)
			return (call_true(call));
	return (call_fail(call, 400,
	    "Bad Request: wrong parameter action in request"));
}

/* A topic has the id of the service message that opens it. */
int
chats_create_topic(struct call *call)
{
	const struct param	*name = params_find(call->params, "name");
	struct chat		*c;

	if ((c = call_chat(call)) == NULL)
		return (-1);
	if (c->type != CHAT_SUPERGROUP || (c->declared && !c->forum))
		return (call_fail(call, 400,
		    "Bad Request: the chat is not a forum"));
	if (c->no_topics)
		return (call_fail(call, 400,
		    "Bad Request: not enough rights to create a topic"));
	if (name == NULL || name->len == 0 ||
	    !utf8_valid(name->value, name->len) ||
	    utf8_units(name->value, name->len) > 128)
		return (call_fail(call, 400,
		    "Bad Request: TOPIC_TITLE_EMPTY"));
	c->topics = xreallocarray(c->topics, c->ntopics + 1,
	    sizeof(*c->topics));
	c->topics[c->ntopics] = ++c->last_id > 1 ? c->last_id : ++c->last_id;
	buf_printf(call->out, "{\"message_thread_id\":%lld,\"name\":",
	    (long long)c->topics[c->ntopics++]);
	buf_json(call->out, name->value, name->len);
	buf_puts(call->out, ",\"icon_color\":7322096}");
	return (0);
}

/* A file_id ends in "x" and the number of the file. */
int
chats_file(struct call *call)
{
	const char	*id = params_str(call->params, "file_id");
	const char	*no = id == NULL ? NULL : strrchr(id, 'x');
	struct message	*m;

	if (no == NULL || (m = store_file(strtoll(no + 1, NULL, 10))) == NULL)
		return (call_fail(call, 400, "Bad Request: invalid file_id"));
	buf_puts(call->out, "{\"file_id\":");
	buf_json_str(call->out, id);
	buf_printf(call->out, ",\"file_unique_id\":\"AgAD%lld\","
	    "\"file_size\":%zu,\"file_path\":\"%ss/file_%lld\"}",
	    (long long)m->file_no, m->file_size, m->media,
	    (long long)m->file_no);
	return (0);
}
