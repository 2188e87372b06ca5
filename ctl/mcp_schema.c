/*
 * The parameters of the tools: as JSON Schema for clients, and as the check
 * of what they send.  Both from the one table in mcp_tools.c.  Pure.
 */
#include <errno.h>
#include <json-c/json.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "ctl/mcp.h"

static const char *const type_names[] = {
	[MCP_STRING] = "string",
	[MCP_NUMBER] = "number",
	[MCP_BOOLEAN] = "boolean",
	[MCP_OBJECT] = "object",
	[MCP_STRINGS] = "array",
	[MCP_OBJECTS] = "array",
};

static struct json_object *
words(const char *const *w)
{
	struct json_object *list = json_object_new_array();

	for (; *w != NULL; w++)
		json_object_array_add(list, json_object_new_string(*w));
	return (list);
}

static struct json_object *
value(const char *text)
{
	const char *why;

	return (json_parse(text, strlen(text), &why));
}

/* Numbers that are whole are written as such. */
static struct json_object *
number(double d)
{
	return (d == floor(d) ? json_object_new_int64((int64_t)d) :
	    json_object_new_double(d));
}

static struct json_object *
items(const struct mcp_param *p)
{
	struct json_object *o = json_object_new_object();

	talk_add(o, "type", p->type == MCP_STRINGS ? "string" : "object");
	if (p->words != NULL)
		json_object_object_add(o, "enum", words(p->words));
	if (p->type == MCP_STRINGS && p->words == NULL)
		json_object_object_add(o, "minLength", json_object_new_int(1));
	if (p->item_max > 0)
		json_object_object_add(o, "maxLength",
		    json_object_new_int(p->item_max));
	return (o);
}

static struct json_object *
property(const struct mcp_param *p)
{
	static const char *const bounds[][2] = {
		[MCP_STRING] = { "minLength", "maxLength" },
		[MCP_NUMBER] = { "minimum", "maximum" },
		[MCP_STRINGS] = { "minItems", "maxItems" },
		[MCP_OBJECTS] = { "minItems", "maxItems" },
	};
	struct json_object *o = json_object_new_object();
	bool list = p->type == MCP_STRINGS || p->type == MCP_OBJECTS;

	talk_add(o, "type", type_names[p->type]);
	talk_add(o, "description", p->doc);
	if (list)
		json_object_object_add(o, "items", items(p));
	else if (p->words != NULL)
		json_object_object_add(o, "enum", words(p->words));
	if (p->type == MCP_STRING && p->words == NULL)
		json_object_object_add(o, "minLength", json_object_new_int(1));
	else if (p->max > 0 && p->min > 0)
		json_object_object_add(o, bounds[p->type][0], number(p->min));
	if (p->max > 0)
		json_object_object_add(o, bounds[p->type][1], number(p->max));
	if (p->def != NULL)
		json_object_object_add(o, "default", value(p->def));
	return (o);
}

struct json_object *
mcp_schema(const struct mcp_tool *t)
{
	struct json_object *o = json_object_new_object();
	struct json_object *properties = json_object_new_object();
	struct json_object *required = json_object_new_array();
	const struct mcp_param *p;

	for (p = t->params; p != NULL && p->name != NULL; p++) {
		json_object_object_add(properties, p->name, property(p));
		if (p->required)
			json_object_array_add(required,
			    json_object_new_string(p->name));
	}
	talk_add(o, "type", "object");
	json_object_object_add(o, "properties", properties);
	if (json_object_array_length(required) > 0)
		json_object_object_add(o, "required", required);
	else
		json_object_put(required);
	return (o);
}

/* The length of UTF-8 in UTF-16 units, in which clients count. */
static size_t
units(const char *s)
{
	size_t n = 0;

	for (; *s != '\0'; s++)
		if (((unsigned char)*s & 0xc0) != 0x80)
			n += (unsigned char)*s >= 0xf0 ? 2 : 1;
	return (n);
}

#define WRONG(...) (snprintf(error, size, __VA_ARGS__), false)

