/*
 * outcome.c: every row of the rules about what Telegram can have done, and
 * what must hold for all rows at once.
 */
#include <curl/curl.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/nitems.h"
#include "workers/telegram/telegram.h"

#define SENDS (1U << API_SEND | 1U << API_DOCUMENT)
#define EDITS (1U << API_EDIT)
#define ALL   (SENDS | EDITS | 1U << API_GETME)

static const CURLcode transport[] = { CURLE_COULDNT_RESOLVE_PROXY,
	CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_CONNECT,
	CURLE_WEIRD_SERVER_REPLY, CURLE_PARTIAL_FILE, CURLE_WRITE_ERROR,
	CURLE_READ_ERROR, CURLE_OUT_OF_MEMORY, CURLE_OPERATION_TIMEDOUT,
	CURLE_SSL_CONNECT_ERROR, CURLE_ABORTED_BY_CALLBACK,
	CURLE_GOT_NOTHING, CURLE_SEND_ERROR, CURLE_RECV_ERROR,
	CURLE_SSL_CERTPROBLEM, CURLE_SSL_CIPHER,
	CURLE_PEER_FAILED_VERIFICATION, CURLE_SEND_FAIL_REWIND,
	CURLE_SSL_CACERT_BADFILE, CURLE_CHUNK_FAILED,
	CURLE_NO_CONNECTION_AVAILABLE, CURLE_HTTP2, CURLE_PROXY };

