/*
 * Topics of forums that are made for projects and sessions: what decides.
 * Pure but for memory; topic.c acts.
 */
#ifndef QUEUE_TOPIC_RULE_H
#define QUEUE_TOPIC_RULE_H

#include <stdbool.h>
#include <stdint.h>

#include "ipc/messages.h"

struct json_object;

/* What gets a topic of its own: the key "topic" of a chat section. */
enum topic_by { BY_NONE, BY_AUTO, BY_PROJECT, BY_SESSION };
enum topic_by topic_by_name(const char *);
const char *topic_by_word(enum topic_by);

#define TOPIC_NAME_UNITS 128 /* of UTF-16 in a topic's name (Bot API) */

/*
 * The name of the topic that an event belongs to, malloc'd: that of its
 * project (data.project, data.project_name, data.repository, or the last part
 * of data.cwd) or its session (data.session, data.session_name,
 * data.session_id); by BY_AUTO the project if there is one.  NULL: neither is
 * known, so it belongs into General.
 */
char *topic_name(struct json_object *event, enum topic_by);

/* What the end of a createForumTopic means. */
enum topic_action {
	TA_READY,  /* it is there */
	TA_AGAIN,  /* nothing was made: ask again, messages wait */
	TA_AWAY	   /* messages go to General; ask again later */
};

struct topic_verdict {
	enum topic_action action;
	int64_t wait_ms; /* not before */
};

/* How long General stands in: at first, and at most. */
#define TOPIC_AWAY_MS	  60000
#define TOPIC_AWAY_MAX_MS 3600000

/* attempts: failures in a row, this one included. */
struct topic_verdict topic_judge(enum call_outcome, int attempts,
    int64_t retry_after_ms, bool has_thread);

/* Does a refused message mean that its topic takes none?  *gone: there is
 * none any more. */
bool topic_is_refusal(const char *description, bool *gone);

#endif
