/*
 * The table of keys, the sample file and the manual say the same.
 * The sources are found through $srcdir, which make check sets.
 */
#include <json-c/json.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/conf_private.h"

static char *
source_read(const char *name)
{
	const char *srcdir = getenv("srcdir");
	char path[1024], *text;
	size_t len;
	mode_t mode;

	snprintf(path, sizeof(path), "%s/%s", srcdir != NULL ? srcdir : ".",
	    name);
	text = conf_slurp(path, CONF_MAX_BYTES, &len, &mode);
	if (text == NULL)
		fail_msg("%s cannot be read", path);
	return (text);
}

static struct conf *
load(const char *file)
{
	const char *env[] = { "HOME=/home/x", NULL };
	struct conf_source source = { .file = file, .uid = 0, .client = true,
		.env = (char *const *)env };
	struct conf_problems problems = { 0 };
	struct conf *conf = conf_load(&source, &problems);
	size_t i;

	for (i = 0; i < problems.n; i++)
		print_message("%s\n", problems.v[i].text);
	assert_int_equal(problems.n, 0);
	conf_problems_free(&problems);
	return (conf);
}

static bool
is_listed(const struct conf_key *key)
{
	return (key->section != CS_CHAT && key->section != CS_ROUTE);
}

/* "#key = value" made "key = value"; the examples have a tab behind "#". */
static void
uncomment(char *text)
{
	char *line = text;

	while (line != NULL) {
		if (line[0] == '#' && line[1] != '\0' &&
		    strchr(" \t\n#", line[1]) == NULL)
			line[0] = ' ';
		if ((line = strchr(line, '\n')) != NULL)
			line++;
	}
}

