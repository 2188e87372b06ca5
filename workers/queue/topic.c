/*
 * Topics; see topic.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "workers/queue/escape.h"
#include "workers/queue/note.h"
#include "workers/queue/topic.h"

#define META_TOPIC "topic."  /* the chat's number in the store */
#define TOPICS_MAX 256	     /* of one forum; then the oldest idle one goes */
#define NEVER INT64_MAX

/* S(NAME, "name") */
#define TOPIC_STATES(S)                                                  \
	S(WANTED, "wanted")   /* to be asked for, not before retry_ms */ \
	S(ASKED, "asked")     /* on disk, and perhaps on its way */      \
	S(THERE, "there")                                                \
	S(AWAY, "away")	      /* General stands in until retry_ms */

enum topic_state {
#define STATE_ENUM(name, text) TS_##name,
	TOPIC_STATES(STATE_ENUM)
#undef STATE_ENUM
	NTOPICSTATES
};

struct topic {
	struct chat *chat;
	char *key;	/* what the sender calls it */
	char *name;	/* as it is shown: masked; NULL: not asked for yet */
	int64_t thread; /* at Telegram; 0: none is known */
	enum topic_state state;
	int attempts, failures; /* in all; in a row */
	int64_t retry_ms, used_ms; /* wall clock */
	bool noticed;	/* the chat knows that General stands in */
	bool marked;	/* asked for, but that is not on disk yet */
	bool ready;	/* … it is: to be called */
	enum topic_by by;
	bool unclear;	/* an earlier queue asked: what says telegram? */
	struct peer *called;
	LIST_ENTRY(topic) entry;
};

static LIST_HEAD(, topic) topics = LIST_HEAD_INITIALIZER(topics);
static const char *const state_names[] = {
#define STATE_NAME(name, text) text,
	TOPIC_STATES(STATE_NAME)
#undef STATE_NAME
};

static void topic_loaded(const char *, const char *, void *);
static struct topic *topic_new(struct chat *, const char *);
static struct topic *topic_find(int64_t, const char *);
static struct topic *topic_room(int64_t);
static bool topic_is_idle(const struct topic *);
static void topic_save(const struct topic *);
static void topic_ask(struct topic *, const struct evm *);
static bool topic_call(struct topic *);
static void topic_apply(struct topic *, enum call_outcome, int64_t, int64_t,
    int64_t, const char *);
static void topic_there(struct topic *, int64_t);
static void topic_away(struct topic *, int64_t, const char *);
static struct topic *topic_by_id(uint64_t);
static char *copy_of(const char *);

static char *
copy_of(const char *s)
{
	char *copy = s == NULL ? NULL : strdup(s);

	if (copy == NULL)
		fatal("topic");
	return (copy);
}

/* The store. */

void
topic_load(void)
{
	if (store_each_meta(queue.store, META_TOPIC, topic_loaded, NULL) == -1)
		log_warnx("topics: %s", store_error(queue.store));
}

static void
topic_loaded(const char *key, const char *value, void *arg)
{
	struct chat *c = chat_by_id((int32_t)strtol(key, NULL, 10));
	const char *error, *name;
	struct json_object *o = json_parse(value, strlen(value), &error);
	struct topic *t;

	(void)arg;
	if (c != NULL && c->topic == NULL && o != NULL) {
		t = topic_new(c, json_str(o, "key", ""));
		if ((name = json_str(o, "name", NULL)) != NULL)
			t->name = copy_of(name);
		t->thread = json_i64(o, "thread", 0);
		for (int i = 0; i < NTOPICSTATES; i++)
			if (strcmp(state_names[i], json_str(o, "state", ""))
			    == 0)
				t->state = (enum topic_state)i;
		t->attempts = (int)json_i64(o, "attempts", 0);
		t->failures = (int)json_i64(o, "failures", 0);
		t->retry_ms = json_i64(o, "retry_ms", 0);
		t->used_ms = json_i64(o, "used_ms", 0);
		t->noticed = json_flag(o, "noticed", false);
		t->by = topic_by_name(json_str(o, "by", "auto"));
		t->unclear = t->state == TS_ASKED;
	}
	json_object_put(o);
}

