/*
 * cctg-format: makes Telegram texts of events.
 *
 * Answers each QUEUE_FORMAT_ASK with FORMAT_TEXT_DONE.  Keeps nothing from
 * one job to the next; opens no file once it is ready (the time zone is
 * loaded with the configuration).  An event that it cannot read is shown as
 * the bytes that came, since nobody else would show it.
 */
#include "config.h"

#include <errno.h>
#include <json.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/log.h"
#include "common/scoreboard.h"
#include "workers/format/render.h"
#include "workers/worker.h"

#define DEFAULT_TIMEZONE "Europe/Berlin" /* as the predecessor */

static int format_configure(struct json_object *, bool);
static int format_start(void);
static enum link_verdict format_message(struct peer *, const struct frame *);
static void format_answer(struct peer *, uint64_t,
    const struct render_result *);

static const struct worker_ops ops = {
	.class = PC_FORMAT,
	.configure = format_configure,
	.start = format_start,
	.message = format_message,
};

static struct render *renderer;
static char timezone_name[128];

static int
format_configure(struct json_object *config, bool first)
{
	const char *name = json_str(config, "timezone", DEFAULT_TIMEZONE);

	if (!first) {
		/* The sandbox lets no zone file be read any more. */
		if (strcmp(name, timezone_name) != 0)
			log_notice("the time zone %s takes effect when this "
			    "worker is replaced", name);
		return (0);
	}
	if (render_timezone(name) == -1)
		log_warnx("no time zone %s: times are shown in UTC", name);
	strlcpy(timezone_name, name, sizeof(timezone_name));
	return (0);
}

static int
format_start(void)
{
	if (renderer == NULL && (renderer = render_new()) == NULL)
		fatal("cannot make a renderer");
	return (0);
}

/* What is shown of an event that is not JSON. */
static struct json_object *
unreadable(struct span event)
{
	struct json_object *o = json_object_new_object();

	if (o == NULL)
		fatal("out of memory");
	json_object_object_add(o, "title",
	    json_object_new_string("An event that cannot be read"));
	json_object_object_add(o, "description",
	    json_object_new_string_len(event.p, (int)event.len));
	return (o);
}

static void
format_answer(struct peer *peer, uint64_t job, const struct render_result *r)
{
	static struct packer answer;
	const struct render_part *part;
	size_t i;

	pack_reset(&answer);
	pack_u32(&answer, r->named);
	pack_u16(&answer, (uint16_t)r->noptions);
	for (i = 0; i < r->noptions; i++)
		pack_str(&answer, r->option[i]);
	pack_u16(&answer, (uint16_t)r->nparts);
	for (i = 0; i < r->nparts; i++) {
		part = &r->part[i];
		pack_u8(&answer, (uint8_t)part->kind);
		pack_blob(&answer, part->html, part->html_len);
		pack_str(&answer, part->name);
		pack_blob(&answer, part->document, part->document_len);
	}
	if (answer.failed)
		fatalx("out of memory");
	/* An answer needs no credit; a link that is closed gives the job to
	 * another worker. */
	if (link_send_packed(peer->link, FORMAT_TEXT_DONE, job,
	    &answer) == -1 && errno != EPIPE)
		log_warn("cannot answer job %llu", (unsigned long long)job);
	if (answer.size > RENDER_DOCUMENT_BYTES / 8)
		pack_free(&answer);
}

static enum link_verdict
format_message(struct peer *peer, const struct frame *frame)
{
	struct render_result result;
	struct render_ask ask;
	struct unpacker u;
	struct span event;
	const char *error;

	if (frame->type != QUEUE_FORMAT_ASK)
		return (LINK_BAD);
	unpack_init(&u, frame->data, frame->len);
	ask.what = (enum format_what)unpack_u8(&u);
	ask.flags = unpack_u8(&u);
	ask.started_ms = (int64_t)unpack_u64(&u);
	ask.now_ms = (int64_t)unpack_u64(&u);
	event = unpack_span(&u);
	if (!unpack_done(&u) || ask.what > FMT_SUMMARY)
		return (LINK_BAD);
	slot_job_begin(frame->id);
	if ((ask.json = json_parse(event.p, event.len, &error)) == NULL) {
		log_warnx("job %llu: %s", (unsigned long long)frame->id,
		    error);
		ask.json = unreadable(event);
		ask.what = FMT_EVENT;
	}
	if (render(renderer, &ask, &result) == -1)
		fatal("cannot render");
	format_answer(peer, frame->id, &result);
	json_object_put(ask.json);
	render_trim(renderer);
	metric_add(M_format_jobs, 1);
	slot_job_end(frame->id);
	return (LINK_DONE);
}

int
main(int argc, char **argv)
{
	return (worker_main(argc, argv, &ops));
}
