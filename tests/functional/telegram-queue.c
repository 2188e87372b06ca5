/*
 * telegram-queue: runs cctg-telegram alone and plays the supervisor and the
 * queue for it.  Driven by test_telegram.py and by hand.
 *
 * Commands beside those of play.h:
 *	call {"id","method","chat","text",…}  QUEUE_CALL_ASK
 *	seen {"ids":[…]}	QUEUE_CALL_SEEN
 *	poll {"offset","webhook"}  QUEUE_POLL_SET
 *	updates {"how":"see"|"hold"|"keep"}  what becomes of updates: they
 *				are seen, or not; keep: nor is credit given
 *	release			what was kept is given back
 *	update_seen {"id"}	QUEUE_UPDATE_SEEN
 *	slot			prints jobs, note and telegram metrics
 *	bench {"calls","chats","window"}  prints requests a second
 */
#include "config.h"

#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/nitems.h"
#include "tests/functional/play.h"

#define SEEN_BATCH 64

static enum { SEE, HOLD, KEEP } manner;
static size_t kept[256], nkept;

static struct {
	uint64_t next, calls, done, chats;
	unsigned int window, under_way, nseen;
	uint64_t seen[SEEN_BATCH], outcome[NOUTCOMES];
	int64_t began_us;
} bench;

static void do_call(struct json_object *);
static void do_seen(struct json_object *);
static void do_poll(struct json_object *);
static void do_updates(struct json_object *);
static void do_release(struct json_object *);
static void do_update_seen(struct json_object *);
static void do_slot(struct json_object *);
static void do_bench(struct json_object *);
static void forget_kept(void);
static void bench_feed(void);
static void bench_done(uint64_t, enum call_outcome);
static void send_seen(const uint64_t *, size_t);
static void send_call(uint64_t, struct json_object *);
static enum link_verdict queue_message(struct link *, const struct frame *,
    void *);
static enum link_verdict on_update(const struct frame *, struct unpacker *);
static void print_done(const struct frame *, struct unpacker *);

static const struct play_command commands[] = {
	{ "call", do_call },
	{ "seen", do_seen },
	{ "poll", do_poll },
	{ "updates", do_updates },
	{ "release", do_release },
	{ "update_seen", do_update_seen },
	{ "slot", do_slot },
	{ "bench", do_bench },
	{ NULL, NULL }
};

static const struct play play = {
	.class = PC_TELEGRAM,
	.name = "telegram/0",
	.commands = commands,
	.message = queue_message,
	.writable = bench_feed,
	.died = forget_kept,
};

int
main(int argc, char **argv)
{
	return (play_main(argc, argv, &play));
}

static void
forget_kept(void)
{
	nkept = 0;
}

/* Commands. */

static void
do_call(struct json_object *o)
{
	send_call((uint64_t)json_i64(o, "id", 0), o);
}

static void
send_call(uint64_t id, struct json_object *o)
{
	static struct packer p;
	const char *method = json_str(o, "method", "send");

	pack_reset(&p);
	pack_u8(&p, strcmp(method, "edit") == 0 ? CALL_EDIT :
	    strcmp(method, "document") == 0 ? CALL_DOCUMENT :
	    strcmp(method, "answer") == 0 ? CALL_ANSWER :
	    strcmp(method, "react") == 0 ? CALL_REACT :
	    strcmp(method, "topic") == 0 ? CALL_TOPIC : CALL_SEND);
	pack_u8(&p, (uint8_t)json_i64(o, "flags", 0));
	pack_u32(&p, (uint32_t)json_i64(o, "attempt", 1));
	pack_i64(&p, json_i64(o, "chat", 1));
	pack_i64(&p, json_i64(o, "thread", 0));
	pack_i64(&p, json_i64(o, "message_id", 0));
	pack_str(&p, json_str(o, "text", "text"));
	pack_str(&p, json_str(o, "markup", ""));
	pack_str(&p, json_str(o, "document_name", ""));
	pack_str(&p, json_str(o, "document", ""));
	play_send(QUEUE_CALL_ASK, id, &p);
}