static const struct {
	const char *name;
	unsigned int methods;
	long status;
	const char *body;
	enum call_outcome outcome;
	enum host_health host;
} rows[] = {
	{ "sent", SENDS, 200, "{\"ok\":true,\"result\":{\"message_id\":5}}",
	    CO_DELIVERED, HOST_GOOD },
	{ "sent, key not first", SENDS, 200,
	    "{\"result\":{\"date\":1,\"message_id\":5},\"ok\":true}",
	    CO_DELIVERED, HOST_GOOD },
	{ "edit of an inline message", EDITS, 200,
	    "{\"ok\":true,\"result\":true}", CO_DELIVERED, HOST_GOOD },
	{ "sent without id", SENDS, 200, "{\"ok\":true,\"result\":true}",
	    CO_AMBIGUOUS, HOST_GOOD },
	{ "200 and not ok", SENDS | EDITS, 200,
	    "{\"ok\":false,\"description\":\"?\"}", CO_AMBIGUOUS, HOST_GOOD },
	{ "200 but an error inside", ALL, 200, "{\"ok\":false,"
	    "\"error_code\":429,\"description\":\"slow\"}",
	    CO_RATE_LIMITED, HOST_GOOD },
	{ "garbage", ALL, 200, "\x01\x02 garbage", CO_AMBIGUOUS,
	    HOST_FAILED },
	{ "captive portal", ALL, 200, "<html>log in</html>", CO_AMBIGUOUS,
	    HOST_FAILED },
	{ "nothing", ALL, 200, "", CO_AMBIGUOUS, HOST_FAILED },
	{ "cut", SENDS, 200, "{\"ok\":true,\"result\":{\"message_id\":5",
	    CO_AMBIGUOUS, HOST_FAILED },
	{ "204", SENDS, 204, "", CO_AMBIGUOUS, HOST_FAILED },
	{ "redirect", ALL, 302, "", CO_NOT_SENT, HOST_FAILED },
	{ "chat not found", ALL, 400, "{\"ok\":false,\"error_code\":400,"
	    "\"description\":\"Bad Request: chat not found\"}", CO_REFUSED,
	    HOST_GOOD },
	{ "proxy's 400", ALL, 400, "<html>400</html>", CO_NOT_SENT,
	    HOST_FAILED },
	{ "not modified", EDITS, 400, "{\"ok\":false,\"error_code\":400,"
	    "\"description\":\"Bad Request: message is not modified: "
	    "specified new message content and reply markup are exactly the "
	    "same\"}", CO_UNCHANGED, HOST_GOOD },
	{ "not modified, on a send", SENDS, 400, "{\"ok\":false,"
	    "\"error_code\":400,\"description\":\"Bad Request: message is "
	    "not modified\"}", CO_REFUSED, HOST_GOOD },
	{ "edit of nothing", EDITS, 400, "{\"ok\":false,\"error_code\":400,"
	    "\"description\":\"Bad Request: message to edit not found\"}",
	    CO_GONE, HOST_GOOD },
	{ "edit too late", EDITS, 400, "{\"ok\":false,\"error_code\":400,"
	    "\"description\":\"Bad Request: message can't be edited\"}",
	    CO_GONE, HOST_GOOD },
	{ "migrated", ALL, 400, "{\"ok\":false,\"error_code\":400,"
	    "\"description\":\"Bad Request: group chat was upgraded to a "
	    "supergroup chat\",\"parameters\":{\"migrate_to_chat_id\":"
	    "-1001234567890}}", CO_MIGRATED, HOST_GOOD },
	{ "401", ALL, 401, "{\"ok\":false,\"error_code\":401,"
	    "\"description\":\"Unauthorized\"}", CO_UNAUTHORISED, HOST_GOOD },
	{ "401, not JSON", ALL, 401, "no", CO_UNAUTHORISED, HOST_GOOD },
	{ "blocked", ALL, 403, "{\"ok\":false,\"error_code\":403,"
	    "\"description\":\"Forbidden: bot was blocked by the user\"}",
	    CO_SUSPENDED, HOST_GOOD },
	{ "proxy's 403", ALL, 403, "denied by policy", CO_NOT_SENT,
	    HOST_FAILED },
	{ "404 with a reason", ALL, 404, "{\"ok\":false,\"error_code\":404,"
	    "\"description\":\"Not Found: method not found\"}", CO_REFUSED,
	    HOST_GOOD },
	{ "wrong server", ALL, 404, "<html>nginx</html>", CO_NOT_SENT,
	    HOST_FAILED },
	{ "408", ALL, 408, "", CO_NOT_SENT, HOST_FAILED },
	{ "conflict", ALL, 409, "{\"ok\":false,\"error_code\":409,"
	    "\"description\":\"Conflict\"}", CO_NOT_SENT, HOST_GOOD },
	{ "too large", ALL, 413, "{\"ok\":false,\"error_code\":413,"
	    "\"description\":\"Request Entity Too Large\"}", CO_REFUSED,
	    HOST_GOOD },
	{ "too large for a proxy", ALL, 413, "<html>413</html>", CO_REFUSED,
	    HOST_FAILED },
	{ "429", ALL, 429, "{\"ok\":false,\"error_code\":429,\"description\":"
	    "\"Too Many Requests: retry after 3\",\"parameters\":"
	    "{\"retry_after\":3}}", CO_RATE_LIMITED, HOST_GOOD },
	{ "429 of a proxy", ALL, 429, "slow down", CO_RATE_LIMITED,
	    HOST_GOOD },
	{ "451", ALL, 451, "not here", CO_NOT_SENT, HOST_FAILED },
	{ "500", ALL, 500, "{\"ok\":false,\"error_code\":500,"
	    "\"description\":\"Internal Server Error\"}", CO_AMBIGUOUS,
	    HOST_FAILED },
	{ "500, not JSON", ALL, 500, "oops", CO_AMBIGUOUS, HOST_FAILED },
	{ "502", ALL, 502, "{\"ok\":false,\"error_code\":502,"
	    "\"description\":\"Bad Gateway\"}", CO_NOT_SENT, HOST_FAILED },
	{ "502, not JSON", ALL, 502, "<html>502</html>", CO_NOT_SENT,
	    HOST_FAILED },
	{ "503", ALL, 503, "", CO_NOT_SENT, HOST_FAILED },
	{ "504", ALL, 504, "", CO_AMBIGUOUS, HOST_FAILED },
	{ "520", ALL, 520, "", CO_AMBIGUOUS, HOST_FAILED },
	{ "521", ALL, 521, "", CO_NOT_SENT, HOST_FAILED },
	{ "599", ALL, 599, "", CO_AMBIGUOUS, HOST_FAILED },
};

