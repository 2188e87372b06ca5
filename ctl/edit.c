/* Changing files of other programs; see edit.h. */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ctl/disk.h"
#include "ctl/edit.h"

#define FILE_MAX_BYTES (64U << 20)
#define BACKUPS_MAX 100 /* within one second */

static int target_find(const char *path, char *target);
static int backup_write(struct edit *);

int
edit_read(struct edit *e, const char *path)
{
	struct stat st;
	ssize_t n = 0;
	int fd;

	memset(e, 0, sizeof(*e));
	if (strlcpy(e->path, path, sizeof(e->path)) >= sizeof(e->path)) {
		errno = ENAMETOOLONG;
		return (-1);
	}
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return (errno == ENOENT ? 0 : -1);
	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) ||
	    st.st_size > FILE_MAX_BYTES ||
	    (e->old = malloc((size_t)st.st_size + 1)) == NULL) {
		close(fd);
		errno = EINVAL;
		return (-1);
	}
	while (e->oldlen < (size_t)st.st_size && (n = read(fd, e->old +
	    e->oldlen, (size_t)st.st_size - e->oldlen)) > 0)
		e->oldlen += (size_t)n;
	e->old[e->oldlen] = '\0';
	close(fd);
	return (n == -1 ? -1 : 0);
}

void
edit_free(struct edit *e)
{
	free(e->old);
	e->old = NULL;
}

/* Where the links lead, also if nothing is there yet. */
static int
target_find(const char *path, char *target)
{
	char link[PATH_MAX], *slash;
	struct stat st;
	ssize_t n;

	if (realpath(path, target) != NULL)
		return (0);
	if (errno != ENOENT)
		return (-1);
	strlcpy(target, path, PATH_MAX);
	if (lstat(path, &st) == -1 || !S_ISLNK(st.st_mode))
		return (0);
	if ((n = readlink(path, link, sizeof(link) - 1)) == -1)
		return (-1);
	link[n] = '\0';
	slash = strrchr(target, '/');
	if (link[0] == '/' || slash == NULL)
		strlcpy(target, link, PATH_MAX);
	else
		strlcpy(slash + 1, link, PATH_MAX - (size_t)(slash + 1 -
		    target));
	return (0);
}

static int
backup_write(struct edit *e)
{
	time_t now = time(NULL);
	char at[32];
	struct tm tm;
	int fd = -1, i;

	gmtime_r(&now, &tm);
	strftime(at, sizeof(at), "%Y%m%dT%H%M%SZ", &tm);
	for (i = 0; fd == -1 && i < BACKUPS_MAX; i++) {
		if (i == 0)
			snprintf(e->backup, sizeof(e->backup), "%s.%s.bak",
			    e->path, at);
		else
			snprintf(e->backup, sizeof(e->backup), "%s.%s-%d.bak",
			    e->path, at, i);
		/* As private as the most private original. */
		fd = open(e->backup, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
		    0600);
		if (fd == -1 && errno != EEXIST)
			return (-1);
	}
	if (fd == -1)
		return (-1);
	i = disk_write(fd, e->old, e->oldlen);
	if (close(fd) == -1)
		i = -1;
	return (i);
}

int
edit_write(struct edit *e, const char *text, size_t len)
{
	char target[PATH_MAX], temporary[PATH_MAX + 16];
	struct stat st;
	int fd, rc;

	if (target_find(e->path, target) == -1 ||
	    disk_make_parents(target) == -1 ||
	    (e->old != NULL && backup_write(e) == -1))
		return (-1);
	snprintf(temporary, sizeof(temporary), "%s.XXXXXX", target);
	if ((fd = mkostemp(temporary, O_CLOEXEC)) == -1)
		return (-1);
	/* Owner and mode stay; what is new may be read by others only if that
	 * was so before. */
	rc = 0;
	if (stat(target, &st) == 0) {
		rc = fchmod(fd, st.st_mode & 07777);
		if (geteuid() == 0 && rc == 0)
			rc = fchown(fd, st.st_uid, st.st_gid);
	}
	if (rc == 0)
		rc = disk_write(fd, text, len);
	if (close(fd) == -1 || rc == -1 || rename(temporary, target) == -1) {
		rc = errno;
		unlink(temporary);
		errno = rc;
		return (-1);
	}
	return (0);
}

int
edit_remove(struct edit *e)
{
	return (backup_write(e) == -1 ? -1 : unlink(e->path));
}
