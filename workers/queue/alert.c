/*
 * What we ourselves have to tell people, as events routed as any other.  The
 * id of each is made from what it tells, so that it is told once.
 *
 * The supervisor says that a worker crashes again and again, and that it does
 * so no more; it repeats itself to each new queue.  And the store may have
 * been damaged: status says so, too, for as long as its old file is kept.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "common/log.h"
#include "common/metrics.h"
#include "common/scoreboard.h"
#include "workers/queue/queue.h"

static void alert_worker(const char *id, bool over, const char *worker,
    const char *how);
static void alert_event(const char *id, enum severity, const char *title,
    const char *text);

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
		alert_worker(id, over, worker, how);
	}
	free(worker);
	free(how);
	return (unpack_done(&u) ? LINK_DONE : LINK_BAD);
}

static void
alert_worker(const char *id, bool over, const char *worker, const char *how)
{
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
	alert_event(id, over ? SEV_LOW : SEV_HIGH, title, text);
}

void
alert_damage(void)
{
	const char *damaged = store_damaged(queue.store);
	char name[128], id[192], text[640];

	if (damaged != NULL && !store_damage_kept(queue.store, name,
	    sizeof(name))) {
		log_notice("store: %s has gone; no longer shown as damaged",
		    name);
		if (store_forget_damage(queue.store) == -1)
			fatal("store");
		commit_soon();
		damaged = NULL;
	}
	metric_set(M_store_damaged, damaged != NULL);
	snprintf(text, sizeof(text), "the store was %s",
	    damaged == NULL ? "" : damaged);
	slot_note(damaged == NULL ? "" : text);
	if (damaged == NULL)
		return;
	snprintf(id, sizeof(id), "cctg-%s", name);
	strlcat(text, ". What could not be read is not delivered. Remove the "
	    "file from state_dir when it is needed no more.", sizeof(text));
	text[0] = 'T';
	alert_event(id, SEV_HIGH, "The store was damaged", text);
}

static void
alert_event(const char *id, enum severity severity, const char *title,
    const char *text)
{
	const char *type = severity == SEV_HIGH ? "alert_notification" :
	    "info_notification";
	struct json_object *o = json_object_new_object();

	if (o == NULL)
		fatal("alert");
	json_object_object_add(o, "type", json_object_new_string(type));
	json_object_object_add(o, "source", json_object_new_string("cctg"));
	json_object_object_add(o, "title", json_object_new_string(title));
	json_object_object_add(o, "description",
	    json_object_new_string(text));
	accept_own(id, type, title, json_object_to_json_string(o), "",
	    severity);
	json_object_put(o);
}
