/*
 * What libcurl can do at most on this machine: a multi_socket loop on
 * libevent with a few connections, each posting sendMessage to the simulator
 * as soon as its answer is there.  The end-to-end figure is measured beside
 * it (DESIGN section 11).
 *
 *	limit_curl URL-OF-SENDMESSAGE [REQUESTS [CONNECTIONS]]
 *
 * prints "limit_curl RATE requests/s".
 */
#include "config.h"

#include <sys/resource.h>

#include <curl/curl.h>
#include <event2/event.h>

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"

#define CONNECTIONS_MAX 64
#define BODY "{\"chat_id\":%d,\"text\":\"<b>Event %ld</b>\\nA description " \
	"of some length, as events have it, and <code>details</code> of " \
	"what was done.\",\"parse_mode\":\"HTML\"}"

struct transfer {
	CURL *easy;
	int chat;
	char body[512], reply[8192];
	size_t len;
};

static struct event_base *base;
static struct event *timer;
static CURLM *multi;
static long next, done, failed, total = 50000;

static void transfer_begin(struct transfer *);
static void transfers_reap(void);
static size_t write_cb(char *, size_t, size_t, void *);
static int socket_cb(CURL *, curl_socket_t, int, void *, void *);
static int timer_cb(CURLM *, long, void *);
static void ready_cb(evutil_socket_t, short, void *);
static void timeout_cb(evutil_socket_t, short, void *);
static double cpu_s(void);

int
main(int argc, char **argv)
{
	static struct transfer transfer[CONNECTIONS_MAX];
	struct curl_slist *headers;
	long connections = 8;
	int64_t began;
	double s;

	if (argc < 2 || argc > 4)
		errx(2, "usage: limit_curl URL [REQUESTS [CONNECTIONS]]");
	if (argc > 2)
		total = (long)strtonum(argv[2], 1, 1 << 30, NULL);
	if (argc > 3)
		connections = (long)strtonum(argv[3], 1, CONNECTIONS_MAX,
		    NULL);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
	    (base = event_base_new()) == NULL ||
	    (multi = curl_multi_init()) == NULL ||
	    (timer = evtimer_new(base, timeout_cb, NULL)) == NULL)
		errx(1, "cannot begin");
	headers = curl_slist_append(NULL, "Content-Type: application/json");
	curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, socket_cb);
	curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, timer_cb);
	began = clock_mono_us();
	for (int i = 0; i < connections; i++) {
		struct transfer *t = &transfer[i];

		t->chat = i + 1;
		t->easy = curl_easy_init();
		curl_easy_setopt(t->easy, CURLOPT_URL, argv[1]);
		curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, headers);
		curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t);
		curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, write_cb);
		curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t);
		curl_easy_setopt(t->easy, CURLOPT_NOSIGNAL, 1L);
		curl_easy_setopt(t->easy, CURLOPT_TIMEOUT_MS, 60000L);
		transfer_begin(t);
	}
	while (done < total)
		if (event_base_loop(base, EVLOOP_ONCE) == -1)
			errx(1, "event loop");
	s = (double)(clock_mono_us() - began) / 1e6;
	if (failed > 0)
		errx(1, "%ld of %ld requests failed", failed, total);
	printf("limit_curl %.0f requests/s\n", (double)total / s);
	printf("limit_curl_cpu %.1f us/request\n",
	    cpu_s() * 1e6 / (double)total);
	return (0);
}

static double
cpu_s(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return ((double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	    (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6);
}

static void
transfer_begin(struct transfer *t)
{
	int n;

	if (next >= total)
		return;
	n = snprintf(t->body, sizeof(t->body), BODY, t->chat, next++);
	t->len = 0;
	curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE, (long)n);
	curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, t->body);
	curl_multi_add_handle(multi, t->easy);
}

static size_t
write_cb(char *data, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;

	n *= size;
	if (n > sizeof(t->reply) - t->len)
		return (0);
	memcpy(t->reply + t->len, data, n);
	t->len += n;
	return (n);
}

static void
transfers_reap(void)
{
	struct transfer *t;
	CURLMsg *m;
	CURL *easy;
	CURLcode rc;
	long status;
	int left;

	while ((m = curl_multi_info_read(multi, &left)) != NULL) {
		easy = m->easy_handle;
		rc = m->data.result;
		curl_easy_getinfo(easy, CURLINFO_PRIVATE, &t);
		curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
		if (rc != CURLE_OK || status != 200)
			failed++;
		done++;
		curl_multi_remove_handle(multi, easy);
		transfer_begin(t);
	}
}

static int
socket_cb(CURL *easy, curl_socket_t fd, int what, void *arg, void *sock)
{
	struct event *ev = sock;
	short events = EV_PERSIST;

	(void)easy, (void)arg;
	if (ev != NULL)
		event_free(ev);
	if (what == CURL_POLL_REMOVE) {
		curl_multi_assign(multi, fd, NULL);
		return (0);
	}
	if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
		events |= EV_READ;
	if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
		events |= EV_WRITE;
	ev = event_new(base, fd, events, ready_cb, NULL);
	event_add(ev, NULL);
	curl_multi_assign(multi, fd, ev);
	return (0);
}

static int
timer_cb(CURLM *m, long ms, void *arg)
{
	struct timeval tv = { ms / 1000, ms % 1000 * 1000 };

	(void)m, (void)arg;
	if (ms < 0)
		evtimer_del(timer);
	else
		evtimer_add(timer, &tv);
	return (0);
}

static void
ready_cb(evutil_socket_t fd, short what, void *arg)
{
	int mask = 0, running;

	(void)arg;
	if ((what & EV_READ) != 0)
		mask |= CURL_CSELECT_IN;
	if ((what & EV_WRITE) != 0)
		mask |= CURL_CSELECT_OUT;
	curl_multi_socket_action(multi, fd, mask, &running);
	transfers_reap();
}

static void
timeout_cb(evutil_socket_t fd, short what, void *arg)
{
	int running;

	(void)fd, (void)what, (void)arg;
	curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
	transfers_reap();
}
