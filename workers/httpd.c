/*
 * What the HTTP servers of intake and monitor have in common; see httpd.h.
 *
 * A listening socket whose connections cannot be accepted, for want of
 * descriptors, stays readable: without a pause the loop would spin.
 */
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>

#include "common/clock.h"
#include "common/log.h"
#include "workers/httpd.h"

#define LISTENERS_MAX 16
#define ACCEPT_PAUSE_MS 100

static struct evhttp *http;
static struct event *resume;
static struct evconnlistener *listener[LISTENERS_MAX];
static size_t nlisteners;
static bool accepting;

static void httpd_accept_failed(struct evconnlistener *, void *);
static void httpd_resumecb(evutil_socket_t, short, void *);

struct evhttp *
httpd_init(struct event_base *base, const struct httpd_bounds *bounds,
    void (*request)(struct evhttp_request *, void *))
{
	if ((http = evhttp_new(base)) == NULL ||
	    (resume = evtimer_new(base, httpd_resumecb, NULL)) == NULL)
		return (NULL);
	evhttp_set_max_body_size(http, bounds->body_bytes);
	evhttp_set_max_headers_size(http, bounds->headers_bytes);
	evhttp_set_timeout(http, bounds->timeout_s);
	evhttp_set_allowed_methods(http, EVHTTP_REQ_GET | EVHTTP_REQ_POST |
	    EVHTTP_REQ_HEAD | EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE |
	    EVHTTP_REQ_OPTIONS | EVHTTP_REQ_PATCH);
	evhttp_set_gencb(http, request, NULL);
	return (http);
}

int
httpd_listen(int fd)
{
	struct evconnlistener *l;

	if (nlisteners == LISTENERS_MAX ||
	    evutil_make_socket_nonblocking(fd) == -1 ||
	    (l = evconnlistener_new(event_get_base(resume), NULL, NULL,
	    LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_DISABLED,
	    0, fd)) == NULL) {
		log_warnx("http: cannot use a listener; it is closed");
		close(fd);
		return (-1);
	}
	if (evhttp_bind_listener(http, l) == NULL) {
		log_warnx("http: cannot use a listener; it is closed");
		evconnlistener_free(l);
		return (-1);
	}
	evconnlistener_set_error_cb(l, httpd_accept_failed);
	listener[nlisteners++] = l;
	if (accepting)
		evconnlistener_enable(l);
	return (0);
}

void
httpd_start(void)
{
	accepting = true;
	for (size_t i = 0; i < nlisteners; i++)
		evconnlistener_enable(listener[i]);
}

void
httpd_stop(void)
{
	accepting = false;
	for (size_t i = 0; i < nlisteners; i++)
		evconnlistener_disable(listener[i]);
}

void
httpd_pause(unsigned int ms)
{
	const struct timeval tv = clock_timeval(ms);

	for (size_t i = 0; i < nlisteners; i++)
		evconnlistener_disable(listener[i]);
	if (ms == 0)
		event_active(resume, 0, 0);
	else
		evtimer_add(resume, &tv);
}

static void
httpd_accept_failed(struct evconnlistener *l, void *arg)
{
	(void)l, (void)arg;
	httpd_pause(ACCEPT_PAUSE_MS);
}

static void
httpd_resumecb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
	if (accepting)
		httpd_start();
}

bool
httpd_authorised(struct evhttp_request *req, const char *token)
{
	const char *given = evhttp_find_header(
	    evhttp_request_get_input_headers(req), "Authorization");

	if (token == NULL)
		return (true);
	return (given != NULL && strncasecmp(given, "Bearer ", 7) == 0 &&
	    httpd_same(given + 7, token));
}

bool
httpd_same(const char *given, const char *secret)
{
	size_t len = strlen(secret), n = strlen(given);
	unsigned char differ = n != len;

	for (size_t i = 0; i < n; i++)
		differ |= (unsigned char)given[i] ^
		    (unsigned char)secret[len == 0 ? 0 : i % len];
	return (differ == 0);
}
