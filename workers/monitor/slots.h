/*
 * The slots and the board as the supervisor shares them, read-only.
 */
#ifndef MONITOR_SLOTS_H
#define MONITOR_SLOTS_H

#include "ipc/messages.h"
#include "workers/monitor/view.h"

/* A slot, or the board (class supervisor), in fd, which is closed. */
void slots_share(enum process_class, unsigned int index, int fd);
/* Look at all of them now. */
void slots_view(struct view *);

#endif
