/*
 * From the text of an event to its messages, by the code of analyze and
 * format: whatever stands in the known keys and beside them, there is a
 * message, and all of it is there.
 *
 * Every leaf has a text of its own, which has to be found again.  What is
 * shown in another form: durations as people read them, fractions where a
 * whole number belongs or with more digits than their value has, the expiry
 * of an approval; what is not shown: the
 * event's own record in the concise style, and how it is to be delivered.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <json.h>
#include <stdio.h>

#include "common/event.h"
#include "common/json.h"
#include "tests/unit/format_renderer.h"
#include "tests/unit/telegram_html.h"
#include "workers/analyze/judge.h"
#include "workers/analyze/normalise.h"
#include "common/buf.h"
#include "workers/format/fields.h"

#define ROUNDS 1500
#define WANTED_MAX 4000
#define NITEMS(a) (sizeof(a) / sizeof((a)[0]))
#define PICK(table) ((table)[(size_t)random() % NITEMS(table)])

static const char *const fields[] = {
#define KEY(name, key, label, show, group) key,
	FIELDS(KEY)
#undef KEY
};

/* Numbers under these are shown in another form, or rounded. */
static const char *const reshaped[] = {"duration_ms", "exit_code",
    "line_number", "network_bytes", "response_code", "test_count",
    "tests_failed", "tests_passed", "timeout_minutes", "timeout_ms"};

static unsigned int serial;
static char event[1 << 16];
static size_t len;
static char wanted[WANTED_MAX][32];
static size_t nwanted;

static void __attribute__((format(printf, 1, 2)))
put(const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(event + len, sizeof(event) - len, fmt, ap);
	va_end(ap);
	assert_in_range(n, 0, sizeof(event) - len - 1);
	len += (size_t)n;
}

/* A leaf that is wanted: a number, or a text with something around it. */
static void
put_leaf(void)
{
	static const char *const numbers[][2] = {{"", ""}, {"", ".25"},
	    {"", "e3"}, {"-", ""}, {"1", "00000000000000000000"}, {"", ".0"},
	    {"", ".250000000"}};
	static const char *const texts[][2] = {{"\"w", "\""},
	    {"\"\\u0000", "\""}, {"\"", "\\n\\tx\""}, {"\"<b>", "&\""},
	    {"\"\\ud83d", " \""}, {"\" ", "\\u202e\""}, {"\"", "%\""}};
	size_t form = (size_t)random() % NITEMS(numbers);
	char *want;

	assert_true(nwanted < WANTED_MAX);
	want = wanted[nwanted++];
	serial++;
	if (random() % 2) {
		snprintf(want, sizeof(wanted[0]), "%s%u%s", numbers[form][0],
		    700000 + serial, numbers[form][1]);
		put("%s", want);
		return;
	}
	snprintf(want, sizeof(wanted[0]), "%u", 700000 + serial);
	put("%s%s%s", texts[form][0], want, texts[form][1]);
}

static void
put_value(int depth)
{
	static const char *const plain[] = {"true", "false", "null", "\"\"",
	    "[]", "{}", "\" \""};
	int i, n;

	switch (random() % (depth > 0 ? 8 : 5)) {
	case 0:
		put("%s", PICK(plain));
		return;
	case 5:
	case 6:
		put("[");
		for (i = 0, n = (int)(random() % 5); i < n; i++) {
			put("%s", i > 0 ? "," : "");
			put_value(depth - 1);
		}
		put("]");
		return;
	case 7:
		put("{");
		for (i = 0, n = (int)(random() % 5); i < n; i++) {
			put("%s\"%s%u\":", i > 0 ? "," : "", random() % 2 ?
			    "k" : "text", i);
			put_value(depth - 1);
		}
		put("}");
		return;
	default:
		put_leaf();
	}
}

static void
put_data(void)
{
	static const char *const containers[] = {"{", "[", "", "x"};
	const char *kind = random() % 8 ? "{" : PICK(containers);
	const char *key;
	size_t i, j, n = (size_t)random() % 12, before;
	bool first = true;

	if (kind[0] != '{') {
		put_value(3);
		return;
	}
	put("{");
	for (i = 0; i < NITEMS(fields) + n; i++) {
		if (i < NITEMS(fields) && random() % 6)
			continue;
		key = i < NITEMS(fields) ? fields[i] : NULL;
		put("%s", first ? "" : ",");
		first = false;
		if (key != NULL)
			put("\"%s\":", key);
		else
			put("\"own_%zu\":", i);
		before = nwanted;
		put_value(3);
		for (j = 0; key != NULL && j < NITEMS(reshaped); j++)
			if (strcmp(key, reshaped[j]) == 0)
				nwanted = before;
	}
	put("}");
}

