/*
 * Judges how a request to the Bot API ended: was it taken, surely not, or
 * nobody knows?  Pure and driven by tables; called by api.c.
 *
 * The question behind each row is whether Telegram can have acted.  It
 * cannot before it has the whole request; a gateway's 502 and 503 say that
 * nobody took it; after that, only a reply that makes sense is proof.
 */
#include <curl/curl.h>

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/nitems.h"
#include "workers/telegram/telegram.h"

#define SENDS (1U << API_SEND | 1U << API_DOCUMENT | 1U << API_TOPIC)
#define EDITS (1U << API_EDIT)

/* 400 by description: S(part of it, methods, outcome). */
static const struct {
	const char *part;
	unsigned int methods;
	enum call_outcome outcome;
} bad_requests[] = {
	{ "message is not modified", EDITS, CO_UNCHANGED },
	{ "message to edit not found", EDITS, CO_GONE },
	{ "message can't be edited", EDITS, CO_GONE },
	{ "MESSAGE_ID_INVALID", EDITS, CO_GONE },
};

/*
 * Status codes.  api: with a reply of the Bot API, foreign: with any other
 * body.  A 4xx from somebody else (a proxy, a wrong api_url) is nobody's
 * verdict on the chat, so the call stays.
 */
static const struct {
	int code;
	enum call_outcome api, foreign;
} codes[] = {
	{ 400, CO_REFUSED, CO_NOT_SENT },
	{ 401, CO_UNAUTHORISED, CO_UNAUTHORISED },
	{ 403, CO_SUSPENDED, CO_NOT_SENT },
	{ 404, CO_REFUSED, CO_NOT_SENT },
	{ 406, CO_REFUSED, CO_NOT_SENT },
	{ 408, CO_NOT_SENT, CO_NOT_SENT },
	{ 409, CO_NOT_SENT, CO_NOT_SENT },
	{ 413, CO_REFUSED, CO_REFUSED },
	{ 420, CO_RATE_LIMITED, CO_RATE_LIMITED },
	{ 429, CO_RATE_LIMITED, CO_RATE_LIMITED },
	{ 500, CO_AMBIGUOUS, CO_AMBIGUOUS },
	{ 501, CO_NOT_SENT, CO_NOT_SENT },
	{ 502, CO_NOT_SENT, CO_NOT_SENT },
	{ 503, CO_NOT_SENT, CO_NOT_SENT },
	{ 504, CO_AMBIGUOUS, CO_AMBIGUOUS },
	/* Gateways that could not reach their server at all. */
	{ 521, CO_NOT_SENT, CO_NOT_SENT },
	{ 522, CO_NOT_SENT, CO_NOT_SENT },
	{ 523, CO_NOT_SENT, CO_NOT_SENT },
	{ 525, CO_NOT_SENT, CO_NOT_SENT },
	{ 526, CO_NOT_SENT, CO_NOT_SENT },
};

/* What libcurl could not do, in our words. */
static const struct {
	CURLcode code;
	const char *what;
} failures[] = {
	{ CURLE_COULDNT_RESOLVE_PROXY, "cannot resolve the proxy" },
	{ CURLE_COULDNT_RESOLVE_HOST, "cannot resolve the host" },
	{ CURLE_COULDNT_CONNECT, "cannot connect" },
	{ CURLE_SSL_CONNECT_ERROR, "TLS failed" },
	{ CURLE_PEER_FAILED_VERIFICATION, "TLS failed" },
	{ CURLE_SSL_ENGINE_NOTFOUND, "TLS failed" },
	{ CURLE_SSL_CERTPROBLEM, "TLS failed" },
	{ CURLE_SSL_CIPHER, "TLS failed" },
	{ CURLE_SSL_CACERT_BADFILE, "TLS failed" },
	{ CURLE_SSL_ISSUER_ERROR, "TLS failed" },
	{ CURLE_SSL_INVALIDCERTSTATUS, "TLS failed" },
	{ CURLE_OPERATION_TIMEDOUT, "timed out" },
	{ CURLE_OUT_OF_MEMORY, "out of memory" },
};

static void judge_silence(struct verdict *, const struct evidence *);
static void judge_success(struct verdict *, const struct evidence *,
    const struct reply *);
static void judge_code(struct verdict *, const struct evidence *,
    const struct reply *);
static void judge_bad_request(struct verdict *, const struct evidence *);
static void judge_not_found(struct verdict *, const struct evidence *);
static int64_t retry_after_ms(const struct evidence *, const struct reply *);
static const char *failure_text(int);

