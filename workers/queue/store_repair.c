/*
 * What the store does when its file is in doubt or damaged.
 *
 * Doubt: a write or flush failed.  Linux reports a failed flush once, marks
 * the pages clean and may drop them, so that a second fsync(2) that succeeds
 * proves nothing.  And the frames of the transaction that was rolled back
 * stand in the WAL, where a later recovery would take them for committed.
 * So the database is closed, the WAL is cut behind the last commit, written
 * again and flushed, and only then opened again.
 *
 * Damage: the file is set aside, what can be read goes into a new one under
 * another name, which takes the place when it is complete.  A mark file
 * tells the next start how far that came; after SALVAGE_TRIES starts that
 * did not survive it, a new store begins empty and the old one is left to
 * people.
 */
#include "config.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "workers/queue/store_int.h"

#define SALVAGE_TRIES 3
#define NAMED_BEFORE "; set aside as " /* in what META_DAMAGED says */

/* The mark: one line with this name for each try. */
struct mark {
	char name[64]; /* "queue.db.damaged-20261121T045008Z", or empty */
	int tries;
};

static int	write_again(int, off_t);
static int	cut_wal(struct store *);
static int	sync_dir(const struct store *);
static void	mark_path(const struct store *, char *, size_t);
static int	mark_read(const struct store *, struct mark *);
static int	mark_try(const struct store *, const char *);
static int	move_file(const struct store *, const char *, const char *,
		    const char *);
static void	remove_new(const struct store *);
static int	create_new(const struct store *, struct store *);
static int	read_template(const struct store *, uint8_t *);
static int	note_damage(struct store *, const char *, int64_t, int64_t);
static void	choose_name(const struct store *, char *, size_t);
static int	fill_new(struct store *, struct store *, const char *, bool);
static int	salvage_into_new(struct store *, const struct mark *);

/*
 * Doubt
 */

