/*
 * faults.c - the scripted faults: which call meets which.  The server acts
 * on them.  They are tried in the order in which they were set.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <json-c/json.h>

#include "tests/sim/methods.h"
#include "tests/sim/sim.h"

static char	*copy_str(struct json_object *, const char *);
static int64_t	 copy_int(struct json_object *, const char *, int64_t);
static void	 free_fault(struct fault *);
static void	 retry_texts(struct fault *, struct json_object *);

static TAILQ_HEAD(, fault) faults = TAILQ_HEAD_INITIALIZER(faults);

static const struct {
	const char	*name;
	enum fault_kind	 kind;
	bool		 act;
	int		 status;
	const char	*description;
	const char	*body;
} kinds[] = {
	{ "429", FAULT_429, false, 429, "Too Many Requests", NULL },
	{ "status", FAULT_STATUS, false, 500, "Internal Server Error", NULL },
	{ "close_before", FAULT_CLOSE_BEFORE, false, 0, "", NULL },
	{ "close_after", FAULT_CLOSE_AFTER, true, 0, "", NULL },
	{ "delay", FAULT_DELAY, true, 200, "", NULL },
	{ "garbage", FAULT_GARBAGE, false, 0, "", NULL },
	{ "truncate", FAULT_TRUNCATE, true, 0, "", NULL },
	{ "nonjson", FAULT_NONJSON, false, 502, "", "<html><head><title>502 "
	    "Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body>"
	    "</html>\n" },
	{ "migrate", FAULT_MIGRATE, false, 400, "Bad Request: group chat was "
	    "upgraded to a supergroup chat", NULL },
	{ "forbidden", FAULT_FORBIDDEN, false, 403,
	    "Forbidden: bot was blocked by the user", NULL },
	{ "hang", FAULT_HANG, false, 0, "", NULL },
};

static char *
copy_str(struct json_object *o, const char *name)
{
	struct json_object	*v = json_object_object_get(o, name);

	return (v == NULL ? NULL : xstrdup(json_object_get_string(v)));
}

static int64_t
copy_int(struct json_object *o, const char *name, int64_t def)
{
	struct json_object	*v;

	if (!json_object_object_get_ex(o, name, &v) || v == NULL)
		return (def);
	return (json_object_get_int64(v));
}

/*
 * retry_after goes out as it came, number or not, in body and header;
 * retry_header overrides the latter, null leaves it out.
 */
static void
retry_texts(struct fault *f, struct json_object *o)
{
	struct json_object	*v;
	char			 text[256];

	if (json_object_object_get_ex(o, "retry_after", &v) && v != NULL) {
		f->retry_after = xstrdup(json_object_to_json_string_ext(v,
		    JSON_C_TO_STRING_PLAIN));
		f->retry_header = xstrdup(json_object_get_string(v));
	} else if (f->kind == FAULT_429 &&
	    !json_object_object_get_ex(o, "retry_after", NULL)) {
		f->retry_after = xstrdup("1");
		f->retry_header = xstrdup("1");
	}
	if (json_object_object_get_ex(o, "retry_header", &v)) {
		free(f->retry_header);
		f->retry_header = copy_str(o, "retry_header");
	}
	if (f->kind == FAULT_429 && f->retry_after != NULL &&
	    json_object_object_get(o, "description") == NULL) {
		(void)strlcpy(text, "Too Many Requests: retry after ",
		    sizeof(text));
		(void)strlcat(text, f->retry_after, sizeof(text));
		free(f->description);
		f->description = xstrdup(text);
	}
}

int
fault_add(struct json_object *o, const char **error)
{
	struct fault	*f;
	const char	*kind, *method;
	size_t		 i;

	kind = json_object_get_string(json_object_object_get(o, "kind"));
	for (i = 0; i < nitems(kinds); i++)
		if (kind != NULL && strcmp(kinds[i].name, kind) == 0)
			break;
	if (i == nitems(kinds)) {
		*error = "unknown kind";
		return (-1);
	}
	method = json_object_get_string(json_object_object_get(o, "method"));
	if (method != NULL && strcmp(method, "*") != 0 &&
	    method_find(method, strlen(method)) == NULL) {
		*error = "unknown method";
		return (-1);
	}
	f = xcalloc(1, sizeof(*f));
	f->kind = kinds[i].kind;
	f->name = kinds[i].name;
	f->act = kinds[i].act;
	/* A delay is one of the answer, the call has always acted by then. */
	if (f->kind != FAULT_DELAY && json_object_object_get(o, "act") != NULL)
		f->act = json_object_get_boolean(
		    json_object_object_get(o, "act"));
	if (method != NULL && strcmp(method, "*") != 0)
		f->method = xstrdup(method);
	f->chat = copy_int(o, "chat", 0);
	f->count = copy_int(o, "count", 1);
	f->after = copy_int(o, "after", 0);
	f->ms = copy_int(o, "ms", 1000);
	f->status = copy_int(o, "status", kinds[i].status);
	f->migrate_to = copy_int(o, "migrate_to", 0);
	if ((f->description = copy_str(o, "description")) == NULL)
		f->description = xstrdup(kinds[i].description);
	if ((f->body = copy_str(o, "body")) == NULL && kinds[i].body != NULL)
		f->body = xstrdup(kinds[i].body);
	f->type = copy_str(o, "content_type");
	retry_texts(f, o);
	TAILQ_INSERT_TAIL(&faults, f, entry);
	return (0);
}

struct fault *
fault_take(const char *method, int64_t chat)
{
	struct fault	*f;

	TAILQ_FOREACH(f, &faults, entry) {
		if (f->count == 0 ||
		    (f->chat != 0 && f->chat != chat) ||
		    (f->method != NULL && strcasecmp(f->method, method) != 0))
			continue;
		if (f->after > 0) {
			f->after--;
			continue;
		}
		if (f->count > 0)
			f->count--;
		return (f);
	}
	return (NULL);
}

static void
free_fault(struct fault *f)
{
	free(f->method);
	free(f->retry_after);
	free(f->retry_header);
	free(f->body);
	free(f->type);
	free(f->description);
	free(f);
}

void
fault_clear(void)
{
	struct fault	*f;

	while ((f = TAILQ_FIRST(&faults)) != NULL) {
		TAILQ_REMOVE(&faults, f, entry);
		free_fault(f);
	}
}

void
fault_json(struct buf *b)
{
	const struct fault	*f;

	buf_putc(b, '[');
	TAILQ_FOREACH(f, &faults, entry) {
		if (f != TAILQ_FIRST(&faults))
			buf_putc(b, ',');
		buf_printf(b, "{\"kind\":\"%s\",\"chat\":%lld,\"count\":%lld,"
		    "\"hits\":%lld,\"method\":", f->name, (long long)f->chat,
		    (long long)f->count, (long long)f->hits);
		buf_json_str(b, f->method == NULL ? "*" : f->method);
		buf_putc(b, '}');
	}
	buf_putc(b, ']');
}
