/*
 * Requests to the Bot API.  Called by calls.c and telegram.c; knows nothing
 * of chats, order or retries, and says of each request once how it ended.
 *
 * The URL contains the token: it is in no text that leaves this file.
 *
 * Handles are kept a method each with everything set, so that a request sets
 * its body and nothing else.
 */
#include "config.h"

#include <sys/queue.h>

#include <curl/curl.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/metrics.h"
#include "common/nitems.h"
#include "workers/telegram/loop.h"
#include "workers/telegram/telegram.h"

#define REPLY_MAX  (1U << 20) /* a Message with all its entities is < 64 KiB */
#define UPDATES_MAX (16U << 20) /* 100 of them, with what they reply to */
#define REPLY_KEEP (64U << 10)
/* As a header of its own: libcurl formats its CURLOPT_USERAGENT twice. */
#define AGENT	   "User-Agent: " PACKAGE "/" PACKAGE_VERSION
/* A document may take longer than a text, as long as it moves. */
#define DOCUMENT_FACTOR 5
#define LOW_SPEED_BYTES 100
/* A probe loses nothing when it is given up. */
#define GETME_TIMEOUT_MS 10000
/* Telegram closes idle connections after about a minute. */
#define IDLE_MAX_S 50
/* A poll waits in silence: routers forget connections that do not talk. */
#define ALIVE_IDLE_S  20
#define ALIVE_EVERY_S 10

struct request {
	struct api *api;
	CURL *easy;
	curl_mime *mime;
	enum api_method method;
	unsigned int serial; /* of the settings that it was set up with */
	void *arg;
	struct buf body, reply;
	bool begun, died;
	char error[CURL_ERROR_SIZE];
	TAILQ_ENTRY(request) entry;
};

TAILQ_HEAD(requests, request);

struct api {
	const struct api_ops *ops;
	struct loop *loop;
	struct requests idle[API_METHODS], running;
	struct curl_slist *json_headers, *mime_headers;
	CURLU *url[API_METHODS]; /* parsed once, not for each request */
	char *token;
	unsigned int serial;
	long connect_timeout_ms, timeout_ms;
	enum token_state token_state;
	struct reply reply;
};

static const char *const method_names[API_METHODS] = {
#define API_NAME(name, text) [API_##name] = text,
	API_LIST(API_NAME)
#undef API_NAME
};

static const char *ca_file;

static bool proxy_in_environment(void);
static CURLU *url_new(const struct api_settings *, const char *);
static struct request *request_get(struct api *, enum api_method, void *);
static int request_begin(struct request *, bool);
static struct request *request_new(struct api *, enum api_method);
static void request_free(struct request *);
static void request_put(struct request *);
static void request_setup(struct request *);
static int request_mime(struct request *, const struct call_fields *, bool);
static void mime_add(curl_mime *, const char *, const char *, size_t, bool *);
static bool request_unconnected(CURLcode);
static void request_end(struct request *, CURLcode);
static void request_done(void *, CURLcode);
static int request_prereq(void *, char *, char *, int, int);
static size_t request_write(char *, size_t, size_t, void *);

int
api_init(void)
{
	const curl_version_info_data *info;
	CURLcode rc;

	if ((rc = curl_global_init(CURL_GLOBAL_DEFAULT)) != CURLE_OK) {
		log_errx("libcurl: %s", curl_easy_strerror(rc));
		return (-1);
	}
	/* One file rather than a directory: that is what libcurl caches
	 * between connections.  The variable is OpenSSL's. */
	info = curl_version_info(CURLVERSION_NOW);
	ca_file = getenv("SSL_CERT_FILE");
	if (ca_file == NULL || access(ca_file, R_OK) == -1)
		ca_file = info->cainfo;
	if (ca_file != NULL && access(ca_file, R_OK) == -1)
		ca_file = NULL;
	return (0);
}

/* libcurl reads five variables for each request, if it is let. */
static bool
proxy_in_environment(void)
{
	static const char *const name[] = { "http_proxy", "https_proxy",
	    "HTTPS_PROXY", "all_proxy", "ALL_PROXY" };
	static int found = -1;
	size_t i;

	for (i = 0; found == -1 && i < nitems(name); i++)
		if (getenv(name[i]) != NULL)
			found = 1;
	if (found == -1)
		found = 0;
	return (found);
}

