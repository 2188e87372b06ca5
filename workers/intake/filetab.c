/*
 * The known files of the events directory, by name and by state.
 *
 * Called by files.c and scan.c.  No I/O.  Only files that something is under
 * way for are here: 100 000 waiting in the directory do not take memory for
 * more than a batch of them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "workers/intake/files.h"

#define BUCKETS 16384 /* 4 files in each when the table is full */

static LIST_HEAD(, file) bucket[BUCKETS];
static struct file_list list[NFILESTATES] = {
	[FS_QUEUED] = TAILQ_HEAD_INITIALIZER(list[FS_QUEUED]),
	[FS_SENT] = TAILQ_HEAD_INITIALIZER(list[FS_SENT]),
	[FS_HELD] = TAILQ_HEAD_INITIALIZER(list[FS_HELD]),
	[FS_DONE] = TAILQ_HEAD_INITIALIZER(list[FS_DONE]),
	[FS_WAIT] = TAILQ_HEAD_INITIALIZER(list[FS_WAIT]),
	[FS_KEPT] = TAILQ_HEAD_INITIALIZER(list[FS_KEPT]),
};
static size_t count[NFILESTATES];
static size_t size;

static uint32_t filetab_hash(const char *);

static uint32_t
filetab_hash(const char *name)
{
	return ((uint32_t)verdict_hash(name, strlen(name)));
}

struct file *
filetab_find(const char *name)
{
	uint32_t hash = filetab_hash(name);
	struct file *f;

	LIST_FOREACH(f, &bucket[hash % BUCKETS], bucket)
		if (f->name_hash == hash && strcmp(f->name, name) == 0)
			return (f);
	return (NULL);
}

struct file *
filetab_new(const char *name)
{
	size_t len = strlen(name) + 1;
	struct file *f;

	if ((f = calloc(1, sizeof(*f) + len)) == NULL)
		return (NULL);
	memcpy(f->name, name, len);
	f->name_hash = filetab_hash(name);
	return (f);
}

int
filetab_insert(struct file *f)
{
	if (size >= FILES_MAX) {
		errno = ENOSPC;
		return (-1);
	}
	f->state = FS_QUEUED;
	TAILQ_INSERT_TAIL(&list[FS_QUEUED], f, entry);
	count[FS_QUEUED]++;
	LIST_INSERT_HEAD(&bucket[f->name_hash % BUCKETS], f, bucket);
	size++;
	return (0);
}

void
filetab_move(struct file *f, enum file_state to)
{
	TAILQ_REMOVE(&list[f->state], f, entry);
	count[f->state]--;
	f->state = to;
	TAILQ_INSERT_TAIL(&list[to], f, entry);
	count[to]++;
}

void
filetab_move_first(struct file *f, enum file_state to)
{
	filetab_move(f, to);
	TAILQ_REMOVE(&list[to], f, entry);
	TAILQ_INSERT_HEAD(&list[to], f, entry);
}

void
filetab_drop(struct file *f)
{
	TAILQ_REMOVE(&list[f->state], f, entry);
	count[f->state]--;
	LIST_REMOVE(f, bucket);
	size--;
	free(f);
}

struct file *
filetab_first(enum file_state state)
{
	return (TAILQ_FIRST(&list[state]));
}

struct file *
filetab_last(enum file_state state)
{
	return (TAILQ_LAST(&list[state], file_list));
}

struct file *
filetab_next(struct file *f)
{
	return (TAILQ_NEXT(f, entry));
}

size_t
filetab_count(enum file_state state)
{
	return (count[state]);
}

size_t
filetab_size(void)
{
	return (size);
}
