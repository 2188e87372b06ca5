/*
 * A directory of its own for each test and benchmark that writes files.
 */
#ifndef TESTS_SCRATCH_DIR_H
#define TESTS_SCRATCH_DIR_H

#include <dirent.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

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

/* Remove it with its files; it has no directories in it. */
static inline void
scratch_dir_remove(const char *dir)
{
	struct dirent *e;
	char path[1024];
	DIR *d = opendir(dir);

	while (d != NULL && (e = readdir(d)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		unlink(path);
	}
	if (d != NULL)
		closedir(d);
	rmdir(dir);
}

#endif
