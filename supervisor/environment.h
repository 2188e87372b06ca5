/*
 * The environment of the workers: what they need, and no secret, because
 * /proc/PID/environ shows it.
 */
#ifndef SUPERVISOR_ENVIRONMENT_H
#define SUPERVISOR_ENVIRONMENT_H

#include <stdbool.h>

#include "ipc/messages.h"

/* May a worker of that class see NAME=VALUE?  Pure. */
bool environment_allows(enum process_class, const char *assignment);
/* A new array of what it may see, pointing into environ; NULL with errno. */
char **environment_for(enum process_class);

#endif
