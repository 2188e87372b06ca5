/*
 * Routes: each rule by itself, then random tables against a model that
 * follows the words of cctgd.conf(5) one by one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <json-c/json.h>

#include "common/nitems.h"
#include "workers/queue/route.h"

#define CHATS "\"chats\":[{\"name\":\"a\",\"id\":-1,\"thread\":0}," \
	"{\"name\":\"b\",\"id\":-2,\"thread\":7}," \
	"{\"name\":\"c\",\"id\":-2,\"thread\":8}]"
#define USERS "\"telegram\":{\"allowed_users\":[11,12]}"

static struct route_target target[STORE_FANOUT];
static int64_t ttl_ms;

static struct route_table *
load(const char *text)
{
	struct json_object *o = json_tokener_parse(text);
	struct route_table *t;

	assert_non_null(o);
	t = route_load(o);
	assert_non_null(t);
	json_object_put(o);
	return (t);
}

/* How many chats get it, by these routes. */
static size_t
resolve(const char *routes, const char *type, const char *source)
{
	struct route_table *t;
	char text[4096];
	size_t n;

	snprintf(text, sizeof(text), "{" CHATS "," USERS ",\"routes\":[%s]}",
	    routes);
	t = load(text);
	ttl_ms = 1234;
	n = route_resolve(t, type, source, target, &ttl_ms);
	route_free(t);
	return (n);
}

static void
test_without_a_route_all_users_get_it(void **state)
{
	(void)state;
	assert_int_equal(resolve("", "x", "y"), 2);
	assert_int_equal(target[0].chat_id, 11);
	assert_int_equal(target[1].chat_id, 12);
	assert_false(target[0].silent || target[0].nodigest);
	assert_int_equal(ttl_ms, 1234);
}

static void
test_guests_get_what_goes_to_all(void **state)
{
	static const int64_t guests[] = { 21, 12 };
	struct route_table *t = load("{" CHATS "," USERS ",\"routes\":["
	    "{\"type\":[\"b\"],\"chat\":[\"a\"]},"
	    "{\"type\":[\"s\"],\"silent\":true}]}");

	(void)state;
	assert_int_equal(route_set_guests(t, guests, nitems(guests)), 0);
	/* Behind the allowed users, each once. */
	assert_int_equal(route_resolve(t, "x", "y", target, &ttl_ms), 3);
	assert_int_equal(target[0].chat_id, 11);
	assert_int_equal(target[1].chat_id, 12);
	assert_int_equal(target[2].chat_id, 21);
	assert_int_equal(route_resolve(t, "s", "y", target, &ttl_ms), 3);
	assert_true(target[2].chat_id == 21 && target[2].silent);
	/* What has a chat does not go to them. */
	assert_int_equal(route_resolve(t, "b", "y", target, &ttl_ms), 1);
	assert_int_equal(target[0].chat_id, -1);
	assert_int_equal(route_set_guests(t, guests, 0), 0);
	assert_int_equal(route_resolve(t, "x", "y", target, &ttl_ms), 2);
	route_free(t);
}

static void
test_the_first_match_wins(void **state)
{
	const char *routes = "{\"type\":[\"build_*\"],\"chat\":[\"a\"],"
	    "\"silent\":true,\"ttl_ms\":99},{\"chat\":[\"b\"]}";

	(void)state;
	assert_int_equal(resolve(routes, "build_failed", "y"), 1);
	assert_int_equal(target[0].chat_id, -1);
	assert_true(target[0].silent);
	assert_int_equal(ttl_ms, 99);
	assert_int_equal(resolve(routes, "x", "y"), 1);
	assert_int_equal(target[0].chat_id, -2);
	assert_int_equal(target[0].thread, 7);
	assert_false(target[0].silent);
	assert_int_equal(ttl_ms, 1234);
}

static void
test_type_and_source_must_both_match(void **state)
{
	const char *routes = "{\"type\":[\"x\",\"y\"],\"source\":[\"s*\"],"
	    "\"chat\":[\"a\"]}";

	(void)state;
	assert_int_equal(resolve(routes, "y", "source"), 1);
	assert_int_equal(resolve(routes, "y", "other"), 2);
	assert_int_equal(resolve(routes, "z", "source"), 2);
}

