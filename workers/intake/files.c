/*
 * The events directory: every event file goes to the queue once, and goes
 * away when its event is on disk.
 *
 *	QUEUED ─► SENT ─► DONE ─► removed
 *	  ▲ │      ├────────────► rejected/ (refused for good)
 *	  │ │      └─► HELD       (refused: later)
 *	  │ ├─► WAIT ───────────► rejected/ (does not parse, unchanged 5 s)
 *	  └─┴─► KEPT              (cannot be read, moved or removed now)
 *
 * Owns the directory's descriptor and the table of known files.  Runs as one
 * producer (turns.c) and by one timer.  Nothing that is wrong with a file or
 * with the directory ends the process: the file stays, and is tried again.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <event2/event.h>

#include "config.h"
#include "common/clock.h"
#include "common/fault.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/uuid.h"
#include "workers/intake/files.h"
#include "workers/intake/intake.h"

#define REMOVE_BATCH 256   /* a turn */
#define REOPEN_MS 1000	   /* the directory is not there */
#define RETRY_MS 5000	   /* of a file that could not be removed */
#define PAUSE_MIN_MS 1000  /* the store takes nothing */
#define PAUSE_MAX_MS 8000
#define BUF_SIZE 65536	   /* of the read buffer, unless a file is larger */
#define UNREADABLE_LINES 10 /* logged of one scan */

static struct event_base *base;
static struct event *timer;
static int64_t timer_ms = INT64_MAX; /* when it goes off */
static struct producer producer;
static int events_fd = -1;
static uid_t dir_owner;
static bool stopped;
static bool scan_again;		/* another scan after this one */
static bool logged_open, logged_watch, logged_remove, logged_reject;
static bool trim;		/* memory of a large scan to give back */
static int unreadable_lines;
static int64_t rescan_ms, retry_ms;
static int64_t paused_ms;	/* take nothing before then */
static int64_t pause_ms;	/* length of the last pause */

static void files_tick(evutil_socket_t, short, void *);
static void files_schedule(int64_t);
static void files_reschedule(int64_t);
static int files_open(void);
static void files_close(void);
static bool files_moved(void);
static void files_scan(void);
static void files_scanned(void);
static void files_changed(const char *);
static void files_overflow(void);
static void files_gone(void);
static bool files_run(struct producer *, unsigned int);
static void files_pause(void);
static void files_resume(void);
static void files_look_again(int64_t);
static void files_remove_due(int64_t);
static void files_retry(void);
static void file_take(struct file *);
static ssize_t file_read(struct file *, char **, bool *, struct error *);
static void file_note(struct file *, const struct stat *);
static ssize_t file_read_open(int, const struct stat *, char **,
    struct error *);
static void file_offer(struct file *, const char *, size_t, bool);
static void file_broken(struct file *, const struct error *);
static void file_reject(struct file *, const struct error *);
static void file_unreadable(struct file *);
static void file_done(struct file *);
static int file_remove(struct file *);
static void file_accepted(void *, struct span, bool);
static void file_refused(void *, const struct error *);
static const char *file_name(const struct file *);

static const struct watch_ops watch_ops = {
	.changed = files_changed,
	.overflow = files_overflow,
	.gone = files_gone,
};

static const struct pending_ops file_ops = {
	.accepted = file_accepted,
	.refused = file_refused,
};

void
files_init(struct event_base *b)
{
	base = b;
	producer.run = files_run;
	if ((timer = evtimer_new(base, files_tick, NULL)) == NULL)
		fatalx("files: out of memory");
}

void
files_start(void)
{
	if (files_open() == -1)
		files_schedule(clock_mono_ms() + REOPEN_MS);
}

void
files_stop(void)
{
	stopped = true;
	turns_forget(&producer);
	watch_stop();
	scan_end();
}

uid_t
files_owner(void)
{
	return (events_fd == -1 ? (uid_t)-1 : dir_owner);
}

bool
files_idle(void)
{
	return (filetab_count(FS_SENT) == 0 && filetab_count(FS_DONE) == 0);
}

