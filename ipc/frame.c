/*
 * The table of messages, and the checks of a received frame header.  Pure.
 */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "ipc/frame.h"
#include "ipc/link.h"

const struct msg_info msg_table[NMSGS] = {
#define MSG_INFO(name, from, to, min, max, cost, fd) \
	[name] = { #name, from, to, min, max, cost, fd },
	MESSAGES(MSG_INFO)
#undef MSG_INFO
};

static const struct {
	const char *name;
	bool pool;
} classes[NCLASSES] = {
#define CLASS_INFO(name, text, pool) [PC_##name] = { text, pool },
	PROCESS_CLASSES(CLASS_INFO)
#undef CLASS_INFO
};

static const char *const outcomes[NOUTCOMES] = {
#define OUTCOME_NAME(name, text) [CO_##name] = text,
	CALL_OUTCOMES(OUTCOME_NAME)
#undef OUTCOME_NAME
};

enum frame_error
frame_check(const struct frame_header *h, enum process_class from,
    enum process_class to)
{
	const struct msg_info *m;

	if (h->version != FRAME_VERSION || h->reserved != 0)
		return (FRAME_BAD_VERSION);
	if (h->type >= NMSGS)
		return (FRAME_BAD_TYPE);
	if (h->flags & ~(FRAME_MEMFD | FRAME_FD))
		return (FRAME_BAD_FLAGS);
	m = &msg_table[h->type];
	/* A descriptor that no handler expects would be lost. */
	if ((h->flags & FRAME_FD) != (m->fd ? FRAME_FD : 0) ||
	    (m->fd && (h->flags & FRAME_MEMFD)))
		return (FRAME_BAD_FLAGS);
	if (h->length < m->min || h->length > m->max ||
	    (!(h->flags & FRAME_MEMFD) && h->length > FRAME_INLINE_MAX))
		return (FRAME_BAD_LENGTH);
	if (!(m->from & 1U << from) || !(m->to & 1U << to))
		return (FRAME_BAD_SENDER);
	return (FRAME_OK);
}

const char *
frame_strerror(enum frame_error e)
{
	static const char *const text[] = {
		[FRAME_OK] = "no error",
		[FRAME_BAD_VERSION] = "unknown frame version",
		[FRAME_BAD_TYPE] = "unknown message type",
		[FRAME_BAD_LENGTH] = "length outside the bounds of its type",
		[FRAME_BAD_SENDER] = "message type not allowed on this link",
		[FRAME_BAD_FLAGS] = "unknown frame flags",
	};

	return (text[e]);
}

const char *
class_name(enum process_class c)
{
	return (c < NCLASSES ? classes[c].name : "?");
}

int
class_by_name(const char *name)
{
	for (int i = 0; i < NCLASSES; i++)
		if (strcmp(classes[i].name, name) == 0)
			return (i);
	return (-1);
}

bool
class_is_pool(enum process_class c)
{
	return (c < NCLASSES && classes[c].pool);
}

const char *
msg_name(enum msg_type t)
{
	return (t < NMSGS ? msg_table[t].name : "?");
}

const char *
outcome_name(enum call_outcome o)
{
	return (o < NOUTCOMES ? outcomes[o] : "?");
}
