/*
 * The renderer against events that nobody would write, and without memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <json.h>

#include "common/event.h"
#include "tests/unit/telegram_html.h"
#include "workers/format/fields.h"
#include "workers/format/render.h"
#include "workers/format/split.h"

/* The allocation to fail, counting down; 0 never (see -Wl,--wrap). */
static unsigned long failing;

void *__real_realloc(void *, size_t);
void *__real_calloc(size_t, size_t);
void *__real_reallocarray(void *, size_t, size_t);
void *__wrap_realloc(void *, size_t);
void *__wrap_calloc(size_t, size_t);
void *__wrap_reallocarray(void *, size_t, size_t);

static int
fails(void)
{
	return (failing > 0 && --failing == 0);
}

void *
__wrap_realloc(void *p, size_t n)
{
	return (fails() ? NULL : __real_realloc(p, n));
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return (fails() ? NULL : __real_calloc(n, size));
}

void *
__wrap_reallocarray(void *p, size_t n, size_t size)
{
	return (fails() ? NULL : __real_reallocarray(p, n, size));
}

static const char *const keys[] = {
#define KEY(name, key, label, show, group) key,
	FIELDS(KEY)
#undef KEY
	"custom", "", "a_b", "x<y>", "\xff", "title", "description"};

static const char *const pieces[] = {"a", "<b>", "</b>", "&amp;", "&", "\"",
    "\n", "\n\n", " ", "\t", "\x01", "\x1b[1m", "\x7f", "\xff", "\xc3",
    "\xed\xa0\x80", "é", "e\xcc\x81", "😀", "👨‍👩‍👧", "🇩🇪",
    "\xe2\x80\xae", "\xe2\x81\xa6", "\xe2\x80\x8d", "\xef\xbf\xbf",
    "https://x.y/?a=1&b=\"2\"", "45%", "12.5", "word word", "**x**",
    "<pre>", "-->", "\xc2\x85", "\xe3\x80\x80", "a long piece of text; "};

#define PICK(table) ((table)[(size_t)random() % (sizeof(table) / \
	sizeof((table)[0]))])

static struct json_object *
random_string(int size)
{
	static char text[1 << 20];
	size_t len = 0, n;
	const char *piece;
	int i, times;

	times = size > 0 ? (int)(random() % size) : 0;
	for (i = 0; i < times; i++) {
		piece = PICK(pieces);
		n = strlen(piece);
		if (len + n >= sizeof(text))
			break;
		memcpy(text + len, piece, n);
		len += n;
	}
	if (random() % 20 == 0 && len < sizeof(text))
		text[len++] = '\0';
	return (json_object_new_string_len(text, (int)len));
}

static struct json_object *
random_value(int depth, int size)
{
	struct json_object *o;
	int i;

	switch (random() % (depth > 0 ? 9 : 7)) {
	case 0:
		return (json_object_new_int64(random() % 200000 - 1000));
	case 1:
		return (json_object_new_double((double)random() / 1e7));
	case 2:
		return (json_object_new_boolean(random() % 2 == 0));
	case 3:
		return (random() % 4 ? NULL :
		    json_object_new_double(random() % 2 ? 1e308 * 10 : 0.5));
	case 7:
		o = json_object_new_array();
		for (i = (int)(random() % 6); i > 0; i--)
			json_object_array_add(o,
			    random_value(depth - 1, size / 2));
		return (o);
	case 8:
		o = json_object_new_object();
		for (i = (int)(random() % 6); i > 0; i--)
			json_object_object_add(o, random() % 3 ? PICK(keys) :
			    random() % 2 ? "current" : "total",
			    random_value(depth - 1, size / 2));
		return (o);
	default:
		return (random_string(size));
	}
}

