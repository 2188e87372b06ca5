/*
 * rejected/: where files go that are no events, each with a line of text
 * that says what is wrong.
 *
 * Called by files.c.  The reason is written first: a crash in between leaves
 * the file where it was, and it will be rejected again.  An earlier file of
 * the same name is never replaced.
 */
#include <sys/stat.h>
#include <sys/syscall.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "workers/intake/files.h"

#define SUFFIX_MAX 10000 /* files of one name */
#define NAME_SIZE 256	 /* NAME_MAX and a NUL */

static int reject_open(int);
static int reject_write_reason(int, const char *, const struct error *);
static int reject_rename(int, const char *, int, const char *);
static int reject_as(int, const char *, int, const char *,
    const struct error *);

int
reject_file(int dirfd, const char *name, const struct error *error)
{
	char as[NAME_SIZE];
	int fd, rc = -1, saved;
	size_t keep = strlen(name);

	if ((fd = reject_open(dirfd)) == -1)
		return (-1);
	/* Room for ".9999.reason" within NAME_MAX. */
	if (keep > NAME_SIZE - 1 - sizeof(".9999.reason"))
		keep = NAME_SIZE - 1 - sizeof(".9999.reason");
	for (int i = 0; i < SUFFIX_MAX && rc == -1; i++) {
		if (i == 0)
			snprintf(as, sizeof(as), "%.*s", (int)keep, name);
		else
			snprintf(as, sizeof(as), "%.*s.%d", (int)keep, name,
			    i);
		rc = reject_as(dirfd, name, fd, as, error);
		if (rc == -1 && errno != EEXIST)
			break;
	}
	saved = errno;
	close(fd);
	errno = saved;
	return (rc);
}

static int
reject_open(int dirfd)
{
	if (mkdirat(dirfd, "rejected", 0755) == -1 && errno != EEXIST)
		return (-1);
	return (openat(dirfd, "rejected",
	    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

/* Both under this name, or neither; -1 with EEXIST if it is taken. */
static int
reject_as(int dirfd, const char *name, int fd, const char *as,
    const struct error *error)
{
	char reason[NAME_SIZE + sizeof(".reason")];
	struct stat st;
	int saved;

	snprintf(reason, sizeof(reason), "%s.reason", as);
	if (fstatat(fd, as, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		errno = EEXIST;
		return (-1);
	}
	if (reject_write_reason(fd, reason, error) == -1)
		return (-1);
	if (reject_rename(dirfd, name, fd, as) == 0)
		return (0);
	saved = errno;
	unlinkat(fd, reason, 0);
	errno = saved;
	return (-1);
}

static int
reject_write_reason(int dirfd, const char *name, const struct error *error)
{
	char text[512];
	int fd, n, saved;

	fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
	    0644);
	if (fd == -1)
		return (-1);
	n = snprintf(text, sizeof(text), "%s%s%s; correct it and move it back "
	    "to the events directory, see cctg-events(5)\n", error->field,
	    error->field[0] == '\0' ? "" : ": ", error->text);
	if (n >= (int)sizeof(text))
		n = (int)sizeof(text) - 1;
	errno = ENOSPC; /* what a short write means */
	if (write(fd, text, (size_t)n) != n) {
		saved = errno;
		close(fd);
		unlinkat(dirfd, name, 0);
		errno = saved;
		return (-1);
	}
	return (close(fd));
}

static int
reject_rename(int fromfd, const char *from, int tofd, const char *to)
{
	if (renameat2(fromfd, from, tofd, to, RENAME_NOREPLACE) == 0)
		return (0);
	/* Some file systems do not know the flag; reject_as() has looked. */
	if (errno != EINVAL && errno != ENOSYS)
		return (-1);
	return (renameat(fromfd, from, tofd, to));
}
