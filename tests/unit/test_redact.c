/*
 * Masking of secrets: true ones in all positions, and near misses that must
 * stay.  None of the secrets is or was valid.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "workers/analyze/redact.h"

/* Literals are split, so that scanners of source code are not alarmed. */
#define BOT "123456789:" "AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1"
#define GHP "ghp_" "16C7e42F292c6912E7710c838347Ae178B4a"
#define PAT "github_pat_" "11ABCDEFG0abcdefghijkl_ABCDEFGHIJKLMNOPQRSTUV" \
	    "WXYZabcdefghijklmnopqrstuvwxyz0123456"
#define AKIA "AKIA" "IOSFODNN7EXAMPLE"
#define AWS_SECRET "wJalrXUtnFEMI/K7MDENG/bPxRfiCY" "EXAMPLEKEY"
#define XOXB "xoxb-" "263594206564-2343594206574-FGqddMF8t08v8N7Oq4i57vs1"
#define HOOK "hooks.slack.com/" "services/T00000000/B00000000/XXXXXXXXXXXXXXXX"
#define SK "sk-" "abcdefghijABCDEFGHIJT3BlbkFJabcdefghij0123456789"
#define SKPROJ "sk-proj-" "Abc_dEfg-hIjKlMnOpQrStUvWxYz0123456789"
#define ANT "sk-ant-" "api03-abcDEF123-_xyzABCDEFGHIJKLMNOPQRSTUVWXYZ-AA"
#define JWT                                                        \
	"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"                     \
	".eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIn0"     \
	".SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c"
#define PEM                                                 \
	"-----BEGIN RSA PRIVATE" " KEY-----\n"                \
	"MIIEowIBAAKCAQEAvG0a0RvIXsvKU0dGEGVKUkM6q5RAjDZT\n" \
	"lJ3+ab/defGHI==\n"                                  \
	"-----END RSA PRIVATE KEY-----"

struct row {
	const char *in, *out; /* out NULL: stays */
};

/* The masked text of in; the caller frees it. */
static char *
redacted(const char *in, size_t len, const char *label)
{
	struct redactor r = { 0 };
	char *out;
	size_t n;
	int rc;

	rc = redact_text(&r, in, len, label, &out, &n);
	assert_int_not_equal(rc, -1);
	assert_int_equal(rc == 1, r.masked > 0);
	if (rc == 0)
		return (strndup(in, len));
	assert_int_equal(strlen(out), n);
	return (out);
}

static void
check_rows(const struct row *rows, size_t n, const char *label)
{
	char *out;
	size_t i;

	for (i = 0; i < n; i++) {
		out = redacted(rows[i].in, strlen(rows[i].in), label);
		assert_string_equal(out,
		    rows[i].out != NULL ? rows[i].out : rows[i].in);
		free(out);
	}
}
#define CHECK_ROWS(rows, label) \
	check_rows(rows, sizeof(rows) / sizeof((rows)[0]), label)

/* Each known form alone, at the edges, in the middle, and twice. */
static void
test_known_forms_everywhere(void **state)
{
	static const struct row forms[] = {
		{ BOT, "[telegram token masked]" },
		{ GHP, "[github token masked]" },
		{ "gho_" "16C7e42F292c6912E7710c838347Ae178B4a",
		    "[github token masked]" },
		{ "ghu_" "16C7e42F292c6912E7710c838347Ae178B4a",
		    "[github token masked]" },
		{ "ghs_" "16C7e42F292c6912E7710c838347Ae178B4a",
		    "[github token masked]" },
		{ "ghr_" "16C7e42F292c6912E7710c838347Ae178B4a",
		    "[github token masked]" },
		{ PAT, "[github token masked]" },
		{ AKIA, "[aws key id masked]" },
		{ "ASIA" "IOSFODNN7EXAMPLE", "[aws key id masked]" },
		{ XOXB, "[slack token masked]" },
		{ "xoxp-" "1234567890-abcdef", "[slack token masked]" },
		{ "xapp-" "1-A012-3456-abcdef0123", "[slack token masked]" },
		{ HOOK, "[slack webhook masked]" },
		{ SK, "[openai key masked]" },
		{ SKPROJ, "[openai key masked]" },
		{ ANT, "[anthropic key masked]" },
		{ JWT, "[jwt masked]" },
		{ PEM, "[private key masked]" },
		{ "glpat-" "abcdefghij0123456789", "[gitlab token masked]" },
		{ "AIza" "SyA1234567890abcdefghijklmnopqrstuv",
		    "[google key masked]" },
		{ "sk_live_" "abcdefghij0123456789", "[stripe key masked]" }
	};
	static const char *const frames[][2] = { { "", "" },
		{ "key ", " end" }, { "(", ")" }, { "\"", "\"" },
		{ "=", "&" }, { "a,", ",b" }, { "\n", "\n" },
		{ "ä", "ö" }, { "https://", " " }, { "[", "]." } };
	char in[1024], want[1024], *out;
	size_t i, j;

	(void)state;
	for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		for (j = 0; j < sizeof(frames) / sizeof(frames[0]); j++) {
			snprintf(in, sizeof(in), "%s%s%s%s%s", frames[j][0],
			    forms[i].in, frames[j][1], " and ", forms[i].in);
			snprintf(want, sizeof(want), "%s%s%s%s%s",
			    frames[j][0], forms[i].out, frames[j][1],
			    " and ", forms[i].out);
			out = redacted(in, strlen(in), NULL);
			assert_string_equal(out, want);
			free(out);
		}
	}
}

