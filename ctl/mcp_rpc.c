/*
 * JSON-RPC 2.0 and the methods of the Model Context Protocol: a line in,
 * answers out by mcp_write().  Called by the loop of mcp.c; calls of tools
 * and reading of resources go on to mcp_job.c.
 *
 * Two eras side by side.  Up to 2025-11-25 a client begins with initialize,
 * but nothing here depends on it except batches, which only 2025-03-26 has.
 * Since 2026-07-28 each request has its version in _meta, and results have
 * some members more.
 *
 * Nothing that a client sends ends the server.
 */
#include <ctype.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/utf8.h"
#include "config.h"
#include "ctl/mcp.h"

/* JSON-RPC 2.0 section 5.1, and two of MCP. */
#define RPC_PARSE (-32700)
#define RPC_REQUEST (-32600)
#define RPC_METHOD (-32601)
#define RPC_PARAMS (-32602)
#define RPC_INTERNAL (-32603)
#define MCP_NO_RESOURCE (-32002) /* up to 2025-11-25 */
#define MCP_VERSION (-32022)	 /* since 2026-07-28 */

#define META MCP_META
#define BATCH_VERSION "2025-03-26"
#define LIST_MS 3600000 /* the lists stay as they are while we run */

/* Newest first. */
static const char *const legacy_versions[] = { "2025-11-25", "2025-06-18",
	BATCH_VERSION, "2024-11-05", NULL };
static const char *const modern_versions[] = { "2026-07-28", NULL };

#define INSTRUCTIONS                                                          \
	"Sends events to Telegram by cctgd and brings answers back. Use "     \
	"send_telegram_event and its relatives to tell people something, "    \
	"and ask to wait for their decision."

struct request {
	struct mcp_reply reply;
	const char *method;
	struct json_object *params; /* NULL: none */
	bool done;		    /* answered, or somebody will */
};

enum era { LEGACY = 1, MODERN = 2, BOTH = 3 };

/* Returns the result, or NULL with the request done. */
typedef struct json_object *method_fn(struct mcp *, struct request *);
static method_fn do_initialize, do_ping, do_discover, do_tools_list,
    do_tools_call, do_resources_list, do_resources_read, do_templates_list,
    do_prompts_list, do_subscribe, do_unsubscribe, do_listen;

static const struct method {
	const char *name;
	enum era era;
	int ttl_ms; /* of a result that may be kept; -1: of none */
	method_fn *run;
} methods[] = {
	{ "initialize", LEGACY, -1, do_initialize },
	{ "ping", LEGACY, -1, do_ping },
	{ "logging/setLevel", LEGACY, -1, do_ping },
	{ "server/discover", BOTH, LIST_MS, do_discover },
	{ "tools/list", BOTH, LIST_MS, do_tools_list },
	{ "tools/call", BOTH, -1, do_tools_call },
	{ "resources/list", BOTH, LIST_MS, do_resources_list },
	{ "resources/read", BOTH, -1, do_resources_read },
	{ "resources/templates/list", BOTH, LIST_MS, do_templates_list },
	{ "prompts/list", BOTH, LIST_MS, do_prompts_list },
	{ "resources/subscribe", LEGACY, -1, do_subscribe },
	{ "resources/unsubscribe", LEGACY, -1, do_unsubscribe },
	{ "subscriptions/listen", MODERN, -1, do_listen },
	{ NULL, 0, -1, NULL }
};

static void message(struct mcp *, struct json_object *, struct mcp_batch *);
static void batch(struct mcp *, struct json_object *);
static bool era_read(struct mcp *, struct request *);
static void request_serve(struct mcp *, struct request *);
static void notification(struct mcp *, const char *, struct json_object *);
static void reply_send(struct mcp *, struct mcp_reply *, struct json_object *);
static struct json_object *fail(struct mcp *, struct request *, int,
    const char *, ...) __attribute__((format(printf, 4, 5)));

static struct json_object *
member(struct json_object *o, const char *key)
{
	struct json_object *v = NULL;

	if (json_object_is_type(o, json_type_object))
		json_object_object_get_ex(o, key, &v);
	return (v);
}

static void
put(struct json_object *o, const char *key, struct json_object *v)
{
	json_object_object_add(o, key, v);
}

static bool
listed(const char *const *list, const char *word)
{
	for (; *list != NULL; list++)
		if (strcmp(*list, word) == 0)
			return (true);
	return (false);
}

