/*
 * Sandboxes: no_new_privs, rlimits, Landlock and a seccomp filter, one
 * profile a class, all in one table.
 */
#ifndef COMMON_SANDBOX_H
#define COMMON_SANDBOX_H

#include "ipc/messages.h"

/*
 * Enter the profile of a class.  From then on what it does not allow fails
 * with EPERM.  Returns 0, 1 if the kernel lacks something (logged once), -1
 * with errno.  CCTG_SANDBOX=off in the environment skips it (debuggers,
 * sanitizers).
 */
int sandbox_enter(enum process_class);
/*
 * Before sandbox_enter(), by the queue: it will write below this directory
 * and nowhere else.  The directory must exist; it is meant, not its name.
 * Returns 0, or -1 with errno.
 */
int sandbox_write_below(const char *directory);

#endif