static bool
check_string(const struct mcp_param *p, struct json_object *v, size_t max,
    char *error, size_t size)
{
	const char *s = json_object_get_string(v);
	const char *const *w;

	if (!json_object_is_type(v, json_type_string))
		return (WRONG("a string is wanted"));
	if (strlen(s) != (size_t)json_object_get_string_len(v))
		return (WRONG("it contains a NUL character"));
	if (*s == '\0')
		return (WRONG("it is empty"));
	if (max > 0 && units(s) > max)
		return (WRONG("it is longer than %zu characters", max));
	if (p->words == NULL)
		return (true);
	for (w = p->words; *w != NULL; w++)
		if (strcmp(*w, s) == 0)
			return (true);
	return (WRONG("\"%.60s\" is none of its values", s));
}

static bool
check_list(const struct mcp_param *p, struct json_object *v, char *error,
    size_t size)
{
	struct json_object *item;
	size_t i, n;

	if (!json_object_is_type(v, json_type_array))
		return (WRONG("a list is wanted"));
	n = json_object_array_length(v);
	if (p->max > 0 && ((double)n < p->min || (double)n > p->max))
		return (WRONG("it has %zu members, %g to %g are possible", n,
		    p->min, p->max));
	for (i = 0; i < n; i++) {
		item = json_object_array_get_idx(v, i);
		if (p->type == MCP_STRINGS && !check_string(p, item,
		    (size_t)p->item_max, error, size))
			return (false);
		if (p->type == MCP_OBJECTS &&
		    !json_object_is_type(item, json_type_object))
			return (WRONG("a list of objects is wanted"));
	}
	return (true);
}

static bool
check(const struct mcp_param *p, struct json_object *v, char *error,
    size_t size)
{
	double d;

	switch (p->type) {
	case MCP_STRING:
		return (check_string(p, v, (size_t)p->max, error, size));
	case MCP_NUMBER:
		d = json_object_get_double(v);
		if ((!json_object_is_type(v, json_type_int) &&
		    !json_object_is_type(v, json_type_double)) || !isfinite(d))
			return (WRONG("a number is wanted"));
		if (p->max > 0 && (d < p->min || d > p->max))
			return (WRONG("it must be from %.12g to %.12g", p->min,
			    p->max));
		return (true);
	case MCP_BOOLEAN:
		return (json_object_is_type(v, json_type_boolean) ? true :
		    WRONG("true or false is wanted"));
	case MCP_OBJECT:
		return (json_object_is_type(v, json_type_object) ? true :
		    WRONG("an object is wanted"));
	default:
		return (check_list(p, v, error, size));
	}
}

/* Text that stands for a number or a truth value is taken as such. */
static struct json_object *
converted(const struct mcp_param *p, struct json_object *v)
{
	const char *s = json_object_get_string(v);
	char *end;
	double d;

	if (!json_object_is_type(v, json_type_string) ||
	    (p->type != MCP_NUMBER && p->type != MCP_BOOLEAN))
		return (json_object_get(v));
	if (p->type == MCP_BOOLEAN && (strcmp(s, "true") == 0 ||
	    strcmp(s, "false") == 0))
		return (json_object_new_boolean(*s == 't'));
	errno = 0;
	d = strtod(s, &end);
	if (p->type == MCP_NUMBER && end != s && *end == '\0' && errno == 0 &&
	    isfinite(d) && fabs(d) < 1e15)
		return (number(d));
	return (json_object_get(v));
}

struct json_object *
mcp_arguments(const struct mcp_tool *t, struct json_object *given,
    const char **field, char *error, size_t size)
{
	struct json_object *args = json_object_new_object(), *v;
	const struct mcp_param *p;

	for (p = t->params; p != NULL && p->name != NULL; p++) {
		*field = p->name;
		v = NULL;
		if (given != NULL)
			json_object_object_get_ex(given, p->name, &v);
		if (v == NULL && p->required) {
			snprintf(error, size, "it is required");
			json_object_put(args);
			return (NULL);
		}
		v = v != NULL ? converted(p, v) :
		    p->def != NULL ? value(p->def) : NULL;
		if (v == NULL)
			continue;
		json_object_object_add(args, p->name, v);
		if (!check(p, v, error, size)) {
			json_object_put(args);
			return (NULL);
		}
	}
	return (args);
}

struct json_object *
mcp_error(const char *code, const char *message, const char *field)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "error", json_object_new_boolean(true));
	talk_add(o, "code", code);
	talk_add(o, "message", message);
	talk_add(o, "field", field);
	return (o);
}