static struct json_object *
versions(bool legacy)
{
	struct json_object *list = json_object_new_array();
	const char *const *v;

	for (v = modern_versions; *v != NULL; v++)
		json_object_array_add(list, json_object_new_string(*v));
	for (v = legacy_versions; legacy && *v != NULL; v++)
		json_object_array_add(list, json_object_new_string(*v));
	return (list);
}

static struct json_object *
server_info(void)
{
	struct json_object *o = json_object_new_object();

	talk_add(o, "name", "cctg");
	talk_add(o, "title", "cctg: Telegram for agents");
	talk_add(o, "version", PACKAGE_VERSION);
	return (o);
}

/* -- answers ------------------------------------------------------------ */

/* Takes the answer; ends the reply. */
static void
reply_send(struct mcp *m, struct mcp_reply *r, struct json_object *answer)
{
	struct mcp_batch *b = r->batch;

	json_object_put(r->id);
	r->id = NULL;
	r->batch = NULL;
	if (b == NULL) {
		mcp_write(m, answer);
		return;
	}
	if (answer != NULL)
		json_object_array_add(b->answers, answer);
	if (--b->waiting > 0)
		return;
	if (json_object_array_length(b->answers) > 0)
		mcp_write(m, b->answers);
	else
		json_object_put(b->answers);
	free(b);
}

static struct json_object *
answer_new(const struct mcp_reply *r)
{
	struct json_object *o = json_object_new_object();

	talk_add(o, "jsonrpc", "2.0");
	put(o, "id", json_object_get(r->id));
	return (o);
}

void
mcp_rpc_result(struct mcp *m, struct mcp_reply *r, struct json_object *result)
{
	struct json_object *o = answer_new(r), *meta;

	if (r->modern) {
		meta = json_object_get(member(result, "_meta"));
		if (meta == NULL)
			meta = json_object_new_object();
		put(meta, META "serverInfo", server_info());
		put(result, "_meta", meta);
		talk_add(result, "resultType", "complete");
	}
	put(o, "result", result);
	reply_send(m, r, o);
}

void
mcp_rpc_error(struct mcp *m, struct mcp_reply *r, int code,
    struct json_object *data, const char *fmt, ...)
{
	struct json_object *o = answer_new(r);
	struct json_object *error = json_object_new_object();
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	put(error, "code", json_object_new_int(code));
	talk_add(error, "message", text);
	if (data != NULL)
		put(error, "data", data);
	put(o, "error", error);
	reply_send(m, r, o);
}

void
mcp_rpc_drop(struct mcp *m, struct mcp_reply *r)
{
	if (r->batch != NULL)
		reply_send(m, r, NULL);
	json_object_put(r->id);
	r->id = NULL;
}

static void
result_keep(struct json_object *result, int ttl_ms)
{
	put(result, "ttlMs", json_object_new_int(ttl_ms));
	talk_add(result, "cacheScope", ttl_ms > 0 ? "public" : "private");
}

/* Answer with an error; always NULL. */
static struct json_object *
fail(struct mcp *m, struct request *r, int code, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	r->done = true;
	mcp_rpc_error(m, &r->reply, code, NULL, "%s", text);
	return (NULL);
}

/* -- methods ------------------------------------------------------------ */

static struct json_object *
capabilities(void)
{
	struct json_object *o = json_object_new_object();
	struct json_object *resources = json_object_new_object();

	put(o, "tools", json_object_new_object());
	put(resources, "subscribe", json_object_new_boolean(true));
	put(o, "resources", resources);
	return (o);
}

static struct json_object *
do_initialize(struct mcp *m, struct request *r)
{
	const char *wanted = json_str(r->params, "protocolVersion", NULL);
	struct json_object *o;

	if (r->reply.batch != NULL)
		return (fail(m, r, RPC_REQUEST,
		    "initialize must not be part of a batch"));
	if (wanted == NULL)
		return (fail(m, r, RPC_PARAMS,
		    "protocolVersion: a string is wanted"));
	if (!listed(legacy_versions, wanted))
		wanted = legacy_versions[0];
	strlcpy(m->version, wanted, sizeof(m->version));
	o = json_object_new_object();
	talk_add(o, "protocolVersion", wanted);
	put(o, "capabilities", capabilities());
	put(o, "serverInfo", server_info());
	talk_add(o, "instructions", INSTRUCTIONS);
	return (o);
}

/* Also for settings that change nothing here. */
static struct json_object *
do_ping(struct mcp *m, struct request *r)
{
	(void)m;
	(void)r;
	return (json_object_new_object());
}

