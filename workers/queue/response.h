/*
 * Responses: what people answered, as files for the MCP server and as lines
 * for subscribers.  In the store until intake has written the file.
 */
#ifndef QUEUE_RESPONSE_H
#define QUEUE_RESPONSE_H

#include "workers/queue/queue.h"

struct json_object;
struct answerer;

/* action: "approve" or "deny"; also "ack" and "details". */
void response_press(const struct answerer *, const char *action,
    const char *event_id, const char *task_id, const char *title,
    const char *option);
/* text: NULL for what is none.  event_id may be NULL. */
void response_text(const struct answerer *, const char *text,
    const char *event_id, const char *title);

void response_load(void);
void response_pump(void); /* intake is there, or has credit again */
void response_committed(void); /* commit.c tells: they may go now */
enum link_verdict response_written(struct peer *, const struct frame *);
void response_intake_lost(void);

#endif
