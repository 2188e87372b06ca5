/*
 * The CPU stages: every event is analysed once, every message rendered when
 * its turn is near.  Work goes to the pool member with the most credit; what
 * a lost member had is given out again, and what killed two is set aside.
 */
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "common/clock.h"
#include "common/event.h"
#include "common/log.h"
#include "common/metrics.h"
#include "workers/queue/prompt.h"
#include "workers/queue/queue.h"

#define RENDER_BYTES 4096 /* a usual ask; larger ones find out themselves */

TAILQ_HEAD(evm_list, evm);
static struct evm_list urgent = TAILQ_HEAD_INITIALIZER(urgent);
static struct evm_list ordinary = TAILQ_HEAD_INITIALIZER(ordinary);
static bool render_starved; /* jobs wait for a format worker */

/* What the analysis of an event says counts as soon as that is on disk. */
struct finding {
	int64_t seq;
	uint64_t fingerprint; /* to be judged by, if it is not to end */
	int state;	      /* to end in so, if there is a reason */
	char *reason;
	STAILQ_ENTRY(finding) entry;
};
static STAILQ_HEAD(, finding) findings = STAILQ_HEAD_INITIALIZER(findings);

static struct peer *stage_member(enum process_class, enum msg_type, size_t);
static bool stage_ask(struct evm *);
static void stage_end_all(struct evm *, int, const char *);
static void stage_keep(const struct evm *, uint64_t, int, const char *);
static void stage_judge(struct evm *, uint64_t);
static void stage_learn(struct evm *, int, int, int, uint64_t, struct span);
static bool stage_silenced(const struct evm *, struct span, struct span);
static void stage_poisoned(struct job *);
static void stage_poisoned_copies(struct job *);
static bool stage_lost_one(const uint64_t *, size_t, int64_t);
static const char *stage_put_text(char **, struct span);

/* What a loss concerns. */
struct loss {
	struct peer *peer;
	const uint64_t *job;
	size_t n;
};

/* The member with the most credit, if it can take a message of len bytes. */
static struct peer *
stage_member(enum process_class class, enum msg_type type, size_t len)
{
	struct peer *p, *best = NULL;

	for (p = worker_peer_next(class, NULL); p != NULL;
	    p = worker_peer_next(class, p))
		if (best == NULL ||
		    link_credit(p->link) > link_credit(best->link))
			best = p;
	if (best == NULL)
		return (NULL);
	/* Without credit, let the link note that we want some. */
	if (!link_can_send(best->link, type, len)) {
		(void)link_send(best->link, type, 0, NULL, len);
		return (NULL);
	}
	return (best);
}

void
stage_analyze(struct evm *ev, bool first)
{
	if (ev->stage != EV_RAW || ev->waiting)
		return;
	ev->waiting = true;
	if (first)
		TAILQ_INSERT_TAIL(&urgent, ev, wait);
	else
		TAILQ_INSERT_TAIL(&ordinary, ev, wait);
	sched_soon();
}

void
stage_forget(struct evm *ev)
{
	struct evm *o;

	if (!ev->waiting)
		return;
	ev->waiting = false;
	TAILQ_FOREACH(o, &urgent, wait)
		if (o == ev) {
			TAILQ_REMOVE(&urgent, ev, wait);
			return;
		}
	TAILQ_REMOVE(&ordinary, ev, wait);
}

void
stage_pump(void)
{
	struct evm_list *list;
	struct evm *ev;

	for (;;) {
		list = TAILQ_EMPTY(&urgent) ? &ordinary : &urgent;
		if ((ev = TAILQ_FIRST(list)) == NULL)
			break;
		if (evm_load(ev) == -1) {
			if (commit_failing())
				break; /* commit.c wakes us */
			TAILQ_REMOVE(list, ev, wait);
			ev->waiting = false;
			stage_end_all(ev, DS_DEAD,
			    "not readable in the store");
			continue;
		}
		if (!stage_ask(ev))
			break;
		TAILQ_REMOVE(list, ev, wait);
		ev->waiting = false;
	}
	/* Only when there is somebody to ask: waking for nothing would keep
	 * the scheduler turning. */
	if (render_starved &&
	    stage_member(PC_FORMAT, QUEUE_FORMAT_ASK, RENDER_BYTES) != NULL) {
		render_starved = false;
		sched_wake_all();
	}
	prompt_pump();
}

