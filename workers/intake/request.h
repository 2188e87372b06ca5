/*
 * The text of requests and answers on submit.sock and the HTTP listener.
 * Pure; see request.c and answer.c.
 */
#ifndef WORKERS_INTAKE_REQUEST_H
#define WORKERS_INTAKE_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/error.h"
#include "ipc/pack.h"

#define OP_SIZE 32    /* the longest name of an operation, with its NUL */
#define TAG_MAX 256   /* bytes of a tag */
#define TO_SIZE 128
#define WAIT_DEFAULT_MS 60000

struct request {
	char op[OP_SIZE];
	struct span tag;   /* as it came, JSON; empty if there is none */
	/* of op "send" */
	struct span event; /* as it came, JSON */
	bool silent;
	uint64_t ttl_ms;   /* 0: none given */
	char to[TO_SIZE];  /* "" : none given */
	int64_t wait_ms;   /* -1: not asked for */
};

/*
 * Read one request.  Returns 0, or -1 with the error filled; the tag is
 * there even then if it was found.  The spans point into the line.  The
 * event is checked by offer_submit(), and the line of another operation by
 * its caller: neither is parsed here.
 */
int request_parse(const char *line, size_t len, struct request *,
    struct error *);

/* Answers; each ends with a newline.  tag may be empty. */
void answer_accepted(struct buf *, struct span id, bool duplicate,
    struct span tag);
void answer_error(struct buf *, const struct error *, struct span tag);
/* A line of the queue's, with the tag put into it. */
void answer_line(struct buf *, struct span json, struct span tag);

#endif