static void
write_temporary(char path[64], const char *text)
{
	int fd;

	strlcpy(path, "/tmp/cctg-sample-XXXXXX", 64);
	fd = mkstemp(path);
	assert_true(fd != -1);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void
test_the_sample_changes_nothing(void **state)
{
	char *text = source_read("etc/cctgd.conf"), path[64];
	struct conf *defaults, *sample;
	const struct conf_key *key;
	json_object *a, *b;
	int pass;

	(void)state;
	for (pass = 0; pass < 2; pass++) {
		write_temporary(path, text);
		defaults = load("/dev/null");
		sample = load(path);
		for (key = conf_keys; key < conf_keys + conf_nkeys; key++) {
			if (!is_listed(key))
				continue;
			a = conf_value_json(key, defaults);
			b = conf_value_json(key, sample);
			if (!json_object_equal(a, b))
				fail_msg("the sample's %s is no default",
				    key->name);
			json_object_put(a);
			json_object_put(b);
		}
		assert_int_equal(sample->nchats + sample->nroutes, 0);
		conf_free(defaults);
		conf_free(sample);
		unlink(path);
		uncomment(text);
	}
	free(text);
}

static void
test_the_sample_shows_every_key(void **state)
{
	char *text = source_read("etc/cctgd.conf"), want[100];
	const struct conf_key *key;

	(void)state;
	for (key = conf_keys; key < conf_keys + conf_nkeys; key++) {
		/* Its default is that of the machine. */
		if (strcmp(key->name, "timezone") == 0)
			continue;
		if (key->section == CS_CHAT || key->section == CS_ROUTE)
			snprintf(want, sizeof(want), "\n#\t\t%s = ",
			    key->name);
		else
			snprintf(want, sizeof(want), "\n#%s = ", key->name);
		if (strstr(text, want) == NULL)
			fail_msg("the sample has no %s", key->name);
	}
	free(text);
}

/* The part of the manual about a section, to be freed. */
static char *
manual_section(const char *page, enum conf_section section)
{
	const char *path = conf_section_path(section), *from, *end;
	char heading[100];

	snprintf(heading, sizeof(heading), "\n.Ss %s\n", section == CS_TOP ?
	    "Outside of sections" : path);
	from = strstr(page, heading);
	if (from == NULL) {
		fail_msg("the manual has no section %s", path);
		return (NULL);
	}
	from += strlen(heading);
	if ((end = strstr(from, "\n.Ss ")) == NULL)
		end = strstr(from, "\n.Sh ");
	return (strndup(from - 1, (size_t)(end - from)));
}

/* What stands between the key's .It and the next one. */
static void
check_entry(const char *part, const struct conf_key *key)
{
	char want[100], entry[2000];
	const char *from, *end;

	snprintf(want, sizeof(want), "\n.It Cm %s No = ", key->name);
	if ((from = strstr(part, want)) == NULL) {
		fail_msg("the manual has no %s.%s",
		    conf_section_path(key->section), key->name);
		return;
	}
	if ((end = strstr(from + 1, "\n.It ")) == NULL)
		end = from + strlen(from);
	snprintf(entry, sizeof(entry), "%.*s", (int)(end - from), from);
	if ((strstr(entry, "Pq restart\n") != NULL) !=
	    (key->when == CW_RESTART))
		fail_msg("restart or reload for %s?", key->name);
	if (*key->def != '\0' && key->type != CT_ADDRESSES &&
	    key->section != CS_CHAT && key->section != CS_ROUTE &&
	    strstr(entry, key->def) == NULL)
		fail_msg("the manual lacks the default %s of %s", key->def,
		    key->name);
	if (strstr(entry, "default") == NULL &&
	    strstr(entry, "Default") == NULL &&
	    key->type != CT_PATH && key->type != CT_HOURS)
		fail_msg("the manual tells no default of %s", key->name);
}

static void
test_the_manual_has_every_key_with_its_default(void **state)
{
	char *page = source_read("man/cctgd.conf.5"), *part;
	const struct conf_key *key;

	(void)state;
	for (key = conf_keys; key < conf_keys + conf_nkeys; key++) {
		part = manual_section(page, key->section);
		check_entry(part, key);
		free(part);
	}
	free(page);
}

/* Every "range" of the table can be read, and holds the default. */
static void
test_the_table_is_sound(void **state)
{
	const struct conf_key *key, *other;
	struct conf_route route = { 0 };
	struct conf_chat chat = { 0 };
	struct conf conf = { 0 };
	char why[CONF_WHY_SIZE] = "";
	void *base;

	(void)state;
	for (key = conf_keys; key < conf_keys + conf_nkeys; key++) {
		base = key->section == CS_CHAT ? (void *)&chat :
		    key->section == CS_ROUTE ? (void *)&route : &conf;
		if (*key->def != '\0' && !conf_type_is_list(key->type) &&
		    conf_value_set(key, base, key->def, true, why,
		    sizeof(why)) == -1)
			fail_msg("%s", why);
		conf_value_free(key, base);
		for (other = conf_keys; other < key; other++)
			assert_false(other->section == key->section &&
			    strcmp(other->name, key->name) == 0);
	}
	assert_string_equal(conf_key_find("telegram.rate.global")->name,
	    "global");
	assert_null(conf_key_find("rate.global"));
	assert_null(conf_key_find("nonsense"));
}

static void
test_text_clean(void **state)
{
	static const struct {
		const char *text, *clean;
		int line; /* 0: sound */
	} cases[] = {
		{ "a = 1 # b\nc", "a = 1    \nc", 0 },
		{ "a = \"#\" # '", "a = \"#\"    ", 0 },
		{ "a = '\\'#'\n//x", "a = '\\'#'\n   ", 0 },
		{ "u = http://x//y", "u = http://x//y", 0 },
		{ "a/*\n#\n*/b", "a  \n \n  b", 0 },
		{ "#", " ", 0 },
		{ "", "", 0 },
		{ "a\n\"b\n", NULL, 2 },
		{ "a\n\n/* x\n", NULL, 3 },
		{ "s {\n t {\n }\n", NULL, 1 },
		{ "a # {\n{", NULL, 2 },
	};
	char text[64];
	size_t i;
	int line;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		strlcpy(text, cases[i].text, sizeof(text));
		if (cases[i].line == 0) {
			assert_null(conf_text_clean(text, &line));
			assert_string_equal(text, cases[i].clean);
		} else {
			assert_non_null(conf_text_clean(text, &line));
			assert_int_equal(line, cases[i].line);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_table_is_sound),
		cmocka_unit_test(test_the_sample_changes_nothing),
		cmocka_unit_test(test_the_sample_shows_every_key),
		cmocka_unit_test(
		    test_the_manual_has_every_key_with_its_default),
		cmocka_unit_test(test_text_clean),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
