/*
 * libcurl on libevent: one loop has its own connections.  A handle given to
 * it has CURLOPT_PRIVATE set.
 */
#ifndef WORKERS_TELEGRAM_LOOP_H
#define WORKERS_TELEGRAM_LOOP_H

#include <curl/curl.h>

#include "common/metrics.h"

struct event_base;
struct loop;

/*
 * done() is called with CURLOPT_PRIVATE when a transfer has ended; it has to
 * loop_remove() the handle.  Up to so many idle connections are kept; the
 * gauge shows how many are open.  Returns NULL with errno.
 */
struct loop *loop_new(struct event_base *, unsigned int connections,
    enum metric gauge, void (*done)(void *, CURLcode));
/* All handles must have been removed; connections are closed. */
void loop_free(struct loop *);
/* Once for each handle, before loop_add(). */
void loop_adopt(struct loop *, CURL *);
/* Begin in the next turn of the loop.  Returns 0 or -1. */
int loop_add(struct loop *, CURL *);
void loop_remove(struct loop *, CURL *);

#endif