static bool
stage_ask(struct evm *ev)
{
	static struct packer out;
	struct peer *p;

	p = stage_member(PC_ANALYZE, QUEUE_ANALYZE_ASK,
	    18 + ev->payload_bytes);
	if (p == NULL)
		return (false);
	pack_reset(&out);
	pack_u8(&out, (uint8_t)ev->encoding);
	pack_u32(&out, ev->raw_bytes);
	pack_u64(&out, (uint64_t)ev->received_ms);
	pack_u8(&out, (uint8_t)ev->flags);
	pack_blob(&out, ev->payload, ev->payload_bytes);
	if (link_send_packed(p->link, QUEUE_ANALYZE_ASK, (uint64_t)ev->seq,
	    &out) == -1)
		return (false);
	ev->stage = EV_ASKED;
	ev->asked = p;
	ev->asked_us = clock_mono_us();
	return (true);
}

/* End all deliveries of an event that are in memory. */
static void
stage_end_all(struct evm *ev, int state, const char *reason)
{
	struct job *j, *next;

	if (!evm_durable(ev)) {
		stage_keep(ev, 0, state, reason);
		return;
	}
	ev->refs++; /* it stays while we walk over its deliveries */
	LIST_FOREACH_SAFE(j, &ev->jobs, sibling, next)
		if (j->stage <= JOB_RENDERED && j->leader == NULL)
			final_put(j, state, reason);
	evm_unref(ev);
}

/* Until its commit; if that fails, it never was. */
static void
stage_keep(const struct evm *ev, uint64_t fingerprint, int state,
    const char *reason)
{
	struct finding *f;

	if ((f = calloc(1, sizeof(*f))) == NULL ||
	    (reason != NULL && (f->reason = strdup(reason)) == NULL))
		fatal("event");
	f->seq = ev->seq;
	f->fingerprint = fingerprint;
	f->state = state;
	STAILQ_INSERT_TAIL(&findings, f, entry);
}

void
stage_committed(bool ok)
{
	struct finding *f;
	struct evm *ev;

	while ((f = STAILQ_FIRST(&findings)) != NULL) {
		STAILQ_REMOVE_HEAD(&findings, entry);
		if (ok && (ev = evm_find(f->seq)) != NULL) {
			if (f->reason == NULL)
				stage_judge(ev, f->fingerprint);
			else
				stage_end_all(ev, f->state, f->reason);
		}
		free(f->reason);
		free(f);
	}
}

enum link_verdict
stage_known(struct peer *p, const struct frame *f)
{
	struct unpacker u;
	struct span type, source, task_id, title, mode, payload;
	struct evm *ev;
	int kind, severity, flags, m;
	uint64_t fingerprint;

	(void)p;
	unpack_init(&u, f->data, f->len);
	kind = unpack_u8(&u);
	severity = unpack_u8(&u);
	flags = unpack_u8(&u);
	fingerprint = unpack_u64(&u);
	type = unpack_span(&u);
	source = unpack_span(&u);
	task_id = unpack_span(&u);
	title = unpack_span(&u);
	mode = unpack_span(&u);
	payload = unpack_span(&u);
	if (!unpack_done(&u) || kind > EK_MODE || severity >= NSEVERITIES)
		return (LINK_BAD);
	if ((ev = evm_find((int64_t)f->id)) == NULL || ev->stage != EV_ASKED)
		return (LINK_DONE);
	metric_observe_us(M_analyze_latency, clock_mono_us() - ev->asked_us);
	ev->task_id = span_dup(task_id);
	ev->title = span_dup(title);
	if (ev->task_id == NULL || ev->title == NULL)
		fatal("event");
	if (kind == EK_MODE && (ev->flags & EV_TRUSTED)) {
		char *name = span_dup(mode);

		if (name != NULL && (m = mode_by_name(name)) != -1)
			mode_event(ev->seq, m);
		free(name);
	}
	stage_learn(ev, kind, severity, flags, fingerprint, payload);
	if (ev->stage == EV_KNOWN && stage_silenced(ev, type, source))
		stage_end_all(ev, DS_SUPPRESSED, "muted");
	return (LINK_DONE);
}

static bool
stage_silenced(const struct evm *ev, struct span type, struct span source)
{
	const char *value[NSILENCEKEYS];
	char *t, *s;
	bool silenced;

	if (!silence_any() || ev->kind == EK_APPROVAL || ev->kind == EK_MODE)
		return (false);
	if ((t = span_dup(type)) == NULL || (s = span_dup(source)) == NULL)
		fatal("event");
	value[0] = t;
	value[1] = s;
	value[2] = ev->title;
	value[3] = ev->task_id;
	value[4] = severity_name((enum severity)ev->severity);
	silenced = silence_matches(value);
	free(t);
	free(s);
	return (silenced);
}

