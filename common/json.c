/*
 * Readers on json-c objects and the one way to parse JSON that came from
 * outside.  Called by every process, from its one thread: the tokener is
 * kept, since making one costs as much as parsing a small event.
 *
 * Invalid UTF-8 passes here, since it must never be a reason to lose an
 * event; whoever lets text leave the machine replaces it.
 */
#include <ctype.h>
#include <json.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"

#define JSON_DEPTH 32 /* levels; guards the stack of recursive readers */
#define KEY_SIZE 64   /* of one part of a dotted path */
#define LARGE_DIGITS 19 /* of the smallest integer beyond 64 bits */

/* An object costs json-c 800 bytes, an array 350, if it is empty: a mebibyte
 * of them would cost 280 MB.  So many cost less than 40. */
#define CONTAINERS_MAX 40000

/* It keeps room for the longest string that it has met: not for ever. */
#define KEEP_BYTES 65536
static struct json_tokener *tok;

static size_t containers(const char *, size_t);
static bool may_be_large(const char *, size_t);
static bool is_large(const char *, size_t);
static char *quote_large(const char *, size_t, size_t *);
static struct json_object *parse(const char *, size_t, const char **);

struct json_object *
json_path(struct json_object *o, const char *path)
{
	char key[KEY_SIZE];
	const char *dot;
	size_t n;

	while (o != NULL && (dot = strchr(path, '.')) != NULL) {
		n = (size_t)(dot - path);
		if (n >= sizeof(key))
			return (NULL);
		memcpy(key, path, n);
		key[n] = '\0';
		if (!json_object_is_type(o, json_type_object) ||
		    !json_object_object_get_ex(o, key, &o))
			return (NULL);
		path = dot + 1;
	}
	if (!json_object_is_type(o, json_type_object) ||
	    !json_object_object_get_ex(o, path, &o))
		return (NULL);
	return (o);
}

const char *
json_str(struct json_object *o, const char *path, const char *def)
{
	o = json_path(o, path);
	if (!json_object_is_type(o, json_type_string))
		return (def);
	return (json_object_get_string(o));
}

int64_t
json_i64(struct json_object *o, const char *path, int64_t def)
{
	o = json_path(o, path);
	if (!json_object_is_type(o, json_type_int))
		return (def);
	return (json_object_get_int64(o));
}

double
json_num(struct json_object *o, const char *path, double def)
{
	o = json_path(o, path);
	if (!json_object_is_type(o, json_type_int) &&
	    !json_object_is_type(o, json_type_double))
		return (def);
	return (json_object_get_double(o));
}

bool
json_flag(struct json_object *o, const char *path, bool def)
{
	o = json_path(o, path);
	if (!json_object_is_type(o, json_type_boolean))
		return (def);
	return (json_object_get_boolean(o) != 0);
}

/* How many objects and arrays there are. */
static size_t
containers(const char *text, size_t len)
{
	bool quoted = false;
	size_t i, n = 0;

	for (i = 0; i < len; i++) {
		if (text[i] == '"')
			quoted = !quoted;
		else if (quoted)
			i += text[i] == '\\';
		else if (text[i] == '{' || text[i] == '[')
			n++;
	}
	return (n);
}

/*
 * Could there be an integer that 64 bits do not hold?  It has at least
 * LARGE_DIGITS digits in a row, so every so many bytes there is one of them.
 */
static bool
may_be_large(const char *text, size_t len)
{
	size_t i, from, to;

	for (i = LARGE_DIGITS - 1; i < len; i += LARGE_DIGITS) {
		if (!isdigit((unsigned char)text[i]))
			continue;
		for (from = i; from > 0 &&
		    isdigit((unsigned char)text[from - 1]); from--)
			;
		for (to = i; to < len && isdigit((unsigned char)text[to]);
		    to++)
			;
		if (to - from >= LARGE_DIGITS)
			return (true);
	}
	return (false);
}

/* Is this number, of at most len bytes, an integer beyond 64 bits? */
static bool
is_large(const char *p, size_t len)
{
	static const char most[] = "18446744073709551615"; /* UINT64_MAX */
	static const char least[] = "9223372036854775808"; /* -INT64_MIN */
	const char *limit = p[0] == '-' ? least : most;
	size_t n;

	if (p[0] == '-') {
		p++;
		len--;
	}
	for (n = 0; n < len && isdigit((unsigned char)p[n]); n++)
		;
	return (n == len && p[0] != '0' && (n > strlen(limit) ||
	    (n == strlen(limit) && memcmp(p, limit, n) > 0)));
}

/*
 * json-c reads an integer that is too large as the largest that is not.  A
 * copy of the text in which such integers are strings and so stay what they
 * are: malloc'd, *outlen bytes; NULL without memory.
 */
static char *
quote_large(const char *text, size_t len, size_t *outlen)
{
	bool quoted = false, large;
	size_t i = 0, n;
	char *out, *o;

	/* Two quotes for each of at least LARGE_DIGITS bytes. */
	if ((out = o = malloc(len + len / LARGE_DIGITS * 2 + 2)) == NULL)
		return (NULL);
	while (i < len) {
		n = 1;
		large = false;
		if (text[i] == '"')
			quoted = !quoted;
		else if (quoted && text[i] == '\\' && i + 1 < len)
			n = 2;
		else if (!quoted && (text[i] == '-' ||
		    isdigit((unsigned char)text[i]))) {
			while (i + n < len && text[i + n] != '\0' &&
			    strchr("0123456789+-.eE", text[i + n]) != NULL)
				n++;
			large = is_large(text + i, n);
		}
		if (large)
			*o++ = '"';
		o = mempcpy(o, text + i, n);
		if (large)
			*o++ = '"';
		i += n;
	}
	*outlen = (size_t)(o - out);
	return (out);
}

struct json_object *
json_parse(const char *text, size_t len, const char **error)
{
	struct json_object *o;
	char *copy = NULL;

	if (len > CONTAINERS_MAX &&
	    containers(text, len) > CONTAINERS_MAX) {
		*error = "more than 40000 objects and arrays";
		return (NULL);
	}
	if (may_be_large(text, len) &&
	    (copy = quote_large(text, len, &len)) == NULL) {
		*error = "out of memory";
		return (NULL);
	}
	o = parse(copy != NULL ? copy : text, len, error);
	if (len > KEEP_BYTES && tok != NULL) {
		json_tokener_free(tok);
		tok = NULL;
	}
	free(copy);
	return (o);
}

static struct json_object *
parse(const char *text, size_t len, const char **error)
{
	struct json_object *o;
	enum json_tokener_error e;
	size_t end;

	if (tok == NULL) {
		if ((tok = json_tokener_new_ex(JSON_DEPTH)) == NULL) {
			*error = "out of memory";
			return (NULL);
		}
		json_tokener_set_flags(tok, JSON_TOKENER_STRICT);
	}
	if (len > INT_MAX) {
		*error = "too long";
		return (NULL);
	}
	json_tokener_reset(tok);
	o = json_tokener_parse_ex(tok, text, (int)len);
	end = json_tokener_get_parse_end(tok);
	/* A number or word at the very end is complete only before a NUL. */
	if ((e = json_tokener_get_error(tok)) == json_tokener_continue &&
	    end == len) {
		o = json_tokener_parse_ex(tok, "", 1);
		e = json_tokener_get_error(tok);
	}
	if (e == json_tokener_success && end == len && o != NULL)
		return (o);
	json_object_put(o);
	if (e != json_tokener_success)
		*error = json_tokener_error_desc(e);
	else if (end != len)
		*error = "something follows the JSON value";
	else
		*error = "null is not a value here";
	return (NULL);
}