/* The name, fit for the log; valid until the next call. */
static const char *
file_name(const struct file *f)
{
	static char buf[256];

	return (log_escape(buf, sizeof(buf), f->name, strlen(f->name)));
}

/* The directory. */

/* Open, watch and scan it; made if it is not there. */
static int
files_open(void)
{
	const char *path = intake_config.events_dir;
	const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
	struct stat st;

	events_fd = open(path, flags);
	if (events_fd == -1 && errno == ENOENT &&
	    directory_make(path, 0755) == 0)
		events_fd = open(path, flags);
	if (events_fd == -1 || fstat(events_fd, &st) == -1) {
		if (!logged_open)
			log_warn("cannot open the events directory %s; trying "
			    "again every %d s", path, REOPEN_MS / 1000);
		logged_open = true;
		files_close();
		return (-1);
	}
	dir_owner = st.st_uid;
	if (watch_start(base, path, &watch_ops) == -1 && !logged_watch) {
		log_warn("cannot watch %s; scanning it every %d s", path,
		    REOPEN_MS / 1000);
		logged_watch = true;
	}
	if (logged_open)
		log_notice("the events directory %s is there again", path);
	logged_open = false;
	files_scan();
	return (0);
}

static void
files_close(void)
{
	struct file *f;

	watch_stop();
	scan_end();
	scan_again = false;
	while ((f = filetab_first(FS_SENT)) != NULL) {
		pending_disown(f->token);
		filetab_drop(f);
	}
	for (int state = 0; state < NFILESTATES; state++)
		while ((f = filetab_first(state)) != NULL)
			filetab_drop(f);
	if (events_fd != -1)
		close(events_fd);
	events_fd = -1;
}

/* Is another directory, or none, where ours was? */
static bool
files_moved(void)
{
	struct stat a, b;

	return (fstat(events_fd, &a) == -1 ||
	    stat(intake_config.events_dir, &b) == -1 ||
	    a.st_dev != b.st_dev || a.st_ino != b.st_ino);
}

static void
files_gone(void)
{
	if (!files_moved())
		return;
	log_warnx("the events directory %s was moved or removed; looking for "
	    "it again", intake_config.events_dir);
	logged_open = true;
	files_close();
	if (!stopped)
		files_schedule(clock_mono_ms());
}

/* Finding files. */

static void
files_scan(void)
{
	if (scan_active()) {
		scan_again = true;
		return;
	}
	scan_again = false;
	unreadable_lines = 0;
	rescan_ms = clock_mono_ms() +
	    (watch_active() ? RESCAN_MS : REOPEN_MS);
	files_schedule(rescan_ms);
	if (scan_begin(events_fd) == -1) {
		log_warn("cannot list the events directory %s; trying again",
		    intake_config.events_dir);
		return;
	}
	turns_want(&producer);
}

/* A scan has seen the whole directory. */
static void
files_scanned(void)
{
	struct file *f, *next;

	for (f = filetab_first(FS_KEPT); f != NULL; f = next) {
		next = filetab_next(f);
		if (f->scan != scan_number())
			filetab_drop(f); /* it has gone */
	}
	trim = true;
	if (scan_again)
		files_scan();
}

static void
files_overflow(void)
{
	log_info("the watch of %s lost notifications; scanning it",
	    intake_config.events_dir);
	files_scan();
}

static void
files_changed(const char *name)
{
	struct file *f;

	if (!verdict_name(name))
		return;
	if ((f = filetab_find(name)) != NULL) {
		f->dirty = true;
		if (f->state == FS_WAIT || f->state == FS_KEPT)
			filetab_move(f, FS_QUEUED);
	} else if ((f = filetab_new(name)) == NULL ||
	    filetab_insert(f) == -1) {
		free(f);
		files_scan(); /* will find it when there is room */
	} else
		f->scan = scan_number();
	turns_want(&producer);
}

