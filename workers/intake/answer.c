/*
 * Answers: the lines that go back to whoever sent a request.
 *
 * Called by client.c and http.c.  Pure but for memory.
 */
#include <stdio.h>
#include <string.h>

#include "workers/intake/request.h"

static void answer_end(struct buf *, struct span);

static void
answer_end(struct buf *t, struct span tag)
{
	if (tag.len > 0) {
		buf_str(t, ",\"tag\":");
		buf_add(t, tag.p, tag.len);
	}
	buf_str(t, "}\n");
}

void
answer_accepted(struct buf *t, struct span id, bool duplicate,
    struct span tag)
{
	buf_str(t, "{\"ok\":true,\"id\":");
	buf_json(t, id.p, id.len);
	buf_str(t, duplicate ? ",\"duplicate\":true" :
	    ",\"state\":\"received\"");
	answer_end(t, tag);
}

void
answer_error(struct buf *t, const struct error *error, struct span tag)
{
	char code[32];

	buf_str(t, "{\"ok\":false,\"error\":");
	buf_json(t, error->text, strlen(error->text));
	if (error->field[0] != '\0') {
		buf_str(t, ",\"field\":");
		buf_json(t, error->field, strlen(error->field));
	}
	snprintf(code, sizeof(code), ",\"code\":%d", error->code);
	buf_str(t, code);
	answer_end(t, tag);
}

void
answer_line(struct buf *t, struct span json, struct span tag)
{
	while (json.len > 0 && json.p[json.len - 1] == '\n')
		json.len--;
	if (tag.len == 0 || json.len < 2 || json.p[json.len - 1] != '}') {
		buf_add(t, json.p, json.len);
		buf_str(t, "\n");
		return;
	}
	buf_add(t, json.p, json.len - 1);
	if (json.p[json.len - 2] == '{') { /* "{}": no comma */
		buf_str(t, "\"tag\":");
		buf_add(t, tag.p, tag.len);
		buf_str(t, "}\n");
	} else
		answer_end(t, tag);
}
