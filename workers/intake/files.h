/*
 * The events directory: what files.c, scan.c, filetab.c, reject.c and
 * verdict.c share.
 */
#ifndef WORKERS_INTAKE_FILES_H
#define WORKERS_INTAKE_FILES_H

#include <sys/queue.h>
#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

struct event_base;
struct stat;

#define REMOVE_AFTER_MS 300 /* since the last write, DESIGN section 13 */
#define REJECT_AFTER_MS 5000 /* unchanged for so long */
#define RESCAN_MS 30000
#define FILES_MAX 65536	   /* known at a time, whatever their state */
#define FILES_WAIT_MAX 8192 /* of them, those that do not parse */

enum file_state {
	FS_QUEUED, /* to be read */
	FS_SENT,   /* handed to the queue */
	FS_HELD,   /* refused: goes first when the pause is over */
	FS_DONE,   /* on disk: to be removed when due */
	FS_WAIT,   /* does not parse: looked at again until due */
	FS_KEPT,   /* cannot be read, moved or removed: tried again later */
	NFILESTATES
};

/* Which content it is.  Two equal stamps are taken to be the same content
 * unless a notification came in between. */
struct file_stamp {
	uint64_t ino;
	int64_t mtime_ns;
	int64_t size;
};

struct file {
	TAILQ_ENTRY(file) entry;  /* in the list of its state */
	LIST_ENTRY(file) bucket;
	struct file_stamp stamp;  /* of what was read last */
	uint32_t name_hash;
	uint64_t hash;		  /* of the content that was accepted */
	uint64_t token;		  /* FS_SENT */
	int64_t due_ms;		  /* FS_DONE and FS_WAIT, monotonic */
	int64_t since_ms;	  /* broken, with this stamp, since then */
	uint32_t scan;		  /* the last scan that saw it */
	uint8_t state;
	bool dirty;		  /* written since it was read */
	bool accepted;		  /* this content is: it must only go */
	bool logged;		  /* that it cannot be read */
	char name[];
};
TAILQ_HEAD(file_list, file);

/* filetab.c: the known files, by name and by state.  No I/O. */
struct file *filetab_find(const char *name);
/* A file that is not in the table yet; NULL when out of memory. */
struct file *filetab_new(const char *name);
/* Put a new file into the table as FS_QUEUED; -1 if it is full. */
int filetab_insert(struct file *);
/* To the end of its new state's list, and to the front of it. */
void filetab_move(struct file *, enum file_state);
void filetab_move_first(struct file *, enum file_state);
/* Take it out and free it. */
void filetab_drop(struct file *);
/* Those of a state, in their order; NULL at the end. */
struct file *filetab_first(enum file_state);
struct file *filetab_last(enum file_state);
struct file *filetab_next(struct file *);
/* How many are in a state, and in all. */
size_t filetab_count(enum file_state);
size_t filetab_size(void);

/* verdict.c: decisions about a file.  Pure. */
enum file_verdict {
	FV_WAIT,  /* look again at due */
	FV_REJECT /* move it away */
};
/* Is this the name of an event file? */
bool verdict_name(const char *);
/* What of a file changes when it is written again; and is it the same? */
void verdict_stamp(struct file_stamp *, const struct stat *);
bool verdict_same(const struct file_stamp *, const struct file_stamp *);
/*
 * What to do with a file that does not parse (or is too large) and has had
 * this stamp since it was first seen at since_ms; *due_ms is when to look
 * again.
 */
enum file_verdict verdict_broken(int64_t since_ms, int64_t now_ms,
    int64_t *due_ms);
/*
 * When, on the monotonic clock, a file last written at mtime_ns (wall clock)
 * may be removed.  A time in the future counts as now.
 */
int64_t verdict_remove_ms(int64_t mtime_ns, int64_t wall_ms, int64_t mono_ms);
/* May a response have this name?  It ends in .json and is in no other
 * directory, nor hidden. */
bool verdict_response(const char *, size_t len);
/* Is that file a response that we, or cctelegram, have written? */
bool verdict_ours(const char *);
/* A hash of the content, quicker than hash64(), for this process only. */
uint64_t verdict_hash(const char *, size_t);
/* Its id, if it has none of its own: the same as long as nothing changes. */
void verdict_id(char *id, const char *name, const struct file_stamp *,
    uint64_t hash);

/* watch.c: notifications about the directory. */
struct watch_ops {
	void (*changed)(const char *name); /* closed after writing, moved in */
	void (*overflow)(void);		   /* some were lost */
	void (*gone)(void);		   /* the directory is another now */
};
/* Returns 0, or -1 with errno. */
int watch_start(struct event_base *, const char *path,
    const struct watch_ops *);
void watch_stop(void);
bool watch_active(void);

/* scan.c: reads the directory in batches, oldest first within each. */
/* Begin from the start; -1 with errno. */
int scan_begin(int dirfd);
/* Leave off; no harm when none is under way. */
void scan_end(void);
bool scan_active(void);
/*
 * Go on for a bounded number of entries.  Found files get into the table
 * when a batch is complete.  Returns 0 at the end of the directory, 1 if
 * there is more, -1 if the table is full or out of memory: try later.
 */
int scan_step(int dirfd);
/* How many have begun so far: what is of an earlier one has gone. */
uint32_t scan_number(void);

/* reject.c */
/*
 * Move a file to rejected/ with a .reason beside it.  Returns 0, or -1 with
 * errno; the file is where it was then.
 */
int reject_file(int dirfd, const char *name, const struct error *);

#endif