struct api *
api_new(struct event_base *base, const struct api_ops *ops,
    unsigned int connections, enum metric gauge)
{
	struct api *a;
	int i;

	if ((a = calloc(1, sizeof(*a))) == NULL)
		return (NULL);
	a->ops = ops;
	for (i = 0; i < API_METHODS; i++)
		TAILQ_INIT(&a->idle[i]);
	TAILQ_INIT(&a->running);
	a->loop = loop_new(base, connections, gauge, request_done);
	/* No "Expect: 100-continue" for documents: it costs a round trip. */
	a->mime_headers = curl_slist_append(curl_slist_append(NULL, AGENT),
	    "Expect:");
	a->json_headers = curl_slist_append(curl_slist_append(
	    curl_slist_append(NULL, AGENT), "Accept:"),
	    "Content-Type: application/json");
	if (a->loop == NULL || a->mime_headers == NULL ||
	    a->json_headers == NULL) {
		api_free(a);
		errno = ENOMEM;
		return (NULL);
	}
	return (a);
}

void
api_free(struct api *a)
{
	struct request *r;
	int i;

	if (a == NULL)
		return;
	while ((r = TAILQ_FIRST(&a->running)) != NULL) {
		TAILQ_REMOVE(&a->running, r, entry);
		loop_remove(a->loop, r->easy);
		request_free(r);
	}
	for (i = 0; i < API_METHODS; i++) {
		while ((r = TAILQ_FIRST(&a->idle[i])) != NULL) {
			TAILQ_REMOVE(&a->idle[i], r, entry);
			request_free(r);
		}
		curl_url_cleanup(a->url[i]);
	}
	loop_free(a->loop);
	curl_slist_free_all(a->json_headers);
	curl_slist_free_all(a->mime_headers);
	freezero(a->token, a->token != NULL ? strlen(a->token) : 0);
	free(a);
}

int
api_configure(struct api *a, const struct api_settings *s)
{
	CURLU *url[API_METHODS] = { NULL };
	char *token;
	int i;

	if ((token = strdup(s->token)) == NULL)
		return (-1);
	for (i = 0; i < API_METHODS; i++)
		if ((url[i] = url_new(s, method_names[i])) == NULL)
			goto fail;
	/* Requests under way have copies of theirs. */
	for (i = 0; i < API_METHODS; i++) {
		curl_url_cleanup(a->url[i]);
		a->url[i] = url[i];
	}
	free(a->token);
	a->token = token;
	a->connect_timeout_ms = s->connect_timeout_ms;
	a->timeout_ms = s->timeout_ms;
	a->serial++;
	return (0);
fail:
	for (i = 0; i < API_METHODS; i++)
		curl_url_cleanup(url[i]);
	free(token);
	return (-1);
}

bool
api_url_ok(const char *text)
{
	const struct api_settings s = { .url = text, .token = "1:x" };
	char *scheme = NULL;
	CURLU *url;
	bool ok;

	if ((url = url_new(&s, method_names[API_SEND])) == NULL)
		return (false);
	ok = curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
	    (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);
	curl_free(scheme);
	curl_url_cleanup(url);
	return (ok);
}

/* NULL with errno: EINVAL if it is no URL. */
static CURLU *
url_new(const struct api_settings *s, const char *method)
{
	CURLU *url;
	CURLUcode rc;
	char *text;

	if (asprintf(&text, "%s/bot%s/%s", s->url, s->token, method) == -1)
		return (NULL);
	rc = CURLUE_OUT_OF_MEMORY;
	if ((url = curl_url()) != NULL)
		rc = curl_url_set(url, CURLUPART_URL, text, 0);
	freezero(text, strlen(text));
	if (rc == CURLUE_OK)
		return (url);
	curl_url_cleanup(url);
	errno = rc == CURLUE_OUT_OF_MEMORY ? ENOMEM : EINVAL;
	return (NULL);
}

void
api_token_state(struct api *a, enum token_state s)
{
	a->token_state = s;
}

