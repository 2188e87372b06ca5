/* What control.c and ops.c share: the clients of control.sock. */
#ifndef SUPERVISOR_CONTROL_H
#define SUPERVISOR_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "supervisor/supervisor.h"

struct json_object;

enum wait_kind { WAIT_NONE, WAIT_READY, WAIT_RESTARTED, WAIT_TEXT };

/* What a client waits for.  Its further requests wait behind that. */
struct wait {
	enum wait_kind kind;
	char worker[WORKER_NAME_SIZE]; /* name, class or "all" */
	int64_t deadline_ms;
	uint64_t since; /* sup.changes when it began */
};

/* How an operation ends: answered, or with wait filled. */
enum op_result { OP_ANSWER, OP_WAIT };

/*
 * Carry out a request.  answer is an empty object to be filled; id names the
 * client for control_text().
 */
enum op_result ops_run(struct json_object *request, uint64_t id,
    struct json_object *answer, struct wait *);
/* Make answer an error.  field may be NULL. */
void ops_error(struct json_object *answer, int code, const char *field,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* Is it over?  Then answer is filled. */
bool ops_poll(const struct wait *, int64_t now_ms, struct json_object *answer);

#endif
