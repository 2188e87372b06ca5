/*
 * Updates: messages and presses of people, from Telegram by way of the poller
 * or of intake's webhook.
 *
 * Each update acts once: its id is remembered in the same transaction as its
 * effect, and only when that is on disk does telegram move its offset, or
 * intake answer.  Whoever is not known gets silence, pairing codes apart.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/metrics.h"
#include "workers/queue/acted.h"
#include "workers/queue/note.h"
#include "workers/queue/person.h"
#include "workers/queue/response.h"
#include "workers/queue/topic.h"
#include "workers/queue/update.h"

#define META_OFFSET "update.offset" /* "OFFSET MS": and when it came */
#define META_ACTED "update.acted."  /* ID: an update behind the offset */
#define META_BOT "update.bot"	    /* whose updates the offset counts */
#define META_HOOK "update.webhook"  /* the webhook that we have set */

/* Who tells updates, and wants to hear that they are on disk. */
struct teller {
	struct peer *peer;
	uint64_t unseen; /* the last one acted on, not yet committed */
	bool have_unseen;
};

static struct acted acted;
static struct teller poller, webhook;
static char bot_name[64];

static void update_bot(struct peer *);
static void update_forget(int64_t);
static void update_load_one(const char *, const char *, void *);
static void update_take(int64_t, struct span, bool);
static void update_keep(void);
static void update_confirm(struct teller *);
static void update_act(struct json_object *);
static const char *first_button(struct json_object *);
static void update_message(struct json_object *);
static void update_press(struct json_object *);
static void update_member(struct json_object *);
static void update_command(const char *, struct command_context *);
static void update_text(struct command_context *, const char *);
static void read_answerer(struct json_object *, struct answerer *);

static void
update_forget(int64_t id)
{
	char key[sizeof(META_ACTED) + 24];

	snprintf(key, sizeof(key), META_ACTED "%lld", (long long)id);
	if (store_put_meta(queue.store, key, NULL) == -1)
		fatal("update");
}

static void
update_load_one(const char *key, const char *value, void *arg)
{
	(void)value, (void)arg;
	acted_add(&acted, strtoll(key, NULL, 10), false, acted.at_ms,
	    update_forget);
}

void
update_start(void)
{
	char *text = store_get_meta(queue.store, META_OFFSET);
	struct peer *p = worker_peer_next(PC_TELEGRAM, NULL);
	char *end;

	acted.floor = text == NULL ? 0 : strtoll(text, &end, 10);
	acted.at_ms = text == NULL ? 0 : strtoll(end, NULL, 10);
	free(text);
	if (store_each_meta(queue.store, META_ACTED, update_load_one, NULL)
	    == -1)
		log_warnx("updates: %s", store_error(queue.store));
	if (p != NULL)
		update_telegram_up(p);
}

void
update_telegram_up(struct peer *p)
{
	char *hook = store_get_meta(queue.store, META_HOOK);
	struct packer out = { 0 };

	poller.have_unseen = false;
	pack_i64(&out, acted_wanted(&acted, jump_wall_ms()));
	pack_str(&out, hook);
	if (link_send_packed(p->link, QUEUE_POLL_SET, 0, &out) == -1)
		log_warn("telegram: cannot say where to poll from");
	pack_free(&out);
	free(hook);
}

/* Which webhook is ours is known whatever happens to telegram. */
enum link_verdict
update_hook(struct peer *p, const struct frame *f)
{
	struct unpacker u;
	char *url;

	(void)p;
	unpack_init(&u, f->data, f->len);
	if ((url = span_dup(unpack_span(&u))) == NULL)
		fatal("webhook");
	if (unpack_done(&u) && store_put_meta(queue.store, META_HOOK,
	    *url != '\0' ? url : NULL) == -1)
		fatal("webhook");
	commit_soon();
	free(url);
	return (unpack_done(&u) ? LINK_DONE : LINK_BAD);
}

/* The bot's own name: commands for another one are not ours. */
enum link_verdict
update_name(struct peer *p, const struct frame *f)
{
	struct unpacker u;
	struct span name;

	unpack_init(&u, f->data, f->len);
	name = unpack_span(&u);
	if (!unpack_done(&u) || name.len >= sizeof(bot_name))
		return (LINK_BAD);
	memcpy(bot_name, name.p, name.len);
	bot_name[name.len] = '\0';
	update_bot(p);
	return (LINK_DONE);
}

/* Another bot's updates are counted anew. */
static void
update_bot(struct peer *p)
{
	char *before = store_get_meta(queue.store, META_BOT);

	if (before == NULL || strcmp(before, bot_name) != 0) {
		if (before != NULL) {
			log_notice("this is another bot, @%s, not @%s: its "
			    "updates are counted from the beginning",
			    bot_name, before);
			acted_clear(&acted, update_forget);
			update_telegram_up(p);
		}
		if (store_put_meta(queue.store, META_BOT, bot_name) == -1)
			fatal("bot");
		commit_soon();
	}
	free(before);
}

