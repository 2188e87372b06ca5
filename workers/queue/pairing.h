/*
 * Pairing codes and those who guess at them.  Pure but for memory: whoever
 * owns a struct pairing is told what to keep.
 *
 * A code is good once and for an hour.  Five wrong ones, each within an hour
 * of the one before, lock their sender out for an hour after the last
 * (DESIGN section 13).
 */
#ifndef QUEUE_PAIRING_H
#define QUEUE_PAIRING_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stdint.h>

#define PAIRING_CODE_MS 3600000
#define PAIRING_LOCK_MS 3600000
#define PAIRING_WRONG_MAX 5
#define PAIRING_SENDERS_MAX 1024 /* remembered of those who were wrong */

#define PAIR_CODE_SIZE 9 /* 8 characters and the NUL */
#define PAIR_CODE_CHARS (PAIR_CODE_SIZE - 1)

struct pairing_code {
	char code[PAIR_CODE_SIZE];
	int64_t expires_ms; /* wall clock */
	LIST_ENTRY(pairing_code) entry;
};

struct pairing_sender {
	int64_t user_id;
	int wrong;
	int64_t until_ms; /* wall clock: forgotten then */
};

struct pairing {
	LIST_HEAD(, pairing_code) codes;
	struct pairing_sender senders[PAIRING_SENDERS_MAX];
	/* What is to be kept has changed: this code, which is gone with a time
	 * of 0; so much is known of this sender, with wrong 0 nothing. */
	void (*code_changed)(const char *code, int64_t expires_ms);
	void (*sender_changed)(const struct pairing_sender *);
};

/* R(NAME) */
#define PAIRING_RESULTS(R) R(RIGHT) R(WRONG) R(LOCKED)

enum pairing_result {
#define PAIRING_ENUM(name) PAIRING_##name,
	PAIRING_RESULTS(PAIRING_ENUM)
#undef PAIRING_ENUM
};

/* From the store, or new.  0, or -1 without memory or if it is no code. */
int pairing_add_code(struct pairing *, const char *, int64_t expires_ms);
/* From the store.  0, or -1 if there are too many. */
int pairing_add_sender(struct pairing *, const struct pairing_sender *);
/*
 * Somebody sends a text that begins with a code, in any case.  RIGHT uses the
 * code up; WRONG is counted; LOCKED says nothing about the code.
 */
enum pairing_result pairing_try(struct pairing *, int64_t user_id,
    const char *text, int64_t now_ms);
/* The clock was set: codes and locks last as long as before. */
void pairing_shift(struct pairing *, int64_t by_ms);
/* How often this sender was wrong lately. */
int pairing_wrong(const struct pairing *, int64_t user_id, int64_t now_ms);

#endif
