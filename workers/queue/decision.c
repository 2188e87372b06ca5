/*
 * Decisions in words; see decision.h.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "workers/queue/decision.h"
#include "workers/queue/escape.h"

#define WHAT_BYTES 200 /* format leaves room for a decision beside a question */
/* Telegram takes 4096 UTF-16 units, and a byte is at most one. */
#define TITLE_BYTES 400
#define QUESTION_BYTES 2800
#define DECISION_BYTES 600

static const char *decision_mark(const char *);

static const char *
decision_mark(const char *action)
{
	static const struct {
		const char *action, *mark;
	} marks[] = { { "deny", "❌" }, { "text", "💬" } };

	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (strcmp(marks[i].action, action) == 0)
			return (marks[i].mark);
	return ("✅");
}

char *
decision_text(const struct decision *d)
{
	const char *what = d->state == PS_WITHDRAWN ? d->why : d->what;
	int fit = (int)escape_fit(what, WHAT_BYTES);
	const char *rest = what[fit] == '\0' ? "" : "…";
	time_t t = (time_t)(d->at_ms / 1000);
	char at[16], *text;
	struct tm tm;
	int rc;

	localtime_r(&t, &tm);
	strftime(at, sizeof(at), "%H:%M", &tm);
	if (d->state == PS_EXPIRED)
		rc = asprintf(&text, "⌛ Expired at %s", at);
	else if (d->state == PS_WITHDRAWN)
		rc = asprintf(&text, "🚫 Withdrawn at %s: %.*s%s", at, fit,
		    what, rest);
	else
		rc = asprintf(&text, "%s %.*s%s — %s%s, %s",
		    decision_mark(d->action), fit, what, rest,
		    d->first_name == NULL && d->username != NULL ? "@" : "",
		    d->first_name != NULL ? d->first_name :
		    d->username != NULL ? d->username : "somebody", at);
	return (rc == -1 ? NULL : text);
}

char *
decision_plain(const char *title, const char *question, const char *decision)
{
	char *t = escape_html(title, TITLE_BYTES);
	char *q = escape_html(question, QUESTION_BYTES);
	char *d = escape_html(decision, DECISION_BYTES);
	bool repeats = strcmp(title, question) == 0;
	char *html;

	if (t == NULL || q == NULL || d == NULL ||
	    asprintf(&html, "<b>%s</b>\n\n%s%s<b>%s</b>", t,
	    repeats ? "" : q, repeats || *q == '\0' ? "" : "\n\n", d) == -1)
		html = NULL;
	free(t);
	free(q);
	free(d);
	return (html);
}
