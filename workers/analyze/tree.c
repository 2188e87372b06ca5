/*
 * A walk over a JSON tree.  The depth is bounded by the parser
 * (common/json.c), so recursion is, too.
 */
#include <json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "workers/analyze/tree.h"

static int walk(struct json_object *, const char *, const struct tree_ops *,
    void *);
static int walk_array(struct json_object *, const char *,
    const struct tree_ops *, void *);
static int walk_object(struct json_object *, const struct tree_ops *, void *);
static int rewrite_keys(struct json_object *, const struct tree_ops *,
    void *);
static int is_number(struct json_object *);

static int
is_number(struct json_object *o)
{
	return (json_object_is_type(o, json_type_int) ||
	    json_object_is_type(o, json_type_double));
}

static int
walk(struct json_object *o, const char *label, const struct tree_ops *ops,
    void *arg)
{
	char *out;
	size_t len;
	int rc;

	switch (json_object_get_type(o)) {
	case json_type_string:
		rc = ops->text(arg, json_object_get_string(o),
		    (size_t)json_object_get_string_len(o), label, &out, &len);
		if (rc != 1)
			return (rc);
		rc = json_object_set_string_len(o, out, (int)len);
		free(out);
		return (rc == 1 ? 0 : -1);
	case json_type_array:
		return (walk_array(o, label, ops, arg));
	case json_type_object:
		return (walk_object(o, ops, arg));
	default:
		return (0);
	}
}

static int
walk_array(struct json_object *o, const char *label,
    const struct tree_ops *ops, void *arg)
{
	struct json_object *member, *other;
	size_t i, n = json_object_array_length(o);

	for (i = 0; i < n; i++) {
		member = json_object_array_get_idx(o, i);
		if (is_number(member) &&
		    (other = ops->number(arg, member, label)) != NULL) {
			if (json_object_array_put_idx(o, i, other) == -1) {
				json_object_put(other);
				return (-1);
			}
		} else if (walk(member, label, ops, arg) == -1)
			return (-1);
	}
	return (0);
}

static int
walk_object(struct json_object *o, const struct tree_ops *ops, void *arg)
{
	struct json_object *other;

	json_object_object_foreach(o, key, member) {
		if (is_number(member) &&
		    (other = ops->number(arg, member, key)) != NULL) {
			/* An existing key: its place is taken over. */
			if (json_object_object_add(o, key, other) == -1) {
				json_object_put(other);
				return (-1);
			}
		} else if (walk(member, key, ops, arg) == -1)
			return (-1);
	}
	return (rewrite_keys(o, ops, arg));
}

/*
 * Keys cannot be changed in place, and the order of the keys is to stay: from
 * the first that changes on, all are taken out and put in again.
 */
static int
rewrite_keys(struct json_object *o, const struct tree_ops *ops, void *arg)
{
	struct json_object *member;
	char *name, *out;
	size_t len, n = (size_t)json_object_object_length(o), i = 0;
	int rc = 0;

	json_object_object_foreach(o, key, value) {
		(void)value;
		rc = ops->text(arg, key, strlen(key), NULL, &out, &len);
		if (rc != 0)
			break;
		i++;
	}
	if (rc == 0 || rc == -1)
		return (rc);
	free(out);
	/* Taking the keys out one by one and adding them at the end leaves
	 * the order as it was after n turns. */
	for (i = 0; i < n; i++) {
		struct json_object_iterator it = json_object_iter_begin(o);

		name = strdup(json_object_iter_peek_name(&it));
		if (name == NULL)
			return (-1);
		member = json_object_get(json_object_iter_peek_value(&it));
		json_object_object_del(o, name);
		rc = ops->text(arg, name, strlen(name), NULL, &out, &len);
		if (rc == 1) {
			free(name);
			name = out;
		}
		if (rc != -1 && json_object_object_get_ex(o, name, NULL)) {
			/* Two became one: the number tells them apart. */
			rc = asprintf(&out, "%s #%zu", name, i + 1);
			free(name);
			name = rc == -1 ? NULL : out;
		}
		if (rc != -1)
			rc = json_object_object_add(o, name, member);
		free(name);
		if (rc == -1) {
			json_object_put(member);
			return (-1);
		}
	}
	return (0);
}

int
tree_rewrite(struct json_object *o, const struct tree_ops *ops, void *arg)
{
	return (walk(o, NULL, ops, arg));
}