/* One turn as a producer. */
static bool
files_run(struct producer *p, unsigned int quota)
{
	struct file *f;
	int64_t now = clock_mono_ms();
	int rc;

	(void)p;
	if (stopped || events_fd == -1)
		return (false);
	if (now < paused_ms) {
		files_schedule(paused_ms);
		return (false);
	}
	for (; quota > 0 && pending_ready(); quota--) {
		if ((f = filetab_first(FS_QUEUED)) != NULL) {
			file_take(f);
			if (paused_ms > now)
				return (false);
			continue;
		}
		if (!scan_active())
			return (false);
		if ((rc = scan_step(events_fd)) == -1) {
			/* Room comes as files go. */
			paused_ms = now + PAUSE_MIN_MS;
			files_schedule(paused_ms);
			return (false);
		}
		if (rc == 0)
			files_scanned();
		return (true);
	}
	return (true);
}

/* The queue takes nothing: leave it alone for a while. */
static void
files_pause(void)
{
	pause_ms = pause_ms == 0 ? PAUSE_MIN_MS : pause_ms * 2;
	if (pause_ms > PAUSE_MAX_MS)
		pause_ms = PAUSE_MAX_MS;
	paused_ms = clock_mono_ms() + pause_ms;
	files_schedule(paused_ms);
}

/* Those that were refused go first, in their order. */
static void
files_resume(void)
{
	struct file *f;

	paused_ms = 0;
	while ((f = filetab_last(FS_HELD)) != NULL)
		filetab_move_first(f, FS_QUEUED);
	turns_want(&producer);
}

/* Reading. */

static void
file_take(struct file *f)
{
	struct error error = { 0 };
	bool trusted = false;
	char *text = NULL;
	ssize_t n;

	n = file_read(f, &text, &trusted, &error);
	if (n > 0)
		file_offer(f, text, (size_t)n, trusted);
	else if (n == 0)
		file_broken(f, &error);
	else if (errno == ENOENT || errno == ELOOP || errno == ENXIO)
		filetab_drop(f); /* gone, or no regular file */
	else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
		files_pause();
	else
		file_unreadable(f);
}

/*
 * Read a file into a buffer that is valid until the next call.  Returns its
 * length, 0 with error filled if it cannot be an event as it is now, or -1
 * with errno.
 */
static ssize_t
file_read(struct file *f, char **text, bool *trusted, struct error *error)
{
	struct stat st;
	ssize_t n;
	int fd, saved;

	fd = openat(events_fd, f->name,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd == -1)
		return (-1);
	n = fstat(fd, &st);
	if (n == 0 && !S_ISREG(st.st_mode)) {
		n = -1;
		errno = ENXIO;
	}
	if (n == 0) {
		file_note(f, &st);
		*trusted = st.st_uid == dir_owner;
		n = file_read_open(fd, &st, text, error);
	}
	saved = errno;
	close(fd);
	errno = saved;
	return (n);
}

/* Which content is about to be read; a change starts the 5 s anew. */
static void
file_note(struct file *f, const struct stat *st)
{
	struct file_stamp stamp;

	verdict_stamp(&stamp, st);
	if (!verdict_same(&stamp, &f->stamp) || f->dirty)
		f->since_ms = 0;
	f->stamp = stamp;
	f->dirty = false;
}

static ssize_t
file_read_open(int fd, const struct stat *st, char **text,
    struct error *error)
{
	static char small[BUF_SIZE];
	static char *large; /* of the last file, if small was too small */
	size_t size = (size_t)st->st_size;
	ssize_t n;

	free(large);
	large = NULL;
	if (st->st_size > EVENT_MAX_BYTES) {
		error_set(error, EX_DATAERR, "",
		    "the file is larger than 1 MiB");
		return (0);
	}
	*text = small;
	if (size > sizeof(small) && (*text = large = malloc(size)) == NULL)
		return (-1);
	n = size == 0 ? 0 : read(fd, *text, size);
	if (n == 0)
		error_set(error, EX_DATAERR, "", "the file is empty");
	return (n);
}