void
store_suspend(struct store *st)
{
	if (st->db == NULL)
		return;
	st->doubt = true;
	sqlite3_db_config(st->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	store_disconnect(st);
}

/* Write what is there over itself, so that the kernel has it to flush. */
static int
write_again(int fd, off_t size)
{
	uint8_t block[16384];
	ssize_t n;
	off_t at;

	for (at = 0; at < size; at += n) {
		n = pread(fd, block, sizeof(block), at);
		if (n == 0)
			break;
		if (n == -1 || pwrite(fd, block, (size_t)n, at) != n)
			return (-1);
	}
	return (0);
}

static int
cut_wal(struct store *st)
{
	char path[sizeof(st->path) + 8];
	struct stat sb;
	off_t keep = 0;
	int fd, rc = -1, error;

	snprintf(path, sizeof(path), "%s-wal", st->path);
	if ((fd = open(path, O_RDWR | O_CLOEXEC)) == -1)
		return (errno == ENOENT ? 0 : -1);
	if (fstat(fd, &sb) == -1)
		goto out;
	if (st->wal_frames == INT64_MAX)
		keep = sb.st_size; /* not known: nothing was committed */
	else if (st->wal_frames > 0)
		keep = STORE_WAL_HEADER + (off_t)st->wal_frames *
		    (STORE_FRAME_HEADER + STORE_PAGE_BYTES);
	if (sb.st_size > keep && ftruncate(fd, keep) == -1)
		goto out;
	if (write_again(fd, keep) == -1 || fsync(fd) == -1)
		goto out;
	rc = 0;
out:
	error = errno;
	close(fd);
	errno = error;
	return (rc);
}

int
store_resume(struct store *st)
{
	if (st->broken)
		return (-1);
	if (st->db != NULL)
		return (0);
	if (st->doubt && cut_wal(st) == -1) {
		store_fail(st, SQLITE_IOERR, "repair");
		return (-1);
	}
	if (store_connect(st) == -1)
		return (-1);
	if (st->doubt)
		log_notice("store: open again");
	st->doubt = false;
	return (0);
}

/*
 * Files
 */

static int
sync_dir(const struct store *st)
{
	int fd = open(st->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

	if (fd == -1)
		return (-1);
	rc = fsync(fd);
	close(fd);
	return (rc);
}

static void
mark_path(const struct store *st, char *path, size_t size)
{
	snprintf(path, size, "%s/queue.db.salvage", st->dir);
}

/* 1: there is a mark, 0: none, -1 */
static int
mark_read(const struct store *st, struct mark *m)
{
	char path[sizeof(st->path)], line[sizeof(m->name)];
	FILE *f;

	memset(m, 0, sizeof(*m));
	mark_path(st, path, sizeof(path));
	if ((f = fopen(path, "re")) == NULL)
		return (errno == ENOENT ? 0 : -1);
	while (fgets(line, sizeof(line), f) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		strlcpy(m->name, line, sizeof(m->name));
		m->tries++;
	}
	fclose(f);
	return (1);
}

static int
mark_try(const struct store *st, const char *name)
{
	char path[sizeof(st->path)], line[sizeof(((struct mark *)0)->name) + 1];
	int fd, n, rc;

	mark_path(st, path, sizeof(path));
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd == -1)
		return (-1);
	n = *name == '\0' ? 0 : snprintf(line, sizeof(line), "%s\n", name);
	rc = write(fd, line, (size_t)n) == n && fsync(fd) == 0 ? 0 : -1;
	close(fd);
	return (rc == 0 ? sync_dir(st) : -1);
}

void
store_mark_broken(struct store *st)
{
	if (st->broken)
		return;
	st->broken = true;
	if (mark_try(st, "") == -1)
		log_warn("store: cannot note the damage in %s", st->dir);
}

bool
store_is_marked(struct store *st)
{
	struct mark m;

	return (mark_read(st, &m) != 0);
}

/* DIR/from+suffix becomes DIR/to+suffix; none there is all right. */
static int
move_file(const struct store *st, const char *from, const char *to,
    const char *suffix)
{
	char old[sizeof(st->path) + 80], new[sizeof(old)];

	snprintf(old, sizeof(old), "%s/%s%s", st->dir, from, suffix);
	snprintf(new, sizeof(new), "%s/%s%s", st->dir, to, suffix);
	if (rename(old, new) == -1 && errno != ENOENT) {
		log_warn("store: rename %s to %s%s", old, to, suffix);
		return (-1);
	}
	return (0);
}

static void
remove_new(const struct store *st)
{
	static const char *const suffixes[] = { "", "-wal", "-journal" };
	char path[sizeof(st->path) + 16];
	size_t i;

	for (i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		snprintf(path, sizeof(path), "%s/queue.db.new%s", st->dir,
		    suffixes[i]);
		unlink(path);
	}
}

/*
 * A new database
 */

/* SQLite gives the journal files the mode of the database. */
static int
create_new(const struct store *st, struct store *fresh)
{
	int fd;

	memset(fresh, 0, sizeof(*fresh));
	fresh->next_seq = 1;
	store_sending_init(fresh);
	strlcpy(fresh->dir, st->dir, sizeof(fresh->dir));
	snprintf(fresh->path, sizeof(fresh->path), "%s/queue.db.new", st->dir);
	remove_new(st);
	fd = open(fresh->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd == -1) {
		log_warn("store: %s", fresh->path);
		return (-1);
	}
	close(fd);
	return (store_connect(fresh));
}

int
store_create(struct store *st)
{
	struct store fresh;
	int rc = create_new(st, &fresh);

	store_disconnect(&fresh);
	if (rc == -1 || move_file(st, "queue.db.new", "queue.db", "") == -1)
		return (-1);
	return (sync_dir(st));
}

/*
 * Damage
 */

/* The first page of the empty database, which was closed just now. */
static int
read_template(const struct store *fresh, uint8_t *page)
{
	int fd = open(fresh->path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd == -1)
		return (-1);
	n = read(fd, page, STORE_PAGE_BYTES);
	close(fd);
	return (n == STORE_PAGE_BYTES ? 0 : -1);
}

static int
note_damage(struct store *fresh, const char *name, int64_t events,
    int64_t deliveries)
{
	char text[256], when[RFC3339_SIZE];

	snprintf(text, sizeof(text), "damaged, found %s" NAMED_BEFORE "%s; %"
	    PRId64 " events and %" PRId64 " deliveries recovered",
	    clock_rfc3339(when, sizeof(when), clock_wall_ms()), name, events,
	    deliveries);
	log_errx("store: %s", text);
	if (store_put_meta(fresh, META_DAMAGED, text) == -1 ||
	    store_put_meta(fresh, META_ORPHANS, "1") == -1)
		return (-1);
	return (store_commit(fresh));
}

bool
store_damage_kept(const struct store *st, char *name, size_t size)
{
	const char *from = strstr(st->damaged, NAMED_BEFORE);
	char path[sizeof(st->path) + 256];

	if (from == NULL)
		return (false);
	from += strlen(NAMED_BEFORE);
	if (strlcpy(name, from, size) >= size)
		return (false);
	name[strcspn(name, ";/")] = '\0';
	snprintf(path, sizeof(path), "%s/%s", st->dir, name);
	return (access(path, F_OK) == 0 || errno != ENOENT);
}

static int
fill_new(struct store *st, struct store *fresh, const char *name, bool copy)
{
	uint8_t template[STORE_PAGE_BYTES];
	char path[sizeof(st->path) + 80];
	int64_t events = 0, deliveries = 0;

	/* Closed once, so that the file has all of it. */
	store_disconnect(fresh);
	if (read_template(fresh, template) == -1 ||
	    store_connect(fresh) == -1)
		return (-1);
	snprintf(path, sizeof(path), "%s/%s", st->dir, name);
	if (copy && store_copy_readable(fresh, path, template, &events,
	    &deliveries) == -1)
		return (-1);
	return (note_damage(fresh, name, events, deliveries));
}

/* The damaged one is set aside already. */
static int
salvage_into_new(struct store *st, const struct mark *m)
{
	char path[sizeof(st->path)];
	struct store fresh;
	int rc;

	if (m->tries > SALVAGE_TRIES)
		log_errx("store: salvage failed %d times, beginning anew; "
		    "%s/%s is left as it is", SALVAGE_TRIES, st->dir, m->name);
	rc = create_new(st, &fresh);
	if (rc == 0)
		rc = fill_new(st, &fresh, m->name, m->tries <= SALVAGE_TRIES);
	store_disconnect(&fresh);
	free(fresh.arena);
	free(fresh.pending);
	if (rc == -1) {
		log_warnx("store: salvage: %s", fresh.error);
		return (-1);
	}
	if (move_file(st, "queue.db.new", "queue.db", "") == -1 ||
	    sync_dir(st) == -1)
		return (-1);
	mark_path(st, path, sizeof(path));
	unlink(path);
	return (0);
}

/* A name for the damaged file that none has yet. */
static void
choose_name(const struct store *st, char *name, size_t size)
{
	char path[sizeof(st->path) + 80], base[48];
	time_t now = time(NULL);
	struct tm tm;
	int i;

	gmtime_r(&now, &tm);
	strftime(base, sizeof(base), "queue.db.damaged-%Y%m%dT%H%M%SZ", &tm);
	strlcpy(name, base, size);
	for (i = 2; i < 1000; i++) {
		snprintf(path, sizeof(path), "%s/%s", st->dir, name);
		if (access(path, F_OK) == -1)
			return;
		snprintf(name, size, "%s-%d", base, i);
	}
}

int
store_salvage(struct store *st)
{
	struct mark m = { .tries = 1 };

	choose_name(st, m.name, sizeof(m.name));
	log_errx("store: %s is damaged, setting it aside as %s", st->path,
	    m.name);
	/* The WAL first: alone, the database would be taken for whole. */
	if (mark_try(st, m.name) == -1 ||
	    move_file(st, "queue.db", m.name, "-wal") == -1 ||
	    move_file(st, "queue.db", m.name, "") == -1 || sync_dir(st) == -1) {
		log_warn("store: setting %s aside", st->path);
		return (-1);
	}
	return (salvage_into_new(st, &m));
}

int
store_salvage_pending(struct store *st)
{
	char path[sizeof(st->path) + 80];
	struct mark m;
	bool aside, there;

	if (mark_read(st, &m) != 1 || m.name[0] == '\0')
		return (0);
	snprintf(path, sizeof(path), "%s/%s", st->dir, m.name);
	aside = access(path, F_OK) == 0;
	there = access(st->path, F_OK) == 0;
	if (aside && there) {
		/* It was done, but for this. */
		mark_path(st, path, sizeof(path));
		return (unlink(path) == -1 ? -1 : 1);
	}
	m.tries++;
	log_notice("store: going on with the salvage of %s", m.name);
	if (mark_try(st, m.name) == -1 ||
	    (!aside && (move_file(st, "queue.db", m.name, "-wal") == -1 ||
	    move_file(st, "queue.db", m.name, "") == -1)) ||
	    sync_dir(st) == -1) {
		log_warn("store: setting %s aside", st->path);
		return (-1);
	}
	return (salvage_into_new(st, &m) == -1 ? -1 : 1);
}
