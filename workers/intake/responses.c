/*
 * The responses directory: answers of people, as files for whoever asked.
 * Called by intake.c with the queue's messages; runs by two timers.
 *
 * A file is whole when its name appears: it is written under another name,
 * which begins with a dot and does not end in .json, and renamed when it is
 * on disk.  The queue gives out what it has not seen written, to us or to the
 * next one; a file that is there already is left as it is.
 *
 * Files that are old are removed, but none that others have put there: the
 * MCP server of co8/cctelegram looks at everything in this directory.
 */
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "config.h"
#include "common/clock.h"
#include "common/fault.h"
#include "common/log.h"
#include "common/scoreboard.h"
#include "workers/intake/files.h"
#include "workers/intake/intake.h"

#define WRITE_STEP 8	   /* files a turn: each waits for the disk */
#define CLEAN_STEP 1024	   /* directory entries a turn */
#define CLEAN_EVERY_S 3600
#define TMP_SIZE (NAME_MAX + 1)

struct response {
	TAILQ_ENTRY(response) entry;
	uint64_t id;
	size_t cost; /* of its message */
	char *name;
	int error;   /* errno(3) of the attempt */
	size_t len;
	char content[];
};

static TAILQ_HEAD(response_list, response) responses =
    TAILQ_HEAD_INITIALIZER(responses);
static struct event *write_timer, *clean_timer;
static DIR *cleaning;
static unsigned int removed;

static void responses_run(evutil_socket_t, short, void *);
static void responses_clean(evutil_socket_t, short, void *);
static int responses_open(void);
static void response_done(struct response *);
static void response_tell(uint64_t, const char *);
static int response_write(int, const struct response *);
static int response_fill(int, const struct response *);
static bool response_is_there(int, const struct response *);
static void clean_step(void);
static bool clean_entry(int, const char *, int64_t);

void
responses_init(struct event_base *base)
{
	write_timer = evtimer_new(base, responses_run, NULL);
	clean_timer = evtimer_new(base, responses_clean, NULL);
	if (write_timer == NULL || clean_timer == NULL)
		fatalx("responses: out of memory");
}

/* The first look for old files is in the first turn. */
void
responses_start(void)
{
	const struct timeval now = { 0, 0 };

	evtimer_add(clean_timer, &now);
}

bool
responses_idle(void)
{
	return (TAILQ_EMPTY(&responses));
}

/* The next one gives them out again. */
void
responses_queue_lost(void)
{
	struct response *r;

	while ((r = TAILQ_FIRST(&responses)) != NULL) {
		TAILQ_REMOVE(&responses, r, entry);
		free(r->name);
		free(r);
	}
}

/* Writing. */

enum link_verdict
responses_write(const struct frame *f)
{
	const struct timeval now = { 0, 0 };
	struct span name, content;
	struct response *r;
	struct unpacker u;

	unpack_init(&u, f->data, f->len);
	name = unpack_span(&u);
	content = unpack_span(&u);
	if (!unpack_done(&u))
		return (LINK_BAD);
	if (!verdict_response(name.p, name.len)) {
		response_tell(f->id, "not the name of a response");
		return (LINK_DONE);
	}
	if (intake_config.responses_dir == NULL) {
		response_tell(f->id, "responses_dir is not set");
		return (LINK_DONE);
	}
	if ((r = calloc(1, sizeof(*r) + content.len)) == NULL ||
	    (r->name = span_dup(name)) == NULL)
		fatal("cannot keep a response");
	r->id = f->id;
	r->cost = f->len;
	r->len = content.len;
	memcpy(r->content, content.p, content.len);
	TAILQ_INSERT_TAIL(&responses, r, entry);
	if (!evtimer_pending(write_timer, NULL))
		evtimer_add(write_timer, &now);
	return (LINK_KEEP);
}

/* A few files, and the directory once for all of them. */
static void
responses_run(evutil_socket_t fd, short what, void *arg)
{
	const struct timeval now = { 0, 0 };
	struct response_list batch = TAILQ_HEAD_INITIALIZER(batch);
	struct response *r;
	int dirfd, error = 0;

	(void)fd, (void)what, (void)arg;
	if ((dirfd = responses_open()) == -1)
		error = errno;
	for (int i = 0; i < WRITE_STEP &&
	    (r = TAILQ_FIRST(&responses)) != NULL; i++) {
		TAILQ_REMOVE(&responses, r, entry);
		TAILQ_INSERT_TAIL(&batch, r, entry);
		r->error = error;
		if (dirfd != -1 && response_write(dirfd, r) == -1)
			r->error = errno;
		slot_turn();
	}
	if (dirfd != -1 && fsync(dirfd) == -1)
		error = errno;
	while ((r = TAILQ_FIRST(&batch)) != NULL) {
		TAILQ_REMOVE(&batch, r, entry);
		if (r->error == 0)
			r->error = error;
		response_done(r);
	}
	if (dirfd != -1)
		close(dirfd);
	if (!TAILQ_EMPTY(&responses))
		evtimer_add(write_timer, &now);
}