int
api_start(struct api *a, const struct call_fields *c, bool plain, void *arg)
{
	struct request *r;
	int rc = 0;

	if ((r = request_get(a, body_method(c), arg)) == NULL)
		return (-1);
	if (r->method == API_DOCUMENT)
		rc = request_mime(r, c, plain);
	else
		body_json(&r->body, c, plain);
	return (request_begin(r, rc == 0));
}

int
api_start_own(struct api *a, enum api_method method, const struct buf *body,
    int64_t timeout_ms, void *arg)
{
	struct request *r;

	if ((r = request_get(a, method, arg)) == NULL)
		return (-1);
	if (body != NULL)
		buf_add(&r->body, body->p, body->len);
	if (timeout_ms != 0)
		curl_easy_setopt(r->easy, CURLOPT_TIMEOUT_MS,
		    (long)timeout_ms);
	return (request_begin(r, body == NULL || !body->failed));
}

void
api_abort_all(struct api *a)
{
	struct request *r;

	while ((r = TAILQ_FIRST(&a->running)) != NULL)
		request_end(r, CURLE_OPERATION_TIMEDOUT);
}

/* Requests. */

/* One to be filled; NULL with errno. */
static struct request *
request_get(struct api *a, enum api_method method, void *arg)
{
	struct request *r;

	if ((r = TAILQ_FIRST(&a->idle[method])) != NULL)
		TAILQ_REMOVE(&a->idle[method], r, entry);
	else if ((r = request_new(a, method)) == NULL) {
		errno = ENOMEM;
		return (NULL);
	}
	if (r->serial != a->serial)
		request_setup(r);
	r->arg = arg;
	r->begun = r->died = false;
	r->error[0] = '\0';
	buf_reset(&r->body);
	buf_reset(&r->reply);
	return (r);
}

/* Hand it to libcurl, if it could be filled.  0, or -1 with errno. */
static int
request_begin(struct request *r, bool filled)
{
	struct api *a = r->api;

	if (r->body.len > 0) {
		curl_easy_setopt(r->easy, CURLOPT_POSTFIELDSIZE,
		    (long)r->body.len);
		curl_easy_setopt(r->easy, CURLOPT_POSTFIELDS, r->body.p);
	}
	if (!filled || r->body.failed || loop_add(a->loop, r->easy) == -1) {
		request_put(r);
		errno = ENOMEM;
		return (-1);
	}
	TAILQ_INSERT_TAIL(&a->running, r, entry);
	metric_add(M_telegram_requests, 1);
	return (0);
}

static struct request *
request_new(struct api *a, enum api_method method)
{
	struct request *r;

	if ((r = calloc(1, sizeof(*r))) == NULL)
		return (NULL);
	if ((r->easy = curl_easy_init()) == NULL) {
		free(r);
		return (NULL);
	}
	r->api = a;
	r->method = method;
	loop_adopt(a->loop, r->easy);
	return (r);
}

static void
request_free(struct request *r)
{
	curl_easy_cleanup(r->easy);
	curl_mime_free(r->mime);
	buf_free(&r->body);
	buf_free(&r->reply);
	free(r);
}

static void
request_put(struct request *r)
{
	if (r->mime != NULL) {
		curl_easy_setopt(r->easy, CURLOPT_MIMEPOST, NULL);
		curl_mime_free(r->mime);
		r->mime = NULL;
	}
	if (r->reply.size > REPLY_KEEP)
		buf_free(&r->reply);
	if (r->body.size > REPLY_KEEP)
		buf_free(&r->body);
	TAILQ_INSERT_HEAD(&r->api->idle[r->method], r, entry);
}

/* Everything that stays the same from one request to the next. */
static void
request_setup(struct request *r)
{
	struct api *a = r->api;
	CURL *e = r->easy;

	curl_easy_setopt(e, CURLOPT_PRIVATE, r);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, r->error);