static void
do_seen(struct json_object *o)
{
	struct json_object *ids = json_path(o, "ids");
	uint64_t id[SEEN_BATCH];
	size_t i, n = json_object_array_length(ids);

	for (i = 0; i < n && i < SEEN_BATCH; i++)
		id[i] = json_object_get_uint64(
		    json_object_array_get_idx(ids, i));
	send_seen(id, i);
}

static void
send_seen(const uint64_t *id, size_t n)
{
	static struct packer p;
	size_t i;

	pack_reset(&p);
	pack_u32(&p, (uint32_t)n);
	for (i = 0; i < n; i++)
		pack_u64(&p, id[i]);
	play_send(QUEUE_CALL_SEEN, 0, &p);
}

static void
do_poll(struct json_object *o)
{
	static struct packer p;

	pack_reset(&p);
	pack_i64(&p, json_i64(o, "offset", 0));
	pack_str(&p, json_str(o, "webhook", ""));
	play_send(QUEUE_POLL_SET, 0, &p);
}

static void
do_updates(struct json_object *o)
{
	const char *how = json_str(o, "how", "see");

	manner = strcmp(how, "hold") == 0 ? HOLD :
	    strcmp(how, "keep") == 0 ? KEEP : SEE;
}

static void
do_release(struct json_object *o)
{
	(void)o;
	while (nkept > 0)
		link_release(play_queue, kept[--nkept]);
}

static void
do_update_seen(struct json_object *o)
{
	if (link_send(play_queue, QUEUE_UPDATE_SEEN,
	    (uint64_t)json_i64(o, "id", 0), NULL, 0) == -1)
		err(1, "update_seen");
}