static void
test_continue_adds(void **state)
{
	const char *routes = "{\"chat\":[\"a\"],\"continue\":true,"
	    "\"silent\":true,\"digest\":false},"
	    "{\"chat\":[\"a\",\"b\",\"c\"]},{\"chat\":[\"nobody\"]}";

	(void)state;
	assert_int_equal(resolve(routes, "x", "y"), 3);
	/* Loud for one is loud; no digest for one is none. */
	assert_false(target[0].silent);
	assert_true(target[0].nodigest);
	assert_false(target[1].nodigest);
}

static void
test_a_route_without_chats_says_how(void **state)
{
	(void)state;
	assert_int_equal(resolve("{\"silent\":true,\"digest\":false}", "x",
	    "y"), 2);
	assert_true(target[0].silent && target[1].nodigest);
	assert_int_equal(target[0].chat_id, 11);
}

static void
test_never_more_chats_than_fit(void **state)
{
	char text[16384] = "{\"telegram\":{\"allowed_users\":[1";
	struct route_table *t;

	(void)state;
	for (int i = 2; i < 500; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
		    ",%d", i);
	strlcat(text, "]}}", sizeof(text));
	t = load(text);
	assert_int_equal(route_resolve(t, "x", "y", target, &ttl_ms),
	    STORE_FANOUT);
	route_free(t);
}

static void
test_named(void **state)
{
	static const struct {
		const char *to;
		size_t n;
		int64_t chat_id, thread;
	} names[] = {
		{ "a", 1, -1, 0 },
		{ "c", 1, -2, 8 },
		{ "-1001234567890", 1, -1001234567890, 0 },
		{ "42", 1, 42, 0 },
		{ "-5:9", 1, -5, 9 },
		{ "", 0, 0, 0 },
		{ "d", 0, 0, 0 },
		{ "0", 0, 0, 0 },
		{ "1x", 0, 0, 0 },
		{ "1:", 0, 0, 0 },
		{ "1:x", 0, 0, 0 },
		{ "1:-2", 0, 0, 0 },
		{ "1:2:3", 0, 0, 0 },
		{ "99999999999999999999", 0, 0, 0 },
		{ "1:99999999999999999999", 0, 0, 0 },
	};
	struct route_table *t = load("{" CHATS "}");

	(void)state;
	for (size_t i = 0; i < nitems(names); i++) {
		assert_int_equal(route_named(t, names[i].to, target),
		    names[i].n);
		if (names[i].n == 0)
			continue;
		assert_int_equal(target[0].chat_id, names[i].chat_id);
		assert_int_equal(target[0].thread, names[i].thread);
	}
	route_free(t);
}

/* What the supervisor would have refused is passed over. */
static void
test_configurations_of_another_shape(void **state)
{
	static const char *const texts[] = {
		"{}", "{\"routes\":7}", "{\"routes\":[]}",
		"{\"routes\":[7]}", "{\"routes\":[{}]}",
		"{\"routes\":[{\"type\":7,\"chat\":{}}]}",
		"{\"chats\":[{}],\"routes\":[{\"chat\":[\"\"]}]}",
		"{\"chats\":\"x\",\"telegram\":{\"allowed_users\":{}}}",
	};

	(void)state;
	for (size_t i = 0; i < nitems(texts); i++) {
		struct route_table *t = load(texts[i]);

		assert_true(route_resolve(t, "x", "y", target, &ttl_ms) <=
		    1);
		route_free(t);
	}
}

/* Random tables. */

static const char *const types[] = { "a", "b", "ab", "ba" };
static const char *const patterns[] = { "a", "b", "a*", "*b", "*", "?b" };

static bool
model_matches(unsigned int mask, const char *text)
{
	static const char *const hits[] = { "a", "b", "a ab", "b ab",
	    "a b ab ba", "ab" };
	char words[32], *word, *rest = words;

	if (mask == 0)
		return (true);
	for (size_t i = 0; i < nitems(patterns); i++) {
		if (!(mask & 1U << i))
			continue;
		strlcpy(words, hits[i], sizeof(words));
		for (rest = words; (word = strsep(&rest, " ")) != NULL;)
			if (strcmp(word, text) == 0)
				return (true);
	}
	return (false);
}

struct model_route {
	unsigned int type, source; /* patterns, by bit */
	unsigned int chats;	   /* of a, b, c */
	bool silent, digest, go_on;
};

