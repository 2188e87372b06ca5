/*
 * Files that an event brings along, in the form that cctg-analyze gives them
 * ({"name","content_base64"}, or {"name","error"} for one that cannot be
 * sent).  Called by layout.c and render.c.  Pure.
 */
#include <sys/types.h>

#include <json.h>

#include "common/base64.h"
#include "common/json.h"
#include "workers/format/attach.h"
#include "workers/format/layout.h"

static struct json_object *
attach_list(struct json_object *event, size_t *n)
{
	struct json_object *list = json_path(event, "attachments");

	*n = json_object_is_type(list, json_type_array) ?
	    json_object_array_length(list) : 0;
	return (list);
}

void
attach_layout(struct layout *l)
{
	struct json_object *list, *o;
	struct span name, error;
	size_t i, n;

	list = attach_list(l->event, &n);
	for (i = 0; i < n; i++) {
		o = json_object_array_get_idx(list, i);
		error = layout_member(o, "error");
		if (error.len == 0)
			continue;
		name = layout_member(o, "name");
		value_line(l);
		text_lit(l->text, "📎 ");
		text_add(l->text, name.p, name.len);
		text_lit(l->text, " is not attached: ");
		text_add(l->text, error.p, error.len);
	}
}

size_t
attach_decode(struct json_object *event, struct buf *b,
    struct attached file[ATTACHMENTS_MAX])
{
	struct json_object *list, *o;
	struct span name, content;
	size_t i, n, nfiles = 0;
	ssize_t len;

	list = attach_list(event, &n);
	for (i = 0; i < n && nfiles < ATTACHMENTS_MAX; i++) {
		o = json_object_array_get_idx(list, i);
		name = layout_member(o, "name");
		content = layout_member(o, "content_base64");
		if (content.len == 0)
			continue;
		file[nfiles].name = b->len;
		buf_add(b, name.p, name.len);
		buf_add(b, "", 1);
		file[nfiles].content = b->len;
		if (!buf_reserve(b, BASE64_BYTES(content.len)))
			break;
		len = base64_decode(content.p, content.len, b->p + b->len);
		if (len < 1)
			continue; /* analyze made an error of it */
		b->len += (size_t)len;
		file[nfiles++].len = (size_t)len;
	}
	return (nfiles);
}
