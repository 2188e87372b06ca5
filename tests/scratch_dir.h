/*
 * A directory of its own for each test and benchmark that writes files.
 */
#ifndef TESTS_SCRATCH_DIR_H
#define TESTS_SCRATCH_DIR_H

#include <err.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

/* Make one below parent, or where that is NULL below $TMPDIR or /tmp; its
 * path is left in dir. */
static inline void
scratch_dir_make(char *dir, size_t size, const char *parent)
{
	if (parent == NULL && (parent = getenv("TMPDIR")) == NULL)
		parent = "/tmp";
	snprintf(dir, size, "%s/cctg-scratch-XXXXXX", parent);
	if (mkdtemp(dir) == NULL)
		err(1, "%s", dir);
}

static inline int
scratch_remove_one(const char *path, const struct stat *st, int flag,
    struct FTW *ftw)
{
	(void)st, (void)flag, (void)ftw;
	return (remove(path));
}

/* Remove it with all that is in it.  0, or -1 with errno. */
static inline int
scratch_dir_remove(const char *dir)
{
	return (nftw(dir, scratch_remove_one, 8, FTW_DEPTH | FTW_PHYS));
}

#endif