static void
do_slot(struct json_object *o)
{
	const char *comma = "";

	(void)o;
	printf("{\"event\":\"slot\",\"jobs\":[");
	for (int i = 0; i < SLOT_JOBS; i++)
		if (play_slot->job[i] != 0) {
			printf("%s%" PRIu64, comma, play_slot->job[i]);
			comma = ",";
		}
	printf("],\"note\":\"%s\"", play_slot->note);
#define SHOW(name) \
	printf(",\"" #name "\":%" PRIu64, play_slot->cell[M_telegram_##name])
	SHOW(state);
	SHOW(requests);
	SHOW(sent);
	SHOW(inflight);
	SHOW(connections);
	SHOW(poll_connections);
	SHOW(breaker_opened);
	SHOW(poller);
	SHOW(last_update_ms);
	printf(",\"errors\":{");
	comma = "";
	for (unsigned int i = 0; i < TELEGRAM_ERRORS; i++) {
		printf("%s\"%s\":%" PRIu64, comma,
		    metrics_label(M_telegram_errors, i),
		    play_slot->cell[M_telegram_errors + i]);
		comma = ",";
	}
	printf("}}\n");
}

static void
do_bench(struct json_object *o)
{
	memset(&bench, 0, sizeof(bench));
	bench.calls = (uint64_t)json_i64(o, "calls", 10000);
	bench.chats = (uint64_t)json_i64(o, "chats", 32);
	bench.window = (unsigned int)json_i64(o, "window", 128);
	bench.began_us = clock_mono_us();
	bench_feed();
}

static void
bench_feed(void)
{
	static struct packer p;
	char text[512];

	while (bench.next < bench.calls && bench.under_way < bench.window &&
	    link_credit(play_queue) > 0) {
		snprintf(text, sizeof(text), "<b>Event %" PRIu64 "</b>\n"
		    "A description of some length, as events have it, and "
		    "<code>details</code> of what was done.", bench.next);
		pack_reset(&p);
		pack_u8(&p, CALL_SEND);
		pack_u8(&p, 0);
		pack_u32(&p, 1);
		pack_i64(&p, 1000 + (int64_t)(bench.next % bench.chats));
		pack_i64(&p, 0);
		pack_i64(&p, 0);
		pack_str(&p, text);
		pack_str(&p, "");
		pack_str(&p, "");
		pack_str(&p, "");
		if (link_send_packed(play_queue, QUEUE_CALL_ASK,
		    1000000 + bench.next, &p) == -1)
			return;
		bench.next++;
		bench.under_way++;
	}
}

static void
bench_done(uint64_t id, enum call_outcome outcome)
{
	double s;

	bench.under_way--;
	bench.done++;
	bench.outcome[outcome]++;
	bench.seen[bench.nseen++] = id;
	if (bench.nseen == SEEN_BATCH || bench.done == bench.calls) {
		send_seen(bench.seen, bench.nseen);
		bench.nseen = 0;
	}
	if (bench.done < bench.calls) {
		bench_feed();
		return;
	}
	s = (double)(clock_mono_us() - bench.began_us) / 1e6;
	printf("{\"event\":\"bench\",\"rate\":%.0f,\"delivered\":%" PRIu64
	    "}\n", (double)bench.calls / s, bench.outcome[CO_DELIVERED]);
	bench.calls = 0;
}

/* What the worker says. */

static enum link_verdict
queue_message(struct link *l, const struct frame *f, void *arg)
{
	struct unpacker u;
	uint32_t n, i;

	(void)l, (void)arg;
	unpack_init(&u, f->data, f->len);
	if (f->type == TELEGRAM_CALL_DONE) {
		print_done(f, &u);
	} else if (f->type == TELEGRAM_CALL_REPORT) {
		printf("{\"event\":\"report\",\"survivor\":%s,\"ids\":[",
		    unpack_u8(&u) ? "true" : "false");
		n = unpack_u32(&u);
		for (i = 0; i < n; i++)
			printf("%s%" PRIu64, i > 0 ? "," : "",
			    unpack_u64(&u));
		printf("]}\n");
	} else if (f->type == TELEGRAM_NAME_TELL) {
		struct span name = unpack_span(&u);

		printf("{\"event\":\"name\",\"name\":\"%.*s\"}\n",
		    (int)name.len, name.p);
	} else if (f->type == TELEGRAM_HOOK_TELL) {
		struct span url = unpack_span(&u);

		printf("{\"event\":\"hook\",\"url\":\"%.*s\"}\n",
		    (int)url.len, url.p);
	} else if (f->type == TELEGRAM_UPDATE_TELL)
		return (on_update(f, &u));
	else
		return (LINK_BAD);
	return (unpack_done(&u) ? LINK_DONE : LINK_BAD);
}

static enum link_verdict
on_update(const struct frame *f, struct unpacker *u)
{
	struct span json = unpack_span(u);

	if (!unpack_done(u))
		return (LINK_BAD);
	printf("{\"event\":\"update\",\"id\":%" PRIu64 ",\"json\":%.*s}\n",
	    f->id, (int)json.len, json.p);
	if (manner == SEE && link_send(play_queue, QUEUE_UPDATE_SEEN, f->id,
	    NULL, 0) == -1)
		err(1, "update_seen");
	if (manner != KEEP || nkept == nitems(kept))
		return (LINK_DONE);
	kept[nkept++] = f->len;
	return (LINK_KEEP);
}

static void
print_done(const struct frame *f, struct unpacker *u)
{
	struct json_object *o = json_object_new_object();
	enum call_outcome outcome = unpack_u8(u);
	struct span text;

#define ADD(key, value) json_object_object_add(o, key, value)
	ADD("event", json_object_new_string("done"));
	ADD("id", json_object_new_uint64(f->id));
	ADD("outcome", json_object_new_string(outcome_name(outcome)));
	ADD("attempt", json_object_new_int64(unpack_u32(u)));
	ADD("status", json_object_new_int(unpack_u16(u)));
	ADD("code", json_object_new_int((int)unpack_u32(u)));
	ADD("retry_after_ms", json_object_new_uint64(unpack_u64(u)));
	ADD("message_id", json_object_new_int64(unpack_i64(u)));
	ADD("migrate_to", json_object_new_int64(unpack_i64(u)));
	text = unpack_span(u);
	ADD("description", json_object_new_string_len(text.p,
	    (int)text.len));
	if (bench.calls > 0)
		bench_done(f->id, outcome);
	else
		play_print(o);
	json_object_put(o);
}