static struct json_object *
random_event(int size)
{
	static const char *const members[] = {"event_id", "task_id", "source",
	    "title", "description", "timestamp", "severity"};
	struct json_object *o = json_object_new_object(), *data;
	size_t i;
	int n;

	for (i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		json_object_object_add(o, members[i], random_string(size / 4 +
		    2));
	json_object_object_add(o, "type", random() % 8 ?
	    json_object_new_string(event_type_name((enum event_type)(random()
	    % NEVENTTYPES))) : random_value(1, 5));
	if (random() % 4)
		json_object_object_add(o, "timestamp",
		    json_object_new_string("2026-11-21T04:50:08.1+01:00"));
	data = json_object_new_object();
	for (n = (int)(random() % 20); n > 0; n--)
		json_object_object_add(data, PICK(keys),
		    random_value(3, size));
	json_object_object_add(o, "data", data);
	return (o);
}

static void
check(const struct render_ask *ask, const struct render_result *r)
{
	const struct render_part *part;
	size_t i, len, at;
	uint32_t cp;
	char *text;
	bool valid;

	assert_in_range(r->nparts, 1, PARTS_MAX);
	for (i = 0; i < r->nparts; i++) {
		part = &r->part[i];
		text = html_plain(part->html, part->html_len, &len);
		if (text == NULL)
			fail_msg("not HTML: %.*s\nof %s", (int)part->html_len,
			    part->html, json_object_to_json_string(ask->json));
		assert_false(utf_all_blank(text, len));
		assert_true(utf16_length(text, len) <= (part->kind ==
		    PART_TEXT ? SPLIT_TEXT_UNITS : SPLIT_CAPTION_UNITS));
		free(text);
		for (at = 0; at < part->document_len;) {
			at += utf_decode(part->document + at,
			    part->document_len - at, &cp, &valid);
			assert_true(valid);
		}
	}
	for (i = 0; i < r->noptions; i++) {
		len = strlen(r->option[i]);
		assert_false(utf_all_blank(r->option[i], len));
	}
}

static void
render_all_ways(struct render *r, struct json_object *o)
{
	struct render_ask ask = {.started_ms = 1, .now_ms = 1 + random(),
	    .json = o};
	struct render_result result;

	for (ask.flags = 0; ask.flags < 8; ask.flags++) {
		ask.what = ask.flags & FMT_CLOSING || random() % 2 ?
		    FMT_PROGRESS : FMT_EVENT;
		assert_int_equal(render(r, &ask, &result), 0);
		check(&ask, &result);
	}
}

static void
random_events(void **state)
{
	struct render *r = render_new();
	struct json_object *o, *again;
	int i, size;

	(void)state;
	assert_non_null(r);
	srandom(4);
	for (i = 0; i < 1500; i++) {
		size = i % 100 == 0 ? 20000 : i % 10 == 0 ? 500 : 12;
		o = random_event(size);
		render_all_ways(r, o);
		/* numbers as they were written */
		again = json_tokener_parse(json_object_to_json_string(o));
		if (again != NULL)
			render_all_ways(r, again);
		json_object_put(again);
		json_object_put(o);
		if (i % 7 == 0)
			render_trim(r);
	}
	render_free(r);
}

/* The largest events, of the shapes that grow most. */
static void
a_mebibyte(void **state)
{
	static const char *const shapes[] = {"\"", "", "\xff", "&", "\n", "1",
	    "🇩🇪", "e\xcc\x81", "\xe2\x80\x8d"};
	struct render *r = render_new();
	struct json_object *o, *data, *list;
	size_t i, n, len;
	char *text;

	(void)state;
	for (i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		o = random_event(10);
		data = json_object_new_object();
		json_object_object_add(o, "data", data);
		len = strlen(shapes[i]);
		if (len > 0) {
			assert_non_null(text = malloc(EVENT_MAX_BYTES));
			for (n = 0; n + len <= EVENT_MAX_BYTES; n += len)
				memcpy(text + n, shapes[i], len);
			json_object_object_add(data, "results",
			    json_object_new_string_len(text, (int)n));
			json_object_object_add(o, "title",
			    json_object_new_string_len(text, (int)n));
			free(text);
		} else {
			list = json_object_new_array();
			for (n = 0; n < EVENT_MAX_BYTES / 3; n++)
				json_object_array_add(list,
				    json_object_new_string(""));
			json_object_object_add(data, "files_changed", list);
		}
		render_all_ways(r, o);
		json_object_put(o);
	}
	render_free(r);
}

/* Each allocation fails once: an error, and the next call works. */
static void
every_allocation_fails(void **state)
{
	struct render_ask ask = {.what = FMT_EVENT};
	struct render_result result;
	struct json_object *member;
	struct render *r;
	unsigned long n;
	int i, ok;

	(void)state;
	srandom(5);
	for (i = 0; i < 12; i++) {
		ask.json = random_event(i % 2 ? 20000 : 300);
		if (i >= 10) {
			ask.what = FMT_DIGEST;
			member = ask.json;
			ask.json = json_object_new_object();
			json_object_object_add(ask.json, "members",
			    json_object_new_array());
			json_object_array_add(json_object_object_get(ask.json,
			    "members"), member);
		}
		for (n = 1, ok = 0; !ok; n++) {
			failing = n;
			if ((r = render_new()) == NULL) {
				failing = 0;
				continue;
			}
			ok = render(r, &ask, &result) == 0 && failing > 0;
			failing = 0;
			if (!ok)
				assert_int_equal(render(r, &ask, &result),
				    0);
			check(&ask, &result);
			render_free(r);
		}
		assert_true(n > 3);
		json_object_put(ask.json);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_events),
		cmocka_unit_test(a_mebibyte),
		cmocka_unit_test(every_allocation_fails),
	};

	render_timezone("Europe/Berlin");
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