static void
topic_save(const struct topic *t)
{
	struct json_object *o = json_object_new_object();
	char key[sizeof(META_TOPIC) + 16];

	if (o == NULL)
		fatal("topic");
	json_object_object_add(o, "key", json_object_new_string(t->key));
	if (t->name != NULL)
		json_object_object_add(o, "name",
		    json_object_new_string(t->name));
	json_object_object_add(o, "by",
	    json_object_new_string(topic_by_word(t->by)));
	json_object_object_add(o, "thread", json_object_new_int64(t->thread));
	json_object_object_add(o, "state",
	    json_object_new_string(state_names[t->state]));
	json_object_object_add(o, "attempts",
	    json_object_new_int(t->attempts));
	json_object_object_add(o, "failures",
	    json_object_new_int(t->failures));
	json_object_object_add(o, "retry_ms",
	    json_object_new_int64(t->retry_ms));
	json_object_object_add(o, "used_ms",
	    json_object_new_int64(t->used_ms));
	json_object_object_add(o, "noticed",
	    json_object_new_boolean(t->noticed));
	snprintf(key, sizeof(key), META_TOPIC "%d", (int)t->chat->id);
	if (store_put_meta(queue.store, key, json_object_to_json_string_ext(o,
	    JSON_C_TO_STRING_PLAIN)) == -1)
		fatal("topic");
	json_object_put(o);
	commit_soon();
}

/* Which topic? */

static struct topic *
topic_new(struct chat *c, const char *key)
{
	struct topic *t;

	if ((t = calloc(1, sizeof(*t))) == NULL)
		fatal("topic");
	t->chat = c;
	t->key = copy_of(key);
	c->topic = t;
	LIST_INSERT_HEAD(&topics, t, entry);
	return (t);
}

static struct topic *
topic_find(int64_t chat_id, const char *key)
{
	struct topic *t;

	LIST_FOREACH(t, &topics, entry)
		if (t->chat->chat_id == chat_id && strcmp(t->key, key) == 0)
			return (t);
	return (NULL);
}

/* The ids of two queues' calls for one chat differ by the attempt. */
static struct topic *
topic_by_id(uint64_t id)
{
	struct chat *c = chat_by_id((int32_t)(id & ~TOPIC_BIT));

	return (c == NULL ? NULL : c->topic);
}

static bool
topic_is_idle(const struct topic *t)
{
	for (int lane = 0; lane < NLANES; lane++)
		if (t->chat->lane[lane].open > 0)
			return (false);
	return (t->state != TS_ASKED);
}

/*
 * A place for one more in a forum that has its most: that of the one which
 * has not been used for longest.  NULL if all are in use.  What was sent to
 * it stays; the topic at Telegram does, too.
 */
static struct topic *
topic_room(int64_t chat_id)
{
	struct topic *t, *oldest = NULL;

	LIST_FOREACH(t, &topics, entry)
		if (t->chat->chat_id == chat_id && topic_is_idle(t) &&
		    (oldest == NULL || t->used_ms < oldest->used_ms))
			oldest = t;
	return (oldest);
}

static struct topic *
topic_make(int64_t chat_id, const char *key)
{
	int64_t thread = -1;
	struct topic *t;
	struct chat *c;
	int n = 0;

	LIST_FOREACH(t, &topics, entry) {
		if (t->chat->chat_id != chat_id)
			continue;
		n++;
		if (t->chat->thread <= thread)
			thread = t->chat->thread - 1;
	}
	if (n < TOPICS_MAX) {
		if ((c = chat_get(chat_id, thread)) == NULL)
			fatal("chat");
		return (topic_new(c, key));
	}
	if ((t = topic_room(chat_id)) == NULL)
		return (NULL);
	free(t->key);
	free(t->name);
	t->key = copy_of(key);
	t->name = NULL;
	t->thread = t->retry_ms = 0;
	t->failures = 0;
	t->state = TS_WANTED;
	return (t);
}

struct chat *
topic_chat(int64_t chat_id, enum topic_by by, struct span payload)
{
	struct json_object *event = NULL;
	struct topic *t = NULL;
	const char *error;
	char *key = NULL;

	chat_id = moved_to(chat_id);
	if (payload.p != NULL)
		event = json_parse(payload.p, payload.len, &error);
	if (event != NULL && (key = topic_name(event, by)) != NULL &&
	    (t = topic_find(chat_id, key)) == NULL &&
	    (t = topic_make(chat_id, key)) != NULL) {
		t->by = by;
		topic_save(t);
	}
	json_object_put(event);
	free(key);
	if (t == NULL)
		return (chat_get(chat_id, 0));
	t->by = by;
	t->used_ms = clock_wall_ms();
	return (t->chat);
}

int64_t
topic_thread(const struct chat *c)
{
	const struct topic *t = c->topic;

	if (t == NULL) /* below 0: a damaged store has lost what it was */
		return (c->thread > 0 ? c->thread : 0);
	return (t->state == TS_THERE ? t->thread : 0);
}

const char *
topic_title(const struct chat *c)
{
	const struct topic *t = c->topic;

	return (t == NULL || t->name == NULL ? NULL : t->name);
}

/* Making one. */