static struct verdict
judge(struct evidence e, const char *body)
{
	struct verdict v;
	struct reply r;

	if (e.curl_text == NULL)
		e.curl_text = "";
	reply_parse(&r, body, strlen(body));
	outcome_judge(&v, &e, &r);
	reply_clear(&r);
	return (v);
}

static struct evidence
answered(enum api_method method, long status)
{
	return ((struct evidence){ .method = method, .begun = true,
	    .written = true, .status = status, .token = TOKEN_GOOD });
}

static void
test_rows(void **state)
{
	struct verdict v;

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++)
		for (int m = 0; m < API_METHODS; m++) {
			if ((rows[i].methods & 1U << m) == 0)
				continue;
			v = judge(answered(m, rows[i].status), rows[i].body);
			if (v.outcome != rows[i].outcome ||
			    v.host != rows[i].host)
				fail_msg("%s, method %d: outcome %d, host %d",
				    rows[i].name, m, v.outcome, v.host);
			assert_int_equal(v.status, rows[i].status);
			if (v.outcome == CO_DELIVERED)
				assert_string_equal(v.description, "");
			else
				assert_string_not_equal(v.description, "");
		}
}

static void
test_silence_is_judged_by_what_was_written(void **state)
{
	struct verdict v;
	struct evidence e;

	(void)state;
	for (size_t i = 0; i < nitems(transport); i++)
		for (int m = 0; m < API_METHODS; m++) {
			e = (struct evidence){ .method = m,
			    .curl_code = (int)transport[i] };
			v = judge(e, "");
			assert_int_equal(v.outcome, CO_NOT_SENT);
			assert_int_equal(v.host, HOST_FAILED);
			e.begun = true;
			v = judge(e, "");
			assert_int_equal(v.outcome, CO_NOT_SENT);
			e.written = true;
			v = judge(e, "");
			assert_int_equal(v.outcome, CO_AMBIGUOUS);
			/* A good status with a lost body proves nothing. */
			e.status = 200;
			v = judge(e, "{\"ok\":true,\"result\":"
			    "{\"message_id\":5}}");
			assert_int_equal(v.outcome, CO_AMBIGUOUS);
			/* An error status has been said. */
			e.status = 502;
			v = judge(e, "<html>");
			assert_int_equal(v.outcome, CO_NOT_SENT);
			assert_int_equal(v.timed_out,
			    transport[i] == CURLE_OPERATION_TIMEDOUT);
		}
}

static void
test_descriptions_of_silence(void **state)
{
	struct evidence e = { .method = API_SEND,
	    .curl_code = CURLE_PEER_FAILED_VERIFICATION,
	    .curl_text = "self-signed certificate" };
	struct verdict v;

	(void)state;
	v = judge(e, "");
	assert_string_equal(v.description,
	    "TLS failed: self-signed certificate");
	e.curl_code = CURLE_OPERATION_TIMEDOUT;
	e.begun = e.written = true;
	e.curl_text = "";
	v = judge(e, "");
	assert_string_equal(v.description,
	    "timed out waiting for the answer");
}

static void
test_nothing_but_proof_is_delivered(void **state)
{
	static const char *const bodies[] = { "", "{}", "[]", "null", "true",
	    "\"ok\"", "{\"ok\":1}", "{\"ok\":\"true\"}", "{\"ok\":false}",
	    "{\"ok\":true}", "{\"ok\":true,\"result\":[]}",
	    "{\"ok\":true,\"result\":{\"message_id\":0}}",
	    "{\"ok\":true,\"result\":{\"message_id\":\"\"}}",
	    "{\"ok\":true,\"result\":{\"message_id\":null}}",
	    "{\"ok\":true,\"result\":{\"message_id\":}}" };
	struct verdict v;

	(void)state;
	for (long status = 0; status < 700; status++)
		for (size_t i = 0; i < nitems(bodies); i++) {
			v = judge(answered(API_SEND, status), bodies[i]);
			assert_int_not_equal(v.outcome, CO_DELIVERED);
			assert_in_range(v.outcome, 0, NOUTCOMES - 1);
			assert_true(v.retry_after_ms >= 0);
		}
	for (long status = 201; status < 700; status++) {
		v = judge(answered(API_SEND, status),
		    "{\"ok\":true,\"result\":{\"message_id\":5}}");
		assert_int_not_equal(v.outcome, CO_DELIVERED);
	}
}

