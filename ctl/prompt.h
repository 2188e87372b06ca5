/*
 * Asking people: a question goes out as an approval_request, and whoever asked
 * keeps a connection until it is decided.  Used by the verb ask, by hooks and
 * by the MCP server; so nothing here ends the program.
 */
#ifndef CTL_PROMPT_H
#define CTL_PROMPT_H

#include "ctl/ctl.h"

struct json_object;

struct prompt {
	/* An approval_request that has its event_id. */
	struct json_object *event;
	const char *to;	    /* a chat, or NULL: by the routes */
	int64_t timeout_ms; /* from now; 0: that of the daemon */
	bool taken;	    /* set when the daemon has it */
};

/*
 * Submit the question and wait for what becomes of it.  When the daemon goes
 * away, it is looked for up to 10 s, and the same question is attached to
 * again.  A connection that ends while the daemon lives (also by the death of
 * this process) withdraws the question.
 *
 * Returns XC_OK for an affirmative option or a text, XC_DENIED for a negative
 * one, with *answer the daemon's answer, to be put.  Else *answer is NULL,
 * error says what is wrong, and the code is XC_TIMED_OUT; XC_DOWN, also when
 * the daemon did not come back; XC_BUSY; XC_FAILED, also when the question
 * was withdrawn; XC_NOT_ALLOWED or XC_NOT_FOUND.
 */
enum ctl_exit prompt_ask(const char *socket, struct prompt *,
    struct json_object **answer, char *error, size_t size);

/* Is this option a no?  By its first word (DESIGN section 13). */
bool prompt_is_negative(const char *option);

#endif
