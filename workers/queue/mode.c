/*
 * Modes: local, nomad, mute; the hold of `cctgctl queue hold`; quiet hours.
 *
 * While muted nothing goes out but approvals, silently.  What comes
 * meanwhile is suppressed and summed up in one message per chat at the end;
 * what waited before goes on then.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <json-c/json.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/metrics.h"
#include "workers/queue/queue.h"

#define SUMMARY_TITLES 60  /* named in a summary, the rest is counted */
#define SUMMARY_CHATS 1024 /* that get one */
#define DAY_MINUTES (24 * 60)

struct summary {
	struct {
		int64_t chat_id, thread;
		int64_t n;
		struct packer text;
	} chat[SUMMARY_CHATS];
	size_t nchats;
	int64_t next; /* id to go on from */
	bool done;
	int rows;
};

static const char *const names[] = { "local", "nomad", "mute" };

static void mode_save(void);
static void mode_summary(int64_t);
static void mode_summary_row(const struct store_row *, void *);
static void mode_summary_send(struct summary *, size_t);
static bool mode_quiet(int64_t, int64_t *);

const char *
mode_name(enum mode m)
{
	return (names[m]);
}

int
mode_by_name(const char *name)
{
	if (strcmp(name, "muted") == 0) /* as the MCP server says it */
		return (MODE_MUTE);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i], name) == 0)
			return ((int)i);
	return (-1);
}

static int64_t
mode_meta_i64(const char *key)
{
	char *text = store_get_meta(queue.store, key);
	int64_t v = text == NULL ? 0 : strtoll(text, NULL, 10);

	free(text);
	return (v);
}

static void
mode_put_i64(const char *key, int64_t v)
{
	char text[32];

	snprintf(text, sizeof(text), "%lld", (long long)v);
	if (store_put_meta(queue.store, key, text) == -1)
		fatal("mode");
}

/* On start: the mode outlives restarts; the configured one is the first. */
void
mode_load(void)
{
	char *text = store_get_meta(queue.store, "mode");
	int m = text == NULL ? -1 : mode_by_name(text);

	if (m != -1)
		queue.mode = (enum mode)m;
	free(text);
	queue.muted_seq = mode_meta_i64("muted_seq");
	queue.mute_until_ms = mode_meta_i64("mute_until_ms");
	queue.held = mode_meta_i64("held") != 0;
	metric_set(M_queue_mode, queue.mode);
	metric_set(M_queue_held, queue.held);
}

static void
mode_save(void)
{
	if (store_put_meta(queue.store, "mode", names[queue.mode]) == -1)
		fatal("mode");
	mode_put_i64("muted_seq", queue.muted_seq);
	mode_put_i64("mute_until_ms", queue.mute_until_ms);
	mode_put_i64("held", queue.held);
	commit_soon();
	metric_set(M_queue_mode, queue.mode);
	metric_set(M_queue_held, queue.held);
}

void
mode_set(enum mode m, int64_t until_ms, const char *who)
{
	int64_t since = queue.muted_seq;
	bool was_muted = queue.mode == MODE_MUTE;

	if (m != queue.mode)
		log_notice("mode %s, was %s, by %s", names[m],
		    names[queue.mode], who);
	if (m == MODE_MUTE && !was_muted &&
	    store_put_meta(queue.store, "mode_before", names[queue.mode])
	    == -1)
		fatal("mode");
	queue.mode = m;
	queue.mute_until_ms = m == MODE_MUTE ? until_ms : 0;
	if (m == MODE_MUTE && !was_muted)
		queue.muted_seq = store_next_seq(queue.store);
	if (was_muted && m != MODE_MUTE)
		queue.muted_seq = 0;
	mode_save();
	if (was_muted && m != MODE_MUTE)
		mode_summary(since);
	sched_wake_all();
}

/* The mode to which the end of a mute goes back. */
enum mode
mode_before(void)
{
	char *text = store_get_meta(queue.store, "mode_before");
	int m = text == NULL ? MODE_LOCAL : mode_by_name(text);

	free(text);
	return (m == -1 || m == MODE_MUTE ? MODE_LOCAL : (enum mode)m);
}

/* Once an event: a restart analyses it again while it is not delivered. */
void
mode_event(int64_t seq, enum mode m)
{
	if (mode_meta_i64("mode_seq") >= seq)
		return;
	mode_put_i64("mode_seq", seq);
	mode_set(m, 0, "an event");
}

void
mode_hold(bool held)
{
	queue.held = held;
	mode_save();
	sched_wake_all();
}

bool
mode_swallows(const struct evm *ev)
{
	return (queue.mode == MODE_MUTE &&
	    ev->seq > queue.muted_seq &&
	    ev->kind != EK_APPROVAL && ev->kind != EK_MODE);
}

bool
mode_allows(const struct job *j, bool *silent)
{
	int64_t end;

	*silent = false;
	if (queue.held || queue.draining)
		return (false);
	if (queue.mode == MODE_MUTE) {
		*silent = true;
		return (j->ev->kind == EK_APPROVAL || j->ev->kind == EK_MODE);
	}
	if (queue.quiet_from == -1 || !mode_quiet(clock_wall_ms(), &end))
		return (true);
	*silent = j->ev->severity == SEV_HIGH;
	return (j->ev->severity >= SEV_HIGH);
}

