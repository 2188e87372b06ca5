/*
 * Health: how the tree is, what is wrong, and what to do about it.
 */
#ifndef MONITOR_HEALTH_H
#define MONITOR_HEALTH_H

#include <stdbool.h>

#include "workers/monitor/view.h"

struct json_object;

enum health_status { HEALTHY, DEGRADED, UNHEALTHY };

#define HEALTH_ISSUES 16
#define HEALTH_TEXT_SIZE 192

struct health {
	enum health_status status;
	struct {
		char text[HEALTH_TEXT_SIZE]; /* what is wrong */
		const char *advice;	     /* what to do */
	} issue[HEALTH_ISSUES];
	unsigned int nissues;
};

/*
 * Judge a view.  UNHEALTHY means that events are not accepted; what a restart
 * takes counts only when it takes more than a second, since producers just
 * wait that long.
 */
void health_judge(const struct view *, struct health *);
const char *health_status_name(enum health_status);
/* Events are accepted and every worker is ready, this very moment.  If not,
 * why is a static text. */
bool health_ready(const struct view *, const char **why);

/* The body of /health and that of /report; the caller owns it. */
struct json_object *health_json(const struct view *);
struct json_object *health_report(const struct view *);
/* Failed calls and refused events beside the messages that Telegram took, in
 * percent of both; -1 when there was neither. */
double health_error_rate(const struct view *);

#endif
