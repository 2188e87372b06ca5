/* Tool calls: their ids and what they would do; see hook.h.  No I/O. */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/utf8.h"
#include "ctl/hook.h"

/*
 * An id is a UUIDv8 (RFC 9562 section 5.8): 48 bits of the session's hash, 44
 * of the call's, 28 random ones, so that the same call may be asked for again.
 */
#define SESSION_CHARS 14 /* "ssssssss-ssss-" */
#define CALL_CHARS 29	 /* "ssssssss-ssss-8ccc-8ccc-ccccc" */

#define JSON_FLAGS (JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)

static uint64_t value_hash(uint64_t, struct json_object *);

static int
key_compare(const void *a, const void *b)
{
	return (strcmp(*(const char *const *)a, *(const char *const *)b));
}

/* The order of an object's members does not matter. */
static uint64_t
object_hash(uint64_t h, struct json_object *o)
{
	size_t n = (size_t)json_object_object_length(o), i = 0;
	const char **keys;

	if (n == 0 || (keys = calloc(n, sizeof(*keys))) == NULL)
		return (hash64(h, "{}", 2));
	json_object_object_foreach(o, key, value)
	{
		(void)value;
		keys[i++] = key;
	}
	qsort(keys, n, sizeof(*keys), key_compare);
	for (i = 0; i < n; i++) {
		h = hash64(h, keys[i], strlen(keys[i]) + 1);
		h = value_hash(h, json_object_object_get(o, keys[i]));
	}
	free(keys);
	return (h);
}

static uint64_t
value_hash(uint64_t h, struct json_object *o)
{
	const char *text;
	size_t i, n;

	if (json_object_is_type(o, json_type_object))
		return (object_hash(h, o));
	if (json_object_is_type(o, json_type_array)) {
		n = json_object_array_length(o);
		h = hash64(h, "[", 1);
		for (i = 0; i < n; i++)
			h = value_hash(h, json_object_array_get_idx(o, i));
		return (hash64(h, "]", 1));
	}
	/* A string as itself, so that it is not escaped for nothing. */
	if (json_object_is_type(o, json_type_string))
		return (hash64(hash64(h, "\"", 1), json_object_get_string(o),
		    (size_t)json_object_get_string_len(o)));
	text = json_object_to_json_string_ext(o, JSON_FLAGS);
	return (hash64(h, text, strlen(text) + 1));
}

static void
id_make(char id[UUID_SIZE], const char *session, const char *tool,
    struct json_object *input, uint32_t unique)
{
	uint64_t s = hash64_mix(hash64(HASH64_INIT, session, strlen(session)));
	uint64_t c = hash64(HASH64_INIT, tool, strlen(tool) + 1);

	c = hash64_mix(value_hash(c, input));
	snprintf(id, UUID_SIZE, "%08x-%04x-8%03x-8%03x-%05x%07x",
	    (unsigned)(s >> 32), (unsigned)(s >> 16 & 0xffff),
	    (unsigned)(c >> 52), (unsigned)(c >> 40 & 0xfff),
	    (unsigned)(c >> 20 & 0xfffff), (unsigned)(unique & 0xfffffff));
}

void
call_id(char id[UUID_SIZE], const char *session, const char *tool,
    struct json_object *input)
{
	id_make(id, session, tool, input, arc4random());
}

bool
call_is_of_session(const char *id, const char *session)
{
	char want[UUID_SIZE];

	id_make(want, session, "", NULL, 0);
	return (strncmp(id, want, SESSION_CHARS) == 0);
}

bool
call_is_same(const char *id, const char *other)
{
	return (strncmp(id, other, CALL_CHARS) == 0);
}

char *
call_clean(struct json_object *o, size_t max)
{
	const char *p;
	size_t len, n, clean;
	bool string = json_object_is_type(o, json_type_string);

	if (o == NULL)
		return (NULL);
	/* With its length: a NUL must not hide what stands behind it. */
	p = string ? json_object_get_string(o) :
	    json_object_to_json_string_ext(o, JSON_FLAGS);
	len = string ? (size_t)json_object_get_string_len(o) : strlen(p);
	if (len > max)
		/* Not in the middle of a character. */
		for (len = max, n = 0; n < 3 && len > 0 &&
		    ((unsigned char)p[len] & 0xc0) == 0x80; n++)
			len--;
	return (utf8_scrub(p, len, &clean));
}

/* What is read without being named. */
static bool
speaks_for_itself(const char *key)
{
	return (strcmp(key, "command") == 0 || strcmp(key, "description") == 0);
}