static void
test_near_misses_stay(void **state)
{
	static const struct row rows[] = {
		{ "9fa9f9fe-4bde-425e-957b-88f8f3f35fde", NULL },
		{ "be541d8e012986a5c760ea7f307e5d5063e83183b791f57b", NULL },
		{ "commit 5743bd7f0c1b2a394857610293847566a1b2c3d4", NULL },
		{ "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca4"
		  "95991b7852b855", NULL },
		{ "d41d8cd98f00b204e9800998ecf8427e", NULL },
		{ "2026-11-21T04:50:08.105Z", NULL },
		{ "127.0.0.1:8080 and [::1]:8080", NULL },
		{ "1700000000:12:30", NULL },
		{ "123456789:short", NULL },
		{ "12345:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1", NULL },
		{ "ghp_short and ghp_", NULL },
		{ "xghp_16C7e42F292c6912E7710c838347Ae178B4a", NULL },
		{ "AKIA", NULL }, { "AKIAIOSFODNN7EXAMPL", NULL },
		{ "AKIAIOSFODNN7EXAMPLEX", NULL },
		{ "AKIAIosfodnn7example", NULL },
		{ "MAKIAIOSFODNN7EXAMPLE", NULL },
		{ "sk-learn, sk-folding-cube-animation-in-css", NULL },
		{ "task-force-one-two-three-four-five", NULL },
		{ "risk-abcdefghijABCDEFGHIJT3BlbkFJabcdefghij", NULL },
		{ "xoxb-", NULL }, { "xoxb-short", NULL },
		{ "eyJhbGciOiJIUzI1NiJ9", NULL },
		{ "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx", NULL },
		{ "hooks.slack.com/help", NULL },
		{ "-----BEGIN CERTIFICATE-----\nMIIB\n"
		  "-----END CERTIFICATE-----", NULL },
		{ "-----BEGIN PUBLIC KEY-----\nMIIB\n"
		  "-----END PUBLIC KEY-----", NULL },
		{ "found \"-----BEGIN RSA PRIVATE KEY-----\" in a.c", NULL },
		{ "-----------------------------", NULL },
		{ "https://example.org:8080/path@v2", NULL },
		{ "https://user@example.org/", NULL },
		{ "https://example.org/?mail=a:b@c", NULL },
		{ "https://user:@example.org/", NULL },
		{ "postgres://app:${PG_PASSWORD}@db/x", NULL },
		{ "mail a:b@c or d::e@f", NULL },
		{ "the bearer of good news", NULL },
		{ "Bearer authentication is required here", NULL },
		{ "password: required", NULL },
		{ "Password reset by the user", NULL },
		{ "password=", NULL }, { "password=null", NULL },
		{ "password=$DB_PASSWORD", NULL },
		{ "password=***", NULL }, { "password = xxxxxxxx", NULL },
		{ "password = getpass()", NULL },
		{ "if (password == other)", NULL },
		{ "password=args.password", NULL },
		{ "the password is wrong: try again", NULL },
		{ "tokens: 15000, max_tokens=4096", NULL },
		{ "Unexpected token: identifier", NULL },
		{ "secret: kept", NULL }, { "Token::new(1)", NULL },
		{ "api_key: missing from config", NULL },
		{ "access-control: secretary", NULL },
		{ "authorization: required for this page", NULL },
		{ "docs on --password and --token options", NULL },
		{ "keyboard shortcuts: ctrl-a", NULL }
	};

	(void)state;
	CHECK_ROWS(rows, NULL);
}

