/*
 * HTTP for people, probes, Prometheus and the MCP server.
 */
#ifndef MONITOR_HTTP_H
#define MONITOR_HTTP_H

#include <stdbool.h>

struct event_base;

/* Answer on that listening socket; takes fd over.  -1 after logging. */
int http_listen(struct event_base *, int fd);
/* What /metrics and /report ask for; NULL: nothing.  Copied.  bridge: the MCP
 * server of co8/cctelegram is about, which knows no token. */
void http_token(const char *token, bool bridge);
/* Accept no more connections. */
void http_stop(void);

#endif
