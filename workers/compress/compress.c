/*
 * cctg-compress: packs and expands for the queue.
 *
 * Stateless: one message, one answer.  A payload that cannot be expanded is
 * answered with ok = 0; the queue sets it aside.
 *
 *	CMP_PACK	payload → packed, or ENC_RAW if that saves nothing
 *	CMP_SEGMENT	members → a segment (segment.h) of them; a member is
 *			u64 id, u8 encoding, u32 raw bytes, blob payload
 *	CMP_EXPAND	ENC_LZ4 and raw bytes → payload
 *	CMP_EXPAND_DICT	the same of ENC_LZ4_DICT
 *	CMP_UNSEGMENT	a segment → its members
 */
#include <json.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/log.h"
#include "common/nitems.h"
#include "common/scoreboard.h"
#include "workers/compress/payload.h"
#include "workers/compress/segment.h"
#include "workers/worker.h"

#define KEEP_BYTES (256U << 10) /* larger buffers are given back */
/* Smaller members of a segment are expanded, so that they are packed with
 * the others; larger ones stay as they are. */
#define MEMBER_EXPAND_MAX (16U << 10)
#define LEVEL_MAX 65536		/* the acceleration that lz4 clamps to */

struct job {
	uint8_t operation;
	uint32_t raw_bytes;
	struct span in;
	/* the answer */
	uint8_t encoding;
	uint32_t out_raw_bytes;
	struct packer out;
};

static int level = 1;

static int compress_configure(struct json_object *, bool);
static enum link_verdict compress_message(struct peer *,
    const struct frame *);
static int compress_pack(struct job *);
static int compress_segment(struct job *);
static int segment_put(struct segment_writer *, struct segment_member *,
    struct span);
static int compress_expand(struct job *);
static int compress_expand_dict(struct job *);
static int compress_unsegment(struct job *);
static int expand(struct job *, unsigned int);
static int room(struct packer *, size_t);

static int (*const operations[])(struct job *) = {
	[CMP_PACK] = compress_pack,
	[CMP_SEGMENT] = compress_segment,
	[CMP_EXPAND] = compress_expand,
	[CMP_EXPAND_DICT] = compress_expand_dict,
	[CMP_UNSEGMENT] = compress_unsegment
};

static const struct worker_ops compress_ops = {
	.class = PC_COMPRESS,
	.configure = compress_configure,
	.message = compress_message
};

int
main(int argc, char **argv)
{
	return (worker_main(argc, argv, &compress_ops));
}

static int
compress_configure(struct json_object *config, bool first)
{
	int64_t v = json_i64(config, "compression.level", 1);

	(void)first;
	level = v < 1 ? 1 : v > LEVEL_MAX ? LEVEL_MAX : (int)v;
	return (0);
}

static enum link_verdict
compress_message(struct peer *peer, const struct frame *f)
{
	static struct job job;
	static struct packer answer;
	struct unpacker u;
	int rc;

	if (f->type != QUEUE_COMPRESS_ASK)
		return (LINK_BAD);
	unpack_init(&u, f->data, f->len);
	job.operation = unpack_u8(&u);
	job.raw_bytes = unpack_u32(&u);
	job.in = unpack_span(&u);
	if (!unpack_done(&u) || job.operation >= nitems(operations))
		return (LINK_BAD);
	slot_job_begin(f->id);
	pack_reset(&job.out);
	job.encoding = ENC_RAW;
	job.out_raw_bytes = 0;
	rc = operations[job.operation](&job);
	pack_reset(&answer);
	pack_u8(&answer, rc == 0);
	pack_u8(&answer, job.encoding);
	pack_u32(&answer, job.out_raw_bytes);
	pack_blob(&answer, job.out.buf, rc == 0 ? job.out.len : 0);
	if (rc == -1)
		log_warnx("job %llu: operation %u failed",
		    (unsigned long long)f->id, job.operation);
	if (link_send_packed(peer->link, COMPRESS_DATA_DONE, f->id,
	    &answer) == -1)
		log_warn("job %llu: cannot answer the queue",
		    (unsigned long long)f->id);
	slot_job_end(f->id);
	metric_add(M_compress_jobs, 1);
	metric_add(M_compress_bytes_in, job.in.len);
	metric_add(M_compress_bytes_out, job.out.len);
	if (job.out.size > KEEP_BYTES)
		pack_free(&job.out);
	if (answer.size > KEEP_BYTES)
		pack_free(&answer);
	return (LINK_DONE);
}