static void
stage_learn(struct evm *ev, int kind, int severity, int flags,
    uint64_t fingerprint, struct span payload)
{
	char *copy;

	ev->stage = EV_KNOWN;
	ev->asked = NULL;
	ev->kind = kind;
	ev->severity = severity;
	ev->attached = (flags & AN_ATTACHED) != 0;
	if ((copy = span_dup(payload)) == NULL)
		fatal("event");
	evm_set_payload(ev, copy, payload.len);
	if ((flags & AN_REDACTED) && !(ev->flags & EVF_REDACTED)) {
		ev->flags |= EVF_REDACTED;
		if (store_put_masked(queue.store, ev->seq, ev->title,
		    payload.p, payload.len) == -1)
			fatal("event");
		commit_soon();
	}
	if (evm_durable(ev))
		stage_judge(ev, fingerprint);
	else
		stage_keep(ev, fingerprint, 0, NULL);
}

/* Is it wanted at all? */
static void
stage_judge(struct evm *ev, uint64_t fingerprint)
{
	struct job *j;

	if (dedup_seen(fingerprint, ev->seq, ev->received_ms,
	    queue.dedup_window_ms)) {
		metric_add(M_events_duplicate, 1);
		stage_end_all(ev, DS_SUPPRESSED, "duplicate");
		return;
	}
	if (mode_swallows(ev)) {
		stage_end_all(ev, DS_SUPPRESSED, "muted");
		return;
	}
	LIST_FOREACH(j, &ev->jobs, sibling)
		sched_wake(j->chat);
}

enum link_verdict
stage_unknowable(struct peer *p, const struct frame *f)
{
	struct unpacker u;
	struct evm *ev;
	char *reason;

	(void)p;
	unpack_init(&u, f->data, f->len);
	reason = span_dup(unpack_span(&u));
	if (!unpack_done(&u) || reason == NULL) {
		free(reason);
		return (LINK_BAD);
	}
	ev = evm_find((int64_t)f->id);
	if (ev != NULL && ev->stage == EV_ASKED) {
		ev->stage = EV_RAW;
		ev->asked = NULL;
		stage_end_all(ev, DS_DEAD, reason);
	}
	free(reason);
	return (LINK_DONE);
}

/* Rendering. */

int
stage_render(struct job *j)
{
	static struct packer out;
	struct store_task task = { 0 };
	enum format_what what = FMT_EVENT;
	struct peer *p;
	int flags = queue.detailed ? FMT_DETAILED : 0;

	if ((j->flags & DF_AMBIGUOUS) && queue.mark_resent)
		flags |= FMT_RESENT;
	if (j->ev->kind == EK_PROGRESS || j->closing) {
		what = FMT_PROGRESS;
		flags &= ~FMT_RESENT;
		if (j->closing)
			flags |= FMT_CLOSING;
		(void)store_get_task(queue.store, j->chat->id, j->ev->task_id,
		    &task); /* none: zero, and no ETA */
	}
	if (j->nmembers > 0)
		what = FMT_DIGEST;
	pack_reset(&out);
	pack_u8(&out, (uint8_t)what);
	pack_u8(&out, (uint8_t)flags);
	pack_u64(&out, (uint64_t)task.started_ms);
	pack_u64(&out, (uint64_t)clock_wall_ms());
	if (what == FMT_DIGEST) {
		if (digest_pack(j, &out) == -1)
			fatal("digest");
	} else
		pack_blob(&out, j->ev->payload, j->ev->payload_bytes);
	p = stage_member(PC_FORMAT, QUEUE_FORMAT_ASK, out.len);
	if (p == NULL || link_send_packed(p->link, QUEUE_FORMAT_ASK,
	    (uint64_t)j->id, &out) == -1) {
		render_starved = true;
		return (-1);
	}
	j->stage = JOB_RENDERING;
	j->asked = p;
	j->asked_us = clock_mono_us();
	return (0);
}

/* Options are labels for a prompt's buttons; text has them too. */
static bool
stage_read_options(struct job *j, struct unpacker *u)
{
	int n = unpack_u16(u);

	if (n == 0)
		return (true);
	if (n > OPTIONS_MAX)
		return (false);
	if ((j->options = calloc((size_t)n, sizeof(char *))) == NULL)
		fatal("options");
	for (; j->noptions < n; j->noptions++) {
		j->options[j->noptions] = span_dup(unpack_span(u));
		if (j->options[j->noptions] == NULL)
			fatal("options");
	}
	return (true);
}

/* A copy with a NUL behind it, and the step to the next. */
static const char *
stage_put_text(char **to, struct span s)
{
	char *copy = *to;

	memcpy(copy, s.p, s.len);
	copy[s.len] = '\0';
	*to += s.len + 1;
	return (copy);
}