/* Each time anew: its users may have removed or replaced it. */
static int
responses_open(void)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
	const char *path = intake_config.responses_dir;
	int fd;

	fd = open(path, flags);
	if (fd == -1 && errno == ENOENT && directory_make(path, 0700) == 0)
		fd = open(path, flags);
	return (fd);
}

/* Say how it went.  Frees it. */
static void
response_done(struct response *r)
{
	struct link *l = pending_queue_link();
	char text[256];

	text[0] = '\0';
	if (r->error != 0)
		snprintf(text, sizeof(text), "%s: %s",
		    intake_config.responses_dir, strerror(r->error));
	response_tell(r->id, text);
	if (l != NULL)
		link_release(l, r->cost);
	free(r->name);
	free(r);
}

/* An empty text: it is on disk. */
static void
response_tell(uint64_t id, const char *error)
{
	struct link *l = pending_queue_link();
	static struct packer p;

	if (l == NULL)
		return;
	pack_reset(&p);
	pack_u8(&p, *error == '\0');
	pack_str(&p, error);
	if (link_send_packed(l, INTAKE_RESPONSE_DONE, id, &p) == -1 &&
	    errno != EPIPE)
		log_warn("cannot tell the queue about response %llu",
		    (unsigned long long)id);
}

/* 0, or -1 with errno. */
static int
response_write(int dirfd, const struct response *r)
{
	char tmp[TMP_SIZE];
	int fd, saved;

	if (response_is_there(dirfd, r))
		return (0);
	snprintf(tmp, sizeof(tmp), ".%s.tmp", r->name);
	/* What a crash has left. */
	(void)unlinkat(dirfd, tmp, 0);
	fd = openat(dirfd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
	    0600);
	if (fd == -1)
		return (-1);
	if (response_fill(fd, r) == 0 &&
	    renameat(dirfd, tmp, dirfd, r->name) == 0)
		return (close(fd));
	saved = errno;
	close(fd);
	(void)unlinkat(dirfd, tmp, 0);
	errno = saved;
	return (-1);
}

static int
response_fill(int fd, const struct response *r)
{
	size_t at;
	ssize_t n;

	if (fault_point("intake-response") != 0)
		return (-1);
	for (at = 0; at < r->len; at += (size_t)n) {
		n = write(fd, r->content + at, r->len - at);
		if (n == -1 && errno == EINTR)
			n = 0;
		else if (n == -1)
			return (-1);
	}
	return (fsync(fd));
}

/* Has it been written before, for a queue that then was lost? */
static bool
response_is_there(int dirfd, const struct response *r)
{
	char buf[4096];
	struct stat st;
	size_t at = 0;
	ssize_t n = 0;
	int fd;

	fd = openat(dirfd, r->name,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd == -1)
		return (false);
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    (size_t)st.st_size == r->len)
		while (at < r->len &&
		    (n = read(fd, buf, sizeof(buf))) > 0 &&
		    (size_t)n <= r->len - at &&
		    memcmp(buf, r->content + at, (size_t)n) == 0)
			at += (size_t)n;
	close(fd);
	return (at == r->len && r->len > 0);
}

/* Cleaning. */

static void
responses_clean(evutil_socket_t fd, short what, void *arg)
{
	const struct timeval later = { CLEAN_EVERY_S, 0 };
	const struct timeval now = { 0, 0 };

	(void)fd, (void)what, (void)arg;
	if (cleaning == NULL && intake_config.responses_dir != NULL &&
	    intake_config.responses_keep_ms > 0) {
		removed = 0;
		cleaning = opendir(intake_config.responses_dir);
	}
	if (cleaning != NULL)
		clean_step();
	evtimer_add(clean_timer, cleaning != NULL ? &now : &later);
}

static void
clean_step(void)
{
	int64_t before_ms = clock_wall_ms() - intake_config.responses_keep_ms;
	struct dirent *d = NULL;

	for (int i = 0; i < CLEAN_STEP &&
	    (d = readdir(cleaning)) != NULL; i++)
		if (clean_entry(dirfd(cleaning), d->d_name, before_ms))
			removed++;
	if (d != NULL)
		return;
	closedir(cleaning);
	cleaning = NULL;
	if (removed > 0)
		log_info("removed %u old responses", removed);
}

static bool
clean_entry(int dirfd, const char *name, int64_t before_ms)
{
	struct stat st;

	return (verdict_ours(name) &&
	    fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISREG(st.st_mode) &&
	    (int64_t)st.st_mtim.tv_sec * 1000 < before_ms &&
	    unlinkat(dirfd, name, 0) == 0);
}