int64_t
topic_wait(struct chat *c, const struct evm *ev, int64_t now)
{
	struct topic *t = c->topic;
	int64_t left;

	if (t == NULL || t->state == TS_THERE)
		return (now);
	if (t->state == TS_ASKED)
		return (NEVER);
	left = t->retry_ms - clock_wall_ms();
	if (left > TOPIC_AWAY_MAX_MS) /* the clock was set back */
		left = 0;
	if (left > 0)
		return (t->state == TS_AWAY ? now : now + left);
	if (t->thread != 0) { /* it was closed: perhaps it is open again */
		t->state = TS_THERE;
		return (now);
	}
	topic_ask(t, ev);
	return (NEVER);
}

/*
 * The name is that of the event as it is shown, in which secrets are masked.
 */
static void
topic_ask(struct topic *t, const struct evm *ev)
{
	struct json_object *event = NULL;
	const char *error;
	char *name = NULL;

	if (t->name == NULL && ev->payload != NULL &&
	    (event = json_parse(ev->payload, ev->payload_bytes, &error)) !=
	    NULL)
		name = topic_name(event, t->by);
	json_object_put(event);
	if (t->name == NULL)
		t->name = name != NULL ? name : copy_of("Events");
	t->state = TS_ASKED;
	t->attempts++;
	t->unclear = false;
	t->marked = true;
	rate_take(&t->chat->room->budget, clock_mono_ms());
	rate_take(&queue.bot, clock_mono_ms());
	topic_save(t);
}

/* That it is asked for is on disk. */
void
topic_committed(void)
{
	struct topic *t;

	LIST_FOREACH(t, &topics, entry) {
		t->ready |= t->marked;
		t->marked = false;
	}
	topic_pump();
}

void
topic_pump(void)
{
	struct topic *t;

	LIST_FOREACH(t, &topics, entry)
		if (t->ready && !topic_call(t))
			return;
}

static bool
topic_call(struct topic *t)
{
	static struct packer out;
	struct peer *p = worker_peer_next(PC_TELEGRAM, NULL);

	if (p == NULL)
		return (false);
	pack_reset(&out);
	pack_u8(&out, CALL_TOPIC);
	pack_u8(&out, 0);
	pack_u32(&out, (uint32_t)t->attempts);
	pack_i64(&out, moved_to(t->chat->chat_id));
	pack_i64(&out, 0);
	pack_i64(&out, 0);
	pack_str(&out, t->name);
	pack_str(&out, NULL);
	pack_str(&out, NULL);
	pack_blob(&out, NULL, 0);
	if (link_send_packed(p->link, QUEUE_CALL_ASK,
	    TOPIC_BIT | (uint64_t)t->chat->id, &out) == -1)
		return (false);
	t->ready = false;
	t->called = p;
	return (true);
}

enum link_verdict
topic_done(struct peer *p, const struct frame *f)
{
	struct topic *t = topic_by_id(f->id);
	int64_t retry_after_ms, thread, migrate_to;
	enum call_outcome outcome;
	struct unpacker u;
	char *description;

	unpack_init(&u, f->data, f->len);
	outcome = unpack_u8(&u);
	(void)unpack_u32(&u);
	(void)unpack_u16(&u);
	(void)unpack_u32(&u);
	retry_after_ms = (int64_t)unpack_u64(&u);
	thread = unpack_i64(&u);
	migrate_to = unpack_i64(&u);
	if ((description = span_dup(unpack_span(&u))) == NULL)
		fatal("topic");
	if (!unpack_done(&u) || outcome >= NOUTCOMES) {
		free(description);
		return (LINK_BAD);
	}
	if (t != NULL && t->state == TS_ASKED && t->called == p)
		topic_apply(t, outcome, retry_after_ms, thread, migrate_to,
		    description);
	commit_then_seen((int64_t)f->id);
	free(description);
	return (LINK_DONE);
}

static void
topic_apply(struct topic *t, enum call_outcome outcome,
    int64_t retry_after_ms, int64_t thread, int64_t migrate_to,
    const char *description)
{
	struct chat *c = t->chat;
	struct topic_verdict v;
	int64_t until;

	v = topic_judge(outcome, ++t->failures, retry_after_ms, thread > 0);
	t->called = NULL;
	t->unclear = false;
	if (outcome == CO_MIGRATED && migrate_to != 0 &&
	    migrate_to != moved_to(c->chat_id))
		chat_migrate(c, migrate_to);
	until = clock_mono_ms() + v.wait_ms;
	if (outcome == CO_RATE_LIMITED && until > c->room->pause_until_ms)
		c->room->pause_until_ms = until;
	switch (v.action) {
	case TA_READY:
		topic_there(t, thread);
		break;
	case TA_AGAIN:
		t->state = TS_WANTED;
		t->retry_ms = clock_wall_ms() + v.wait_ms;
		topic_save(t);
		break;
	case TA_AWAY:
		topic_away(t, v.wait_ms, description);
		break;
	}
	sched_wake(c);
}

