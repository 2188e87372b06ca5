/*
 * cctgctl mcp: a Model Context Protocol server on stdin and stdout.
 *
 * mcp.c is the verb and its poll loop, mcp_rpc.c speaks JSON-RPC and MCP,
 * mcp_job.c runs each call in a process of its own, mcp_listen.c keeps
 * subscriptions, mcp_schema.c checks arguments by the table of the tools in
 * mcp_tools.c.  What the tools do stands in mcp_send.c, mcp_bridge.c,
 * mcp_responses.c, mcp_tasks.c and mcp_types.c.
 */
#ifndef CTL_MCP_H
#define CTL_MCP_H

#include <sys/queue.h>
#include <sys/types.h>

#include "ctl/ctl.h"

struct json_object;

#define MCP_LINE_MAX_BYTES (1U << 20)
#define MCP_META "io.modelcontextprotocol/"

/* -- tools -------------------------------------------------------------- */

enum mcp_type {
	MCP_STRING,
	MCP_NUMBER,
	MCP_BOOLEAN,
	MCP_OBJECT,
	MCP_STRINGS, /* a list of strings */
	MCP_OBJECTS, /* a list of objects */
};

struct mcp_param {
	const char *name;
	enum mcp_type type;
	bool required;
	/* Of a number its value, of a string its UTF-16 units, of a list the
	 * number of its members; max 0: no limit. */
	double min, max;
	int item_max; /* of each string of a list, UTF-16 units */
	const char *const *words; /* what a string may be, ends with NULL */
	const char *def; /* as JSON */
	const char *doc;
};

/*
 * What a tool does, in a process of its own.  Returns what the caller gets:
 * a string as it is, anything else as JSON text.  With *failed set it is told
 * as an error.  It may end with ctl_fail().
 */
typedef struct json_object *mcp_run_fn(struct ctl *, struct json_object *args,
    bool *failed);

struct mcp_tool {
	const char *name;
	const char *doc;
	const struct mcp_param *params; /* ends with a name of NULL; or NULL */
	bool waits;	 /* for people: for long */
	bool reads_only; /* changes nothing */
	mcp_run_fn *run;
};

/* mcp_tools.c */
extern const struct mcp_tool mcp_tools[]; /* ends with a name of NULL */
const struct mcp_tool *mcp_tool_find(const char *name);

/* mcp_schema.c */
struct json_object *mcp_schema(const struct mcp_tool *);
/*
 * Complete the arguments with defaults, convert what is convertible and drop
 * what is unknown.  Returns a new object, or NULL with the name of the one
 * that is wrong in field and the reason in error.
 */
struct json_object *mcp_arguments(const struct mcp_tool *,
    struct json_object *given, const char **field, char *error, size_t size);

/* {"error":true,"code":…,"message":…,"field":…}; field may be NULL. */
struct json_object *mcp_error(const char *code, const char *message,
    const char *field);

/* mcp_types.c */
extern const char *const mcp_type_names[]; /* ends with NULL */
struct mcp_resource {
	const char *uri;
	const char *name;
	const char *doc;
	mcp_run_fn *read; /* called without arguments */
};
extern const struct mcp_resource mcp_resources[]; /* uri NULL at the end */

/* The tools. */
mcp_run_fn mcp_send_event, mcp_send_message, mcp_send_completion,
    mcp_send_alert, mcp_send_approval, mcp_switch_local, mcp_switch_nomad,
    mcp_switch_mute, mcp_ask, mcp_get_event;
mcp_run_fn mcp_bridge_start, mcp_bridge_stop, mcp_bridge_restart,
    mcp_bridge_ensure, mcp_bridge_check, mcp_bridge_status;
mcp_run_fn mcp_responses_get, mcp_responses_process, mcp_responses_clear;
mcp_run_fn mcp_task_status, mcp_todo, mcp_register_todos;
mcp_run_fn mcp_event_types;

/* -- the server --------------------------------------------------------- */

/* Answers that go out as one array. */
struct mcp_batch {
	struct json_object *answers;
	size_t waiting;
};

/* Where an answer goes to. */
struct mcp_reply {
	struct json_object *id;
	bool modern; /* the request had its version with it */
	struct mcp_batch *batch; /* or NULL */
};

/* A call in its process. */
struct mcp_job {
	TAILQ_ENTRY(mcp_job) entry;
	struct mcp_reply reply;
	const struct mcp_tool *tool; /* NULL: a resource */
	const char *uri;	     /* of the resource */
	struct json_object *token;   /* of its progress, or NULL */
	int64_t begin_ms, tell_ms, total_ms;
	pid_t pid;
	int fd; /* what it says */
	char *buf;
	size_t len, size;
};

TAILQ_HEAD(mcp_jobs, mcp_job);
TAILQ_HEAD(mcp_listens, mcp_listen);

struct mcp {
	struct ctl *ctl;
	struct mcp_jobs jobs;
	size_t njobs;
	struct mcp_listens listens;
	size_t nlistens;
	int listen_fd; /* of inotify, or -1 */
	bool subscribed; /* to answers, as it was done before 2026-07-28 */
	char version[16]; /* of the handshake; "" before */
	char *in;
	size_t in_len, in_size;
	bool skip; /* to the end of a line that is too long */
	char *out;
	size_t out_len, out_size;
};

/* mcp.c: one line; the object is put. */
void mcp_write(struct mcp *, struct json_object *);

/* mcp_rpc.c */
/* Serve one line, without its newline. */
void mcp_rpc_line(struct mcp *, char *, size_t);
void mcp_rpc_too_long(struct mcp *);
/* Both take their objects and end the reply. */
void mcp_rpc_result(struct mcp *, struct mcp_reply *, struct json_object *);
void mcp_rpc_error(struct mcp *, struct mcp_reply *, int code,
    struct json_object *data, const char *, ...)
    __attribute__((format(printf, 5, 6)));
void mcp_rpc_drop(struct mcp *, struct mcp_reply *); /* without an answer */

/* mcp_listen.c */
/* Keep the request open and say what of its filter will be told; false if
 * there are too many. */
bool mcp_listen_start(struct mcp *, struct json_object *id,
    struct json_object *filter);
bool mcp_listen_has(struct mcp *, struct json_object *id);
/* Nothing more is said on it. */
void mcp_listen_cancel(struct mcp *, struct json_object *id);
/* The same for resources/subscribe and unsubscribe. */
void mcp_listen_subscribe(struct mcp *, const char *uri, bool yes);
/* listen_fd has news. */
void mcp_listen_read(struct mcp *);
/* The server ends: so do all subscriptions, in good order. */
void mcp_listen_end(struct mcp *);

/* mcp_job.c */
/* Begin a call; args are taken.  Returns false if there are too many, or no
 * process is to be had, and leaves the reply alone. */
bool mcp_job_start(struct mcp *, const struct mcp_reply *,
    const struct mcp_tool *, const struct mcp_resource *,
    struct json_object *args, struct json_object *token);
struct mcp_job *mcp_job_find(struct mcp *, struct json_object *id);
/* Its pipe has something to say, or its end. */
void mcp_job_read(struct mcp *, struct mcp_job *);
/* End it; nobody gets an answer. */
void mcp_job_cancel(struct mcp *, struct mcp_job *);
/* Tell about what is waiting; returns when to call again, or -1. */
int64_t mcp_job_progress(struct mcp *, int64_t now_ms);

#endif
