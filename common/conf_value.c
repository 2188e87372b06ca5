/*
 * The values of the configuration: from text to the members of struct conf
 * and on to JSON, one function a type.  Pure apart from the look for a time
 * zone's file.  Called by the other conf*.c only; a bad value is described
 * in why, never logged, and leaves the member as it was.
 */
#include <sys/stat.h>

#include <ctype.h>
#include <errno.h>
#include <json-c/json.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/conf_private.h"

#define ZONEINFO "/usr/share/zoneinfo"

typedef int (*setter)(const struct conf_key *, void *, const char *, char *,
    size_t);

static int set_text(const struct conf_key *, void *, const char *, char *,
    size_t);
static int set_path(const struct conf_key *, void *, const char *, char *,
    size_t);
static int set_url(const struct conf_key *, void *, const char *, char *,
    size_t);
static int set_zone(const struct conf_key *, void *, const char *, char *,
    size_t);
static int set_flag(const struct conf_key *, void *, const char *, char *,
    size_t);
static int set_word(const struct conf_key *, void *, const char *, char *,
    size_t);
static int set_integer(const struct conf_key *, void *, const char *, char *,
    size_t);
static int set_number(const struct conf_key *, void *, const char *, char *,
    size_t);
static int set_duration(const struct conf_key *, void *, const char *, char *,
    size_t);
static int set_size(const struct conf_key *, void *, const char *, char *,
    size_t);
static int set_hours(const struct conf_key *, void *, const char *, char *,
    size_t);
static int set_texts(const struct conf_key *, void *, const char *, char *,
    size_t);
static int set_address(const struct conf_key *, void *, const char *, char *,
    size_t);
static int set_addresses(const struct conf_key *, void *, const char *, char *,
    size_t);
static int set_ids(const struct conf_key *, void *, const char *, char *,
    size_t);
static int check_address(const char *, char *, size_t);
static int check_range(const struct conf_key *, int64_t value,
    int64_t (*parse)(const char *), const char *text, char *, size_t);
static int64_t parse_integer(const char *);
static int64_t parse_size(const char *);
static const char *word_name(const struct conf_key *, int value);
static int minutes_parse(const char **);

static const setter setters[] = {
	[CT_TEXT] = set_text,
	[CT_PATH] = set_path,
	[CT_URL] = set_url,
	[CT_ZONE] = set_zone,
	[CT_FLAG] = set_flag,
	[CT_WORD] = set_word,
	[CT_INTEGER] = set_integer,
	[CT_NUMBER] = set_number,
	[CT_DURATION] = set_duration,
	[CT_SIZE] = set_size,
	[CT_HOURS] = set_hours,
	[CT_TEXTS] = set_texts,
	[CT_ADDRESS] = set_address,
	[CT_ADDRESSES] = set_addresses,
	[CT_IDS] = set_ids,
};