/* A teller has gone; what it told is told again by the next one. */
void
update_teller_lost(struct peer *p)
{
	if (poller.peer == p)
		memset(&poller, 0, sizeof(poller));
	if (webhook.peer == p)
		memset(&webhook, 0, sizeof(webhook));
}

enum link_verdict
update_tell(struct peer *p, const struct frame *f)
{
	struct unpacker u;
	struct span text;

	unpack_init(&u, f->data, f->len);
	text = unpack_span(&u);
	if (!unpack_done(&u) || (int64_t)f->id < 0)
		return (LINK_BAD);
	update_take((int64_t)f->id, text, true);
	poller = (struct teller){ p, f->id, true };
	return (LINK_DONE);
}

enum link_verdict
update_post(struct peer *p, const struct frame *f)
{
	struct unpacker u;
	struct span text;
	int64_t id;

	unpack_init(&u, f->data, f->len);
	id = unpack_i64(&u);
	text = unpack_span(&u);
	if (!unpack_done(&u) || id < 0)
		return (LINK_BAD);
	update_take(id, text, false);
	webhook = (struct teller){ p, f->id, true };
	return (LINK_DONE);
}

static void
update_take(int64_t id, struct span text, bool in_order)
{
	char key[sizeof(META_ACTED) + 24];
	int64_t now_ms = jump_wall_ms();
	struct json_object *update;
	const char *error;

	commit_soon();
	if (acted_has(&acted, id, now_ms))
		return;
	if ((update = json_parse(text.p, text.len, &error)) != NULL)
		update_act(update);
	else
		log_warnx("update %lld: %s; ignored", (long long)id, error);
	json_object_put(update);
	acted_add(&acted, id, in_order, now_ms, update_forget);
	snprintf(key, sizeof(key), META_ACTED "%lld", (long long)id);
	if (id >= acted.floor && store_put_meta(queue.store, key, "1") == -1)
		fatal("update");
	update_keep();
}

static void
update_keep(void)
{
	char value[48];

	snprintf(value, sizeof(value), "%lld %lld", (long long)acted.floor,
	    (long long)acted.at_ms);
	if (store_put_meta(queue.store, META_OFFSET, value) == -1)
		fatal("update");
}

/* The last update came as long ago as before. */
void
update_clock_set(int64_t by_ms)
{
	if (acted.at_ms == 0)
		return;
	acted.at_ms += by_ms;
	update_keep();
}

static void
update_confirm(struct teller *t)
{
	if (!t->have_unseen || t->peer == NULL || t->peer->link == NULL)
		return;
	t->have_unseen = false;
	if (link_send(t->peer->link, QUEUE_UPDATE_SEEN, t->unseen, NULL, 0)
	    == -1)
		log_warn("cannot confirm update %llu",
		    (unsigned long long)t->unseen);
}

void
update_committed(void)
{
	update_confirm(&poller);
	update_confirm(&webhook);
}

static void
update_act(struct json_object *u)
{
	static const struct {
		const char *key;
		void (*act)(struct json_object *);
	} kinds[] = {
		{ "message", update_message },
		{ "callback_query", update_press },
		{ "my_chat_member", update_member },
	};
	struct json_object *o;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if ((o = json_path(u, kinds[i].key)) != NULL) {
			metric_add(M_updates, 1);
			kinds[i].act(o);
		}
}

static void
read_answerer(struct json_object *from, struct answerer *a)
{
	a->user_id = json_i64(from, "id", 0);
	a->username = json_str(from, "username", NULL);
	a->first_name = json_str(from, "first_name", NULL);
	a->role = person_role(a->user_id);
}

static void
update_press(struct json_object *o)
{
	struct answerer a = { 0 };
	const char *toast;

	read_answerer(json_path(o, "from"), &a);
	a.message_id = json_i64(o, "message.message_id", 0);
	if (json_flag(o, "message.is_topic_message", false))
		a.thread = json_i64(o, "message.message_thread_id", 0);
	toast = prompt_press(json_str(o, "data", ""),
	    json_i64(o, "message.chat.id", 0), &a);
	note_answer(json_str(o, "id", ""), toast);
}

/* Somebody unblocked the bot or let it in again. */
static void
update_member(struct json_object *o)
{
	const char *status = json_str(o, "new_chat_member.status", "");
	int64_t chat_id = json_i64(o, "chat.id", 0);

	if (strcmp(status, "member") != 0 &&
	    strcmp(status, "administrator") != 0)
		return;
	for (struct chat *c = chat_first(); c != NULL; c = chat_next(c))
		if (c->chat_id == chat_id && c->suspended)
			chat_resume(c);
}

