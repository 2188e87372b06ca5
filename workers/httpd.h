/*
 * What the HTTP servers of intake and monitor have in common: an evhttp(3)
 * with bounds, listeners that look away when no descriptors are left, and
 * bearer tokens.  A process has one such server.
 */
#ifndef WORKERS_HTTPD_H
#define WORKERS_HTTPD_H

#include <stdbool.h>
#include <sys/types.h>

struct event_base;
struct evhttp;
struct evhttp_request;

struct httpd_bounds {
	ssize_t body_bytes, headers_bytes;
	int timeout_s; /* of an idle connection */
};

/*
 * Make the server, without listeners and accepting nobody.  Every request of
 * whatever method comes to the callback, which refuses what it does not
 * want.  NULL without memory.
 */
struct evhttp *httpd_init(struct event_base *, const struct httpd_bounds *,
    void (*)(struct evhttp_request *, void *));
/* Listen there, too; takes fd over.  0, or -1 after logging. */
int httpd_listen(int fd);
/* Accept connections from now on; and no more. */
void httpd_start(void);
void httpd_stop(void);
/* Accept nobody for so long; 0: until the next turn of the loop. */
void httpd_pause(unsigned int ms);

/* Does the request carry "Authorization: Bearer token"?  With a token of NULL
 * it need not. */
bool httpd_authorised(struct evhttp_request *, const char *token);
/* Are they equal?  Takes as long wherever the first difference is. */
bool httpd_same(const char *given, const char *secret);

#endif
