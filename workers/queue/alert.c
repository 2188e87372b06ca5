/*
 * What the supervisor has to tell people: that a worker crashes again and
 * again, and that it does so no more.  It comes as a control message and
 * becomes an event of our own, routed as any other.
 *
 * The supervisor repeats itself to each new queue; the id of the event tells
 * what was accepted before.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "common/log.h"
#include "workers/queue/queue.h"

static void alert_event(const char *id, bool over, const char *worker,
    const char *how);

enum link_verdict
alert_tell(const struct frame *f)
{
	struct unpacker u;
	char *worker, *how, id[96];
	int64_t began_ms;
	bool over;

	unpack_init(&u, f->data, f->len);
	over = unpack_u8(&u) != 0;
	began_ms = unpack_i64(&u);
	worker = span_dup(unpack_span(&u));
	how = span_dup(unpack_span(&u));
	if (worker == NULL || how == NULL)
		fatal("alert");
	if (unpack_done(&u)) {
		snprintf(id, sizeof(id), "cctg-%s-%s-%lld",
		    over ? "stable" : "throttled", worker,
		    (long long)began_ms);
		alert_event(id, over, worker, how);
	}
	free(worker);
	free(how);
	return (unpack_done(&u) ? LINK_DONE : LINK_BAD);
}

static void
alert_event(const char *id, bool over, const char *worker, const char *how)
{
	const char *type = over ? "info_notification" : "alert_notification";
	struct json_object *o = json_object_new_object();
	char title[96], text[512];

	snprintf(title, sizeof(title), "Worker %s is %s", worker,
	    over ? "stable again" : "throttled");
	if (over)
		strlcpy(text, "It has worked for a minute without a crash.",
		    sizeof(text));
	else
		snprintf(text, sizeof(text), "It crashed too often and is "
		    "started every 4 s only. The last time it %s. See "
		    "cctgctl crashes and the log.", how);
	if (o == NULL)
		fatal("alert");
	json_object_object_add(o, "type", json_object_new_string(type));
	json_object_object_add(o, "source", json_object_new_string("cctg"));
	json_object_object_add(o, "title", json_object_new_string(title));
	json_object_object_add(o, "description",
	    json_object_new_string(text));
	accept_own(id, type, title, json_object_to_json_string(o), "",
	    over ? SEV_LOW : SEV_HIGH);
	json_object_put(o);
}
