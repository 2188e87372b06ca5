/*
 * The agents: Claude Code, Codex and Gemini CLI.  Each has a table of the
 * hooks that mean something here; others are ignored, as are members that
 * are not named.
 */
#include <json-c/json.h>
#include <string.h>

#include "common/json.h"
#include "common/nitems.h"
#include "ctl/ctl.h"
#include "ctl/hook.h"

#define INFO "info_notification"

static struct json_object *claude_decision(const char *, bool, const char *,
    struct json_object *);
static struct json_object *codex_decision(const char *, bool, const char *,
    struct json_object *);
static struct json_object *gemini_decision(const char *, bool, const char *,
    struct json_object *);

static const struct hook_event claude_events[] = {
	{ "PermissionRequest", NULL, HOOK_ASKS, NULL, "wants to use", { NULL },
	    NULL },
	{ "PreToolUse", NULL, HOOK_ASKS | HOOK_QUIET, NULL, "wants to use",
	    { NULL }, NULL },
	{ "PostToolUse", NULL, HOOK_SETTLES_CALL, NULL, NULL, { NULL },
	    "it was allowed elsewhere" },
	{ "PostToolUseFailure", NULL, HOOK_SETTLES_CALL, NULL, NULL, { NULL },
	    "it was allowed elsewhere" },
	/* What it would tell is what the prompt of the same call asks. */
	{ "Notification", "permission_prompt", HOOK_TELLS | HOOK_IF_UNASKED,
	    INFO, "needs you", { "title", "message" }, NULL },
	/* A minute after each Stop, which was told. */
	{ "Notification", "idle_prompt", HOOK_TELLS | HOOK_QUIET, INFO,
	    "is waiting", { "title", "message" }, NULL },
	{ "Notification", NULL, HOOK_TELLS, INFO, "says", { "title",
	    "message" }, NULL },
	{ "Stop", NULL, HOOK_TELLS | HOOK_SETTLES_ALL, "task_completion",
	    "has finished", { "last_assistant_message" },
	    "the agent has finished" },
	{ "StopFailure", NULL, HOOK_TELLS, "task_failed", "has failed",
	    { "error", "error_details", "last_assistant_message" }, NULL },
	{ "SubagentStop", NULL, HOOK_TELLS | HOOK_QUIET, INFO,
	    "has a sub-agent that finished", { "agent_type",
	    "last_assistant_message" }, NULL },
	/* The same session, after its memory was put in order. */
	{ "SessionStart", "compact", HOOK_TELLS | HOOK_QUIET, INFO,
	    "goes on", { "source" }, NULL },
	{ "SessionStart", NULL, HOOK_TELLS, INFO, "has started", { "source" },
	    NULL },
	{ "SessionEnd", NULL, HOOK_TELLS | HOOK_SETTLES_ALL, INFO,
	    "has ended", { "reason" }, "the session has ended" },
	{ "UserPromptSubmit", NULL, HOOK_SETTLES_ALL, NULL, NULL, { NULL },
	    "the session went on" },
	{ NULL, NULL, 0, NULL, NULL, { NULL }, NULL }
};

static const struct hook_event codex_events[] = {
	{ "PermissionRequest", NULL, HOOK_ASKS, NULL, "wants to use", { NULL },
	    NULL },
	{ "PreToolUse", NULL, HOOK_ASKS | HOOK_QUIET, NULL, "wants to use",
	    { NULL }, NULL },
	{ "PostToolUse", NULL, HOOK_SETTLES_CALL, NULL, NULL, { NULL },
	    "it was allowed elsewhere" },
	{ "Stop", NULL, HOOK_TELLS | HOOK_SETTLES_ALL, "task_completion",
	    "has finished", { "last_assistant_message" },
	    "the agent has finished" },
	{ "SubagentStop", NULL, HOOK_TELLS | HOOK_QUIET, INFO,
	    "has a sub-agent that finished", { "last_assistant_message" },
	    NULL },
	{ "SessionStart", NULL, HOOK_TELLS, INFO, "has started", { "source" },
	    NULL },
	{ "UserPromptSubmit", NULL, HOOK_SETTLES_ALL, NULL, NULL, { NULL },
	    "the session went on" },
	/* The program that the key notify of config.toml names. */
	{ "agent-turn-complete", NULL, HOOK_TELLS | HOOK_SETTLES_ALL,
	    "task_completion", "has finished", { "last-assistant-message" },
	    "the agent has finished" },
	{ "approval-requested", NULL, HOOK_TELLS | HOOK_IF_UNASKED, INFO,
	    "needs you", { "message" }, NULL },
	{ NULL, NULL, 0, NULL, NULL, { NULL }, NULL }
};

