/*
 * A walk over a JSON tree that rewrites its texts in place.
 */
#ifndef ANALYZE_TREE_H
#define ANALYZE_TREE_H

#include <stddef.h>

struct json_object;

struct tree_ops {
	/*
	 * A string, under the key label (that of the array for its members,
	 * NULL at the top); or a key itself, with label NULL.  Returns 1 with
	 * a malloc'd *out of *outlen bytes, 0 to leave it, -1 without memory.
	 */
	int (*text)(void *arg, const char *, size_t len, const char *label,
	    char **out, size_t *outlen);
	/* A number under label (may be NULL): what takes its place, or NULL.
	 */
	struct json_object *(*number)(void *arg, struct json_object *,
	    const char *label);
};

/* Walk; the object itself stays the same.  Returns 0, or -1 without memory. */
int tree_rewrite(struct json_object *, const struct tree_ops *, void *arg);

#endif