static void
file_offer(struct file *f, const char *text, size_t len, bool trusted)
{
	static const char bom[3] = { '\xef', '\xbb', '\xbf' };
	uint64_t hash = verdict_hash(text, len);
	struct error error = { 0 };
	char id[UUID_SIZE];
	struct offer o = { .origin = ORIGIN_FILE, .trusted = trusted,
	    .id = id, .read_us = clock_mono_us() };

	if (f->accepted && hash == f->hash) {
		file_done(f); /* written again, but nothing new */
		return;
	}
	f->accepted = false;
	f->hash = hash;
	/* The length of what was read makes the stamp that of the content,
	 * so that a file that grew meanwhile is seen to have changed. */
	f->stamp.size = (int64_t)len;
	verdict_id(id, f->name, &f->stamp, hash);
	if (len >= sizeof(bom) && memcmp(text, bom, sizeof(bom)) == 0) {
		text += sizeof(bom);
		len -= sizeof(bom);
	}
	o.text = text;
	o.len = len;
	if ((f->token = offer_submit(&o, &file_ops, f, &error)) != 0)
		filetab_move(f, FS_SENT);
	else if (error.code == EX_DATAERR)
		file_broken(f, &error);
	else {
		filetab_move_first(f, FS_QUEUED);
		files_pause();
	}
}

/* It is no event, or not yet. */
static void
file_broken(struct file *f, const struct error *error)
{
	int64_t now = clock_mono_ms();

	f->accepted = false;
	if (f->since_ms == 0)
		f->since_ms = now;
	if (verdict_broken(f->since_ms, now, &f->due_ms) == FV_REJECT) {
		file_reject(f, error);
		return;
	}
	if (filetab_count(FS_WAIT) >= FILES_WAIT_MAX) {
		/* The next scan finds it, when others have gone. */
		filetab_drop(f);
		return;
	}
	filetab_move(f, FS_WAIT);
	files_schedule(f->due_ms);
}

static void
file_reject(struct file *f, const struct error *error)
{
	if (reject_file(events_fd, f->name, error) == 0) {
		log_warnx("%s moved to rejected/: %s%s%s", file_name(f),
		    error->field, error->field[0] == '\0' ? "" : ": ",
		    error->text);
		metric_add(M_intake_rejected_files, 1);
		logged_reject = false;
		filetab_drop(f);
		return;
	}
	if (errno == ENOENT) {
		filetab_drop(f);
		return;
	}
	if (!logged_reject)
		log_warn("cannot move %s to rejected/; it stays",
		    file_name(f));
	logged_reject = true;
	filetab_move(f, FS_KEPT);
}

static void
file_unreadable(struct file *f)
{
	if (!f->logged && unreadable_lines++ < UNREADABLE_LINES)
		log_warn("cannot read %s; it stays%s", file_name(f),
		    unreadable_lines == UNREADABLE_LINES ?
		    " (and there may be more)" : "");
	f->logged = true;
	filetab_move(f, FS_KEPT);
}

/* Answers of the queue. */

static void
file_accepted(void *arg, struct span id, bool duplicate)
{
	struct file *f = arg;

	(void)id, (void)duplicate;
	metric_add(M_intake_files, 1);
	pause_ms = 0;
	f->accepted = true;
	f->token = 0;
	if (f->dirty && !stopped) {
		filetab_move(f, FS_QUEUED);
		turns_want(&producer);
	} else
		file_done(f);
}

static void
file_refused(void *arg, const struct error *error)
{
	struct file *f = arg;

	f->token = 0;
	if (error->code == EX_DATAERR) {
		file_reject(f, error);
		return;
	}
	metric_add(M_intake_deferred_files, 1);
	if (pause_ms == 0)
		log_warnx("the queue takes no files: %s", error->text);
	filetab_move(f, FS_HELD);
	/* The others that were on their way come back with it. */
	if (paused_ms <= clock_mono_ms())
		files_pause();
}

/* Removing. */

