/*
 * methods.h - the methods of the Bot API that are simulated, one line each:
 * name, function, flags.  Each function writes its result as JSON to
 * call->out and returns 0, or fails the call and returns -1.
 */
#ifndef SIM_METHODS_H
#define SIM_METHODS_H

#include <stddef.h>
#include <stdint.h>

struct call;
struct message;

#define METHODS(X)							\
	X("sendMessage",		send_message)			\
	X("editMessageText",		edit_text)			\
	X("getUpdates",			updates_get)			\
	X("answerCallbackQuery",	people_answer)			\
	X("sendDocument",		send_document)			\
	X("sendPhoto",			send_photo)			\
	X("editMessageCaption",		edit_caption)			\
	X("editMessageReplyMarkup",	edit_markup)			\
	X("deleteMessage",		edit_delete)			\
	X("setMessageReaction",		edit_reaction)			\
	X("pinChatMessage",		edit_pin)			\
	X("unpinChatMessage",		edit_unpin)			\
	X("sendChatAction",		chats_action)			\
	X("getMe",			chats_get_me)			\
	X("getChat",			chats_get)			\
	X("getChatMember",		chats_member)			\
	X("createForumTopic",		chats_create_topic)		\
	X("getFile",			chats_file)			\
	X("setMyCommands",		commands_set)			\
	X("getMyCommands",		commands_get)			\
	X("deleteMyCommands",		commands_delete)		\
	X("setWebhook",			webhook_set)			\
	X("deleteWebhook",		webhook_delete)			\
	X("getWebhookInfo",		webhook_info)

#define X(name, run) int run(struct call *);
METHODS(X)
#undef X

struct method {
	const char	*name;
	int		(*run)(struct call *);
};

struct method_stats {
	uint64_t	 requests;
	uint64_t	 ok;
	uint64_t	 failed;
};

extern const struct method	methods[];
extern const size_t		nmethods;
extern struct method_stats	method_stats[];

/* Names are compared without regard to case, as the Bot API does. */
const struct method *method_find(const char *, size_t);

/* Keep the marked up source of a text, if the call gave a parse_mode. */
void	 edit_raw(struct call *, struct message *, const char *field,
	    const char *mode);

#endif /* SIM_METHODS_H */
