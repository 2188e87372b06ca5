/*
 * What people see of a prompt: its buttons, the decision in every copy, and
 * the Details.  A decision that was not shown when the queue went is shown by
 * the next one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/metrics.h"
#include "workers/queue/decision.h"
#include "workers/queue/escape.h"
#include "workers/queue/idlist.h"
#include "workers/queue/note.h"
#include "workers/queue/option.h"
#include "workers/queue/prompt_private.h"

#define DETAILS_BYTES 3500

static void prompt_show_plain(struct prompt *);
static void prompt_edit_copies(struct prompt *, const char *, int);

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
	char data[PRESS_DATA_SIZE];
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
			press_write(data, p->token, PRESS_DETAILS);
		} else {
			option = option_at(p->options, i);
			add_str(button, "text", (int)i < j->noptions ?
			    j->options[i] : option);
			/* Bot API 9.4; older ones pass over it. */
			if (option_is_negative(option))
				add_str(button, "style", "danger");
			else if (i == 0)
				add_str(button, "style", "success");
			press_write(data, p->token, (int)i);
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

/* "✅ Fast — Alice, 07:45", malloc'd. */
static char *
prompt_decision(const struct prompt *p)
{
	const struct decision d = { .state = p->state,
	    .action = json_str(p->doc, "action", ""),
	    .what = json_str(p->doc, "option", json_str(p->doc, "text", "")),
	    .why = json_str(p->doc, "why", "not needed any more"),
	    .first_name = json_str(p->doc, "first_name", NULL),
	    .username = json_str(p->doc, "username", NULL),
	    .at_ms = json_i64(p->doc, "decided_ms", 0) };
	char *text = decision_text(&d);

	if (text == NULL)
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

	if (p->asked != NULL)
		return;
	if (event == NULL || p->losses >= LOSSES_MAX) {
		prompt_show_plain(p);
		return;
	}
	if (f == NULL)
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
		p->asked = f;
}

/* Without a format worker: the buttons have to go all the same. */
static void
prompt_show_plain(struct prompt *p)
{
	char *decision = prompt_decision(p), *html;

	html = decision_plain(json_str(p->doc, "title", ""),
	    json_str(p->doc, "question", ""), decision);
	if (html == NULL)
		fatal("decision");
	prompt_edit_copies(p, html, (int)json_i64(p->doc, "documents", 0));
	free(html);
	free(decision);
}

/* Decided ones that are still to be shown. */
void
prompt_pump(void)
{
	struct prompt *p;

	LIST_FOREACH(p, &prompts, entry)
		if (p->state != PS_OPEN && !p->shown && p->asked == NULL &&
		    p->edits == 0)
			prompt_show(p);
}

/* As a delivery whose rendering loses two workers, but nothing is dead. */
void
prompt_format_lost(struct peer *f, const uint64_t *job, size_t n)
{
	struct prompt *p;

	LIST_FOREACH(p, &prompts, entry) {
		if (p->asked != f)
			continue;
		p->asked = NULL;
		for (size_t i = 0; i < n; i++)
			if (job[i] == (PROMPT_BIT | (uint64_t)p->seq))
				p->losses++;
		if (p->losses < LOSSES_MAX)
			continue;
		log_errx("event %s: its decision lost %d format workers; "
		    "showing it without them", evm_id(p->seq), p->losses);
		metric_add(M_events_quarantined, 1);
	}
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
	const char *html;
	int documents; /* behind the texts */
};

/*
 * The message that has the buttons: that of the last text, before those of
 * the documents.  0 while not all have arrived: prompt_arrived() comes again.
 */
static int64_t
show_message(const char *messages, const struct job *j, int documents)
{
	int64_t id[PARTS_MAX];
	size_t n = idlist_read(messages, id, PARTS_MAX);

	if (j != NULL && j->nparts > 0 && j->parts_done < j->nparts)
		return (0);
	return (n > (size_t)documents ? id[n - (size_t)documents - 1] : 0);
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
	note_edit(moved_to(c->chat_id), id, sh->html, prompt_edited,
	    sh->prompt->seq);
}

/* Every copy that has arrived, and the one that was pressed. */
static void
prompt_edit_copies(struct prompt *p, const char *html, int documents)
{
	struct showing sh = { .prompt = p, .html = html,
	    .documents = documents };

	p->edits++; /* until all have been asked for */
	(void)store_event_deliveries(queue.store, p->seq, show_delivery, &sh);
	if (json_i64(p->doc, "pressed_message", 0) != 0) {
		p->edits++;
		note_edit(json_i64(p->doc, "pressed_chat", 0),
		    json_i64(p->doc, "pressed_message", 0), html,
		    prompt_edited, p->seq);
	}
	prompt_edited(p->seq);
}

enum link_verdict
prompt_rendered(struct peer *f, const struct frame *frame)
{
	struct prompt *p = prompt_by_seq((int64_t)(frame->id & ~PROMPT_BIT));
	struct span last = { NULL, 0 };
	struct unpacker u;
	int n, documents = 0;
	char *html;

	unpack_init(&u, frame->data, frame->len);
	(void)unpack_u32(&u);
	for (n = unpack_u16(&u); n > 0 && !u.failed; n--)
		(void)unpack_span(&u);
	for (n = unpack_u16(&u); n > 0 && !u.failed; n--) {
		int kind = unpack_u8(&u);
		struct span text = unpack_span(&u);

		(void)unpack_span(&u);
		(void)unpack_span(&u);
		if (kind == PART_TEXT)
			last = text;
		else
			documents++;
	}
	if (!unpack_done(&u))
		return (LINK_BAD);
	if (p == NULL || p->asked != f)
		return (LINK_DONE);
	p->asked = NULL;
	p->losses = 0;
	if (last.p == NULL) {
		prompt_show_plain(p);
		return (LINK_DONE);
	}
	if ((html = span_dup(last)) == NULL)
		fatal("prompt");
	prompt_edit_copies(p, html, documents);
	free(html);
	return (LINK_DONE);
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
	escaped = escape_html(text, DETAILS_BYTES);
	if (escaped == NULL || asprintf(&html, "📄 <b>Details</b>\n<pre>%s</pre>", escaped) == -1)
		fatal("details");
	note_send(chat_id, thread, html, NULL);
	free(html);
	free(escaped);
	free(text);
}
