/*
 * Hooks of coding agents.  hook.c is the verb: it reads a payload, asks,
 * tells and settles.  agent.c knows the agents: their events and the answers
 * that they accept.  call.c makes texts and ids from a tool call; it is pure.
 */
#ifndef CTL_HOOK_H
#define CTL_HOOK_H

#include <stdbool.h>
#include <stddef.h>

#include "common/uuid.h"

struct json_object;

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
	const char *kind; /* of a notification; NULL: any */
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
	/* The answer to an event that asks; NULL: say nothing. */
	struct json_object *(*decision)(const char *event, bool allow,
	    const char *message);
};

/* NULL if there is none. */
const struct agent *agent_find(const char *name);
/* The row for a payload, or NULL: it is unknown, or no payload at all. */
const struct hook_event *agent_event(const struct agent *,
    struct json_object *payload);
/* "" if the payload does not say it. */
const char *agent_session(struct json_object *payload);

/* -- call.c -- */

/*
 * The event id of a prompt: session, call and a random part, so that who
 * sees a later hook of the session finds the prompt by its id alone.
 */
void call_id(char id[UUID_SIZE], const char *session, const char *tool,
    struct json_object *input);
/* Is this the id of a prompt of that session? */
bool call_is_of_session(const char *id, const char *session);
/* … and of that call? */
bool call_is_of_call(const char *id, const char *session, const char *tool,
    struct json_object *input);

/*
 * What the call would do, in full: every member of the input.  malloc'd clean
 * UTF-8, NULL when out of memory.
 */
char *call_text(const char *tool, struct json_object *input);
/*
 * Put null where an object, given as JSON text, has its member key.  What a
 * tool answered may be large, is not wanted here, and takes longest to parse.
 * Text that is not JSON may stay as it is.
 */
void call_forget(char *text, size_t len, const char *key);
/* Clean text of a JSON string, or of another value as JSON; at most max
 * bytes, NULL: out of memory, or nothing there. */
char *call_clean(struct json_object *, size_t max);

#endif