/* An event of any type, with its known keys and others of any kind. */
static void
make_event(void)
{
	static const char *const members[] = {"title", "description",
	    "source", "url", "own key", "results", "metadata"};
	static const char *const unseen[] = {"event_id", "task_id",
	    "timestamp", "severity", "correlation_id", "parent_event_id",
	    "retry_count", "processing_status", "schema_version",
	    "created_at", "processed_at", "ttl", "ttl_ms", "silent", "to",
	    "attachments"};
	size_t i, before;

	len = nwanted = 0;
	put("{\"type\":\"%s\"", random() % 8 ? event_type_name(
	    (enum event_type)(random() % NEVENTTYPES)) : "9.50");
	for (i = 0; i < NITEMS(members); i++) {
		if (random() % 2)
			continue;
		put(",\"%s\":", members[i]);
		put_value(2);
	}
	before = nwanted;
	for (i = 0; i < NITEMS(unseen); i++) {
		if (random() % 4)
			continue;
		put(",\"%s\":", unseen[i]);
		put_value(2);
	}
	nwanted = before;
	put(",\"data\":");
	put_data();
	put("}");
}

/* As cctg-analyze does it: all but the redaction, which changes texts. */
static struct json_object *
analysed(void)
{
	struct json_object *o;
	const char *mode, *text, *why;
	struct error e;
	char *copy;

	if ((o = event_parse(event, len, &e)) == NULL)
		return (NULL);
	assert_int_equal(normalise_event(o, 1763700608105), 0);
	judge_fingerprint(o, judge_kind(o, true, &mode));
	text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN |
	    JSON_C_TO_STRING_NOSLASHESCAPE);
	assert_non_null(copy = strdup(text));
	json_object_put(o);
	assert_non_null(o = json_parse(copy, strlen(copy), &why));
	free(copy);
	return (o);
}

static void
check_shown(struct json_object *o, unsigned int flags)
{
	struct render_ask ask = {.what = FMT_EVENT, .flags = flags,
	    .json = o};
	struct render_result *r = &result;
	struct buf all = {0};
	size_t i, n;
	char *text;

	assert_int_equal(render(renderer, &ask, r), 0);
	assert_true(r->nparts > 0);
	for (i = 0; i < r->nparts; i++) {
		text = html_plain(r->part[i].html, r->part[i].html_len, &n);
		assert_non_null(text);
		buf_add(&all, text, n);
		buf_add(&all, r->part[i].document, r->part[i].document_len);
		free(text);
	}
	buf_add(&all, "", 1);
	for (i = 0; i < nwanted; i++)
		if (memmem(all.p, all.len, wanted[i], strlen(wanted[i])) ==
		    NULL)
			fail_msg("%s is not shown of\n%.*s\nbut\n%s",
			    wanted[i], (int)len, event, all.p);
	buf_free(&all);
}

static void
all_is_shown(void **state)
{
	struct json_object *o;
	int i, taken = 0;

	(void)state;
	srandom(7);
	for (i = 0; i < ROUNDS; i++) {
		make_event();
		if ((o = analysed()) == NULL)
			continue; /* no title, no description, no data */
		taken++;
		check_shown(o, 0);
		check_shown(o, FMT_DETAILED);
		json_object_put(o);
	}
	assert_true(taken > ROUNDS * 9 / 10);
}

/* A type and a title are enough, whatever the rest is. */
static void
a_type_and_a_title(void **state)
{
	static const char *const keys[] = {"source", "timestamp", "task_id",
	    "description", "data", "event_id", "severity", "to", "ttl",
	    "ttl_ms", "silent", "attachments", "correlation_id", "own"};
	static const char *const values[] = {"null", "true", "0", "-1", "1.5",
	    "1e400", "123456789012345678901234567890", "\"\"", "\" \"",
	    "\"x\"", "\"\\ud800\"", "\"\xff\"", "\"\\u0000\"", "[]", "[null]",
	    "{}", "{\"\":null}", "[[[[{\"a\":[1,{}]}]]]]", "NaN"};
	struct json_object *o;
	size_t i, j;

	(void)state;
	nwanted = 1;
	strlcpy(wanted[0], "A title", sizeof(wanted[0]));
	for (i = 0; i < NITEMS(keys); i++) {
		for (j = 0; j < NITEMS(values); j++) {
			len = 0;
			put("{\"type\":\"x\",\"title\":\"A title\",\"%s\":%s}",
			    keys[i], values[j]);
			o = analysed();
			assert_non_null(o);
			check_shown(o, 0);
			json_object_put(o);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_is_shown),
		cmocka_unit_test(a_type_and_a_title),
	};

	return (cmocka_run_group_tests(tests, renderer_setup,
	    renderer_teardown));
}
