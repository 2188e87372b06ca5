/*
 * What pressing a button is worth.  Pure.
 */
#ifndef QUEUE_PRESS_H
#define QUEUE_PRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "workers/queue/role.h"

#define TOKEN_CHARS 32 /* 128 random bits in hex: cannot be guessed */
#define PRESS_DATA_SIZE (TOKEN_CHARS + 4)

/* S(NAME, "name"): how a question stands. */
#define PROMPT_STATES(S)           \
	S(OPEN, "open")            \
	S(ANSWERED, "answered")    \
	S(EXPIRED, "expired")      \
	S(WITHDRAWN, "withdrawn")

enum prompt_state {
#define PROMPT_ENUM(name, text) PS_##name,
	PROMPT_STATES(PROMPT_ENUM)
#undef PROMPT_ENUM
	NPROMPTSTATES
};

/*
 * Is the message that was pressed a copy of the question?  An attempt whose
 * outcome is not known may have put the buttons below a message whose id
 * never came; so may one that is under way.
 */
enum was_sent { WS_NO, WS_PERHAPS, WS_YES };

/* V(NAME, reason for the log, toast for who pressed) */
#define PRESS_VERDICTS(V)                                                  \
	V(DECIDES, NULL, "Done.")                                          \
	V(SHOWS, NULL, "")                                                 \
	V(UNKNOWN, "unknown button",                                       \
	    "This button is not known any more.")                          \
	V(NOT_ALLOWED, "not allowed", "You may not answer this.")          \
	V(FOREIGN, "another chat or message",                              \
	    "This button does not belong here.")                           \
	V(ANSWERED, "answered", "Already decided.")                        \
	V(EXPIRED, "expired", "Too late: this has expired.")               \
	V(WITHDRAWN, "withdrawn", "Too late: this was withdrawn.")         \
	V(NO_OPTION, "no such option", "There is no such option.")

enum press_verdict {
#define PRESS_ENUM(name, reason, toast) PV_##name,
	PRESS_VERDICTS(PRESS_ENUM)
#undef PRESS_ENUM
	NPRESSVERDICTS
};

/* Instead of an option's number. */
#define PRESS_DETAILS (-1)
#define PRESS_NOTHING (-2) /* none of ours */

struct press {
	bool known; /* the token is that of a question */
	enum role role;
	enum was_sent was;
	enum prompt_state state;
	int option;
	size_t noptions;
};

enum press_verdict press_judge(const struct press *);
const char *press_reason(enum press_verdict); /* NULL: it counts */
const char *press_toast(enum press_verdict);
/* The verdict on who comes too late; PV_DECIDES if it is open. */
enum press_verdict press_late(enum prompt_state);

/* callback_data of a button: "p", the token, the option's digit or "d". */
void press_write(char data[PRESS_DATA_SIZE], const char *token, int option);
/* False if it does not look like one of ours. */
bool press_read(const char *data, char token[TOKEN_CHARS + 1], int *option);

#endif
