/*
 * The scan of the events directory: for what was there before the watch, and
 * for what its notifications missed.
 *
 * Reads names in batches and sorts each batch by age, so that a directory of
 * any size takes the memory of one batch; up to SCAN_BATCH files are taken
 * strictly oldest first.  Called by files.c, a step a turn.  The same
 * directory stream goes on over the batches, although files are removed
 * meanwhile: what was not yet returned and is still there will be
 * (readdir(3p)), so the cost is linear.
 */
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/metrics.h"
#include "workers/intake/files.h"

#define SCAN_BATCH 16384 /* files, about 150 bytes each */
#define SCAN_STEP 1024	 /* directory entries a turn */

static DIR *dir;
static struct file **batch;
static size_t nbatch;
static uint32_t number;

static int scan_entry(int, const struct dirent *);
static int scan_flush(void);
static int scan_compare(const void *, const void *);

int
scan_begin(int dirfd)
{
	int fd;

	scan_end();
	fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1)
		return (-1);
	if ((dir = fdopendir(fd)) == NULL) {
		close(fd);
		return (-1);
	}
	number++;
	metric_add(M_intake_rescans, 1);
	return (0);
}

void
scan_end(void)
{
	while (nbatch > 0)
		free(batch[--nbatch]);
	free(batch);
	batch = NULL;
	if (dir != NULL)
		closedir(dir);
	dir = NULL;
}

bool
scan_active(void)
{
	return (dir != NULL);
}

uint32_t
scan_number(void)
{
	return (number);
}

int
scan_step(int dirfd)
{
	struct dirent *d;

	/* The table was full last time. */
	if (nbatch == SCAN_BATCH && scan_flush() == -1)
		return (-1);
	for (int i = 0; i < SCAN_STEP; i++) {
		if ((d = readdir(dir)) == NULL) {
			if (scan_flush() == -1)
				return (-1);
			scan_end();
			return (0);
		}
		if (scan_entry(dirfd, d) == -1)
			return (-1);
		if (nbatch == SCAN_BATCH)
			return (scan_flush() == -1 ? -1 : 1);
	}
	return (1);
}

static int
scan_entry(int dirfd, const struct dirent *d)
{
	struct stat st;
	struct file *f;

	if ((d->d_type != DT_REG && d->d_type != DT_UNKNOWN) ||
	    !verdict_name(d->d_name))
		return (0);
	if ((f = filetab_find(d->d_name)) != NULL) {
		f->scan = number;
		if (f->state == FS_KEPT && !f->accepted)
			filetab_move(f, FS_QUEUED);
		return (0);
	}
	if (fstatat(dirfd, d->d_name, &st, AT_SYMLINK_NOFOLLOW) == -1 ||
	    !S_ISREG(st.st_mode))
		return (0);
	if (batch == NULL &&
	    (batch = calloc(SCAN_BATCH, sizeof(*batch))) == NULL)
		return (-1);
	if ((f = filetab_new(d->d_name)) == NULL)
		return (-1);
	verdict_stamp(&f->stamp, &st);
	f->scan = number;
	batch[nbatch++] = f;
	return (0);
}

static int
scan_compare(const void *x, const void *y)
{
	const struct file *a = *(struct file *const *)x;
	const struct file *b = *(struct file *const *)y;

	if (a->stamp.mtime_ns != b->stamp.mtime_ns)
		return (a->stamp.mtime_ns < b->stamp.mtime_ns ? -1 : 1);
	return (strcmp(a->name, b->name));
}

/* Put the batch into the table, oldest first. */
static int
scan_flush(void)
{
	struct file *f;

	if (nbatch == 0)
		return (0);
	qsort(batch, nbatch, sizeof(*batch), scan_compare);
	for (size_t i = 0; i < nbatch; i++) {
		f = batch[i];
		/* A notification may have been faster. */
		if (filetab_find(f->name) != NULL) {
			free(f);
			continue;
		}
		f->stamp = (struct file_stamp){ 0 };
		if (filetab_insert(f) == -1) {
			memmove(batch, batch + i,
			    (nbatch - i) * sizeof(*batch));
			nbatch -= i;
			return (-1);
		}
	}
	nbatch = 0;
	return (0);
}