static void
test_urls(void **state)
{
	static const struct row rows[] = {
		{ "https://me:hunter2@example.org/x?y",
		    "https://me:[password masked]@example.org/x?y" },
		{ "postgres://app:s3cr3t@db:5432/x",
		    "postgres://app:[password masked]@db:5432/x" },
		{ "redis://:abc@host", "redis://:[password masked]@host" },
		{ "(amqp://a:b@c)", "(amqp://a:[password masked]@c)" },
		{ "https://a:b@c@host/", "https://a:[password masked]@host/" },
		{ "https://" GHP "@github.com/a/b",
		    "https://[github token masked]@github.com/a/b" },
		{ "https://x-access-token:" GHP "@github.com",
		    "https://x-access-token:[password masked]@github.com" },
		{ "https://api.telegram.org/bot" BOT "/sendMessage",
		    "https://api.telegram.org/bot[telegram token masked]"
		    "/sendMessage" },
		{ "http://x/?access_token=a1b2c3d4e5f6&b=1",
		    "http://x/?access_token=[token masked]&b=1" }
	};

	(void)state;
	CHECK_ROWS(rows, NULL);
}

static void
test_labels_in_text(void **state)
{
	static const struct row rows[] = {
		{ "password=hunter2", "password=[password masked]" },
		{ "PASSWORD=swordfish;", "PASSWORD=[password masked];" },
		{ "DB_PASSWORD='s3 cret'", NULL },
		{ "DB_PASSWORD='s3cr)t!x' y",
		    "DB_PASSWORD='[password masked]' y" },
		{ "password: hunter2.", "password: [password masked]." },
		{ "{\"password\": \"hunter2\"}",
		    "{\"password\": \"[password masked]\"}" },
		{ "{\\\"password\\\":\\\"hunter2\\\"}",
		    "{\\\"password\\\":\\\"[password masked]\\\"}" },
		{ ":password => 'hunter2'",
		    ":password => '[password masked]'" },
		{ "mysql --password hunter2 db",
		    "mysql --password [password masked] db" },
		{ "mysql --password=hunterx db",
		    "mysql --password=[password masked] db" },
		{ "aws_secret_access_key = " AWS_SECRET,
		    "aws_secret_access_key = [secret masked]" },
		{ "AWS_SECRET_ACCESS_KEY=" AWS_SECRET "\n",
		    "AWS_SECRET_ACCESS_KEY=[secret masked]\n" },
		{ "\"SecretAccessKey\": \"" AWS_SECRET "\"",
		    "\"SecretAccessKey\": \"[secret masked]\"" },
		{ "X-Api-Key: 0123456789abcdef",
		    "X-Api-Key: [secret masked]" },
		{ "clientSecret: 'a1b2c3d4e5f6g7'",
		    "clientSecret: '[secret masked]'" },
		{ "token: 9fa9f9fe-4bde-425e-957b-88f8f3f35fde",
		    "token: [token masked]" },
		{ "Authorization: Bearer abcdef0123456789abcdef",
		    "Authorization: Bearer [token masked]" },
		{ "authorization: Basic dXNlcjpwYXNzd29yZA==",
		    "authorization: Basic [token masked]" },
		{ "-H 'Authorization: token a1b2c3d4e5f6'",
		    "-H 'Authorization: token [token masked]'" },
		{ "curl -H \"Bearer abcdef0123456789abcdef\"",
		    "curl -H \"Bearer [token masked]\"" }
	};

	(void)state;
	CHECK_ROWS(rows, NULL);
}

static void
test_labels_are_keys(void **state)
{
	static const struct row password[] = {
		{ "hunter2", "[password masked]" },
		{ "swordfish", "[password masked]" },
		{ "p:a=s,s", "[password masked]" },
		{ "required", NULL }, { "is too short", NULL }, { "", NULL },
		{ "***", NULL }, { "${DB_PASSWORD}", NULL }, { "abc", NULL }
	};
	static const struct row token[] = {
		{ "a1b2c3d4e5f6", "[token masked]" },
		{ AWS_SECRET, "[token masked]" },
		{ GHP, "[github token masked]" },
		{ "identifier", NULL }, { "15000", NULL },
		{ "https://example.org/a1b2c3d4e5f6", NULL }
	};
	static const struct row header[] = {
		{ "Bearer a1b2c3d4e5f6", "Bearer [token masked]" },
		{ "required", NULL }
	};
	static const struct row others[] = { { "a1b2c3d4e5f6", NULL } };

	(void)state;
	CHECK_ROWS(password, "password");
	CHECK_ROWS(password, "db_Password");
	CHECK_ROWS(token, "access_token");
	CHECK_ROWS(header, "Authorization");
	CHECK_ROWS(others, "commit_hash");
	CHECK_ROWS(others, "password_hash");
	CHECK_ROWS(others, "task_id");
	assert_true(redact_number("password"));
	assert_false(redact_number("max_tokens"));
	assert_false(redact_number(""));
}