static const struct {
	size_t size;
	bool string; /* a char * to be freed */
	bool list;
} types[] = {
#define TYPE_ROW(name, ctype, suffix)                                      \
	[CT_##name] = { sizeof(ctype), CT_##name == CT_TEXT ||             \
		CT_##name == CT_PATH || CT_##name == CT_URL ||             \
		CT_##name == CT_ZONE || CT_##name == CT_ADDRESS,           \
		CT_##name == CT_TEXTS || CT_##name == CT_ADDRESSES ||      \
		CT_##name == CT_IDS },
	CONF_TYPES(TYPE_ROW)
#undef TYPE_ROW
};

size_t
conf_value_size(enum conf_type type)
{
	return (types[type].size);
}

bool
conf_type_is_list(enum conf_type type)
{
	return (types[type].list);
}

static void *
member(const struct conf_key *key, void *base)
{
	return ((char *)base + key->offset);
}

int
conf_value_set(const struct conf_key *key, void *base, const char *text,
    bool first, char *why, size_t size)
{
	if (strlen(text) > 4096) {
		snprintf(why, size, "%s is too long", key->name);
		return (-1);
	}
	if (first && types[key->type].list)
		conf_value_free(key, base);
	return (setters[key->type](key, member(key, base), text, why, size));
}

/*
 * The default of the table, which is right by a test; a list has one word
 * for each member.
 */
void
conf_value_default(const struct conf_key *key, void *base)
{
	char why[CONF_WHY_SIZE], text[200], *rest = text, *word;

	conf_value_free(key, base);
	if (key->type == CT_HOURS)
		((struct conf_hours *)member(key, base))->from_min = -1;
	if (*key->def == '\0' && !types[key->type].string)
		return;
	strlcpy(text, key->def, sizeof(text));
	if (!types[key->type].list) {
		/* A path or zone without a default of the table stays NULL. */
		if (*text != '\0' || key->type == CT_TEXT ||
		    key->type == CT_URL || key->type == CT_ADDRESS)
			conf_value_set(key, base, text, true, why,
			    sizeof(why));
		return;
	}
	while ((word = strsep(&rest, " ")) != NULL)
		conf_value_set(key, base, word, word == text, why,
		    sizeof(why));
}

void
conf_value_free(const struct conf_key *key, void *base)
{
	void *m = member(key, base);
	struct conf_ids *ids;

	if (types[key->type].string) {
		free(*(char **)m);
		*(char **)m = NULL;
	} else if (key->type == CT_IDS) {
		ids = m;
		free(ids->v);
		memset(ids, 0, sizeof(*ids));
	} else if (types[key->type].list)
		conf_list_free(m);
}

int
conf_list_add(struct conf_list *list, const char *text)
{
	char **v;

	if ((v = reallocarray(list->v, list->n + 1, sizeof(*v))) == NULL)
		return (-1);
	list->v = v;
	if ((v[list->n] = strdup(text)) == NULL)
		return (-1);
	list->n++;
	return (0);
}

void
conf_list_free(struct conf_list *list)
{
	size_t i;

	for (i = 0; i < list->n; i++)
		free(list->v[i]);
	free(list->v);
	memset(list, 0, sizeof(*list));
}

/* Give the string to the member. */
static int
set_string(void *m, char *text, char *why, size_t size)
{
	if (text == NULL) {
		strlcpy(why, "out of memory", size);
		return (-1);
	}
	free(*(char **)m);
	*(char **)m = text;
	return (0);
}

static int
set_text(const struct conf_key *key, void *m, const char *text, char *why,
    size_t size)
{
	(void)key;
	return (set_string(m, strdup(text), why, size));
}

/* Absolute, since a daemon's directory is not that of its starter. */
static int
set_path(const struct conf_key *key, void *m, const char *text, char *why,
    size_t size)
{
	const char *home;
	char *full;
	size_t len;

	if (strncmp(text, "~/", 2) == 0) {
		if ((home = getenv("HOME")) == NULL || *home != '/') {
			snprintf(why, size, "%s: no home directory for "
			    "\"%.100s\"", key->name, text);
			return (-1);
		}
		if (asprintf(&full, "%s%s", home, text + 1) == -1)
			full = NULL;
	} else if (*text == '/' || *text == '\0')
		full = strdup(text);
	else {
		snprintf(why, size, "%s: \"%.100s\" is not an absolute path",
		    key->name, text);
		return (-1);
	}
	/* "/run/cctg/" and "/run/cctg" are the same, also to conf_diff(). */
	if (full != NULL)
		for (len = strlen(full); len > 1 && full[len - 1] == '/';)
			full[--len] = '\0';
	return (set_string(m, full, why, size));
}

static int
set_url(const struct conf_key *key, void *m, const char *text, char *why,
    size_t size)
{
	const char *p = text;
	char *url;
	size_t len;

	if (*text != '\0') {
		while (isalpha((unsigned char)*p))
			p++;
		if (p == text || strncmp(p, "://", 3) != 0 || p[3] == '\0') {
			snprintf(why, size, "%s: not a URL", key->name);
			return (-1);
		}
	}
	for (p = text; *p != '\0'; p++)
		if (isspace((unsigned char)*p) || iscntrl((unsigned char)*p)) {
			snprintf(why, size, "%s: a URL has no blanks",
			    key->name);
			return (-1);
		}
	if ((url = strdup(text)) != NULL)
		for (len = strlen(url); len > 0 && url[len - 1] == '/';)
			url[--len] = '\0';
	return (set_string(m, url, why, size));
}

/* A name that the system's time zone data knows. */
static int
set_zone(const struct conf_key *key, void *m, const char *text, char *why,
    size_t size)
{
	char path[300], magic[4];
	struct stat st;
	FILE *f;
	bool good = false;

	if (strcmp(text, "UTC") == 0)
		return (set_string(m, strdup(text), why, size));
	/* Without any data nothing can be judged; times will be in UTC. */
	if (stat(ZONEINFO, &st) == -1)
		return (set_string(m, strdup(text), why, size));
	if (*text != '\0' && *text != '/' && *text != '.' &&
	    strstr(text, "..") == NULL && strlen(text) < 100) {
		snprintf(path, sizeof(path), "%s/%s", ZONEINFO, text);
		if (stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
		    (f = fopen(path, "re")) != NULL) {
			good = fread(magic, 1, 4, f) == 4 &&
			    memcmp(magic, "TZif", 4) == 0;
			fclose(f);
		}
	}
	if (!good) {
		snprintf(why, size, "%s: there is no time zone \"%.100s\"",
		    key->name, text);
		return (-1);
	}
	return (set_string(m, strdup(text), why, size));
}

static int
set_flag(const struct conf_key *key, void *m, const char *text, char *why,
    size_t size)
{
	static const char *const words[] = { "false", "true", "no", "yes",
		"off", "on", "0", "1" };
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcasecmp(words[i], text) == 0) {
			*(bool *)m = i % 2 == 1;
			return (0);
		}
	snprintf(why, size, "%s: \"%.100s\" is neither true nor false",
	    key->name, text);
	return (-1);
}