#if LIBCURL_VERSION_NUM >= 0x075500
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
#else
	curl_easy_setopt(e, CURLOPT_PROTOCOLS,
	    (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
	curl_easy_setopt(e, CURLOPT_CURLU, a->url[r->method]);
	curl_easy_setopt(e, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
	if (!proxy_in_environment())
		curl_easy_setopt(e, CURLOPT_PROXY, "");
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	/* A time-out must not wait for the resolver's thread, whose own
	 * time-outs are longer: the loop would stand still.  Before 7.87 it
	 * does while a name server is silent, unless libcurl has c-ares. */
#if LIBCURL_VERSION_NUM >= 0x075700
	curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);
#endif
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(e, CURLOPT_TCP_NODELAY, 1L);
	curl_easy_setopt(e, CURLOPT_MAXAGE_CONN, (long)IDLE_MAX_S);
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, a->connect_timeout_ms);
	curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, a->timeout_ms);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, request_write);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, r);
	curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, request_prereq);
	curl_easy_setopt(e, CURLOPT_PREREQDATA, r);
	if (ca_file != NULL) {
		curl_easy_setopt(e, CURLOPT_CAINFO, ca_file);
		curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
	}
	switch (r->method) {
	case API_GETME:
		curl_easy_setopt(e, CURLOPT_HTTPGET, 1L);
		if (a->timeout_ms > GETME_TIMEOUT_MS)
			curl_easy_setopt(e, CURLOPT_TIMEOUT_MS,
			    (long)GETME_TIMEOUT_MS);
		curl_easy_setopt(e, CURLOPT_HTTPHEADER, a->mime_headers);
		break;
	case API_DOCUMENT:
		curl_easy_setopt(e, CURLOPT_HTTPHEADER, a->mime_headers);
		curl_easy_setopt(e, CURLOPT_TIMEOUT_MS,
		    a->timeout_ms * DOCUMENT_FACTOR);
		curl_easy_setopt(e, CURLOPT_LOW_SPEED_LIMIT,
		    (long)LOW_SPEED_BYTES);
		curl_easy_setopt(e, CURLOPT_LOW_SPEED_TIME,
		    (a->timeout_ms + 999) / 1000);
		break;
	case API_UPDATES:
		curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
		curl_easy_setopt(e, CURLOPT_TCP_KEEPIDLE, (long)ALIVE_IDLE_S);
		curl_easy_setopt(e, CURLOPT_TCP_KEEPINTVL,
		    (long)ALIVE_EVERY_S);
		/* FALLTHROUGH */
	default:
		curl_easy_setopt(e, CURLOPT_POST, 1L);
		curl_easy_setopt(e, CURLOPT_HTTPHEADER, a->json_headers);
		break;
	}
	r->serial = a->serial;
}

/* sendDocument as multipart/form-data; libcurl copies what it is given. */
static int
request_mime(struct request *r, const struct call_fields *c, bool plain)
{
	curl_mimepart *part;
	char number[24];
	char *name;
	bool ok = true;
	int n;

	if ((r->mime = curl_mime_init(r->easy)) == NULL)
		return (-1);
	n = snprintf(number, sizeof(number), "%lld", (long long)c->chat);
	mime_add(r->mime, "chat_id", number, (size_t)n, &ok);
	if (body_thread(c) != 0) {
		n = snprintf(number, sizeof(number), "%lld",
		    (long long)body_thread(c));
		mime_add(r->mime, "message_thread_id", number, (size_t)n, &ok);
	}
	if (c->text.len > 0)
		mime_add(r->mime, "caption", c->text.p, c->text.len, &ok);
	if (!plain)
		mime_add(r->mime, "parse_mode", "HTML", 4, &ok);
	if ((c->flags & CALL_SILENT) != 0)
		mime_add(r->mime, "disable_notification", "true", 4, &ok);
	if (c->markup.len > 0)
		mime_add(r->mime, "reply_markup", c->markup.p, c->markup.len,
		    &ok);
	if ((name = span_dup(c->document_name)) == NULL ||
	    (part = curl_mime_addpart(r->mime)) == NULL) {
		free(name);
		return (-1);
	}
	if (curl_mime_name(part, "document") != CURLE_OK ||
	    curl_mime_filename(part, *name != '\0' ? name : "document.txt") !=
	    CURLE_OK || curl_mime_data(part, c->document.p, c->document.len)
	    != CURLE_OK || curl_easy_setopt(r->easy, CURLOPT_MIMEPOST,
	    r->mime) != CURLE_OK)
		ok = false;
	free(name);
	return (ok ? 0 : -1);
}