static bool
stage_read_parts(struct job *j, struct unpacker *u)
{
	int n = unpack_u16(u);
	struct part *t;
	struct span html, document;
	char *text;

	if (n < 1 || n > PARTS_MAX)
		return (false);
	/* In one piece; three texts a part, with a NUL behind each. */
	j->part = malloc((size_t)n * (sizeof(*t) + 3) +
	    (size_t)(u->end - u->p));
	if (j->part == NULL)
		fatal("message");
	text = (char *)(j->part + n);
	for (; j->nparts < n; j->nparts++) {
		t = &j->part[j->nparts];
		t->kind = unpack_u8(u);
		html = unpack_span(u);
		t->html = stage_put_text(&text, html);
		t->name = stage_put_text(&text, unpack_span(u));
		document = unpack_span(u);
		t->document = stage_put_text(&text, document);
		t->document_bytes = document.len;
		j->part_bytes += html.len + document.len;
		queue.part_bytes += html.len + document.len;
	}
	return (true);
}

enum link_verdict
stage_rendered(struct peer *p, const struct frame *f)
{
	struct unpacker u;
	struct job *j;

	if (f->id & PROMPT_BIT)
		return (prompt_rendered(p, f));
	if ((j = job_find((int64_t)f->id)) == NULL ||
	    j->stage != JOB_RENDERING)
		return (LINK_DONE);
	job_drop_parts(j);
	unpack_init(&u, f->data, f->len);
	(void)unpack_u32(&u); /* members named: the text says it */
	if (!stage_read_options(j, &u) || !stage_read_parts(j, &u) ||
	    !unpack_done(&u)) {
		job_drop_parts(j);
		return (LINK_BAD);
	}
	metric_observe_us(M_format_latency, clock_mono_us() - j->asked_us);
	j->stage = JOB_RENDERED;
	j->asked = NULL;
	if (j->ev->kind == EK_APPROVAL)
		prompt_begin(j);
	if (j->parts_done >= j->nparts && !j->closing)
		call_parts_done(j); /* a crash came between part and end */
	sched_wake(j->chat);
	return (LINK_DONE);
}

/* Losses. */

static bool
stage_lost_one(const uint64_t *job, size_t n, int64_t id)
{
	for (size_t i = 0; i < n; i++)
		if (job[i] == (uint64_t)id)
			return (true);
	return (false);
}

static void
stage_lost_event(struct evm *ev, void *arg)
{
	struct loss *l = arg;

	if (ev->stage != EV_ASKED || ev->asked != l->peer)
		return;
	ev->stage = EV_RAW;
	ev->asked = NULL;
	metric_add(M_events_redelivered, 1);
	if (stage_lost_one(l->job, l->n, ev->seq) &&
	    ++ev->losses >= LOSSES_MAX) {
		log_errx("event %s: lost %d analyze workers; setting it "
		    "aside as poison", evm_id(ev->seq), ev->losses);
		metric_add(M_events_quarantined, 1);
		stage_end_all(ev, DS_DEAD, "poison");
		return;
	}
	stage_analyze(ev, true); /* it is older than all that wait */
}

/* Which member of a digest it is shows when each goes by itself. */
static void
stage_poisoned(struct job *j)
{
	if (j->nmembers > 0) {
		log_warnx("a digest of %d events lost %d format workers; "
		    "sending them one by one", j->nmembers + 1, j->losses);
		j->flags |= DF_NODIGEST;
		j->losses = 0;
		digest_dissolve(j);
		job_save(j, DS_QUEUED);
		sched_wake(j->chat);
		return;
	}
	log_errx("event %s: lost %d format workers; setting it aside as "
	    "poison", evm_id(j->ev->seq), j->losses);
	metric_add(M_events_quarantined, 1);
	final_put(j, DS_DEAD, "poison");
	stage_poisoned_copies(j);
}

/* What waits to be rendered for other chats would lose two more for each. */
static void
stage_poisoned_copies(struct job *j)
{
	struct evm *ev = j->ev;
	struct job *copy, *next;

	ev->refs++;
	LIST_FOREACH_SAFE(copy, &ev->jobs, sibling, next)
		if (copy->stage == JOB_QUEUED && copy->in_lane &&
		    copy->nparts == 0 && copy->leader == NULL &&
		    copy->nmembers == 0)
			final_put(copy, DS_DEAD, "poison");
	evm_unref(ev);
}

static void
stage_lost_job(struct job *j, void *arg)
{
	struct loss *l = arg;

	if (j->stage != JOB_RENDERING || j->asked != l->peer)
		return;
	j->stage = JOB_QUEUED;
	j->asked = NULL;
	metric_add(M_events_redelivered, 1);
	if (stage_lost_one(l->job, l->n, j->id) && ++j->losses >= LOSSES_MAX) {
		stage_poisoned(j);
		return;
	}
	sched_wake(j->chat);
}

void
stage_lost(struct peer *p, const uint64_t *job, size_t n)
{
	struct loss l = { p, job, n };

	if (p->class == PC_ANALYZE)
		evm_iterate(stage_lost_event, &l);
	else {
		job_iterate(stage_lost_job, &l);
		prompt_format_lost(p, job, n);
	}
	stage_pump();
}
