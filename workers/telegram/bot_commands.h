/*
 * The commands that the bot shows in the chat's menu, in the order in which
 * it shows them: B(command, "description").  setMyCommands sends them, the
 * queue carries them out; a test compares the two tables.
 *
 * A command has lower case letters, digits and underscores, at most 32; a
 * description at most 256 characters (Bot API, BotCommand).
 */
#ifndef WORKERS_TELEGRAM_BOT_COMMANDS_H
#define WORKERS_TELEGRAM_BOT_COMMANDS_H

#define BOT_COMMANDS(B)                                          \
	B(start, "Begin, or join with a code: /start CODE")      \
	B(help, "What I understand")                             \
	B(status, "How the daemon and its workers are")          \
	B(queue, "Events that wait, and those that failed")      \
	B(tasks, "Tasks that are under way")                     \
	B(todo, "The current list of things to do")              \
	B(restart, "Replace the workers")                        \
	B(mode, "Show or change the mode: local, nomad, mute")   \
	B(local, "You are at the keyboard: the usual messages")  \
	B(nomad, "You are away: messages are answered here")     \
	B(mute, "Hold messages: /mute 2h, or until /unmute")     \
	B(unmute, "Talk again, with a summary of what was held") \
	B(approve, "Approve the open question, or the one named") \
	B(deny, "Deny the open question, or the one named")      \
	B(pending, "Questions that wait for an answer")          \
	B(last, "The last events")                               \
	B(doctor, "Look for what is wrong")

#endif