static void
describe(char *out, size_t size, const struct model_route *r)
{
	snprintf(out + strlen(out), size - strlen(out), "{\"type\":[");
	for (int side = 0; side < 2; side++) {
		unsigned int mask = side == 0 ? r->type : r->source;
		const char *comma = "";

		if (side == 1)
			strlcat(out, "],\"source\":[", size);
		for (size_t i = 0; i < nitems(patterns); i++) {
			if (!(mask & 1U << i))
				continue;
			snprintf(out + strlen(out), size - strlen(out),
			    "%s\"%s\"", comma, patterns[i]);
			comma = ",";
		}
	}
	strlcat(out, "],\"chat\":[", size);
	for (int i = 0, first = 1; i < 3; i++) {
		if (!(r->chats & 1U << i))
			continue;
		snprintf(out + strlen(out), size - strlen(out), "%s\"%c\"",
		    first ? "" : ",", 'a' + i);
		first = 0;
	}
	snprintf(out + strlen(out), size - strlen(out), "],\"silent\":%s,"
	    "\"digest\":%s,\"continue\":%s}", r->silent ? "true" : "false",
	    r->digest ? "true" : "false", r->go_on ? "true" : "false");
}

/* a, b, c, 11, 12 by bit. */
static unsigned int
model_resolve(const struct model_route *r, size_t n, const char *type,
    const char *source, unsigned int *silent, unsigned int *nodigest)
{
	unsigned int all = 0, loud = 0, these;
	bool matched = false;

	*silent = *nodigest = 0;
	for (size_t i = 0; i < n; i++) {
		if (!model_matches(r[i].type, type) ||
		    !model_matches(r[i].source, source))
			continue;
		matched = true;
		these = r[i].chats ? r[i].chats : 0x18;
		all |= these;
		loud |= r[i].silent ? 0 : these;
		*nodigest |= r[i].digest ? 0 : these;
		if (!r[i].go_on)
			break;
	}
	if (!matched)
		all = loud = 0x18;
	*silent = all & ~loud;
	return (all);
}

static unsigned int
bit_of(const struct route_target *t)
{
	return (t->chat_id == -1 ? 1 : t->chat_id == 11 ? 8 :
	    t->chat_id == 12 ? 16 : t->thread == 7 ? 2 : 4);
}

static void
test_as_the_model_says(void **state)
{
	struct model_route r[4];
	unsigned int all, silent, nodigest, want, want_silent, want_nodigest;
	char text[4096];

	(void)state;
	for (int round = 0; round < 20000; round++) {
		size_t n = (size_t)rand() % 5, found;
		const char *type = types[rand() % 4];
		const char *source = types[rand() % 4];

		text[0] = '\0';
		for (size_t i = 0; i < n; i++) {
			r[i].type = rand() % 2 ? 1U << rand() % 6 : 0;
			r[i].source = rand() % 2 ? 3U << rand() % 5 : 0;
			r[i].chats = (unsigned int)rand() % 8;
			r[i].silent = rand() % 2;
			r[i].digest = rand() % 2;
			r[i].go_on = rand() % 2;
			if (i > 0)
				strlcat(text, ",", sizeof(text));
			describe(text, sizeof(text), &r[i]);
		}
		want = model_resolve(r, n, type, source, &want_silent,
		    &want_nodigest);
		found = resolve(text, type, source);
		all = silent = nodigest = 0;
		for (size_t i = 0; i < found; i++) {
			unsigned int bit = bit_of(&target[i]);

			assert_false(all & bit);
			all |= bit;
			silent |= target[i].silent ? bit : 0;
			nodigest |= target[i].nodigest ? bit : 0;
		}
		assert_int_equal(all, want);
		assert_int_equal(silent, want_silent);
		assert_int_equal(nodigest, want_nodigest);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_a_route_all_users_get_it),
		cmocka_unit_test(test_guests_get_what_goes_to_all),
		cmocka_unit_test(test_the_first_match_wins),
		cmocka_unit_test(test_type_and_source_must_both_match),
		cmocka_unit_test(test_continue_adds),
		cmocka_unit_test(test_a_route_without_chats_says_how),
		cmocka_unit_test(test_never_more_chats_than_fit),
		cmocka_unit_test(test_named),
		cmocka_unit_test(test_configurations_of_another_shape),
		cmocka_unit_test(test_as_the_model_says),
	};

	srand(1);
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
