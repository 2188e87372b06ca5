/*
 * Updates of the Bot API, and the commands in them.
 */
#ifndef QUEUE_UPDATE_H
#define QUEUE_UPDATE_H

#include "workers/queue/prompt.h"
#include "workers/queue/queue.h"

/* What people sent: a command, its argument, and where. */
struct command_context {
	struct answerer by;
	int64_t chat_id, thread;
	int64_t reply_to; /* message id, 0: none */
	const char *reply_data; /* of that message's first button, or "" */
	const char *argument; /* "" without one */
};

/* C("name", "names of old", role, function, "help") */
#define COMMANDS(C)                                                           \
	C("start", "", ROLE_VIEWER, start, "What this bot is")                \
	C("help", "", ROLE_VIEWER, help, "All commands")                      \
	C("status", "bridge", ROLE_VIEWER, status, "How things are")          \
	C("queue", "", ROLE_VIEWER, queue, "What waits to be sent")           \
	C("tasks", "", ROLE_VIEWER, tasks, "Tasks seen lately")               \
	C("todo", "", ROLE_VIEWER, todo, "The agent's list of things to do")  \
	C("last", "", ROLE_VIEWER, last, "The events sent last")              \
	C("pending", "", ROLE_VIEWER, pending, "Questions that are open")     \
	C("doctor", "", ROLE_VIEWER, doctor, "What is wrong, if anything")    \
	C("mode", "", ROLE_OPERATOR, mode, "local, nomad or mute")            \
	C("local", "cct:local", ROLE_OPERATOR, local, "Mode local")           \
	C("nomad", "cct:nomad", ROLE_OPERATOR, nomad, "Mode nomad")           \
	C("mute", "cct:mute", ROLE_OPERATOR, mute, "Quiet, e.g. /mute 2h")    \
	C("unmute", "", ROLE_OPERATOR, unmute, "Talk again")                  \
	C("restart", "", ROLE_ADMIN, restart, "Replace the workers")          \
	C("approve", "", ROLE_APPROVER, approve, "Say yes to a question")     \
	C("deny", "", ROLE_APPROVER, deny, "Say no to a question")

/* The text begins with "/".  Answers in the chat. */
void command_run(const char *name, struct command_context *);

/* update.c */
void update_start(void); /* on start: where to poll from */
void update_telegram_up(struct peer *);
void update_teller_lost(struct peer *);
enum link_verdict update_tell(struct peer *, const struct frame *);
enum link_verdict update_post(struct peer *, const struct frame *);
enum link_verdict update_hook(struct peer *, const struct frame *);
void update_committed(void); /* commit.c tells */
void update_clock_set(int64_t by_ms);
enum link_verdict update_name(struct peer *, const struct frame *);

#endif
