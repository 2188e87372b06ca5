/*
 * cctg-analyze: validates, normalises, judges and redacts events.
 *
 * Stateless: one message from the queue, one answer, nothing kept.  What an
 * event says can make an answer ANALYZE_EVENT_REFUSE, never end the process;
 * if it does all the same, the queue knows the job from the slot.
 */
#include <json.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/event.h"
#include "common/json.h"
#include "common/log.h"
#include "common/scoreboard.h"
#include "workers/analyze/attach.h"
#include "workers/analyze/judge.h"
#include "workers/analyze/normalise.h"
#include "workers/analyze/redact.h"
#include "workers/analyze/tree.h"
#include "workers/compress/payload.h"
#include "workers/worker.h"

#define KEEP_BYTES (256U << 10) /* larger buffers are given back */

/* QUEUE_ANALYZE_ASK */
struct job {
	uint64_t seq, received_ms;
	uint8_t encoding, flags;
	uint32_t raw_bytes;
	struct span payload;
};

static enum link_verdict analyze_message(struct peer *, const struct frame *);
static void analyze_job(struct peer *, const struct job *);
static struct json_object *analyze_open(const struct job *, struct error *);
static int analyze_event(const struct job *, struct json_object *,
    struct packer *);
static int analyze_redact(struct json_object *, unsigned int *);
static void analyze_refuse(struct peer *, const struct job *, const char *);
static int redact_one(void *, const char *, size_t, const char *, char **,
    size_t *);
static struct json_object *redact_num(void *, struct json_object *,
    const char *);

static const struct tree_ops redact_ops = { redact_one, redact_num };

static const struct worker_ops analyze_ops = {
	.class = PC_ANALYZE,
	.message = analyze_message
};

int
main(int argc, char **argv)
{
	return (worker_main(argc, argv, &analyze_ops));
}

static enum link_verdict
analyze_message(struct peer *peer, const struct frame *f)
{
	struct unpacker u;
	struct job job;

	if (f->type != QUEUE_ANALYZE_ASK)
		return (LINK_BAD);
	unpack_init(&u, f->data, f->len);
	job.seq = f->id;
	job.encoding = unpack_u8(&u);
	job.raw_bytes = unpack_u32(&u);
	job.received_ms = unpack_u64(&u);
	job.flags = unpack_u8(&u);
	job.payload = unpack_span(&u);
	if (!unpack_done(&u))
		return (LINK_BAD);
	slot_job_begin(job.seq);
	analyze_job(peer, &job);
	slot_job_end(job.seq);
	metric_add(M_analyze_jobs, 1);
	return (LINK_DONE);
}

static void
analyze_job(struct peer *peer, const struct job *job)
{
	static struct packer answer;
	struct json_object *event;
	struct error e;

	if ((event = analyze_open(job, &e)) == NULL) {
		analyze_refuse(peer, job, e.text);
		return;
	}
	pack_reset(&answer);
	if (analyze_event(job, event, &answer) == -1)
		fatalx("out of memory");
	json_object_put(event);
	if (answer.len > MSG_MAX_BYTES)
		analyze_refuse(peer, job, "too large when normalised");
	else if (link_send_packed(peer->link, ANALYZE_EVENT_DONE, job->seq,
	    &answer) == -1)
		log_warn("event %llu: cannot answer the queue",
		    (unsigned long long)job->seq);
	if (answer.size > KEEP_BYTES)
		pack_free(&answer);
}

/* The event of a job, checked; NULL with why it is none. */
static struct json_object *
analyze_open(const struct job *job, struct error *e)
{
	struct json_object *event;
	char *raw;

	if (job->encoding == ENC_RAW)
		return (event_parse_sealed(job->payload.p, job->payload.len,
		    e));
	if (job->raw_bytes > EVENT_SEALED_MAX_BYTES) {
		error_set(e, EX_DATAERR, "", "expands to %u bytes",
		    job->raw_bytes);
		return (NULL);
	}
	if ((raw = malloc((size_t)job->raw_bytes + 1)) == NULL)
		fatalx("out of memory");
	if (payload_expand(job->encoding, job->payload.p, job->payload.len,
	    raw, job->raw_bytes) == -1) {
		error_set(e, EX_DATAERR, "", "the stored text is damaged");
		event = NULL;
	} else
		event = event_parse_sealed(raw, job->raw_bytes, e);
	free(raw);
	return (event);
}

/* Fill the answer ANALYZE_EVENT_DONE; -1 without memory. */
static int
analyze_event(const struct job *job, struct json_object *event,
    struct packer *answer)
{
	struct event_fields f;
	enum event_kind kind;
	unsigned int masked;
	const char *mode, *text;
	uint64_t fingerprint;
	size_t len;

	if (normalise_event(event, (int64_t)job->received_ms) == -1)
		return (-1);
	/* Before redaction: two different secrets make two events. */
	kind = judge_kind(event, (job->flags & EV_TRUSTED) != 0, &mode);
	fingerprint = judge_fingerprint(event, kind);
	if (analyze_redact(event, &masked) == -1 ||
	    event_fields_read(&f, event) == -1)
		return (-1);
	text = json_object_to_json_string_length(event,
	    JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);
	pack_u8(answer, (uint8_t)kind);
	pack_u8(answer, (uint8_t)f.severity);
	pack_u8(answer, (uint8_t)((masked > 0 ? AN_REDACTED : 0) |
	    (attach_any(event) ? AN_ATTACHED : 0)));
	pack_u64(answer, fingerprint);
	pack_str(answer, f.type);
	pack_str(answer, f.source);
	pack_str(answer, f.task_id);
	pack_str(answer, f.title);
	pack_str(answer, mode);
	pack_blob(answer, text, len);
	event_fields_free(&f);
	return (text == NULL || answer->failed ? -1 : 0);
}

static int
analyze_redact(struct json_object *event, unsigned int *masked)
{
	struct json_object *files = attach_take(event);
	struct redactor r = { 0 };

	if (tree_rewrite(event, &redact_ops, &r) == -1 ||
	    attach_redact(files, &r.masked) == -1 ||
	    attach_give(event, files) == -1)
		return (-1);
	*masked = r.masked;
	if (r.masked > 0)
		metric_add(M_analyze_secrets, r.masked);
	return (0);
}

static int
redact_one(void *arg, const char *p, size_t len, const char *label,
    char **out, size_t *outlen)
{
	return (redact_text(arg, p, len, label, out, outlen));
}

static struct json_object *
redact_num(void *arg, struct json_object *o, const char *label)
{
	struct redactor *r = arg;

	(void)o;
	if (label == NULL || !redact_number(label))
		return (NULL);
	r->masked++;
	return (json_object_new_string("[password masked]"));
}

static void
analyze_refuse(struct peer *peer, const struct job *job, const char *why)
{
	static struct packer p;

	pack_reset(&p);
	pack_str(&p, why);
	if (link_send_packed(peer->link, ANALYZE_EVENT_REFUSE, job->seq,
	    &p) == -1)
		log_warn("event %llu: cannot answer the queue",
		    (unsigned long long)job->seq);
}
