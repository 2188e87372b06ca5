/*
 * The words for the end of a question.  Pure but for memory and TZ.
 */
#ifndef QUEUE_DECISION_H
#define QUEUE_DECISION_H

#include <stdint.h>

#include "workers/queue/press.h"

struct decision {
	enum prompt_state state; /* not open */
	const char *action;	 /* answered: "approve", "deny" or "text" */
	const char *what;	 /* the option, the text */
	const char *why;	 /* withdrawn */
	const char *first_name, *username; /* NULL: not known */
	int64_t at_ms;		 /* wall clock */
};

/* "✅ Fast — Alice, 07:45"; malloc'd, NULL if there is no memory. */
char *decision_text(const struct decision *);
/*
 * A message with the decision in HTML, made without a format worker: of the
 * question only as much as surely fits.  As above.
 */
char *decision_plain(const char *title, const char *question,
    const char *decision);

#endif