static struct json_object *
do_discover(struct mcp *m, struct request *r)
{
	struct json_object *o = json_object_new_object();

	(void)m;
	r->reply.modern = true; /* whatever it had with it */
	put(o, "supportedVersions", versions(true));
	put(o, "capabilities", capabilities());
	put(o, "serverInfo", server_info());
	talk_add(o, "instructions", INSTRUCTIONS);
	return (o);
}

/* {key: list}; no list here has a second page. */
static struct json_object *
page(struct mcp *m, struct request *r, const char *key,
    struct json_object *list)
{
	struct json_object *o;

	if (member(r->params, "cursor") != NULL) {
		json_object_put(list);
		return (fail(m, r, RPC_PARAMS,
		    "cursor: there is no such page"));
	}
	o = json_object_new_object();
	put(o, key, list);
	return (o);
}

static struct json_object *
do_tools_list(struct mcp *m, struct request *r)
{
	struct json_object *list = json_object_new_array(), *o, *hints;
	const struct mcp_tool *t;

	for (t = mcp_tools; t->name != NULL; t++) {
		o = json_object_new_object();
		talk_add(o, "name", t->name);
		talk_add(o, "description", t->doc);
		put(o, "inputSchema", mcp_schema(t));
		hints = json_object_new_object();
		put(hints, "readOnlyHint",
		    json_object_new_boolean(t->reads_only));
		put(o, "annotations", hints);
		json_object_array_add(list, o);
	}
	return (page(m, r, "tools", list));
}