void
outcome_judge(struct verdict *v, const struct evidence *e,
    const struct reply *r)
{
	memset(v, 0, offsetof(struct verdict, description));
	v->description[0] = '\0';
	v->timed_out = e->curl_code == CURLE_OPERATION_TIMEDOUT;
	v->status = (int)e->status;
	/* An error status is said before the body: it counts even if the
	 * rest of the reply was lost. */
	if (e->curl_code != CURLE_OK && e->status < 400) {
		judge_silence(v, e);
		return;
	}
	v->code = v->status;
	if (r->json && !r->ok && r->error_code != 0)
		v->code = r->error_code;
	if (v->code == 200)
		judge_success(v, e, r);
	else
		judge_code(v, e, r);
	/* Any reply of the Bot API but its own breakdown shows that the host
	 * works, whatever it says about this chat. */
	v->host = r->json && v->code < 500 ? HOST_GOOD : HOST_FAILED;
	if (v->code == 429 || v->code == 401)
		v->host = HOST_GOOD;
}

/* No usable answer came. */
static void
judge_silence(struct verdict *v, const struct evidence *e)
{
	const char *when = !e->begun ? "" :
	    !e->written ? " while writing" : " waiting for the answer";

	v->outcome = e->begun && e->written ? CO_AMBIGUOUS : CO_NOT_SENT;
	v->host = HOST_FAILED;
	snprintf(v->description, sizeof(v->description), "%s%s%s%s",
	    failure_text(e->curl_code), when,
	    e->curl_text[0] != '\0' ? ": " : "", e->curl_text);
}

static void
judge_success(struct verdict *v, const struct evidence *e,
    const struct reply *r)
{
	v->message_id = e->method == API_TOPIC ? r->thread_id : r->message_id;
	if (r->json && r->ok && (v->message_id != 0 ||
	    (1U << e->method & SENDS) == 0)) {
		v->outcome = CO_DELIVERED;
		return;
	}
	v->outcome = CO_AMBIGUOUS;
	snprintf(v->description, sizeof(v->description),
	    "200 with a body that makes no sense");
}

static void
judge_code(struct verdict *v, const struct evidence *e, const struct reply *r)
{
	size_t i;

	/* What no row names: 2xx and 5xx leave it open, the rest (3xx, odd
	 * 4xx) did not act. */
	v->outcome = v->code >= 500 || v->code < 300 ? CO_AMBIGUOUS :
	    r->json ? CO_REFUSED : CO_NOT_SENT;
	for (i = 0; i < nitems(codes); i++)
		if (codes[i].code == v->code)
			v->outcome = r->json ? codes[i].api : codes[i].foreign;
	if (r->description[0] != '\0')
		snprintf(v->description, sizeof(v->description), "%s",
		    r->description);
	else
		snprintf(v->description, sizeof(v->description),
		    "HTTP status %d%s", v->code,
		    r->json ? "" : ", not from the Bot API");
	if (r->json && r->migrate_to != 0) {
		v->outcome = CO_MIGRATED;
		v->migrate_to = r->migrate_to;
	} else if (v->outcome == CO_RATE_LIMITED)
		v->retry_after_ms = retry_after_ms(e, r);
	else if (r->json && v->code == 400)
		judge_bad_request(v, e);
	else if (r->json && v->code == 404)
		judge_not_found(v, e);
	else if (v->outcome == CO_NOT_SENT && e->retry_header_s > 0)
		v->retry_after_ms = retry_after_ms(e, r);
}

static void
judge_bad_request(struct verdict *v, const struct evidence *e)
{
	size_t i;

	for (i = 0; i < nitems(bad_requests); i++)
		if ((1U << e->method & bad_requests[i].methods) != 0 &&
		    strcasestr(v->description, bad_requests[i].part) != NULL) {
			v->outcome = bad_requests[i].outcome;
			return;
		}
	v->parse_error =
	    strcasestr(v->description, "can't parse entities") != NULL;
}

/*
 * The Bot API answers every method with a bare "Not Found" when the token
 * has no shape of a token.  Only getMe can tell that from a server that
 * lacks the method.
 */
static void
judge_not_found(struct verdict *v, const struct evidence *e)
{
	if (strcasecmp(v->description, "Not Found") != 0)
		return;
	if (e->method == API_GETME || e->token == TOKEN_BAD)
		v->outcome = CO_UNAUTHORISED;
	else if (e->token == TOKEN_UNKNOWN) {
		v->outcome = CO_NOT_SENT;
		v->token_doubt = true;
		v->retry_after_ms = 1000;
	}
}

/* The larger of body and header; neither usable: a default. */
static int64_t
retry_after_ms(const struct evidence *e, const struct reply *r)
{
	int64_t s = r->retry_after_s;

	if (e->retry_header_s > s)
		s = e->retry_header_s;
	if (s <= 0)
		s = RETRY_AFTER_DEFAULT_S;
	if (s > RETRY_AFTER_MAX_S)
		s = RETRY_AFTER_MAX_S;
	return (s * 1000);
}

static const char *
failure_text(int code)
{
	size_t i;

	for (i = 0; i < nitems(failures); i++)
		if ((int)failures[i].code == code)
			return (failures[i].what);
	return ("connection lost");
}