static void
mime_add(curl_mime *mime, const char *name, const char *value, size_t len,
    bool *ok)
{
	curl_mimepart *part;

	if ((part = curl_mime_addpart(mime)) == NULL ||
	    curl_mime_name(part, name) != CURLE_OK ||
	    curl_mime_data(part, value, len) != CURLE_OK)
		*ok = false;
}

/*
 * A connection is there and the request will be written next.  A second time
 * means that libcurl found the connection closed without an answer and would
 * repeat the request by itself: whether a call may be repeated, and how it is
 * marked then, is the queue's to decide.
 */
static int
request_prereq(void *arg, char *peer, char *local, int peer_port,
    int local_port)
{
	struct request *r = arg;

	(void)peer, (void)local, (void)peer_port, (void)local_port;
	if (r->method >= API_CALLS) {
		r->begun = true;
		return (CURL_PREREQFUNC_OK);
	}
	if (r->begun) {
		r->died = true;
		return (CURL_PREREQFUNC_ABORT);
	}
	r->begun = true;
	r->api->ops->begun(r->arg);
	return (CURL_PREREQFUNC_OK);
}

static size_t
request_write(char *data, size_t size, size_t n, void *arg)
{
	struct request *r = arg;
	size_t max = r->method == API_UPDATES ? UPDATES_MAX : REPLY_MAX;

	n *= size;
	if (n > max - r->reply.len)
		return (0);
	buf_add(&r->reply, data, n);
	return (r->reply.failed ? 0 : n);
}

/* Of a request that has begun: its repetition found nobody to connect to. */
static bool
request_unconnected(CURLcode code)
{
	return (code == CURLE_COULDNT_RESOLVE_PROXY ||
	    code == CURLE_COULDNT_RESOLVE_HOST ||
	    code == CURLE_COULDNT_CONNECT || code == CURLE_SSL_CONNECT_ERROR);
}

/* Take a request out, judge it and say so. */
static void
request_end(struct request *r, CURLcode code)
{
	struct api *a = r->api;
	struct verdict v;
	struct evidence e = { .method = r->method, .curl_code = (int)code,
	    .begun = r->begun, .token = a->token_state };
	curl_off_t uploaded = 0, size = 0, retry = 0;
	void *arg = r->arg;

	/* libcurl may repeat a request behind a dead connection only once
	 * it was written: see request_prereq(). */
	if (code == CURLE_OK)
		e.written = true;
	else if (r->died || (r->begun && request_unconnected(code))) {
		e.written = true;
		strlcpy(r->error, "closed without an answer",
		    sizeof(r->error));
	} else if (r->begun) {
		size = (curl_off_t)r->body.len;
		if (r->mime != NULL)
			curl_easy_getinfo(r->easy,
			    CURLINFO_CONTENT_LENGTH_UPLOAD_T, &size);
		curl_easy_getinfo(r->easy, CURLINFO_SIZE_UPLOAD_T, &uploaded);
		e.written = uploaded >= size;
	}
	curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &e.status);
	if (e.status >= 400 &&
	    curl_easy_getinfo(r->easy, CURLINFO_RETRY_AFTER, &retry) ==
	    CURLE_OK)
		e.retry_header_s = (int64_t)retry;
	if (code == CURLE_OK && e.status == 0)
		e.curl_code = CURLE_GOT_NOTHING;
	loop_remove(a->loop, r->easy);
	TAILQ_REMOVE(&a->running, r, entry);
	if (code != CURLE_OK)
		token_scrub(r->error, a->token);
	e.curl_text = r->error;
	reply_parse(&a->reply, r->reply.p, r->reply.len);
	token_scrub(a->reply.description, a->token);
	outcome_judge(&v, &e, &a->reply);
	if ((v.stale = r->serial != a->serial))
		v.host = HOST_SILENT;
	request_put(r);
	a->ops->done(arg, &v, &a->reply);
	reply_clear(&a->reply);
}

static void
request_done(void *r, CURLcode code)
{
	request_end(r, code);
}