static void
test_retry_after(void **state)
{
	static const struct {
		const char *parameter;
		int64_t header_s, ms;
	} t[] = {
		{ "3", 0, 3000 }, { "3", 7, 7000 }, { "7", 3, 7000 },
		{ "0", 0, 5000 }, { "-1", 0, 5000 }, { "\"soon\"", 0, 5000 },
		{ "\"12\"", 0, 12000 }, { "2.5", 0, 3000 },
		{ "null", 4, 4000 }, { "{}", -5, 5000 },
		{ "99999999999", 0, 86400000 },
		{ "1e300", 2, 2000 }, { "3", INT64_MAX, 86400000 },
	};
	char body[200];
	struct evidence e = answered(API_SEND, 429);

	(void)state;
	for (size_t i = 0; i < nitems(t); i++) {
		snprintf(body, sizeof(body), "{\"ok\":false,\"error_code\":"
		    "429,\"description\":\"x\",\"parameters\":"
		    "{\"retry_after\":%s}}", t[i].parameter);
		e.retry_header_s = t[i].header_s;
		if (judge(e, body).retry_after_ms != t[i].ms)
			fail_msg("%s", t[i].parameter);
	}
	/* A gateway's own wish is passed on, too. */
	e = answered(API_SEND, 503);
	e.retry_header_s = 8;
	assert_int_equal(judge(e, "<html>").retry_after_ms, 8000);
}

static void
test_bare_not_found_is_a_matter_of_the_token(void **state)
{
	static const char body[] = "{\"ok\":false,\"error_code\":404,"
	    "\"description\":\"Not Found\"}";
	struct evidence e = answered(API_SEND, 404);
	struct verdict v;

	(void)state;
	assert_int_equal(judge(e, body).outcome, CO_REFUSED);
	e.token = TOKEN_BAD;
	assert_int_equal(judge(e, body).outcome, CO_UNAUTHORISED);
	e.token = TOKEN_UNKNOWN;
	v = judge(e, body);
	assert_int_equal(v.outcome, CO_NOT_SENT);
	assert_true(v.token_doubt);
	assert_true(v.retry_after_ms > 0);
	e.method = API_GETME;
	assert_int_equal(judge(e, body).outcome, CO_UNAUTHORISED);
}

static void
test_parse_error(void **state)
{
	static const char body[] = "{\"ok\":false,\"error_code\":400,"
	    "\"description\":\"Bad Request: can't parse entities: "
	    "Can't find end tag corresponding to start tag b\"}";
	struct verdict v;

	(void)state;
	v = judge(answered(API_SEND, 400), body);
	assert_int_equal(v.outcome, CO_REFUSED);
	assert_true(v.parse_error);
}

static void
test_migration(void **state)
{
	struct verdict v;

	(void)state;
	v = judge(answered(API_SEND, 400), "{\"ok\":false,\"error_code\":400,"
	    "\"parameters\":{\"migrate_to_chat_id\":-1001234567890}}");
	assert_int_equal(v.outcome, CO_MIGRATED);
	assert_true(v.migrate_to == -1001234567890LL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_silence_is_judged_by_what_was_written),
		cmocka_unit_test(test_descriptions_of_silence),
		cmocka_unit_test(test_nothing_but_proof_is_delivered),
		cmocka_unit_test(test_retry_after),
		cmocka_unit_test(test_bare_not_found_is_a_matter_of_the_token),
		cmocka_unit_test(test_parse_error),
		cmocka_unit_test(test_migration),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
