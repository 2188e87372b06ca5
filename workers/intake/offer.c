/*
 * Offers: from the text of an event to the message that hands it over.
 *
 * Called by every producer.  Checks the event (common/event.c), gives it an
 * id if it has none, and packs what the queue needs beside the text, which
 * is passed on as it came: the store gets the sender's bytes.  What is asked
 * for beside the event (ttl, silent, to) goes before what stands in it.
 */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <json.h>

#include "common/event.h"
#include "workers/intake/intake.h"

static int offer_pack(struct packer *, const struct offer *,
    struct event_fields *, struct error *);

uint64_t
offer_submit(const struct offer *o, const struct pending_ops *ops, void *arg,
    struct error *error)
{
	static struct packer p; /* its buffer is used again and again */
	struct event_fields f;
	struct json_object *event;
	uint64_t token = 0;
	int rc;

	if ((event = event_parse(o->text, o->len, error)) == NULL)
		return (0);
	if (event_fields_read(&f, event) == -1) {
		json_object_put(event);
		error_set(error, EX_TEMPFAIL, "", "out of memory");
		return (0);
	}
	pack_reset(&p);
	rc = offer_pack(&p, o, &f, error);
	event_fields_free(&f);
	json_object_put(event);
	if (rc == 0 && (token = pending_add(&p, ops, arg, o->read_us)) == 0)
		error_set(error, EX_TEMPFAIL, "", "no room; try again");
	if (p.size > 256 * 1024)
		pack_free(&p);
	return (token);
}

static int
offer_pack(struct packer *p, const struct offer *o, struct event_fields *f,
    struct error *error)
{
	const char *id = f->id, *task_id = f->task_id, *to = f->to;
	uint8_t flags = 0;
	char *sealed = NULL;
	size_t len = o->len;

	if (f->id_new) {
		if (o->id != NULL)
			id = o->id;
		if (!f->has_task)
			task_id = id;
		sealed = event_seal(o->text, o->len, id, &len);
		if (sealed == NULL)
			return (error_set(error, EX_TEMPFAIL, "",
			    "out of memory"));
	}
	if (o->to != NULL)
		to = o->to;
	if (o->trusted)
		flags |= EV_TRUSTED;
	if (o->silent || f->silent)
		flags |= EV_SILENT;
	pack_u8(p, (uint8_t)o->origin);
	pack_u8(p, flags);
	pack_u8(p, (uint8_t)f->severity);
	pack_u64(p, o->ttl_ms != 0 ? o->ttl_ms : f->ttl_ms);
	pack_str(p, id);
	pack_str(p, f->type);
	pack_str(p, f->source);
	pack_str(p, task_id);
	pack_str(p, f->title);
	pack_str(p, to);
	pack_blob(p, sealed != NULL ? sealed : o->text, len);
	free(sealed);
	if (p->failed)
		return (error_set(error, EX_TEMPFAIL, "", "out of memory"));
	return (0);
}
