/*
 * Prompts: questions with buttons, from the message to the one answer.
 *
 * A prompt begins with the rendering of an approval and is in the store
 * before its message leaves.  The first valid answer wins; it is put together
 * with the response file and the outcome is shown in every copy of the
 * message.  A prompt that was decided but not shown yet is shown after a
 * restart.
 */
#ifndef QUEUE_PROMPT_H
#define QUEUE_PROMPT_H

#include <stdbool.h>
#include <stdint.h>

#include "workers/queue/queue.h"
#include "workers/queue/role.h"

struct json_object;

/* Who answered. */
struct answerer {
	int64_t user_id; /* 0: somebody at this machine */
	enum role role;
	const char *username, *first_name; /* NULL: none */
	int64_t message_id, thread; /* where; 0: none */
};

void prompt_load(void); /* from the store, on start */
void prompt_clock_set(int64_t by_ms);

/* The prompt of an approval that was rendered: begin it unless it is there. */
void prompt_begin(struct job *);
/* The buttons for a message of this job; NULL: none.  Static. */
const char *prompt_markup(const struct job *);
/* A copy of the message has arrived. */
void prompt_arrived(struct job *);

/* What became of an attempt to answer; the toast to show for it. */
const char *prompt_press(const char *data, int64_t chat_id,
    const struct answerer *);
/*
 * A reply to a message, whose first button has this data ("": it has none);
 * text NULL: one without words.  NULL: that shows no prompt; "": the prompt is
 * settled by it; or why it is not.
 */
const char *prompt_reply(int64_t chat_id, int64_t message_id,
    const char *data, const char *text, const struct answerer *);
/* By command or cctgctl: option_negative picks the first option of that
 * kind.  0, or -1 and a text in *error. */
int prompt_decide(const char *event_id, bool deny, const struct answerer *,
    const char **error);
/* The event whose prompt this message shows, open or of late; NULL. */
const char *prompt_of_message(int64_t chat_id, int64_t message_id,
    const char *data);
int prompt_withdraw(const char *event_id, const char *why);
/* Whoever waited for it does so no longer: it has expired. */
void prompt_time_over(const char *event_id);
/* The event of the only open prompt, or of that with the number that /pending
 * shows, which stays the same; NULL. */
const char *prompt_only(void);
const char *prompt_by_number(int64_t);
/* For listing: open ones, oldest first. */
struct json_object *prompt_list(void);

/* Someone waits for the decision; {"ok":…} when it is there, else NULL. */
struct json_object *prompt_outcome(const char *event_id);
void prompt_attend(const char *event_id);
void prompt_abandon(const char *event_id, bool gone); /* nobody waits now */
void prompt_committed(void); /* commit.c tells: ends are on disk */
/* A delivery has ended: without any left nobody can answer. */
void prompt_copy_ended(const struct job *);
/* Why nobody will ever answer this event, if there is no prompt of it (any
 * more): no copy arrived and none will, or it is forgotten; else NULL. */
const char *prompt_hopeless(int64_t seq);

/* A rendering asked for under an id with PROMPT_BIT has come. */
#define PROMPT_BIT (1ULL << 61)
enum link_verdict prompt_rendered(struct peer *, const struct frame *);
void prompt_pump(void); /* a format worker is there, or has credit */
/* A format worker has gone, executing these jobs. */
void prompt_format_lost(struct peer *, const uint64_t *job, size_t n);

#endif
