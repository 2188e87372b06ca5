/*
 * What people see of a prompt: its buttons, the decision in every copy, and
 * the Details.  A decision that was not shown when the queue went is shown by
 * the next one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "workers/queue/note.h"
#include "workers/queue/prompt_private.h"

#define DETAILS_BYTES 3500
#define DECISION_BYTES 200

static void
add_str(struct json_object *o, const char *key, const char *text)
{
	json_object_object_add(o, key, json_object_new_string(text));
}

const char *
prompt_markup(const struct job *j)
{
	struct prompt *p = prompt_by_seq(j->ev->seq);
	struct json_object *o, *rows, *row = NULL, *button;
	const char *option;
	static char *text;
	char data[TOKEN_CHARS + 8];
	size_t n;

	if (p == NULL || p->state != PS_OPEN)
		return (NULL);
	o = json_object_new_object();
	rows = json_object_new_array();
	n = json_object_array_length(p->options);
	for (size_t i = 0; i <= n; i++) {
		if (i % 2 == 0 || i == n) { /* two a row, Details alone */
			row = json_object_new_array();
			json_object_array_add(rows, row);
		}
		button = json_object_new_object();
		if (i == n) {
			add_str(button, "text", "📄 Details");
			snprintf(data, sizeof(data), "p%sd", p->token);
		} else {
			option = json_object_get_string(
			    json_object_array_get_idx(p->options, i));
			add_str(button, "text", (int)i < j->noptions ?
			    j->options[i] : option);
			/* Bot API 9.4; older ones pass over it. */
			if (option_is_negative(option))
				add_str(button, "style", "danger");
			else if (i == 0)
				add_str(button, "style", "success");
			snprintf(data, sizeof(data), "p%s%zu", p->token, i);
		}
		add_str(button, "callback_data", data);
		json_object_array_add(row, button);
	}
	json_object_object_add(o, "inline_keyboard", rows);
	free(text);
	text = strdup(json_object_to_json_string_ext(o,
	    JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
	return (text);
}

void
prompt_arrived(struct job *j)
{
	struct prompt *p = prompt_by_seq(j->ev->seq);

	if (p == NULL || p->state == PS_OPEN)
		return;
	/* Decided while this copy was on its way. */
	p->shown = false;
	prompt_show(p);
}

/* As much of a text as fits beside the question; at a character. */
static int
shown_bytes(const char *text)
{
	int n = (int)strnlen(text, DECISION_BYTES);

	while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
		n--;
	return (n);
}

/* "✅ Fast — Alice, 07:45", allocated. */
static char *
prompt_decision(const struct prompt *p)
{
	const char *action = json_str(p->doc, "action", "");
	const char *what = json_str(p->doc, "option", json_str(p->doc, "text",
	    ""));
	const char *user = json_str(p->doc, "username", NULL);
	const char *who = json_str(p->doc, "first_name", user);
	time_t t = (time_t)(json_i64(p->doc, "decided_ms", 0) / 1000);
	char at[16], *text;
	struct tm tm;
	int rc;

	localtime_r(&t, &tm);
	strftime(at, sizeof(at), "%H:%M", &tm);
	if (p->state == PS_WITHDRAWN)
		what = json_str(p->doc, "why", "not needed any more");
	if (p->state == PS_EXPIRED)
		rc = asprintf(&text, "⌛ Expired at %s", at);
	else if (p->state == PS_WITHDRAWN)
		rc = asprintf(&text, "🚫 Withdrawn at %s: %.*s", at,
		    shown_bytes(what), what);
	else
		rc = asprintf(&text, "%s %.*s%s — %s%s, %s",
		    strcmp(action, "deny") == 0 ? "❌" :
		    strcmp(action, "text") == 0 ? "💬" : "✅",
		    shown_bytes(what), what,
		    what[shown_bytes(what)] == '\0' ? "" : "…",
		    who == user && user != NULL ? "@" : "",
		    who == NULL ? "somebody" : who, at);
	if (rc == -1)
		fatal("decision");
	return (text);
}

/* Have the message rendered anew, with the decision below. */
void
prompt_show(struct prompt *p)
{
	static struct packer out;
	struct json_object *event = json_path(p->doc, "event");
	struct peer *f = worker_peer_next(PC_FORMAT, NULL);
	const char *text;
	char *decision;

	if (p->asked_format || f == NULL || event == NULL)
		return; /* prompt_pump() comes back to it */
	decision = prompt_decision(p);
	json_object_object_add(event, "decision",
	    json_object_new_string(decision));
	free(decision);
	text = json_object_to_json_string_ext(event, JSON_C_TO_STRING_PLAIN);
	pack_reset(&out);
	pack_u8(&out, FMT_EVENT);
	pack_u8(&out, queue.detailed ? FMT_DETAILED : 0);
	pack_u64(&out, 0);
	pack_u64(&out, (uint64_t)clock_wall_ms());
	pack_blob(&out, text, strlen(text));
	if (link_send_packed(f->link, QUEUE_FORMAT_ASK,
	    PROMPT_BIT | (uint64_t)p->seq, &out) == 0)
		p->asked_format = true;
}

/* Decided ones that are still to be shown. */
void
prompt_pump(void)
{
	struct prompt *p;

	LIST_FOREACH(p, &prompts, entry)
		if (p->state != PS_OPEN && !p->shown && !p->asked_format &&
		    p->edits == 0)
			prompt_show(p);
}

void
prompt_format_lost(void)
{
	struct prompt *p;

	LIST_FOREACH(p, &prompts, entry)
		p->asked_format = false;
}

static void
prompt_edited(int64_t seq)
{
	struct prompt *p = prompt_by_seq(seq);

	if (p == NULL || --p->edits > 0)
		return;
	p->shown = true;
	prompt_save(p);
}

struct showing {
	struct prompt *prompt;
	char **html;
	int n;	       /* texts */
	int documents; /* behind them */
};

/*
 * The message that has the buttons: that of the last text, before those of
 * the documents.  0 while not all have arrived: prompt_arrived() comes again.
 */
static int64_t
show_message(const char *messages, const struct job *j, int documents)
{
	int64_t id[PARTS_MAX];
	const char *s = messages;
	char *end;
	int n;

	if (j != NULL && j->nparts > 0 && j->parts_done < j->nparts)
		return (0);
	for (n = 0; s != NULL && *s != '\0' && n < PARTS_MAX; n++) {
		id[n] = strtoll(s, &end, 10);
		if (end == s)
			break;
		s = *end == ',' ? end + 1 : end;
	}
	return (n > documents ? id[n - documents - 1] : 0);
}

static void
show_delivery(const struct store_delivery *d, void *arg)
{
	struct chat *c = chat_by_id(d->chat);
	struct job *j = job_find(d->id);
	struct showing *sh = arg;
	int64_t id;

	if (c == NULL || (id = show_message(j != NULL ? j->messages :
	    d->messages, j, sh->documents)) == 0)
		return;
	sh->prompt->edits++;
	note_edit(moved_to(c->chat_id), id, sh->html[sh->n - 1], prompt_edited,
	    sh->prompt->seq);
}

enum link_verdict
prompt_rendered(const struct frame *f)
{
	struct prompt *p = prompt_by_seq((int64_t)(f->id & ~PROMPT_BIT));
	struct showing sh = { .prompt = p };
	char *html[PARTS_MAX + 1];
	struct unpacker u;
	int n;

	unpack_init(&u, f->data, f->len);
	(void)unpack_u32(&u);
	for (n = unpack_u16(&u); n > 0 && !u.failed; n--)
		(void)unpack_span(&u);
	for (n = unpack_u16(&u); n > 0 && !u.failed; n--) {
		int kind = unpack_u8(&u);
		struct span text = unpack_span(&u);

		(void)unpack_span(&u);
		(void)unpack_span(&u);
		sh.documents += kind == PART_DOCUMENT;
		if (kind != PART_TEXT || sh.n == PARTS_MAX)
			continue;
		if ((html[sh.n] = span_dup(text)) == NULL)
			fatal("prompt");
		sh.n++;
	}
	if (p != NULL && unpack_done(&u) && sh.n > 0) {
		p->asked_format = false;
		sh.html = html;
		p->edits++; /* until all have been asked for */
		(void)store_event_deliveries(queue.store, p->seq,
		    show_delivery, &sh);
		if (json_i64(p->doc, "pressed_message", 0) != 0) {
			p->edits++;
			note_edit(json_i64(p->doc, "pressed_chat", 0),
			    json_i64(p->doc, "pressed_message", 0),
			    html[sh.n - 1], prompt_edited, p->seq);
		}
		prompt_edited(p->seq);
	}
	for (n = 0; n < sh.n; n++)
		free(html[n]);
	return (u.failed ? LINK_BAD : LINK_DONE);
}

/* The event's real data, for the Details button. */
void
prompt_details(struct prompt *p, int64_t chat_id, int64_t thread)
{
	struct json_object *data = json_path(p->doc, "event.data");
	const char *details = json_str(p->doc, "event.data.details", NULL);
	char *text, *escaped, *html;

	text = strdup(details != NULL ? details :
	    json_object_to_json_string_ext(data, JSON_C_TO_STRING_PRETTY |
	    JSON_C_TO_STRING_NOSLASHESCAPE));
	if (text == NULL)
		fatal("details");
	escaped = note_escape(text, DETAILS_BYTES);
	if (asprintf(&html, "📄 <b>Details</b>\n<pre>%s</pre>", escaped) == -1)
		fatal("details");
	note_send(chat_id, thread, html, NULL);
	free(html);
	free(escaped);
	free(text);
}
