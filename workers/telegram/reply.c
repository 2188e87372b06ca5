/*
 * Reads the body of a Bot API reply.  Pure; called by api.c.  Everything in
 * it is untrusted: a proxy, a captive portal or a broken server may have
 * written it.
 */
#include <json-c/json.h>

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "workers/telegram/telegram.h"

/* How every reply to sendMessage begins. */
#define SENT_PREFIX "{\"ok\":true,\"result\":{\"message_id\":"

static bool reply_is_sent(struct reply *, const char *, size_t);
static int64_t member_integer(struct json_object *, const char *);
static void member_text(struct json_object *, const char *, char *, size_t);
static struct json_object *member(struct json_object *, const char *);

void
reply_parse(struct reply *r, const char *body, size_t len)
{
	struct json_object *o, *ok, *result, *params;
	const char *error;
	int64_t code;

	memset(r, 0, offsetof(struct reply, description));
	r->description[0] = r->username[0] = '\0';
	r->hook_url[0] = r->hook_error[0] = '\0';
	r->thread_id = r->hook_error_s = 0;
	r->list = NULL;
	if (reply_is_sent(r, body, len) || len == 0 || len > INT_MAX)
		return;
	if ((o = json_parse(body, len, &error)) == NULL)
		return;
	ok = member(o, "ok");
	if (ok != NULL && json_object_is_type(ok, json_type_boolean)) {
		r->json = true;
		r->ok = json_object_get_boolean(ok);
		result = member(o, "result");
		if (r->ok && json_object_is_type(result, json_type_array))
			r->list = json_object_get(result);
		r->message_id = member_integer(result, "message_id");
		r->thread_id = member_integer(result, "message_thread_id");
		member_text(result, "username", r->username,
		    sizeof(r->username));
		member_text(result, "url", r->hook_url, sizeof(r->hook_url));
		r->hook_error_s = member_integer(result, "last_error_date");
		member_text(result, "last_error_message", r->hook_error,
		    sizeof(r->hook_error));
		code = member_integer(o, "error_code");
		r->error_code = code > 0 && code < 1000 ? (int)code : 0;
		member_text(o, "description", r->description,
		    sizeof(r->description));
		params = member(o, "parameters");
		r->retry_after_s = member_integer(params, "retry_after");
		if (r->retry_after_s < 0)
			r->retry_after_s = 0;
		r->migrate_to = member_integer(params, "migrate_to_chat_id");
	}
	json_object_put(o);
}

void
reply_clear(struct reply *r)
{
	json_object_put(r->list);
	r->list = NULL;
}

/*
 * The common case without a parser: this beginning, with the whole number, is
 * proof enough, and nothing behind it matters.
 */
static bool
reply_is_sent(struct reply *r, const char *body, size_t len)
{
	const size_t n = sizeof(SENT_PREFIX) - 1;
	int64_t id = 0;
	size_t i;

	if (len < n + 3 || memcmp(body, SENT_PREFIX, n) != 0 ||
	    body[len - 1] != '}' || body[len - 2] != '}')
		return (false);
	for (i = n; i < n + 18 && body[i] >= '0' && body[i] <= '9'; i++)
		id = id * 10 + (body[i] - '0');
	if (i == n || id == 0 || (body[i] != ',' && body[i] != '}'))
		return (false);
	r->json = r->ok = true;
	r->message_id = id;
	return (true);
}

static struct json_object *
member(struct json_object *o, const char *key)
{
	struct json_object *v;

	if (o == NULL || !json_object_is_type(o, json_type_object) ||
	    !json_object_object_get_ex(o, key, &v))
		return (NULL);
	return (v);
}

/* Integers, and what somebody made of them: "5" and 5.0. */
static int64_t
member_integer(struct json_object *o, const char *key)
{
	struct json_object *v = member(o, key);
	const char *s;
	char *end;
	double d;
	int64_t n;

	switch (v != NULL ? json_object_get_type(v) : json_type_null) {
	case json_type_int:
		return (json_object_get_int64(v));
	case json_type_double:
		d = json_object_get_double(v);
		if (!(d > -1e15 && d < 1e15)) /* nor a NaN */
			return (0);
		n = (int64_t)d;
		return (d > (double)n ? n + 1 : n);
	case json_type_string:
		s = json_object_get_string(v);
		errno = 0;
		n = strtoll(s, &end, 10);
		return (errno != 0 || end == s || *end != '\0' ? 0 : n);
	default:
		return (0);
	}
}

/* Cut at a whole character of UTF-8. */
static void
member_text(struct json_object *o, const char *key, char *buf, size_t size)
{
	struct json_object *v = member(o, key);
	const char *s;
	size_t n;

	if (v == NULL || !json_object_is_type(v, json_type_string))
		return;
	s = json_object_get_string(v);
	n = strlen(s);
	if (n >= size) {
		n = size - 1;
		while (n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80)
			n--;
	}
	memcpy(buf, s, n);
	buf[n] = '\0';
}