static const struct hook_event gemini_events[] = {
	/* Comes for every call, also for those that need no permission. */
	{ "BeforeTool", NULL, HOOK_ASKS | HOOK_QUIET, NULL, "wants to use",
	    { NULL }, NULL },
	{ "AfterTool", NULL, HOOK_SETTLES_CALL, NULL, NULL, { NULL },
	    "it was allowed elsewhere" },
	{ "Notification", "ToolPermission", HOOK_TELLS | HOOK_IF_UNASKED, INFO,
	    "needs you", { "message", "details" }, NULL },
	{ "Notification", NULL, HOOK_TELLS, INFO, "says", { "message",
	    "details" }, NULL },
	{ "AfterAgent", NULL, HOOK_TELLS | HOOK_SETTLES_ALL, "task_completion",
	    "has finished", { "prompt_response" }, "the agent has finished" },
	{ "BeforeAgent", NULL, HOOK_SETTLES_ALL, NULL, NULL, { NULL },
	    "the session went on" },
	{ "SessionStart", NULL, HOOK_TELLS, INFO, "has started", { "source" },
	    NULL },
	{ "SessionEnd", NULL, HOOK_TELLS | HOOK_SETTLES_ALL, INFO,
	    "has ended", { "reason" }, "the session has ended" },
	{ NULL, NULL, 0, NULL, NULL, { NULL }, NULL }
};

static const struct agent agents[] = {
	{ "claude", "Claude", "claude-code", "", claude_events,
	    claude_decision, "AskUserQuestion" },
	{ "codex", "Codex", "codex", "", codex_events, codex_decision, NULL },
	/* Gemini CLI takes what is not JSON for a message. */
	{ "gemini", "Gemini", "gemini-cli", "{}\n", gemini_events,
	    gemini_decision, NULL },
};

const struct agent *
agent_find(const char *name)
{
	size_t i;

	for (i = 0; i < nitems(agents); i++)
		if (strcmp(agents[i].name, name) == 0)
			return (&agents[i]);
	return (NULL);
}

const struct hook_event *
agent_event(const struct agent *agent, struct json_object *payload)
{
	/* A program of Codex's notify gets no hook_event_name. */
	const char *name = json_str(payload, "hook_event_name",
	    json_str(payload, "type", ""));
	const char *kind = agent_kind(payload);
	const struct hook_event *e;

	for (e = agent->events; e->name != NULL; e++)
		if (strcmp(e->name, name) == 0 &&
		    (e->kind == NULL || strcmp(e->kind, kind) == 0))
			return (e);
	return (NULL);
}

const char *
agent_session(struct json_object *payload)
{
	return (json_str(payload, "session_id",
	    json_str(payload, "thread-id", "")));
}

const char *
agent_kind(struct json_object *payload)
{
	return (json_str(payload, strcmp(json_str(payload, "hook_event_name",
	    ""), "SessionStart") == 0 ? "source" : "notification_type", ""));
}

static struct json_object *
specific(const char *event, struct json_object *specific)
{
	struct json_object *o = json_object_new_object();

	talk_add(specific, "hookEventName", event);
	json_object_object_add(o, "hookSpecificOutput", specific);
	return (o);
}

static struct json_object *
permission_request(bool allow, const char *message, struct json_object *input)
{
	struct json_object *o = json_object_new_object();
	struct json_object *decision = json_object_new_object();

	talk_add(decision, "behavior", allow ? "allow" : "deny");
	if (!allow)
		talk_add(decision, "message", message);
	if (input != NULL)
		json_object_object_add(decision, "updatedInput", input);
	json_object_object_add(o, "decision", decision);
	return (specific("PermissionRequest", o));
}

static struct json_object *
pre_tool_use(bool allow, const char *message, struct json_object *input)
{
	struct json_object *o = json_object_new_object();

	talk_add(o, "permissionDecision", allow ? "allow" : "deny");
	talk_add(o, "permissionDecisionReason", message);
	if (input != NULL)
		json_object_object_add(o, "updatedInput", input);
	return (specific("PreToolUse", o));
}

static struct json_object *
claude_decision(const char *event, bool allow, const char *message,
    struct json_object *input)
{
	if (strcmp(event, "PreToolUse") == 0)
		return (pre_tool_use(allow, message, input));
	return (permission_request(allow, message, input));
}

/* Codex refuses output with members that it does not know, and knows no
 * "allow" before a tool. */
static struct json_object *
codex_decision(const char *event, bool allow, const char *message,
    struct json_object *input)
{
	json_object_put(input);
	if (strcmp(event, "PreToolUse") == 0)
		return (allow ? NULL : pre_tool_use(false, message, NULL));
	return (permission_request(allow, message, NULL));
}

static struct json_object *
gemini_decision(const char *event, bool allow, const char *message,
    struct json_object *input)
{
	struct json_object *o = json_object_new_object();

	(void)event;
	json_object_put(input);
	talk_add(o, "decision", allow ? "allow" : "deny");
	if (!allow)
		talk_add(o, "reason", message);
	return (o);
}