char *
call_text(const char *tool, struct json_object *input)
{
	char *text = NULL, *name, *value, *out;
	size_t size, clean;
	FILE *f;

	if ((f = open_memstream(&text, &size)) == NULL)
		return (NULL);
	fputs(tool, f);
	if (!json_object_is_type(input, json_type_object)) {
		value = call_clean(input, SIZE_MAX);
		fprintf(f, "\n\n%s", value != NULL ? value : "null");
		free(value);
	} else {
		json_object_object_foreach(input, key, member)
		{
			value = call_clean(member, SIZE_MAX);
			name = utf8_scrub(key, strlen(key), &clean);
			if (speaks_for_itself(key) && value != NULL)
				fprintf(f, "\n\n%s", value);
			else
				fprintf(f, "\n\n%s:%s%s", name != NULL ? name :
				    "?", value != NULL &&
				    strchr(value, '\n') != NULL ? "\n" : " ",
				    value != NULL ? value : "null");
			free(name);
			free(value);
		}
	}
	if (fclose(f) == EOF) {
		free(text);
		return (NULL);
	}
	/* The tool's name came from outside, too. */
	out = utf8_scrub(text, size, &clean);
	free(text);
	return (out);
}

/* Behind the string that begins at p with its quote, or NULL. */
static char *
string_end(char *p, const char *end)
{
	char *quote = p, *back;

	while (++quote < end && (quote = memchr(quote, '"',
	    (size_t)(end - quote))) != NULL) {
		/* An odd number of backslashes makes it part of the text. */
		for (back = quote; back - 1 > p && back[-1] == '\\'; back--)
			continue;
		if ((quote - back) % 2 == 0)
			return (quote + 1);
	}
	return (NULL);
}

/* The comma or bracket behind the value at p, or NULL. */
static char *
value_end(char *p, const char *end)
{
	int depth = 0;

	while (p != NULL && p < end) {
		if (depth == 0 && (*p == ',' || *p == '}'))
			return (p);
		if (*p == '"') {
			p = string_end(p, end);
			continue;
		}
		depth += *p == '{' || *p == '[' ? 1 : *p == '}' || *p == ']' ?
		    -1 : 0;
		p++;
	}
	return (NULL);
}

/* The part that the name, quotes and all, is of, or NULL. */
static struct call_part *
part_find(const char *name, size_t len, struct call_part *parts, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (strlen(parts[i].key) + 2 == len &&
		    memcmp(name + 1, parts[i].key, len - 2) == 0)
			return (&parts[i]);
	return (NULL);
}

/* Shorten a string, which ends before p, to at most so many bytes; returns
 * its end.  No escape sequence is torn. */
static char *
string_cut(char *value, char *p, size_t most)
{
	char *at = value, *last;

	while (at < p && strchr(" \t\r\n", *at) != NULL)
		at++;
	if (at == p || *at != '"' || (size_t)(p - at) < most + 2)
		return (p);
	for (last = ++at + most; at < last && *at != '"';)
		at += *at != '\\' ? 1 : at[1] == 'u' ? 6 : 2;
	if (at >= p || *at == '"')
		return (p);
	*at = '"';
	return (at + 1);
}

/* Move the rest of the text to where it belongs. */
static char *
rest_move(char *to, char *from, char **end)
{
	memmove(to, from, (size_t)(*end - from));
	*end -= from - to;
	return (to);
}

size_t
call_cut(char *text, size_t len, struct call_part *parts, size_t n,
    size_t most)
{
	char *p = memchr(text, '{', len), *name, *value, *end = text + len;
	struct call_part *part;

	while (p != NULL && *p != '}') {
		/* At the bracket, or the comma between two members. */
		if ((name = memchr(p, '"', (size_t)(end - p))) == NULL ||
		    (p = string_end(name, end)) == NULL)
			break;
		part = part_find(name, (size_t)(p - name), parts, n);
		if ((value = memchr(p, ':', (size_t)(end - p))) == NULL ||
		    (p = value_end(++value, end)) == NULL)
			break;
		if (part == NULL && (size_t)(p - value) > most)
			p = rest_move(string_cut(value, p, most), p, &end);
		if (part == NULL || p - value < 4)
			continue;
		if (part->keep) {
			free(part->text);
			part->len = (size_t)(p - value);
			if ((part->text = malloc(part->len)) == NULL)
				break;
			memcpy(part->text, value, part->len);
		}
		memcpy(value, "null", 4);
		p = rest_move(value + 4, p, &end);
	}
	return ((size_t)(end - text));
}
