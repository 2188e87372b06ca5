/*
 * params.c - takes the parameters of a call out of its query and body.
 * Called for every request; it reads the request only.  What is broken is
 * answered with 400 by the caller.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <json-c/json.h>

#include "tests/sim/buf.h"
#include "tests/sim/params.h"

static struct param *add(struct params *, const char *, const char *, size_t);
static const char *attribute(struct params *, const char *, size_t,
		    const char *);
static void	parse_form(struct params *, const char *, size_t);
static int	parse_json(struct params *, const char *, size_t,
		    const char **);
static int	parse_multipart(struct params *, const char *, const char *,
		    size_t, const char **);
static void	parse_part(struct params *, const char *, size_t,
		    const char *, size_t);
static char	*store(struct params *, const char *, size_t);

static struct json_tokener	*tokener;

/* Copy into the parameters' own memory, which was sized beforehand. */
static char *
store(struct params *p, const char *s, size_t len)
{
	char	*to = p->mem + p->used;

	if (p->cap - p->used < len + 1)
		return (NULL);
	memcpy(to, s, len);
	to[len] = '\0';
	p->used += len + 1;
	return (to);
}

static struct param *
add(struct params *p, const char *name, const char *val, size_t len)
{
	struct param	*q;

	if (name == NULL || val == NULL || p->n == nitems(p->v))
		return (NULL);
	q = &p->v[p->n++];
	memset(q, 0, sizeof(*q));
	q->name = name;
	q->value = val;
	q->len = len;
	return (q);
}

size_t
params_decode(char *to, const char *s, size_t len, bool plus)
{
	static const char	 hex[] = "0123456789abcdefABCDEF";
	const char		*a, *b;
	size_t			 i, n = 0;

	for (i = 0; i < len; i++) {
		if (s[i] == '%' && len - i > 2 && s[i + 1] != '\0' &&
		    s[i + 2] != '\0' &&
		    (a = strchr(hex, s[i + 1])) != NULL &&
		    (b = strchr(hex, s[i + 2])) != NULL) {
			to[n++] = (char)(((a - hex) - (a - hex > 15 ? 6 : 0))
			    * 16 + (b - hex) - (b - hex > 15 ? 6 : 0));
			i += 2;
		} else
			to[n++] = plus && s[i] == '+' ? ' ' : s[i];
	}
	to[n] = '\0';
	return (n);
}

static void
parse_form(struct params *p, const char *s, size_t len)
{
	const char	*amp, *end = s + len, *eq;
	char		*name, *val;
	size_t		 n;

	for (; s < end; s = amp + 1) {
		if ((amp = memchr(s, '&', (size_t)(end - s))) == NULL)
			amp = end;
		if ((eq = memchr(s, '=', (size_t)(amp - s))) == NULL)
			continue;
		if ((name = store(p, s, (size_t)(eq - s))) == NULL ||
		    (val = store(p, eq + 1, (size_t)(amp - eq - 1))) == NULL)
			return;
		(void)params_decode(name, s, (size_t)(eq - s), true);
		n = params_decode(val, eq + 1, (size_t)(amp - eq - 1), true);
		(void)add(p, name, val, n);
	}
}

static int
parse_json(struct params *p, const char *s, size_t len, const char **error)
{
	struct param	*q;
	const char	*val;

	if (tokener == NULL && (tokener = json_tokener_new()) == NULL)
		return (-1);
	json_tokener_reset(tokener);
	p->root = json_tokener_parse_ex(tokener, s, (int)len);
	if (!json_object_is_type(p->root, json_type_object)) {
		*error = "Bad Request: can't parse JSON object";
		return (-1);
	}
	json_object_object_foreach(p->root, key, obj) {
		if (obj == NULL)
			continue;
		val = json_object_get_string(obj);
		if ((q = add(p, key, val, json_object_is_type(obj,
		    json_type_string) ? (size_t)json_object_get_string_len(obj)
		    : strlen(val))) != NULL)
			q->json = obj;
	}
	return (0);
}

/* The quoted value of name="…" in a part's head. */
static const char *
attribute(struct params *p, const char *head, size_t len, const char *name)
{
	const char	*end, *s = head;
	size_t		 n = strlen(name);

	while ((s = memmem(s, len - (size_t)(s - head), name, n)) != NULL) {
		if (s > head && (s[-1] == ' ' || s[-1] == ';')) {
			s += n;
			end = memchr(s, '"', len - (size_t)(s - head));
			return (end == NULL ? NULL :
			    store(p, s, (size_t)(end - s)));
		}
		s += n;
	}
	return (NULL);
}

