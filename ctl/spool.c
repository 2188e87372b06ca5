/*
 * Without a daemon, an event waits as a file in the events directory for the
 * next one.  It appears there complete, by rename(2), and stays after a
 * power failure.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/uuid.h"
#include "ctl/disk.h"
#include "ctl/send.h"

int
spool_event(const char *dir, const char *text, size_t len, char *path,
    size_t size)
{
	char name[UUID_SIZE], temporary[4200];
	struct stat st;
	int fd, dirfd, rc;

	/* That of a user is not there before his first daemon. */
	snprintf(path, size, "%s/", dir);
	if (disk_make_parents(path) == -1 || stat(dir, &st) == -1)
		return (-1);
	uuid_v7(name);
	/* The daemon looks only at *.json. */
	snprintf(temporary, sizeof(temporary), "%s/.%s.tmp", dir, name);
	snprintf(path, size, "%s/%s.json", dir, name);
	fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd == -1)
		return (-1);
	/* What root drops must be readable for the daemon's user. */
	rc = geteuid() == 0 ? fchown(fd, st.st_uid, st.st_gid) : 0;
	if (rc == 0)
		rc = disk_write(fd, text, len);
	if (close(fd) == -1 || rc == -1 || rename(temporary, path) == -1) {
		rc = errno;
		unlink(temporary);
		errno = rc;
		return (-1);
	}
	if ((dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) != -1) {
		fsync(dirfd);
		close(dirfd);
	}
	return (0);
}
