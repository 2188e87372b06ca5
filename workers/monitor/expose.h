/*
 * The metrics as Prometheus reads them: text exposition format 0.0.4.
 */
#ifndef MONITOR_EXPOSE_H
#define MONITOR_EXPOSE_H

#include <stddef.h>

#include "workers/monitor/view.h"

struct json_object;

/* The whole exposition; the caller frees it.  NULL: out of memory. */
char *expose_text(const struct view *, size_t *len);
/* Only the six bare figures that the MCP server reads. */
char *expose_brief(const struct view *, size_t *len);
/* The table of metrics.h as one JSON object; the caller owns it. */
struct json_object *expose_json(const struct view *);

#endif