/* "/name@bot argument": false if it is for another bot. */
static bool
split_command(const char *text, char *name, size_t size,
    const char **argument)
{
	size_t len = strcspn(text + 1, " \n\t@");
	const char *rest = text + 1 + len;
	size_t n;

	snprintf(name, size, "%.*s", (int)len, text + 1);
	if (*rest == '@') {
		n = strcspn(++rest, " \n\t");
		if (*bot_name != '\0' && (strlen(bot_name) != n ||
		    strncasecmp(bot_name, rest, n) != 0))
			return (false);
		rest += n;
	}
	*argument = rest + strspn(rest, " \n\t");
	return (true);
}

static void
update_command(const char *text, struct command_context *c)
{
	const char *who = c->by.first_name != NULL ? c->by.first_name :
	    c->by.username != NULL ? c->by.username : "";
	char name[32];

	if (!split_command(text, name, sizeof(name), &c->argument))
		return;
	if ((strcasecmp(name, "start") == 0 ||
	    strcasecmp(name, "pair") == 0) && *c->argument != '\0' &&
	    c->by.role == ROLE_NONE) {
		if (!person_redeem(c->by.user_id, who, c->argument))
			return;
		note_send(c->chat_id, c->thread, "🤝 Paired: you may answer "
		    "questions now. /help lists what else there is.", NULL);
		return;
	}
	if (c->by.role == ROLE_NONE)
		return;
	command_run(name, c);
}

/* That it was heard, as the mode has it. */
static void
update_heard(const struct command_context *c)
{
	if (queue.mode == MODE_LOCAL)
		note_react(c->chat_id, c->thread, c->by.message_id, "⚡");
	else if (queue.mode == MODE_NOMAD)
		note_send(c->chat_id, c->thread, "📱 Message received", NULL);
}

/*
 * What is neither command nor press: an answer, or words for the agent.  A
 * reply to a question that does not settle it names no event in its file:
 * whoever asked would take it for the answer.
 */
static void
update_text(struct command_context *c, const char *text)
{
	struct store_event ev = { 0 };
	const char *late = NULL;
	int64_t seq;

	if (!role_may(c->by.role, RIGHT_SPEAK))
		return;
	if (c->reply_to != 0)
		late = prompt_reply(c->chat_id, c->reply_to, c->reply_data,
		    text, &c->by);
	if (late != NULL && *late == '\0') {
		note_react(c->chat_id, c->thread, c->by.message_id, "👍");
		return;
	}
	if (late != NULL || c->reply_to == 0 ||
	    (seq = recall_find(c->chat_id, c->reply_to)) == 0 ||
	    store_get_event(queue.store, seq, false, &ev) != 1)
		ev.id = ev.title = NULL;
	response_text(&c->by, text, ev.id, ev.title);
	if (late != NULL)
		note_send(c->chat_id, c->thread, late, NULL);
	else
		update_heard(c);
}

/* The data of the first button of a keyboard, or "". */
static const char *
first_button(struct json_object *rows)
{
	struct json_object *row = NULL;

	if (json_object_is_type(rows, json_type_array))
		row = json_object_array_get_idx(rows, 0);
	if (!json_object_is_type(row, json_type_array))
		return ("");
	return (json_str(json_object_array_get_idx(row, 0), "callback_data",
	    ""));
}

static void
update_message(struct json_object *o)
{
	const char *text = json_str(o, "text", NULL);
	struct command_context c = { 0 };

	read_answerer(json_path(o, "from"), &c.by);
	c.by.message_id = json_i64(o, "message_id", 0);
	c.chat_id = json_i64(o, "chat.id", 0);
	c.reply_to = json_i64(o, "reply_to_message.message_id", 0);
	c.reply_data = first_button(json_path(o, "reply_to_message."
	    "reply_markup.inline_keyboard"));
	if (json_flag(o, "is_topic_message", false)) {
		c.thread = json_i64(o, "message_thread_id", 0);
		topic_learn(c.chat_id, json_str(o, "reply_to_message."
		    "forum_topic_created.name", ""), c.thread);
	}
	/* Every message in a topic seems to answer the one that began it. */
	if (c.reply_to == c.thread)
		c.reply_to = 0;
	for (struct chat *h = chat_first(); h != NULL; h = chat_next(h))
		if (h->chat_id == c.chat_id && h->suspended)
			chat_resume(h);
	if (text != NULL && text[0] == '/')
		update_command(text, &c);
	else
		update_text(&c, text);
}