static void
test_pem(void **state)
{
	static const struct row rows[] = {
		{ "a\n" PEM "\nb", "a\n[private key masked]\nb" },
		{ "-----BEGIN PRIVATE" " KEY-----\\nMIIEabc\\n"
		  "-----END PRIVATE KEY-----\\n",
		    "[private key masked]\\n" },
		{ "-----BEGIN OPENSSH PRIVATE" " KEY-----\nb3BlbnNzaC1rZXkt\n",
		    "[private key masked]" },
		{ "-----BEGIN PGP PRIVATE" " KEY BLOCK-----\n\nlQdGBF\n=Xyz\n"
		  "-----END PGP PRIVATE KEY BLOCK-----",
		    "[private key masked]" },
		{ "-----BEGIN EC PRIVATE" " KEY-----\n"
		  "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0A1B\n\n"
		  "MHcCAQEEIIabcdef\n(cut)", "[private key masked](cut)" }
	};

	(void)state;
	CHECK_ROWS(rows, NULL);
}

static void
test_pem_line_by_line_in_an_array(void **state)
{
	static const struct row rows[] = {
		{ "-----BEGIN RSA PRIVATE" " KEY-----",
		    "[private key masked]" },
		{ "MIIEowIBAAKCAQEAvG0a0RvIXsvKU0dGEGVK",
		    "[private key masked]" },
		{ "abc==", "[private key masked]" },
		{ "-----END RSA PRIVATE KEY-----", "[private key masked]" },
		{ "and after it", NULL }
	};
	const char *label = "lines";
	struct redactor r = { 0 };
	char *out;
	size_t i, n;
	int rc;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		rc = redact_text(&r, rows[i].in, strlen(rows[i].in), label,
		    &out, &n);
		assert_int_equal(rc, rows[i].out != NULL);
		if (rc == 1)
			assert_string_equal(out, rows[i].out);
		free(out);
	}
	/* Under another key, it does not go on. */
	rc = redact_text(&r, rows[0].in, strlen(rows[0].in), label, &out, &n);
	assert_int_equal(rc, 1);
	free(out);
	rc = redact_text(&r, rows[1].in, strlen(rows[1].in), "other", &out,
	    &n);
	assert_int_equal(rc, 0);
}

static void
test_masked_text_stays(void **state)
{
	static const char text[] = "password=hunter2 " GHP " " BOT
	    " https://a:b@c/ token: a1b2c3d4e5f6 " PEM;
	char *once, *twice;

	(void)state;
	once = redacted(text, sizeof(text) - 1, NULL);
	twice = redacted(once, strlen(once), NULL);
	assert_string_equal(once, twice);
	free(once);
	free(twice);
}

/* A megabyte of what a careless scan would read again and again. */
static void
test_time_is_linear(void **state)
{
	static const char *const units[] = { "sk-", "-----BEGIN ", "eyJ",
		"-----BEGIN RSA PRIVATE KEY-----", "://", "a://", "password=",
		"password: ", "1", "123456:", "ghp_", "eyJaaaaaaaaaa.",
		"Bearer ", "--password ", "xoxb-", "hooks.slack.com/", "=",
		"\"':", "https://a:b", "A", "-", ":", "token token=" };
	const size_t len = 1 << 20;
	clock_t began;
	char *text, *out;
	size_t i, j, n;

	(void)state;
	text = malloc(len);
	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		n = strlen(units[i]);
		for (j = 0; j < len; j++)
			text[j] = units[i][j % n];
		began = clock();
		out = redacted(text, len, "password");
		free(out);
		/* 10 ms are usual; a quadratic scan takes minutes. */
		assert_true(clock() - began < 3 * CLOCKS_PER_SEC);
	}
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_forms_everywhere),
		cmocka_unit_test(test_near_misses_stay),
		cmocka_unit_test(test_urls),
		cmocka_unit_test(test_labels_in_text),
		cmocka_unit_test(test_labels_are_keys),
		cmocka_unit_test(test_pem),
		cmocka_unit_test(test_pem_line_by_line_in_an_array),
		cmocka_unit_test(test_masked_text_stays),
		cmocka_unit_test(test_time_is_linear),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
