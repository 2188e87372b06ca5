/*
 * What follows from the outcome of a call to Telegram.  Pure.
 */
#ifndef QUEUE_VERDICT_H
#define QUEUE_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

#include "ipc/messages.h"

/* What is done with the delivery. */
enum verdict_action {
	VA_DONE,      /* this part has arrived */
	VA_RETRY,     /* again, not before wait_ms from now */
	VA_RENEW,     /* the message to edit is gone: send a new one, now */
	VA_MIGRATE,   /* again after wait_ms, to the chat's new id */
	VA_UNCERTAIN, /* final: perhaps it arrived */
	VA_DEAD,      /* final: it never will */
	VA_SUSPEND    /* final, and so is all else for this chat */
};

/* Who has to wait meanwhile. */
enum verdict_scope { VS_NOBODY, VS_CHAT, VS_BOT };

struct verdict {
	enum verdict_action action;
	enum verdict_scope scope;
	int64_t wait_ms;
	bool ambiguous; /* count it, and mark what is sent again */
};

/*
 * attempts: made so far, this one included.  jitter: 0..1, random.
 * is_edit: an edit may always be repeated.  is_progress: the next update
 * says more than a repetition would.
 */
struct verdict verdict_decide(enum call_outcome, int attempts,
    int64_t retry_after_ms, bool is_edit, bool is_progress, double jitter);

/* The n-th wait, n from 1: 0.5 s doubling to 30 s, within +-20 %. */
int64_t backoff_ms(int n, double jitter);

#endif