static void
file_done(struct file *f)
{
	f->due_ms = verdict_remove_ms(f->stamp.mtime_ns, clock_wall_ms(),
	    clock_mono_ms());
	filetab_move(f, FS_DONE);
	files_schedule(f->due_ms);
}

/* Returns -1 if it cannot be removed now. */
static int
file_remove(struct file *f)
{
	struct file_stamp stamp;
	struct stat st;

	int rc;

	rc = fstatat(events_fd, f->name, &st, AT_SYMLINK_NOFOLLOW);
	if (rc == 0) {
		verdict_stamp(&stamp, &st);
		if (f->dirty || !verdict_same(&stamp, &f->stamp)) {
			/* Written since: another event, perhaps. */
			filetab_move(f, FS_QUEUED);
			turns_want(&producer);
			return (0);
		}
		rc = fault_point("intake-unlink") != 0 ? -1 :
		    unlinkat(events_fd, f->name, 0);
	}
	if (rc == 0 || errno == ENOENT) {
		logged_remove = logged_remove && rc == -1;
		filetab_drop(f);
		return (0);
	}
	if (!logged_remove)
		log_warn("cannot remove %s; its event is accepted",
		    file_name(f));
	logged_remove = true;
	filetab_move(f, FS_KEPT);
	return (-1);
}

static void
files_remove_due(int64_t now)
{
	struct file *f;

	for (int i = 0; i < REMOVE_BATCH; i++) {
		if ((f = filetab_first(FS_DONE)) == NULL || f->due_ms > now)
			break;
		if (file_remove(f) == -1 && retry_ms == 0)
			retry_ms = now + RETRY_MS;
	}
	if (filetab_size() == 0 && trim && !scan_active()) {
		malloc_trim(0);
		trim = false;
	}
}

/* Those that could not be removed: one tells whether the others can be. */
static void
files_retry(void)
{
	struct file *f, *next;

	retry_ms = 0;
	for (f = filetab_first(FS_KEPT); f != NULL; f = next) {
		next = filetab_next(f);
		if (f->accepted && file_remove(f) == -1) {
			retry_ms = clock_mono_ms() + RETRY_MS;
			break;
		}
	}
}

/* Time. */

static void
files_look_again(int64_t now)
{
	struct file *f, *next;

	for (f = filetab_first(FS_WAIT); f != NULL; f = next) {
		next = filetab_next(f);
		if (f->due_ms <= now)
			filetab_move(f, FS_QUEUED);
	}
	if (filetab_first(FS_QUEUED) != NULL)
		turns_want(&producer);
}

static void
files_tick(evutil_socket_t fd, short what, void *arg)
{
	int64_t now = clock_mono_ms();

	(void)fd, (void)what, (void)arg;
	timer_ms = INT64_MAX;
	if (events_fd == -1) {
		if (!stopped && files_open() == -1)
			files_schedule(now + REOPEN_MS);
		return;
	}
	files_remove_due(now);
	if (retry_ms != 0 && retry_ms <= now)
		files_retry();
	if (!stopped) {
		files_look_again(now);
		if (paused_ms != 0 && paused_ms <= now)
			files_resume();
		if (rescan_ms <= now) {
			if (files_moved()) {
				files_gone();
				return;
			}
			files_scan();
		}
	}
	files_reschedule(now);
}

/* When there is something to do next. */
static void
files_reschedule(int64_t now)
{
	struct file *f;

	if ((f = filetab_first(FS_DONE)) != NULL)
		files_schedule(f->due_ms);
	if (retry_ms != 0)
		files_schedule(retry_ms);
	if (stopped)
		return;
	if ((f = filetab_first(FS_WAIT)) != NULL)
		files_schedule(f->due_ms > now ? f->due_ms : now + 1);
	if (paused_ms > now)
		files_schedule(paused_ms);
	files_schedule(rescan_ms);
}

static void
files_schedule(int64_t at_ms)
{
	struct timeval tv;

	if (at_ms >= timer_ms)
		return;
	timer_ms = at_ms;
	tv = clock_timeval(at_ms - clock_mono_ms());
	evtimer_add(timer, &tv);
}