static void
topic_there(struct topic *t, int64_t thread)
{
	struct topic *o;

	t->state = TS_THERE;
	t->thread = thread;
	t->failures = 0;
	t->retry_ms = 0;
	topic_save(t);
	/* All is well again: the next trouble is news. */
	LIST_FOREACH(o, &topics, entry)
		if (o->noticed && o->chat->chat_id == t->chat->chat_id) {
			o->noticed = false;
			topic_save(o);
		}
}

/* General stands in; people are told once, not for each topic. */
static void
topic_away(struct topic *t, int64_t ms, const char *why)
{
	int64_t chat_id = t->chat->chat_id;
	bool noticed = false;
	struct topic *o;
	char *name, *reason, *html;

	LIST_FOREACH(o, &topics, entry)
		if (o->chat->chat_id == chat_id && o->noticed)
			noticed = true;
	t->state = TS_AWAY;
	t->retry_ms = clock_wall_ms() + ms;
	t->noticed = true;
	topic_save(t);
	log_warnx("chat %lld: no topic can be had (%s); its messages go to "
	    "General, next try in %lld s", (long long)chat_id, why,
	    (long long)ms / 1000);
	if (noticed)
		return;
	name = escape_html(t->name, 4 * TOPIC_NAME_UNITS);
	reason = escape_html(why, 200);
	if (name == NULL || reason == NULL ||
	    asprintf(&html, "⚠️ There is no topic for <b>%s</b>: %s.\n"
	    "Such messages come here until there is one.", name, reason) == -1)
		fatal("topic");
	note_send(moved_to(chat_id), 0, html, NULL);
	free(html);
	free(reason);
	free(name);
}

/* What becomes of one. */

bool
topic_refused(struct chat *c, int64_t thread, const char *description)
{
	struct topic *t = c->topic;
	struct topic_verdict v;
	bool gone;

	if (t == NULL || thread == 0 || !topic_is_refusal(description, &gone))
		return (false);
	/* Several may come back so: the first is enough. */
	if (t->state == TS_THERE && t->thread == thread) {
		v = topic_judge(CO_REFUSED, ++t->failures, 0, false);
		if (gone)
			t->thread = 0;
		topic_away(t, v.wait_ms, description);
	}
	return (true);
}

/*
 * Nobody can ask Telegram for the topics of a forum, but what people write in
 * one names it.
 */
void
topic_learn(int64_t chat_id, const char *name, int64_t thread)
{
	struct topic *t;

	if (thread <= 1)
		return;
	LIST_FOREACH(t, &topics, entry)
		if (t->chat->chat_id == moved_to(chat_id) &&
		    t->state == TS_AWAY && t->thread == 0 &&
		    t->name != NULL && strcmp(t->name, name) == 0) {
			log_info("chat %lld: topic %lld is known now",
			    (long long)chat_id, (long long)thread);
			topic_there(t, thread);
			sched_wake(t->chat);
			return;
		}
}

void
topic_retry(struct chat *c)
{
	struct topic *t = c->topic;

	if (t == NULL || (t->state != TS_AWAY && t->state != TS_WANTED))
		return;
	t->retry_ms = 0;
	t->failures = 0;
	topic_save(t);
	sched_wake(c);
}

/* Losses and restarts. */

static bool
is_among(const struct topic *t, const uint64_t *id, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (id[i] == (TOPIC_BIT | (uint64_t)t->chat->id))
			return (true);
	return (false);
}

/* It never left: as if it had not been asked for. */
static void
topic_again(struct topic *t)
{
	t->called = NULL;
	t->unclear = false;
	t->state = TS_WANTED;
	t->retry_ms = 0;
	topic_save(t);
	sched_wake(t->chat);
}

/* A new link to telegram: what has become of the calls before it? */
void
topic_report(struct peer *p, bool survivor, const uint64_t *id, size_t n)
{
	struct topic *t;

	LIST_FOREACH(t, &topics, entry) {
		if (!t->unclear)
			continue;
		t->unclear = false;
		if (is_among(t, id, n))
			t->called = p;
		else if (survivor)
			topic_again(t);
		else
			topic_apply(t, CO_AMBIGUOUS, 0, 0, 0,
			    "the answer was lost");
	}
}

void
topic_lost(struct peer *p, const uint64_t *job, size_t n)
{
	struct topic *t;

	LIST_FOREACH(t, &topics, entry) {
		if (t->state != TS_ASKED || t->called != p)
			continue;
		if (is_among(t, job, n))
			topic_apply(t, CO_AMBIGUOUS, 0, 0, 0,
			    "the answer was lost");
		else
			topic_again(t);
	}
}
