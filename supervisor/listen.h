/* Unix sockets for listen.c and control.c. */
#ifndef SUPERVISOR_LISTEN_H
#define SUPERVISOR_LISTEN_H

int listen_unix(const char *path, int backlog);

#endif