static struct json_object *
arguments_wrong(const char *field, const char *error)
{
	struct json_object *o = json_object_new_object();
	struct json_object *list = json_object_new_array();
	struct json_object *c = json_object_new_object(), *body;
	char text[512];

	snprintf(text, sizeof(text), "%s: %s", field, error);
	body = mcp_error("VALIDATION_FAILED", text, field);
	talk_add(c, "type", "text");
	talk_add(c, "text", json_object_to_json_string_ext(body,
	    JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(body);
	json_object_array_add(list, c);
	put(o, "content", list);
	put(o, "isError", json_object_new_boolean(true));
	return (o);
}

/* The token of the progress that the client wants to hear of, or NULL. */
static struct json_object *
progress_token(const struct request *r)
{
	struct json_object *t = member(member(r->params, "_meta"),
	    "progressToken");

	if (!json_object_is_type(t, json_type_string) &&
	    !json_object_is_type(t, json_type_int))
		return (NULL);
	return (t);
}

static struct json_object *
job(struct mcp *m, struct request *r, const struct mcp_tool *tool,
    const struct mcp_resource *resource, struct json_object *args)
{
	if (!mcp_job_start(m, &r->reply, tool, resource, args,
	    progress_token(r)))
		return (fail(m, r, RPC_INTERNAL,
		    "too many calls are under way: %zu", m->njobs));
	r->done = true;
	return (NULL);
}

static struct json_object *
do_tools_call(struct mcp *m, struct request *r)
{
	const char *name = json_str(r->params, "name", NULL), *field;
	struct json_object *given = member(r->params, "arguments"), *args;
	const struct mcp_tool *tool;
	char error[256];

	if (name == NULL)
		return (fail(m, r, RPC_PARAMS, "name: a string is wanted"));
	if ((tool = mcp_tool_find(name)) == NULL)
		return (fail(m, r, RPC_PARAMS, "Unknown tool: %.100s", name));
	if (given != NULL && !json_object_is_type(given, json_type_object))
		return (fail(m, r, RPC_PARAMS,
		    "arguments: an object is wanted"));
	/* A model can put right what it is told in a result. */
	args = mcp_arguments(tool, given, &field, error, sizeof(error));
	if (args == NULL)
		return (arguments_wrong(field, error));
	return (job(m, r, tool, NULL, args));
}

static struct json_object *
do_resources_list(struct mcp *m, struct request *r)
{
	struct json_object *list = json_object_new_array(), *o;
	const struct mcp_resource *s;

	for (s = mcp_resources; s->uri != NULL; s++) {
		o = json_object_new_object();
		talk_add(o, "uri", s->uri);
		talk_add(o, "name", s->name);
		talk_add(o, "description", s->doc);
		talk_add(o, "mimeType", "application/json");
		json_object_array_add(list, o);
	}
	return (page(m, r, "resources", list));
}

/* The resource that is asked for, or NULL with the request done. */
static const struct mcp_resource *
resource_find(struct mcp *m, struct request *r)
{
	const char *uri = json_str(r->params, "uri", NULL);
	const struct mcp_resource *s;
	struct json_object *data;

	if (uri == NULL) {
		fail(m, r, RPC_PARAMS, "uri: a string is wanted");
		return (NULL);
	}
	for (s = mcp_resources; s->uri != NULL; s++)
		if (strcmp(s->uri, uri) == 0)
			return (s);
	data = json_object_new_object();
	talk_add(data, "uri", uri);
	r->done = true;
	mcp_rpc_error(m, &r->reply, r->reply.modern ? RPC_PARAMS :
	    MCP_NO_RESOURCE, data, "Resource not found: %.200s", uri);
	return (NULL);
}

static struct json_object *
do_resources_read(struct mcp *m, struct request *r)
{
	const struct mcp_resource *s = resource_find(m, r);

	return (s == NULL ? NULL : job(m, r, NULL, s,
	    json_object_new_object()));
}

static struct json_object *
subscribe(struct mcp *m, struct request *r, bool yes)
{
	const struct mcp_resource *s = resource_find(m, r);

	if (s == NULL)
		return (NULL);
	mcp_listen_subscribe(m, s->uri, yes);
	return (json_object_new_object());
}

static struct json_object *
do_subscribe(struct mcp *m, struct request *r)
{
	return (subscribe(m, r, true));
}

static struct json_object *
do_unsubscribe(struct mcp *m, struct request *r)
{
	return (subscribe(m, r, false));
}

static struct json_object *
do_templates_list(struct mcp *m, struct request *r)
{
	return (page(m, r, "resourceTemplates", json_object_new_array()));
}

static struct json_object *
do_prompts_list(struct mcp *m, struct request *r)
{
	return (page(m, r, "prompts", json_object_new_array()));
}

static struct json_object *
do_listen(struct mcp *m, struct request *r)
{
	struct json_object *filter = member(r->params, "notifications");

	if (!json_object_is_type(filter, json_type_object))
		return (fail(m, r, RPC_PARAMS,
		    "notifications: an object is wanted"));
	if (r->reply.batch != NULL)
		return (fail(m, r, RPC_REQUEST,
		    "subscriptions/listen must not be part of a batch"));
	if (!mcp_listen_start(m, r->reply.id, filter))
		return (fail(m, r, RPC_INTERNAL,
		    "too many subscriptions: %zu", m->nlistens));
	mcp_rpc_drop(m, &r->reply);
	r->done = true;
	return (NULL);
}

/* -- requests ----------------------------------------------------------- */

/*
 * Which era the request belongs to.  False: it has been answered.  Whoever
 * asks what the server can do need not know yet how to ask.
 */
static bool
era_read(struct mcp *m, struct request *r)
{
	struct json_object *meta = member(r->params, "_meta"), *data;
	struct json_object *v = member(meta, META "protocolVersion");
	const char *version;

	if (v == NULL)
		return (true);
	if (!json_object_is_type(v, json_type_string)) {
		fail(m, r, RPC_PARAMS,
		    "_meta: " META "protocolVersion: a string is wanted");
		return (false);
	}
	version = json_object_get_string(v);
	if (listed(legacy_versions, version))
		return (true);
	r->reply.modern = true;
	if (!listed(modern_versions, version)) {
		data = json_object_new_object();
		put(data, "supported", versions(true));
		talk_add(data, "requested", version);
		mcp_rpc_error(m, &r->reply, MCP_VERSION, data,
		    "Unsupported protocol version");
		return (false);
	}
	if (!json_object_is_type(member(meta, META "clientCapabilities"),
	    json_type_object) && strcmp(r->method, "server/discover") != 0) {
		fail(m, r, RPC_PARAMS,
		    "_meta: " META "clientCapabilities: an object is wanted");
		return (false);
	}
	return (true);
}

static void
request_serve(struct mcp *m, struct request *r)
{
	const struct method *method;
	struct json_object *result;

	if (!era_read(m, r))
		return;
	for (method = methods; method->name != NULL; method++)
		if (strcmp(method->name, r->method) == 0 && (method->era &
		    (r->reply.modern ? MODERN : LEGACY)) != 0)
			break;
	if (method->name == NULL) {
		fail(m, r, RPC_METHOD, "Method not found: %.100s", r->method);
		return;
	}
	result = method->run(m, r);
	if (r->done)
		return;
	if (r->reply.modern && method->ttl_ms != -1)
		result_keep(result, method->ttl_ms);
	mcp_rpc_result(m, &r->reply, result);
}

static void
notification(struct mcp *m, const char *method, struct json_object *params)
{
	struct mcp_job *j;

	if (strcmp(method, "notifications/cancelled") != 0)
		return;
	if ((j = mcp_job_find(m, member(params, "requestId"))) != NULL)
		mcp_job_cancel(m, j);
	mcp_listen_cancel(m, member(params, "requestId"));
}

/* What is wrong with it as a request, or NULL. */
static const char *
malformed(struct mcp *m, struct json_object *o, struct json_object *id)
{
	if (!json_object_is_type(o, json_type_object))
		return ("a request is an object");
	if (strcmp(json_str(o, "jsonrpc", ""), "2.0") != 0)
		return ("jsonrpc: \"2.0\" is wanted");
	if (json_str(o, "method", NULL) == NULL)
		return ("method: a string is wanted");
	if (id == NULL && json_object_object_get_ex(o, "id", NULL))
		return ("id: a string or an integer is wanted");
	if (id != NULL && (mcp_job_find(m, id) != NULL ||
	    mcp_listen_has(m, id)))
		return ("id: it is in use");
	return (NULL);
}

/*
 * One message; a batch has counted it.  The object is the caller's.
 */
static void
message(struct mcp *m, struct json_object *o, struct mcp_batch *b)
{
	struct json_object *id = member(o, "id");
	struct request r = { .reply.batch = b };
	const char *why;

	if (!json_object_is_type(id, json_type_string) &&
	    !json_object_is_type(id, json_type_int))
		id = NULL;
	r.reply.id = json_object_get(id);
	r.method = json_str(o, "method", NULL);
	r.params = member(o, "params");
	if (r.method == NULL && (member(o, "result") != NULL ||
	    member(o, "error") != NULL)) {
		/* An answer; we have asked nothing. */
		mcp_rpc_drop(m, &r.reply);
	} else if ((why = malformed(m, o, id)) != NULL)
		fail(m, &r, RPC_REQUEST, "Invalid request: %s", why);
	else if (id == NULL) {
		notification(m, r.method, r.params);
		mcp_rpc_drop(m, &r.reply);
	} else if (r.params != NULL &&
	    !json_object_is_type(r.params, json_type_object))
		fail(m, &r, RPC_PARAMS, "params: an object is wanted");
	else
		request_serve(m, &r);
}

static void
batch(struct mcp *m, struct json_object *list)
{
	size_t i, n = json_object_array_length(list);
	struct request none = { 0 };
	struct mcp_batch *b;

	if (strcmp(m->version, BATCH_VERSION) != 0) {
		fail(m, &none, RPC_REQUEST, "Invalid request: only protocol "
		    "version " BATCH_VERSION " has batches");
		return;
	}
	if (n == 0) {
		fail(m, &none, RPC_REQUEST, "Invalid request: empty batch");
		return;
	}
	if ((b = calloc(1, sizeof(*b))) == NULL)
		ctl_fail(m->ctl, XC_FAILED, "out of memory");
	b->answers = json_object_new_array();
	b->waiting = n;
	for (i = 0; i < n; i++)
		message(m, json_object_array_get_idx(list, i), b);
}

static bool
utf8_valid(const char *p, size_t len)
{
	size_t n;

	for (; len > 0; p += n, len -= n)
		if ((n = utf8_char(p, len)) == 0)
			return (false);
	return (true);
}

void
mcp_rpc_line(struct mcp *m, char *line, size_t len)
{
	struct request none = { 0 };
	struct json_object *o;
	const char *why = "it is not UTF-8";

	while (len > 0 && isspace((unsigned char)line[len - 1]))
		len--;
	while (len > 0 && isspace((unsigned char)*line)) {
		line++;
		len--;
	}
	if (len == 0)
		return;
	o = utf8_valid(line, len) ? json_parse(line, len, &why) : NULL;
	if (o == NULL && len == 4 && memcmp(line, "null", 4) == 0)
		fail(m, &none, RPC_REQUEST, "Invalid request: null");
	else if (o == NULL)
		fail(m, &none, RPC_PARSE, "Parse error: %s", why);
	else if (json_object_is_type(o, json_type_array))
		batch(m, o);
	else
		message(m, o, NULL);
	json_object_put(o);
}

void
mcp_rpc_too_long(struct mcp *m)
{
	struct request none = { 0 };

	fail(m, &none, RPC_REQUEST, "Invalid request: a line has at most %u "
	    "bytes", MCP_LINE_MAX_BYTES);
}
