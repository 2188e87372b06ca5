/*
 * Groups that became supergroups have a new id ever after, but people's
 * routes and senders still name the old one.  Pure but for memory; chat.c
 * keeps the list in the store, as text.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "workers/queue/queue.h"

#define PAIR_SIZE 44 /* "-9223372036854775808>-9223372036854775808 " */

struct move {
	int64_t from, to;
};

static struct move *moves;
static size_t nmoves;

int64_t
moved_to(int64_t chat_id)
{
	for (size_t i = 0; i < nmoves; i++)
		if (moves[i].from == chat_id)
			return (moves[i].to);
	return (chat_id);
}

bool
moved_add(int64_t from, int64_t to)
{
	struct move *m;
	size_t i;

	/* The ids may lead in a circle only if Telegram is mad. */
	if (from == to || moved_to(to) != to)
		return (false);
	for (i = 0; i < nmoves && moves[i].from != from; i++)
		;
	if (i == nmoves) {
		m = reallocarray(moves, nmoves + 1, sizeof(*m));
		if (m == NULL)
			return (false);
		moves = m;
		moves[nmoves++].from = from;
	}
	moves[i].to = to;
	for (i = 0; i < nmoves; i++)
		if (moves[i].to == from)
			moves[i].to = to;
	return (true);
}

char *
moved_text(void)
{
	size_t size = nmoves * PAIR_SIZE + 1, at = 0;
	char *text;

	if ((text = calloc(1, size)) == NULL)
		return (NULL);
	for (size_t i = 0; i < nmoves; i++)
		at += (size_t)snprintf(text + at, size - at, "%lld>%lld ",
		    (long long)moves[i].from, (long long)moves[i].to);
	return (text);
}

void
moved_load(const char *text)
{
	long long from, to;
	char *end;

	free(moves);
	moves = NULL;
	nmoves = 0;
	while (*text != '\0') {
		from = strtoll(text, &end, 10);
		if (end == text || *end != '>')
			return;
		text = end + 1;
		to = strtoll(text, &end, 10);
		if (end == text)
			return;
		(void)moved_add(from, to);
		text = *end == ' ' ? end + 1 : end;
	}
}
