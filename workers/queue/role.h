/*
 * Roles: who may do what with the bot.  Pure.
 */
#ifndef QUEUE_ROLE_H
#define QUEUE_ROLE_H

#include <stdbool.h>

/* R(NAME, "name"), each may do all that the one before may. */
#define ROLES(R)                 \
	R(NONE, "none")          \
	R(VIEWER, "viewer")      \
	R(OPERATOR, "operator")  \
	R(APPROVER, "approver")  \
	R(ADMIN, "admin")

enum role {
#define ROLE_ENUM(name, text) ROLE_##name,
	ROLES(ROLE_ENUM)
#undef ROLE_ENUM
	NROLES
};

/*
 * R(NAME, the least role that may), besides the commands, which have theirs
 * in update.h:
 *	SPEAK	what they write becomes a response
 *	LOOK	they see the details behind a button
 *	ANSWER	their presses and replies settle a question
 *	RECEIVE	events that no route catches come to them in private
 */
#define RIGHTS(R)            \
	R(SPEAK, VIEWER)     \
	R(LOOK, VIEWER)      \
	R(ANSWER, APPROVER)  \
	R(RECEIVE, APPROVER)

enum right {
#define RIGHT_ENUM(name, role) RIGHT_##name,
	RIGHTS(RIGHT_ENUM)
#undef RIGHT_ENUM
	NRIGHTS
};

const char *role_name(enum role);
int role_by_name(const char *); /* -1 if there is none; "none" is none */
bool role_may(enum role, enum right);

#endif