/* Is it quiet now?  *change: wall ms when that changes. */
static bool
mode_quiet(int64_t now_ms, int64_t *change)
{
	time_t t = (time_t)(now_ms / 1000);
	int now, from = queue.quiet_from, to = queue.quiet_to;
	struct tm tm;
	bool quiet;

	localtime_r(&t, &tm);
	now = tm.tm_hour * 60 + tm.tm_min;
	quiet = from <= to ? now >= from && now < to : now >= from || now < to;
	*change = now_ms - tm.tm_sec * 1000LL - now_ms % 1000 +
	    ((quiet ? to : from) - now + DAY_MINUTES) % DAY_MINUTES * 60000LL;
	if (*change <= now_ms)
		*change += 60000;
	return (quiet);
}

int64_t
mode_next_change(void)
{
	int64_t at = 0, quiet;

	if (queue.mode == MODE_MUTE)
		at = queue.mute_until_ms;
	if (queue.quiet_from != -1 && queue.open_events > 0) {
		(void)mode_quiet(clock_wall_ms(), &quiet);
		if (at == 0 || quiet < at)
			at = quiet;
	}
	return (at);
}

void
mode_tick(void)
{
	if (queue.mode == MODE_MUTE && queue.mute_until_ms != 0 &&
	    clock_wall_ms() >= queue.mute_until_ms)
		mode_set(mode_before(), 0, "the end of its time");
}

void
mode_clock_set(int64_t by_ms)
{
	if (queue.mute_until_ms == 0)
		return;
	queue.mute_until_ms += by_ms;
	mode_save();
}

/* The summary after a mute. */

static void
mode_summary_row(const struct store_row *r, void *arg)
{
	/* Topics of ours are told in General, all together. */
	int64_t thread = r->chat.thread < 0 ? 0 : r->chat.thread;
	struct summary *s = arg;
	size_t i;

	s->rows++;
	s->next = r->delivery.id;
	if (DELIVERY_SEQ(r->delivery.id) < queue.muted_seq) {
		s->done = true;
		return;
	}
	if (!(r->delivery.flags & DF_MUTED))
		return;
	for (i = 0; i < s->nchats; i++)
		if (s->chat[i].chat_id == r->chat.chat_id &&
		    s->chat[i].thread == thread)
			break;
	if (i == SUMMARY_CHATS)
		return;
	if (i == s->nchats) {
		s->nchats++;
		s->chat[i].chat_id = r->chat.chat_id;
		s->chat[i].thread = thread;
	}
	if (s->chat[i].n++ < SUMMARY_TITLES) {
		struct packer *p = &s->chat[i].text;

		/* Newest first, one a line. */
		if (p->len > 0)
			pack_u8(p, '\n');
		for (const char *c = "• "; *c != '\0'; c++)
			pack_u8(p, (uint8_t)*c);
		for (const char *c = r->event.title; *c != '\0'; c++)
			pack_u8(p, (uint8_t)*c);
	}
}

static void
mode_summary(int64_t since)
{
	int64_t saved = queue.muted_seq;
	struct summary *s;

	/* What was swallowed last may still be among the operations. */
	if (store_commit(queue.store) == -1)
		log_warnx("the summary may lack the last events");
	if ((s = calloc(1, sizeof(*s))) == NULL)
		fatal("summary");
	queue.muted_seq = since;
	while (!s->done) {
		s->rows = 0;
		if (store_list(queue.store, DS_SUPPRESSED, false, true,
		    s->next, 500, mode_summary_row, s) == -1 || s->rows == 0)
			break;
	}
	queue.muted_seq = saved;
	for (size_t i = 0; i < s->nchats; i++)
		mode_summary_send(s, i);
	free(s);
}

static void
mode_summary_send(struct summary *s, size_t i)
{
	struct json_object *o = json_object_new_object();
	int64_t n = s->chat[i].n;
	char title[64], to[64], *text;

	snprintf(title, sizeof(title), "While muted: %lld event%s",
	    (long long)n, n == 1 ? "" : "s");
	if (asprintf(&text, "%.*s%s", (int)s->chat[i].text.len,
	    s->chat[i].text.len == 0 ? "" : (char *)s->chat[i].text.buf,
	    n > SUMMARY_TITLES ? "\n… and more" : "") == -1 || o == NULL)
		fatal("summary");
	json_object_object_add(o, "type",
	    json_object_new_string("info_notification"));
	json_object_object_add(o, "title", json_object_new_string(title));
	json_object_object_add(o, "description", json_object_new_string(text));
	snprintf(to, sizeof(to), "%lld:%lld", (long long)s->chat[i].chat_id,
	    (long long)s->chat[i].thread);
	accept_own(NULL, "info_notification", title,
	    json_object_to_json_string(o), to, SEV_NORMAL);
	json_object_put(o);
	free(text);
	pack_free(&s->chat[i].text);
}