/*
 * The words that a key accepts stand in the table as "a b alias=b"; the
 * value is the place among those that are no alias.
 */
static int
set_word(const struct conf_key *key, void *m, const char *text, char *why,
    size_t size)
{
	char words[200], *rest = words, *word, *of;
	const char *canonical = text;
	int i = 0, found = -1, pass;

	for (pass = 0; pass < 2; pass++) {
		strlcpy(words, key->accepts, sizeof(words));
		rest = words;
		i = 0;
		while ((word = strsep(&rest, " ")) != NULL) {
			if ((of = strchr(word, '=')) != NULL) {
				*of++ = '\0';
				if (pass == 0 && strcasecmp(word, text) == 0)
					canonical = strstr(key->accepts, of);
				continue;
			}
			if (pass == 1 && strncasecmp(word, canonical,
			    strlen(word)) == 0 &&
			    strchr(" ", canonical[strlen(word)]) != NULL)
				found = i;
			i++;
		}
	}
	if (found == -1) {
		snprintf(why, size, "%s: \"%.60s\" is none of: %s", key->name,
		    text, key->accepts);
		return (-1);
	}
	*(int *)m = found;
	return (0);
}

static const char *
word_name(const struct conf_key *key, int value)
{
	static char word[32];
	const char *p = key->accepts;
	size_t len;

	for (; value > 0 && p != NULL; value--)
		if ((p = strchr(p, ' ')) != NULL)
			p++;
	if (p == NULL)
		return ("");
	len = strcspn(p, " ");
	strlcpy(word, p, len + 1 < sizeof(word) ? len + 1 : sizeof(word));
	return (word);
}

/* The table's "LOW..HIGH", read as the value itself was. */
static int
check_range(const struct conf_key *key, int64_t value,
    int64_t (*parse)(const char *), const char *text, char *why, size_t size)
{
	char low[64], *high;

	strlcpy(low, key->accepts, sizeof(low));
	if ((high = strstr(low, "..")) == NULL)
		return (0);
	*high = '\0';
	high += 2;
	if (value >= parse(low) && value <= parse(high))
		return (0);
	snprintf(why, size, "%s: %.60s is not within %s", key->name, text,
	    key->accepts);
	return (-1);
}

/* INT64_MIN if it is none. */
static int64_t
parse_integer(const char *text)
{
	long long v;
	char *end;

	errno = 0;
	v = strtoll(text, &end, 10);
	if (end == text || *end != '\0' || errno != 0 ||
	    isspace((unsigned char)*text))
		return (INT64_MIN);
	return (v);
}

