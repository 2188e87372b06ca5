/*
 * Notes; see note.h.
 */
#include <sys/queue.h>

#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "common/clock.h"
#include "common/log.h"
#include "workers/queue/note.h"
#include "workers/queue/queue.h"
#include "workers/queue/verdict.h"

#define ATTEMPTS_MAX 8 /* about two minutes of trying; edits go on */
#define NOTES_MAX 4096 /* waiting at once; beyond it the oldest go */

struct note {
	uint64_t id;
	enum call_method method;
	int64_t chat_id, thread, message_id;
	char *text, *markup, *query_id;
	int attempts;
	int64_t due_ms; /* monotonic */
	struct peer *called;
	void (*done)(int64_t);
	int64_t key;
	TAILQ_ENTRY(note) entry;
};

static TAILQ_HEAD(, note) notes = TAILQ_HEAD_INITIALIZER(notes);
static int nnotes;
static uint64_t next_id;
static struct event *pump_event;

static struct note *note_new(enum call_method, int64_t, const char *);
static void note_end(struct note *);
static void note_pumpcb(evutil_socket_t, short, void *);
static bool note_call(struct note *, struct peer *);
static void note_reply_instead(const struct note *);

static struct note *
note_new(enum call_method method, int64_t chat_id, const char *text)
{
	struct note *n;

	if (nnotes >= NOTES_MAX && (n = TAILQ_FIRST(&notes)) != NULL)
		note_end(n);
	if ((n = calloc(1, sizeof(*n))) == NULL ||
	    (n->text = strdup(text)) == NULL)
		fatal("note");
	if (next_id == 0) /* an earlier queue's ids must not come again */
		next_id = (uint64_t)clock_wall_ms() << 12;
	n->id = NOTE_BIT | (next_id++ & (NOTE_BIT - 1));
	n->method = method;
	n->chat_id = chat_id;
	TAILQ_INSERT_TAIL(&notes, n, entry);
	nnotes++;
	return (n);
}

static void
note_end(struct note *n)
{
	void (*done)(int64_t) = n->done;
	int64_t key = n->key;

	TAILQ_REMOVE(&notes, n, entry);
	nnotes--;
	free(n->text);
	free(n->markup);
	free(n->query_id);
	free(n);
	if (done != NULL)
		done(key);
}

void
note_answer(const char *query_id, const char *toast)
{
	struct note *n = note_new(CALL_ANSWER, 0, toast);

	if ((n->query_id = strdup(query_id)) == NULL)
		fatal("note");
	note_pump();
}

void
note_send(int64_t chat_id, int64_t thread, const char *html,
    const char *markup)
{
	struct note *n = note_new(CALL_SEND, chat_id, html);

	n->thread = thread;
	if (markup != NULL && (n->markup = strdup(markup)) == NULL)
		fatal("note");
	note_pump();
}

void
note_react(int64_t chat_id, int64_t thread, int64_t message_id,
    const char *emoji)
{
	struct note *n = note_new(CALL_REACT, chat_id, emoji);

	n->thread = thread;
	n->message_id = message_id;
	note_pump();
}

/* Not every chat allows reactions: then the emoji is a reply. */
static void
note_reply_instead(const struct note *reaction)
{
	struct note *n = note_new(CALL_SEND, reaction->chat_id,
	    reaction->text);

	n->thread = reaction->thread;
	n->message_id = reaction->message_id;
}

void
note_edit(int64_t chat_id, int64_t message_id, const char *html,
    void (*done)(int64_t), int64_t key)
{
	struct note *n = note_new(CALL_EDIT, chat_id, html);

	n->message_id = message_id;
	n->done = done;
	n->key = key;
	note_pump();
}

static bool
note_call(struct note *n, struct peer *p)
{
	static struct packer out;

	pack_reset(&out);
	pack_u8(&out, (uint8_t)n->method);
	pack_u8(&out, 0);
	pack_u32(&out, (uint32_t)++n->attempts);
	pack_i64(&out, n->chat_id);
	pack_i64(&out, n->thread);
	pack_i64(&out, n->message_id);
	pack_str(&out, n->text);
	pack_str(&out, n->markup);
	pack_str(&out, n->query_id);
	pack_blob(&out, NULL, 0);
	if (link_send_packed(p->link, QUEUE_CALL_ASK, n->id, &out) == -1) {
		n->attempts--;
		return (false);
	}
	n->called = p;
	return (true);
}

/* Call what is due; look again when the next is. */
void
note_pump(void)
{
	struct peer *p = worker_peer_next(PC_TELEGRAM, NULL);
	int64_t now = clock_mono_ms(), next = INT64_MAX;
	struct timeval tv;
	struct note *n;

	if (p == NULL)
		return; /* wired again: queue_peer_up() calls */
	TAILQ_FOREACH(n, &notes, entry) {
		if (n->called != NULL)
			continue;
		if (n->due_ms > now) {
			if (n->due_ms < next)
				next = n->due_ms;
			continue;
		}
		if (!note_call(n, p))
			break; /* credit: queue_writable() calls */
	}
	if (next == INT64_MAX)
		return;
	if (pump_event == NULL && (pump_event = event_new(worker_base(), -1,
	    0, note_pumpcb, NULL)) == NULL)
		fatalx("cannot create the timer of notes");
	tv.tv_sec = (next - now) / 1000;
	tv.tv_usec = (next - now) % 1000 * 1000;
	event_add(pump_event, &tv);
}

static void
note_pumpcb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
	note_pump();
}

enum link_verdict
note_done(struct peer *p, const struct frame *f)
{
	struct unpacker u;
	struct verdict v;
	struct note *n;
	int64_t retry_ms;
	int outcome;

	(void)p;
	unpack_init(&u, f->data, f->len);
	outcome = unpack_u8(&u);
	(void)unpack_u32(&u);
	(void)unpack_u16(&u);
	(void)unpack_u32(&u);
	retry_ms = (int64_t)unpack_u64(&u);
	(void)unpack_i64(&u);
	(void)unpack_i64(&u);
	(void)unpack_span(&u);
	if (!unpack_done(&u) || outcome >= NOUTCOMES)
		return (LINK_BAD);
	TAILQ_FOREACH(n, &notes, entry)
		if (n->id == f->id)
			break;
	if (n != NULL) {
		v = verdict_decide((enum call_outcome)outcome, n->attempts,
		    retry_ms, n->method == CALL_EDIT, false, 0.5);
		if (v.action != VA_RETRY || n->method == CALL_ANSWER ||
		    (n->attempts >= ATTEMPTS_MAX && n->method != CALL_EDIT)) {
			if (n->method == CALL_REACT && v.action == VA_DEAD)
				note_reply_instead(n);
			note_end(n);
			note_pump();
		} else {
			n->called = NULL;
			n->due_ms = clock_mono_ms() + v.wait_ms;
			note_pump();
		}
	}
	commit_then_seen((int64_t)f->id);
	return (LINK_DONE);
}

bool
note_is_idle(void)
{
	return (TAILQ_EMPTY(&notes));
}

void
note_telegram_lost(struct peer *p)
{
	struct note *n;

	TAILQ_FOREACH(n, &notes, entry)
		if (n->called == p)
			n->called = NULL;
}
