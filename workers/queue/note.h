/*
 * Notes: calls to Telegram that are no deliveries: toasts, answers to
 * commands, edits that show a decision.  Kept in memory and tried a few
 * times; what must outlive a crash is derived again from the store.
 */
#ifndef QUEUE_NOTE_H
#define QUEUE_NOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc/link.h"
#include "workers/worker.h"

/* Ids of notes have this bit, those of deliveries never. */
#define NOTE_BIT (1ULL << 62)

/* A toast to whoever pressed a button. */
void note_answer(const char *callback_query_id, const char *toast);
/* html: Telegram's HTML; thread 0: none. */
void note_send(int64_t chat_id, int64_t thread, const char *html,
    const char *markup);
/* Where the chat allows no reaction, the emoji is a reply. */
void note_react(int64_t chat_id, int64_t thread, int64_t message_id,
    const char *emoji);
/* Edit a message into html, without buttons.  done(key) when it is so, or
 * never will be. */
void note_edit(int64_t chat_id, int64_t message_id, const char *html,
    void (*done)(int64_t key), int64_t key);

/* call.c passes outcomes of notes, and what there is of telegram. */
enum link_verdict note_done(struct peer *, const struct frame *);
void note_telegram_lost(struct peer *);
void note_pump(void);
bool note_is_idle(void); /* none is on its way */

#endif
