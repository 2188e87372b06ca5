/* Files that last. */
#ifndef CTL_DISK_H
#define CTL_DISK_H

#include <stddef.h>

/* Make the directories that lead to path, which need not exist itself.
 * Returns 0 or -1 with errno. */
int disk_make_parents(char *path);
/* Write all of it, down to the disk.  Returns 0 or -1 with errno. */
int disk_write(int fd, const void *, size_t len);

#endif
