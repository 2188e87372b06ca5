/* Files that last; see disk.h.  Called by spool.c and edit.c. */
#include <sys/stat.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "ctl/disk.h"

int
disk_make_parents(char *path)
{
	char *p;
	int rc;

	for (p = path + 1; (p = strchr(p, '/')) != NULL; p++) {
		*p = '\0';
		rc = mkdir(path, 0755);
		*p = '/';
		if (rc == -1 && errno != EEXIST)
			return (-1);
	}
	return (0);
}

int
disk_write(int fd, const void *data, size_t len)
{
	const char *p = data;
	ssize_t n;

	while (len > 0) {
		if ((n = write(fd, p, len)) == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return (-1);
		p += n;
		len -= (size_t)n;
	}
	return (fsync(fd));
}