static int
set_integer(const struct conf_key *key, void *m, const char *text, char *why,
    size_t size)
{
	int64_t v;

	if ((v = parse_integer(text)) == INT64_MIN) {
		snprintf(why, size, "%s: \"%.100s\" is not a whole number",
		    key->name, text);
		return (-1);
	}
	if (check_range(key, v, parse_integer, text, why, size) == -1)
		return (-1);
	*(int64_t *)m = v;
	return (0);
}

static int
set_number(const struct conf_key *key, void *m, const char *text, char *why,
    size_t size)
{
	const char *high = strstr(key->accepts, "..");
	double v;
	char *end;

	v = strtod(text, &end);
	if (end == text || *end != '\0' || !isfinite(v)) {
		snprintf(why, size, "%s: \"%.100s\" is not a number",
		    key->name, text);
		return (-1);
	}
	if (high != NULL && (v < strtod(key->accepts, NULL) ||
	    v > strtod(high + 2, NULL))) {
		snprintf(why, size, "%s: %.60s is not within %s", key->name,
		    text, key->accepts);
		return (-1);
	}
	*(double *)m = v;
	return (0);
}

static int
set_duration(const struct conf_key *key, void *m, const char *text, char *why,
    size_t size)
{
	int64_t v;

	if ((v = duration_parse_ms(text)) == -1) {
		snprintf(why, size, "%s: \"%.100s\" is not a duration such as "
		    "90s, 1h30m or 7d", key->name, text);
		return (-1);
	}
	if (check_range(key, v, duration_parse_ms, text, why, size) == -1)
		return (-1);
	*(int64_t *)m = v;
	return (0);
}

/* "64K", "48M", "1G", "512": bytes, or -1. */
static int64_t
parse_size(const char *text)
{
	static const char units[] = "KMGT";
	const char *unit;
	double v;
	char *end;

	if (!isdigit((unsigned char)*text))
		return (-1);
	v = strtod(text, &end);
	if (*end != '\0' && *end != 'B') {
		unit = strchr(units, toupper((unsigned char)*end));
		if (unit == NULL)
			return (-1);
		v = ldexp(v, 10 * (int)(unit - units + 1));
		end++;
		if (strcmp(end, "iB") == 0)
			end++;
	}
	if (*end == 'B')
		end++;
	if (*end != '\0' || !(v < 9e18))
		return (-1);
	return ((int64_t)v);
}

static int
set_size(const struct conf_key *key, void *m, const char *text, char *why,
    size_t size)
{
	int64_t v;

	if ((v = parse_size(text)) == -1) {
		snprintf(why, size, "%s: \"%.100s\" is not a size such as "
		    "4096, 48M or 1G", key->name, text);
		return (-1);
	}
	if (check_range(key, v, parse_size, text, why, size) == -1)
		return (-1);
	*(int64_t *)m = v;
	return (0);
}

/* "22:30" or "7:00" as minutes since midnight, -1 if it is none. */
static int
minutes_parse(const char **p)
{
	int h = 0, m = 0, n = 0;

	if (sscanf(*p, "%2d:%2d%n", &h, &m, &n) != 2 || n == 0 ||
	    !isdigit((unsigned char)**p) ||
	    !isdigit((unsigned char)(*p)[n - 1]) ||
	    !isdigit((unsigned char)(*p)[n - 2]) || h > 24 || m < 0 || m > 59 ||
	    (h == 24 && m != 0))
		return (-1);
	*p += n;
	return (h * 60 + m);
}

static int
set_hours(const struct conf_key *key, void *m, const char *text, char *why,
    size_t size)
{
	struct conf_hours *hours = m;
	const char *p = text;
	int from, to;

	if (*text == '\0') {
		hours->from_min = hours->to_min = -1;
		return (0);
	}
	if ((from = minutes_parse(&p)) == -1 || *p++ != '-' ||
	    (to = minutes_parse(&p)) == -1 || *p != '\0' || from == to ||
	    from == 24 * 60) {
		snprintf(why, size, "%s: \"%.100s\" is not of the form "
		    "22:30-07:00", key->name, text);
		return (-1);
	}
	hours->from_min = from;
	hours->to_min = to;
	return (0);
}

