/*
 * Decisions about a file in the events directory.  Pure: no I/O, the clocks
 * are parameters.  Called by files.c and scan.c.
 */
#include <sys/stat.h>

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "common/uuid.h"
#include "workers/intake/files.h"

#define LOOK_MS 1000 /* how often a file that does not parse is looked at */

/*
 * Names that begin with a dot are hidden, and how many programs name what
 * they are still writing; those that end otherwise (.json.tmp, .json~) are
 * none of ours either.
 */
bool
verdict_name(const char *name)
{
	size_t len = strlen(name);

	return (len > 5 && name[0] != '.' && strchr(name, '/') == NULL &&
	    memcmp(name + len - 5, ".json", 5) == 0);
}

/* Room for a dot and ".tmp" around it. */
bool
verdict_response(const char *name, size_t len)
{
	size_t i;

	if (len <= 5 || len > NAME_MAX - 5 || name[0] == '.' ||
	    memcmp(name + len - 5, ".json", 5) != 0)
		return (false);
	for (i = 0; i < len; i++)
		if (name[i] == '/' || !isgraph((unsigned char)name[i]))
			return (false);
	return (true);
}

bool
verdict_ours(const char *name)
{
	return (verdict_name(name) && strncmp(name, "telegram_", 9) == 0);
}

void
verdict_stamp(struct file_stamp *s, const struct stat *st)
{
	s->ino = st->st_ino;
	s->mtime_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 +
	    st->st_mtim.tv_nsec;
	s->size = st->st_size;
}

bool
verdict_same(const struct file_stamp *a, const struct file_stamp *b)
{
	return (a->ino == b->ino && a->mtime_ns == b->mtime_ns &&
	    a->size == b->size);
}

enum file_verdict
verdict_broken(int64_t since_ms, int64_t now_ms, int64_t *due_ms)
{
	int64_t end_ms = since_ms + REJECT_AFTER_MS;

	if (now_ms >= end_ms)
		return (FV_REJECT);
	*due_ms = now_ms + LOOK_MS < end_ms ? now_ms + LOOK_MS : end_ms;
	return (FV_WAIT);
}

int64_t
verdict_remove_ms(int64_t mtime_ns, int64_t wall_ms, int64_t mono_ms)
{
	/* Rounded up: the file's age must not be under 300 ms. */
	int64_t age_ms = wall_ms - mtime_ns / 1000000 - 1;

	if (age_ms < 0)
		age_ms = 0;
	if (age_ms >= REMOVE_AFTER_MS)
		return (mono_ms);
	return (mono_ms + REMOVE_AFTER_MS - age_ms);
}

uint64_t
verdict_hash(const char *p, size_t len)
{
	const uint64_t k = 0x9ddfea08eb382d69ULL;
	uint64_t h = HASH64_INIT ^ len, w;

	for (; len >= sizeof(w); p += sizeof(w), len -= sizeof(w)) {
		memcpy(&w, p, sizeof(w));
		h = (h ^ w) * k;
		h ^= h >> 32;
	}
	w = 0;
	memcpy(&w, p, len);
	h = (h ^ w) * k;
	return (h ^ h >> 29);
}

void
verdict_id(char *id, const char *name, const struct file_stamp *s,
    uint64_t hash)
{
	char text[512];
	int n;

	n = snprintf(text, sizeof(text), "%s/%lld/%lld/%llx", name,
	    (long long)s->mtime_ns, (long long)s->size,
	    (unsigned long long)hash);
	uuid_from_bytes(id, text, (size_t)n);
}
