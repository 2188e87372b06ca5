/*
 * Topics of forums that are made for projects and sessions (the key "topic"
 * of a chat section).
 *
 * Each is a chat of its own to the scheduler, so that its messages wait for
 * it, in order, and nobody else does.  Such a chat's thread is a number below
 * 0 that only the store knows; which thread it is at Telegram is asked here,
 * when a message leaves.  A topic that cannot be had is replaced by General
 * for a while.
 *
 * A topic is on disk before it is asked for, and telegram keeps the answer
 * until it is on disk, too, so that no crash makes a second one, unless
 * Telegram's answer itself was lost.
 */
#ifndef QUEUE_TOPIC_H
#define QUEUE_TOPIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "workers/queue/queue.h"
#include "workers/queue/topic_rule.h"

/* Ids of calls that make topics have this bit, those of others never. */
#define TOPIC_BIT (1ULL << 60)

void topic_load(void); /* from the store, on start */
/* The chat for an event with this payload; General if it names none. */
struct chat *topic_chat(int64_t chat_id, enum topic_by, struct span payload);
/*
 * May a message of ev go to this chat now?  Returns now if so, else when to
 * look again, monotonic ms; INT64_MAX: the chat is woken.
 */
int64_t topic_wait(struct chat *, const struct evm *ev, int64_t now);
/* The thread at Telegram, 0: General. */
int64_t topic_thread(const struct chat *);
/* What the topic is called, NULL if the chat is none. */
const char *topic_title(const struct chat *);
/* A message to this thread was refused: true if that was for its topic, and
 * it may go again, to General. */
bool topic_refused(struct chat *, int64_t thread, const char *description);
/* Somebody is in the topic of that name, which has this number. */
void topic_learn(int64_t chat_id, const char *name, int64_t thread);
/* Do not wait any longer before trying again what failed. */
void topic_retry(struct chat *);

/* call.c passes what concerns calls with TOPIC_BIT. */
enum link_verdict topic_done(struct peer *, const struct frame *);
void topic_report(struct peer *, bool survivor, const uint64_t *, size_t);
void topic_lost(struct peer *, const uint64_t *, size_t);
void topic_committed(void); /* commit.c tells */
void topic_pump(void);	    /* telegram may take calls again */

#endif
