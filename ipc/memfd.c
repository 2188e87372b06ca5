/*
 * Large payloads as sealed memfds; see memfd.h.  Called by link.c.
 */
#include <sys/mman.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "ipc/memfd.h"

int
memfd_payload(const void *data, size_t len)
{
	const char *p = data;
	size_t done = 0;
	ssize_t n;
	int fd;

	fd = memfd_create("cctg-frame", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd == -1)
		return (-1);
	while (done < len) {
		n = write(fd, p + done, len - done);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			goto fail;
		done += (size_t)n;
	}
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE |
	    F_SEAL_SEAL) == -1)
		goto fail;
	return (fd);
fail:
	close(fd);
	return (-1);
}

const void *
memfd_map(int fd, size_t len)
{
	const int wanted = F_SEAL_SHRINK | F_SEAL_WRITE;
	struct stat st;
	void *map;
	int seals;

	if ((seals = fcntl(fd, F_GET_SEALS)) == -1)
		return (NULL);
	if ((seals & wanted) != wanted || fstat(fd, &st) == -1 ||
	    (size_t)st.st_size != len || len == 0) {
		errno = EINVAL;
		return (NULL);
	}
	map = mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0);
	return (map == MAP_FAILED ? NULL : map);
}
