/*
 * Hooks of coding agents.  hook.c is the verb: it tells and settles.  payload.c
 * reads what the agent says, hook_ask.c asks.  agent.c knows the agents: their
 * events and the answers that they accept.  call.c makes texts and ids from a
 * tool call, choice.c knows the call that is a question; these are pure.
 */
#ifndef CTL_HOOK_H
#define CTL_HOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/uuid.h"

struct agent;
struct ctl;
struct hook_event;
struct json_object;

/* What was called, with what. */
struct hook {
	struct ctl *ctl;
	const struct agent *agent;
	const struct hook_event *event;
	struct json_object *payload; /* tool_input is null until it is read */
	struct call_part *input;     /* the text of it */
	const char *session;
	int64_t deadline_ms;
};

/* -- hook.c -- */

/* Print text for the agent.  Nobody reads it: then it is as if there were no
 * hook. */
void hook_say(const char *);
/* The chat to ask and tell in, or NULL: by the routes. */
const char *hook_to(const struct hook *);

/* -- hook_ask.c -- */

/* Ask for permission, and print the answer or the agent's silence. */
void hook_ask(struct hook *);

/* -- payload.c -- */

/* Read it, from the operands or stdin until the deadline; false if it is no
 * object, or not whole. */
bool payload_read(struct hook *, int64_t deadline_ms);
void payload_free(struct hook *);
/* The input of the tool, which belongs to the payload; NULL: none, or it is
 * not JSON. */
struct json_object *payload_input(struct hook *);
/* The clean text of a member, to be freed; NULL if there is none. */
char *payload_text(const struct hook *, const char *name);
/* The event's title, with what is said of whom: "shop: Claude WHAT TOOL";
 * tool may be NULL. */
void payload_title(const struct hook *, struct json_object *event,
    const char *what, const char *tool);
/* A new event, with the members that every event of a hook has: its type,
 * source, id, and data with project and session. */
struct json_object *payload_event(const struct hook *, const char *type,
    const char *id);

/* -- agent.c -- */

enum hook_does {
	HOOK_ASKS = 1,	       /* permission for a tool call */
	HOOK_TELLS = 2,	       /* sends an event */
	HOOK_SETTLES_CALL = 4, /* the call went on: its prompt is moot */
	HOOK_SETTLES_ALL = 8,  /* all prompts of the session are */
	HOOK_QUIET = 16,       /* does nothing unless --on names it */
	HOOK_IF_UNASKED = 32,  /* tells only if no prompt is open */
};

#define HOOK_TEXTS 3

struct hook_event {
	const char *name;
	const char *kind; /* of a notification or start; NULL: any other */
	unsigned does;
	const char *type;  /* of the event */
	const char *title; /* behind the agent's name */
	const char *texts[HOOK_TEXTS]; /* members that make the description */
	const char *why;   /* a prompt was settled */
};

struct agent {
	const char *name;   /* as the verb has it */
	const char *label;  /* as people know it */
	const char *source; /* of the events */
	const char *silence; /* what is printed if there is nothing to say */
	const struct hook_event *events; /* ends with a name of NULL */
	/* The answer to an event that asks; NULL: say nothing.  An input, which
	 * is put, takes the place of the tool's. */
	struct json_object *(*decision)(const char *event, bool allow,
	    const char *message, struct json_object *input);
	const char *choice_tool; /* the tool that is a question, or NULL */
};

/* NULL if there is none. */
const struct agent *agent_find(const char *name);
/* The row for a payload, or NULL: it is unknown, or no payload at all. */
const struct hook_event *agent_event(const struct agent *,
    struct json_object *payload);
/* "" if the payload does not say it. */
const char *agent_session(struct json_object *payload);
/* The type of a notification, or how a session has started; likewise. */
const char *agent_kind(struct json_object *payload);

/* -- call.c -- */

/*
 * The event id of a prompt: session, call and a random part, so that who
 * sees a later hook of the session finds the prompt by its id alone.
 */
void call_id(char id[UUID_SIZE], const char *session, const char *tool,
    struct json_object *input);
/* Is this the id of a prompt of that session? */
bool call_is_of_session(const char *id, const char *session);
/* Are these ids of prompts of the same call of the same session? */
bool call_is_same(const char *id, const char *other);

/*
 * What the call would do, in full: every member of the input.  malloc'd clean
 * UTF-8, NULL when out of memory.
 */
char *call_text(const char *tool, struct json_object *input);
/* A member that is taken out of an object. */
struct call_part {
	const char *key;
	bool keep;
	char *text; /* what it was, to be freed, if it is kept; else NULL */
	size_t len;
};
/*
 * Put null in the place of the parts of an object, given as JSON text, cut
 * its other strings to about most bytes, and return its new length.  What
 * agents say may be large, and to parse it takes longest.  Text that is not
 * JSON may stay as it is, and so may values of less than four bytes.
 */
size_t call_cut(char *text, size_t len, struct call_part *, size_t,
    size_t most);
/* Clean text of a JSON string, or of another value as JSON; at most max
 * bytes, NULL: out of memory, or nothing there. */
char *call_clean(struct json_object *, size_t max);

/* -- choice.c -- */

/* Is it the tool that asks questions of its own? */
bool choice_is(const struct agent *, const char *tool);
/* The questions in the input of that tool; NULL if they cannot be asked. */
struct json_object *choice_questions(struct json_object *input);
/* The question in full; malloc'd clean UTF-8, NULL: out of memory. */
char *choice_text(struct json_object *question);
/* A new list of the texts of its options. */
struct json_object *choice_options(struct json_object *question);
/* A new input with the answers, an object by the questions' texts. */
struct json_object *choice_input(struct json_object *input,
    struct json_object *answers);

#endif
