/*
 * When the wall clock was set, and by how much.  Times that are kept on disk
 * are of the wall clock; those of events that came before it was set are
 * wrong by as much.  Pure but for the list, which jump.c keeps in the store,
 * as text.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "workers/queue/queue.h"

/* Less than this is how clocks are slewed, or drift. */
#define JUMP_MS 2000
#define JUMPS_MAX 16 /* remembered; then the oldest is forgotten */
#define JUMP_SIZE 44 /* "-9223372036854775808:-9223372036854775808 " */

static struct {
	int64_t seq, by_ms;
} jump[JUMPS_MAX];
static size_t njumps;

int64_t
skew_look(int64_t wall_ms, int64_t steady_ms)
{
	static int64_t offset_ms;
	static bool known;
	int64_t by_ms = wall_ms - steady_ms - offset_ms;

	offset_ms += by_ms;
	if (!known || llabs(by_ms) < JUMP_MS) {
		known = true;
		return (0);
	}
	return (by_ms);
}

void
skew_add(int64_t seq, int64_t by_ms)
{
	if (njumps == JUMPS_MAX)
		memmove(jump, jump + 1, --njumps * sizeof(jump[0]));
	jump[njumps].seq = seq;
	jump[njumps++].by_ms = by_ms;
}

int64_t
skew_since(int64_t seq)
{
	int64_t by_ms = 0;

	for (size_t i = 0; i < njumps; i++)
		if (seq < jump[i].seq)
			by_ms += jump[i].by_ms;
	return (by_ms);
}

char *
skew_text(void)
{
	size_t size = njumps * JUMP_SIZE + 1, at = 0;
	char *text;

	if ((text = calloc(1, size)) == NULL)
		return (NULL);
	for (size_t i = 0; i < njumps; i++)
		at += (size_t)snprintf(text + at, size - at, "%lld:%lld ",
		    (long long)jump[i].seq, (long long)jump[i].by_ms);
	return (text);
}

void
skew_load(const char *text)
{
	long long seq, by_ms;
	char *end;

	njumps = 0;
	while (*text != '\0') {
		seq = strtoll(text, &end, 10);
		if (end == text || *end != ':')
			return;
		text = end + 1;
		by_ms = strtoll(text, &end, 10);
		if (end == text)
			return;
		skew_add(seq, by_ms);
		text = *end == ' ' ? end + 1 : end;
	}
}
