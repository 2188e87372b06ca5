/*
 * Makes writes and flushes fail.  Linked into a test, or preloaded into a
 * program (LD_PRELOAD), it stands before the C library's calls.  While the
 * file named by CCTG_FAULT_CONTROL exists, each of its lines is a fault:
 *
 *	CALL ERROR [PART [N]]
 *
 * CALL is write, sync or truncate, ERROR is EIO, ENOSPC, EROFS or EDQUOT;
 * with PART only descriptors whose path contains it are hit ("-wal"), or ends
 * with it ("queue.db$").  With N the calls before the N-th pass, counted
 * over all lines since the control file was made.  A write that fails with
 * ENOSPC and is longer than 512 bytes leaves 512 of them behind, as a full
 * disk does.
 */
#include <sys/types.h>
#include <sys/stat.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef ssize_t pwrite_call(int, const void *, size_t, off_t);
typedef ssize_t write_call(int, const void *, size_t);
typedef int sync_call(int);
typedef int truncate_call(int, off_t);

static void	*next_call(const char *);
static int	error_number(const char *);
static int	path_has(int, const char *);
static int	count_call(FILE *);
static int	fault(const char *, int);

ssize_t pwrite64(int, const void *, size_t, off_t);
int ftruncate64(int, off_t);

static void *
next_call(const char *name)
{
	void *p = dlsym(RTLD_NEXT, name);

	if (p == NULL)
		abort();
	return (p);
}

static int
error_number(const char *name)
{
	static const struct {
		const char *name;
		int number;
	} errors[] = { { "EIO", EIO }, { "ENOSPC", ENOSPC },
		{ "EROFS", EROFS }, { "EDQUOT", EDQUOT } };
	size_t i;

	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (strcmp(errors[i].name, name) == 0)
			return (errors[i].number);
	return (EIO);
}

static int
path_has(int fd, const char *part)
{
	char link[64], path[4096];
	size_t len;
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n <= 0)
		return (0);
	path[n] = '\0';
	len = strlen(part);
	if (len > 0 && part[len - 1] == '$')
		return ((size_t)n >= len - 1 &&
		    strncmp(path + n - (len - 1), part, len - 1) == 0);
	return (strstr(path, part) != NULL);
}

/* The calls counted start again with each new control file. */
static int
count_call(FILE *f)
{
	static struct timespec made;
	static int calls;
	struct stat sb;

	if (fstat(fileno(f), &sb) == -1)
		return (0);
	if (sb.st_mtim.tv_sec != made.tv_sec ||
	    sb.st_mtim.tv_nsec != made.tv_nsec) {
		made = sb.st_mtim;
		calls = 0;
	}
	return (++calls);
}

/* The error that this call is to fail with, or 0. */
static int
fault(const char *call, int fd)
{
	const char *control = getenv("CCTG_FAULT_CONTROL");
	char line[256], name[32], error[32], part[128];
	int n, nth, found = 0;
	FILE *f;

	if (control == NULL || access(control, F_OK) == -1 ||
	    (f = fopen(control, "re")) == NULL)
		return (0);
	while (found == 0 && fgets(line, sizeof(line), f) != NULL) {
		n = sscanf(line, "%31s %31s %127s %d", name, error, part,
		    &nth);
		if (n >= 2 && strcmp(name, call) == 0 &&
		    (n == 2 || path_has(fd, part)) &&
		    (n < 4 || count_call(f) >= nth))
			found = error_number(error);
	}
	fclose(f);
	return (found);
}

ssize_t
pwrite64(int fd, const void *data, size_t len, off_t at)
{
	pwrite_call *call = (pwrite_call *)next_call("pwrite64");
	int error = fault("write", fd);

	if (error == 0)
		return (call(fd, data, len, at));
	if (error == ENOSPC && len > 512)
		return (call(fd, data, 512, at));
	errno = error;
	return (-1);
}

ssize_t
pwrite(int fd, const void *data, size_t len, off_t at)
{
	return (pwrite64(fd, data, len, at));
}

ssize_t
write(int fd, const void *data, size_t len)
{
	int error = fd > 2 ? fault("write", fd) : 0;

	if (error == 0)
		return (((write_call *)next_call("write"))(fd, data, len));
	errno = error;
	return (-1);
}

int
fsync(int fd)
{
	int error = fault("sync", fd);

	if (error == 0)
		return (((sync_call *)next_call("fsync"))(fd));
	errno = error;
	return (-1);
}

int
fdatasync(int fd)
{
	int error = fault("sync", fd);

	if (error == 0)
		return (((sync_call *)next_call("fdatasync"))(fd));
	errno = error;
	return (-1);
}

int
ftruncate64(int fd, off_t size)
{
	int error = fault("truncate", fd);

	if (error == 0)
		return (((truncate_call *)next_call("ftruncate64"))(fd, size));
	errno = error;
	return (-1);
}
