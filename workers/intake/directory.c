/*
 * Makes the directories that intake works in.  Called by files.c and
 * responses.c when one is not there.
 */
#include <sys/stat.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "workers/intake/intake.h"

int
directory_make(const char *path, mode_t mode)
{
	char *copy, *p;
	int rc;

	if ((copy = strdup(path)) == NULL)
		return (-1);
	for (p = strchr(copy + 1, '/'); p != NULL; p = strchr(p + 1, '/')) {
		*p = '\0';
		(void)mkdir(copy, mode); /* the last one tells */
		*p = '/';
	}
	free(copy);
	rc = mkdir(path, mode);
	if (rc == 0)
		log_notice("made the directory %s", path);
	else if (errno == EEXIST)
		rc = 0;
	return (rc);
}
