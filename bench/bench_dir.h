/*
 * A directory of its own for each benchmark that writes files.
 */
#ifndef BENCH_DIR_H
#define BENCH_DIR_H

#include <dirent.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void
bench_dir_make(char *dir, size_t size, const char *parent)
{
	if (parent == NULL && (parent = getenv("TMPDIR")) == NULL)
		parent = "/tmp";
	snprintf(dir, size, "%s/cctg-bench-XXXXXX", parent);
	if (mkdtemp(dir) == NULL)
		err(1, "%s", dir);
}

static inline void
bench_dir_remove(const char *dir)
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
