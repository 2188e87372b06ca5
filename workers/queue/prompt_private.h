/*
 * What the files of prompts share: prompt.c (life and time),
 * prompt_answer.c (what people try), prompt_show.c (what they see).
 */
#ifndef QUEUE_PROMPT_PRIVATE_H
#define QUEUE_PROMPT_PRIVATE_H

#include <sys/queue.h>

#include <json-c/json.h>

#include "workers/queue/press.h"
#include "workers/queue/prompt.h"

struct prompt {
	int64_t seq;
	enum prompt_state state;
	char token[TOKEN_CHARS + 1];
	struct json_object *doc; /* what is stored */
	struct json_object *options;
	int64_t deadline_ms, abandon_ms; /* wall clock; 0: none */
	bool shown;
	struct peer *asked; /* the format worker that renders its end */
	int losses;	    /* of such workers, by this rendering */
	bool telling; /* its end is not on disk yet: nobody was told */
	int edits; /* under way */
	LIST_ENTRY(prompt) entry;
};

LIST_HEAD(prompt_list, prompt);

/* prompt.c */
extern struct prompt_list prompts; /* newest first */
struct prompt *prompt_by_seq(int64_t);
struct prompt *prompt_by_event(const char *id);
struct prompt *prompt_by_token(const char *);
const char *prompt_state_name(enum prompt_state);
void prompt_save(struct prompt *);
void prompt_settle(struct prompt *, enum prompt_state,
    const struct answerer *);
void prompt_set_str(struct prompt *, const char *key, const char *);
void prompt_set_i64(struct prompt *, const char *key, int64_t);

/* prompt_show.c */
void prompt_show(struct prompt *); /* have the decision shown */
void prompt_details(struct prompt *, int64_t chat_id, int64_t thread);

#endif