static void
parse_part(struct params *p, const char *head, size_t hlen, const char *body,
    size_t len)
{
	static const char	 type[] = "content-type:";
	const char		*file, *line, *name, *nl;
	struct param		*q;
	char			*val;

	if ((name = attribute(p, head, hlen, "name=\"")) == NULL ||
	    (val = store(p, body, len)) == NULL)
		return;
	file = attribute(p, head, hlen, "filename=\"");
	if ((q = add(p, name, val, len)) == NULL)
		return;
	q->file = file;
	for (line = head; line < head + hlen; line = nl + 1) {
		nl = memchr(line, '\n', (size_t)(head + hlen - line));
		if (nl == NULL)
			nl = head + hlen;
		if ((size_t)(nl - line) < sizeof(type) ||
		    strncasecmp(line, type, sizeof(type) - 1) != 0)
			continue;
		line += sizeof(type) - 1;
		while (line < nl && *line == ' ')
			line++;
		q->mime = store(p, line, strcspn(line, "\r\n;"));
	}
}

static int
parse_multipart(struct params *p, const char *type, const char *s, size_t len,
    const char **error)
{
	const char	*b, *end = s + len, *head, *next;
	char		 mark[128];
	size_t		 n;

	*error = "Bad Request: boundary not found";
	if ((b = strcasestr(type, "boundary=")) == NULL)
		return (-1);
	b += strlen("boundary=");
	n = *b == '"' ? strcspn(++b, "\"") : strcspn(b, "; \t");
	if (n == 0 || n > 100)
		return (-1);
	memcpy(mark, "\r\n--", 4);
	memcpy(mark + 4, b, n);
	n += 4;
	/* The first one has no line break before it. */
	if (len < n || memcmp(s, mark + 2, n - 2) != 0)
		return (-1);
	s += n - 2;
	*error = "Bad Request: can't parse multipart body";
	while (end - s >= 2 && memcmp(s, "\r\n", 2) == 0) {
		head = s + 2;
		if ((b = memmem(s, (size_t)(end - s), "\r\n\r\n", 4)) == NULL)
			return (-1);
		b += 4;
		next = memmem(b, (size_t)(end - b), mark, n);
		if (next == NULL)
			return (-1);
		parse_part(p, head, (size_t)(b - head) - 2, b,
		    (size_t)(next - b));
		s = next + n;
	}
	return (0);
}

int
params_parse(struct params *p, const char *query, const char *type,
    const char *body, size_t len, const char **error)
{
	size_t	need;

	p->n = p->used = 0;
	p->root = NULL;
	/* Each value has a NUL, each is two bytes at least in the source. */
	need = 2 * (len + (query == NULL ? 0 : strlen(query))) + 64;
	if (type != NULL && strncasecmp(type, "application/json", 16) == 0)
		need -= 2 * len;
	if (need > p->cap) {
		p->mem = xreallocarray(p->mem, need, 1);
		p->cap = need;
	}
	if (query != NULL)
		parse_form(p, query, strlen(query));
	if (len == 0 || type == NULL)
		return (0);
	if (strncasecmp(type, "application/json", 16) == 0)
		return (parse_json(p, body, len, error));
	if (strncasecmp(type, "multipart/form-data", 19) == 0)
		return (parse_multipart(p, type, body, len, error));
	if (strncasecmp(type, "application/x-www-form-urlencoded", 33) == 0)
		parse_form(p, body, len);
	return (0);
}

void
params_clear(struct params *p)
{
	if (p->root != NULL)
		json_object_put(p->root);
	p->root = NULL;
	p->n = 0;
	/* One large upload must not stay for ever. */
	if (p->cap > 1 << 20) {
		free(p->mem);
		p->mem = NULL;
		p->cap = 0;
	}
}

const struct param *
params_find(const struct params *p, const char *name)
{
	size_t	i;

	for (i = 0; i < p->n; i++)
		if (strcmp(p->v[i].name, name) == 0)
			return (&p->v[i]);
	return (NULL);
}

const char *
params_str(const struct params *p, const char *name)
{
	const struct param	*q = params_find(p, name);

	return (q == NULL ? NULL : q->value);
}

int
params_int(const struct params *p, const char *name, int64_t *v)
{
	const struct param	*q = params_find(p, name);
	char			*end;

	if (q == NULL || q->len == 0)
		return (-1);
	errno = 0;
	*v = strtoll(q->value, &end, 10);
	return (errno != 0 || *end != '\0' ? -1 : 0);
}

bool
params_bool(const struct params *p, const char *name)
{
	const char	*s = params_str(p, name);

	return (s != NULL && (strcasecmp(s, "true") == 0 ||
	    strcasecmp(s, "yes") == 0 || strcmp(s, "1") == 0));
}

struct json_object *
params_json(const struct params *p, const char *name, bool *broken)
{
	const struct param	*q = params_find(p, name);
	struct json_object	*obj;

	*broken = false;
	if (q == NULL || q->len == 0)
		return (NULL);
	if (q->json != NULL && !json_object_is_type(q->json, json_type_string))
		return (json_object_get(q->json));
	obj = json_tokener_parse(q->value);
	*broken = obj == NULL;
	return (obj);
}