static int
set_texts(const struct conf_key *key, void *m, const char *text, char *why,
    size_t size)
{
	if (*text == '\0') {
		snprintf(why, size, "%s: an empty text", key->name);
		return (-1);
	}
	if (conf_list_add(m, text) == -1) {
		strlcpy(why, "out of memory", size);
		return (-1);
	}
	return (0);
}

/* "127.0.0.1:8080", "[::1]:8080", "localhost:8080", "*:8080". */
static int
check_address(const char *text, char *why, size_t size)
{
	const char *colon = strrchr(text, ':');
	int64_t port;
	size_t len;

	len = colon != NULL ? (size_t)(colon - text) : 0;
	port = colon != NULL ? parse_integer(colon + 1) : -1;
	if (len == 0 || port < 0 || port > 65535 ||
	    !isdigit((unsigned char)colon[1]) ||
	    (*text == '[') != (colon[-1] == ']') ||
	    (*text != '[' && memchr(text, ':', len) != NULL) ||
	    strcspn(text, " \t/@") != strlen(text)) {
		snprintf(why, size, "\"%.100s\" is not an address such as "
		    "127.0.0.1:8080 or [::1]:8080", text);
		return (-1);
	}
	return (0);
}

static int
set_address(const struct conf_key *key, void *m, const char *text, char *why,
    size_t size)
{
	if (*text != '\0' && check_address(text, why, size) == -1)
		return (-1);
	return (set_text(key, m, text, why, size));
}

static int
set_addresses(const struct conf_key *key, void *m, const char *text, char *why,
    size_t size)
{
	/* listen = "" and listen = {} both mean nowhere. */
	if (*text == '\0')
		return (0);
	if (check_address(text, why, size) == -1)
		return (-1);
	return (set_texts(key, m, text, why, size));
}

static int
set_ids(const struct conf_key *key, void *m, const char *text, char *why,
    size_t size)
{
	struct conf_ids *ids = m;
	int64_t id, *v;

	if ((id = parse_integer(text)) <= 0) {
		snprintf(why, size, "%s: \"%.60s\" is not a numeric user id",
		    key->name, text);
		return (-1);
	}
	if ((v = reallocarray(ids->v, ids->n + 1, sizeof(*v))) == NULL) {
		strlcpy(why, "out of memory", size);
		return (-1);
	}
	ids->v = v;
	v[ids->n++] = id;
	return (0);
}

static json_object *
list_json(const struct conf_key *key, const void *m)
{
	const struct conf_list *list = m;
	const struct conf_ids *ids = m;
	json_object *a = json_object_new_array();
	size_t i, n = key->type == CT_IDS ? ids->n : list->n;

	for (i = 0; i < n; i++)
		json_object_array_add(a, key->type == CT_IDS ?
		    json_object_new_int64(ids->v[i]) :
		    json_object_new_string(list->v[i]));
	return (a);
}

/* NULL stands for null in json-c. */
json_object *
conf_value_json(const struct conf_key *key, const void *base)
{
	const void *m = (const char *)base + key->offset;
	const struct conf_hours *hours = m;
	json_object *o;

	switch (key->type) {
	case CT_FLAG:
		return (json_object_new_boolean(*(const bool *)m));
	case CT_WORD:
		return (json_object_new_string(word_name(key,
		    *(const int *)m)));
	case CT_INTEGER:
	case CT_DURATION:
	case CT_SIZE:
		return (json_object_new_int64(*(const int64_t *)m));
	case CT_NUMBER:
		return (json_object_new_double(*(const double *)m));
	case CT_HOURS:
		if (hours->from_min == -1)
			return (NULL);
		o = json_object_new_object();
		json_object_object_add(o, "from_min",
		    json_object_new_int(hours->from_min));
		json_object_object_add(o, "to_min",
		    json_object_new_int(hours->to_min));
		return (o);
	case CT_TEXTS:
	case CT_ADDRESSES:
	case CT_IDS:
		return (list_json(key, m));
	default:
		return (json_object_new_string(*(char *const *)m != NULL ?
		    *(char *const *)m : ""));
	}
}