/* Make the (empty) buffer have n bytes. */
static int
room(struct packer *p, size_t n)
{
	uint8_t *bigger;

	if (p->size < n) {
		if ((bigger = realloc(p->buf, n)) == NULL)
			return (-1);
		p->buf = bigger;
		p->size = n;
	}
	p->len = n;
	return (0);
}

static int
compress_pack(struct job *job)
{
	if (job->in.len == 0 ||
	    room(&job->out, payload_bound(job->in.len)) == -1)
		return (-1);
	job->out_raw_bytes = (uint32_t)job->in.len;
	job->encoding = (uint8_t)payload_pack(job->in.p, job->in.len, level,
	    job->out.buf, &job->out.len);
	if (job->encoding == ENC_RAW) {
		memcpy(job->out.buf, job->in.p, job->in.len);
		job->out.len = job->in.len;
	}
	return (0);
}

static int
compress_segment(struct job *job)
{
	static struct segment_writer w;
	struct unpacker u;
	struct segment_member m;
	struct span payload;
	int rc;

	segment_begin(&w);
	unpack_init(&u, job->in.p, job->in.len);
	while (!u.failed && !unpack_done(&u)) {
		m.id = unpack_u64(&u);
		m.encoding = unpack_u8(&u);
		m.raw_bytes = unpack_u32(&u);
		payload = unpack_span(&u);
		if (u.failed || segment_put(&w, &m, payload) == -1)
			return (-1);
	}
	if (u.failed)
		return (-1);
	job->out_raw_bytes = (uint32_t)w.text.len;
	rc = segment_end(&w, level, &job->out);
	if (w.text.size > KEEP_BYTES)
		segment_free(&w);
	return (rc);
}

static int
segment_put(struct segment_writer *w, struct segment_member *m,
    struct span payload)
{
	uint8_t raw[MEMBER_EXPAND_MAX];

	m->bytes = (uint32_t)payload.len;
	if (m->encoding == ENC_RAW || m->raw_bytes > sizeof(raw))
		return (segment_add(w, m, payload.p));
	if (payload_expand(m->encoding, payload.p, payload.len, raw,
	    m->raw_bytes) == -1)
		return (-1);
	m->bytes = m->raw_bytes;
	m->encoding = ENC_RAW;
	return (segment_add(w, m, raw));
}

static int
expand(struct job *job, unsigned int encoding)
{
	if (job->raw_bytes == 0 || job->raw_bytes > MSG_MAX_BYTES - 64 ||
	    room(&job->out, job->raw_bytes) == -1)
		return (-1);
	job->out_raw_bytes = job->raw_bytes;
	return (payload_expand(encoding, job->in.p, job->in.len,
	    job->out.buf, job->raw_bytes));
}

static int
compress_expand(struct job *job)
{
	return (expand(job, ENC_LZ4));
}

static int
compress_expand_dict(struct job *job)
{
	return (expand(job, ENC_LZ4_DICT));
}

static int
compress_unsegment(struct job *job)
{
	struct segment s;
	struct segment_member m;
	uint8_t *text;
	uint32_t i;

	if (segment_open(&s, job->in.p, job->in.len) == -1 ||
	    (text = malloc((size_t)s.raw_bytes + 1)) == NULL)
		return (-1);
	if (segment_expand(&s, text) == -1) {
		free(text);
		return (-1);
	}
	for (i = 0; i < s.n; i++) {
		m = segment_member(&s, i);
		pack_u64(&job->out, m.id);
		pack_u8(&job->out, (uint8_t)m.encoding);
		pack_u32(&job->out, m.raw_bytes);
		pack_blob(&job->out, text + m.offset, m.bytes);
	}
	free(text);
	job->out_raw_bytes = s.raw_bytes;
	return (job->out.failed ? -1 : 0);
}
