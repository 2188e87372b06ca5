/*
 * The table of the tools: names, arguments and limits are those of the MCP
 * server of co8/cctelegram 1.9.0 (CONTRACT of its bridge, section 2), which
 * agents have in their notes and permissions; ask and get_event are ours.
 * Where that server took only ASCII titles and UUIDs, any text is taken.
 */
#include <stddef.h>
#include <string.h>

#include "ctl/mcp.h"

#define TITLE_MAX 200
#define DESCRIPTION_MAX 2000
#define SOURCE_MAX 100
#define ID_MAX 200
#define PATH_UNITS_MAX 500
#define OPTIONS_MAX 10 /* buttons under one message */
#define OPTION_MAX 100
#define DAY_MS 86400000

static const char *const severities[] = { "low", "medium", "high", "critical",
	NULL };
static const char *const systems[] = { "claude-code", "taskmaster", "both",
	NULL };
static const char *const statuses[] = { "pending", "in_progress", "completed",
	"blocked", NULL };
static const char *const sections[] = { "completed", "current", "upcoming",
	"blocked", NULL };

#define SOURCE                                                                \
	{ .name = "source", .type = MCP_STRING, .max = SOURCE_MAX,            \
	    .def = "\"claude-code\"", .doc = "Who sends it" }
#define PROJECT_ROOT                                                          \
	{ .name = "project_root", .type = MCP_STRING, .max = PATH_UNITS_MAX,  \
	    .doc = "Directory of the project (the current one)" }
#define END { .name = NULL }

static const struct mcp_param event_params[] = {
	{ .name = "type", .type = MCP_STRING, .required = true,
	    .words = mcp_type_names, .doc = "Type of the event" },
	{ .name = "title", .type = MCP_STRING, .required = true,
	    .max = TITLE_MAX, .doc = "Title of the event" },
	{ .name = "description", .type = MCP_STRING, .required = true,
	    .max = DESCRIPTION_MAX, .doc = "What has happened" },
	{ .name = "task_id", .type = MCP_STRING, .max = ID_MAX,
	    .doc = "The task that it belongs to (a new one)" },
	SOURCE,
	{ .name = "data", .type = MCP_OBJECT,
	    .doc = "Details; what is shown depends on the type" },
	END
};

static const struct mcp_param message_params[] = {
	{ .name = "message", .type = MCP_STRING, .required = true,
	    .max = 1000, .doc = "The text" },
	SOURCE,
	END
};

static const struct mcp_param completion_params[] = {
	{ .name = "task_id", .type = MCP_STRING, .required = true,
	    .max = ID_MAX, .doc = "The task that is done" },
	{ .name = "title", .type = MCP_STRING, .required = true,
	    .max = TITLE_MAX, .doc = "Title of the task" },
	{ .name = "results", .type = MCP_STRING, .max = 5000,
	    .doc = "What came out of it" },
	{ .name = "files_affected", .type = MCP_STRINGS, .max = 50,
	    .item_max = PATH_UNITS_MAX, .doc = "Files that were changed" },
	{ .name = "duration_ms", .type = MCP_NUMBER, .max = DAY_MS,
	    .doc = "How long it took, in milliseconds" },
	END
};

static const struct mcp_param alert_params[] = {
	{ .name = "title", .type = MCP_STRING, .required = true,
	    .max = TITLE_MAX, .doc = "What is measured" },
	{ .name = "current_value", .type = MCP_NUMBER, .required = true,
	    .doc = "The value now" },
	{ .name = "threshold", .type = MCP_NUMBER, .required = true,
	    .doc = "The threshold that it has passed" },
	{ .name = "severity", .type = MCP_STRING, .words = severities,
	    .def = "\"medium\"", .doc = "How bad it is" },
	END
};

static const struct mcp_param approval_params[] = {
	{ .name = "title", .type = MCP_STRING, .required = true,
	    .max = TITLE_MAX, .doc = "Title of the request" },
	{ .name = "description", .type = MCP_STRING, .required = true,
	    .max = DESCRIPTION_MAX, .doc = "What is to be decided" },
	{ .name = "options", .type = MCP_STRINGS, .min = 1,
	    .max = OPTIONS_MAX, .item_max = OPTION_MAX,
	    .def = "[\"Approve\",\"Deny\"]", .doc = "The answers to offer" },
	END
};

static const struct mcp_param ask_params[] = {
	{ .name = "question", .type = MCP_STRING, .required = true,
	    .max = DESCRIPTION_MAX, .doc = "The question, in full" },
	{ .name = "options", .type = MCP_STRINGS, .min = 1,
	    .max = OPTIONS_MAX, .item_max = OPTION_MAX,
	    .doc = "The answers to offer (Approve, Deny)" },
	{ .name = "timeout_seconds", .type = MCP_NUMBER, .min = 1,
	    .max = 604800, .def = "1800",
	    .doc = "Wait so long for an answer" },
	{ .name = "details", .type = MCP_STRING, .max = 10000,
	    .doc = "What a button shows on request" },
	END
};

static const struct mcp_param get_event_params[] = {
	{ .name = "id", .type = MCP_STRING, .required = true, .max = 1024,
	    .doc = "The event_id that a sending tool returned" },
	END
};

static const struct mcp_param limit_params[] = {
	{ .name = "limit", .type = MCP_NUMBER, .min = 1, .max = 100,
	    .def = "10", .doc = "At most so many, the newest first" },
	END
};

static const struct mcp_param clear_params[] = {
	{ .name = "older_than_hours", .type = MCP_NUMBER, .min = 1,
	    .max = 8760, .def = "24", .doc = "Only what is older than this" },
	END
};

static const struct mcp_param process_params[] = {
	{ .name = "since_minutes", .type = MCP_NUMBER, .min = 1, .max = 1440,
	    .def = "10", .doc = "Only what came in the last minutes" },
	END
};

static const struct mcp_param types_params[] = {
	{ .name = "category", .type = MCP_STRING, .max = 100,
	    .doc = "Only categories whose name contains this" },
	END
};

static const struct mcp_param status_params[] = {
	PROJECT_ROOT,
	{ .name = "task_system", .type = MCP_STRING, .words = systems,
	    .def = "\"both\"", .doc = "Whose tasks" },
	{ .name = "status_filter", .type = MCP_STRING, .words = statuses,
	    .doc = "Only tasks with this status" },
	{ .name = "summary_only", .type = MCP_BOOLEAN, .def = "false",
	    .doc = "Only the numbers" },
	END
};

static const struct mcp_param todo_params[] = {
	PROJECT_ROOT,
	{ .name = "task_system", .type = MCP_STRING, .words = systems,
	    .def = "\"taskmaster\"", .doc = "Whose tasks" },
	{ .name = "sections", .type = MCP_STRINGS, .words = sections,
	    .def = "[\"completed\",\"current\",\"upcoming\"]",
	    .doc = "What to show, in this order" },
	{ .name = "limit_completed", .type = MCP_NUMBER, .min = 1,
	    .max = 1000, .def = "5", .doc = "At most so many completed ones" },
	{ .name = "show_subtasks", .type = MCP_BOOLEAN, .def = "true",
	    .doc = "Show the parts of the tasks, too" },
	END
};

static const struct mcp_param register_params[] = {
	{ .name = "todos", .type = MCP_OBJECTS, .required = true, .max = 1000,
	    .doc = "The list: objects with id, content and status" },
	{ .name = "session_id", .type = MCP_STRING, .max = ID_MAX,
	    .doc = "The session that it belongs to" },
	END
};

const struct mcp_tool mcp_tools[] = {
	{ "send_telegram_event", "Send a structured event to Telegram",
	    event_params, .run = mcp_send_event },
	{ "send_telegram_message", "Send a short text to Telegram",
	    message_params, .run = mcp_send_message },
	{ "send_task_completion", "Tell that a task is done, and its results",
	    completion_params, .run = mcp_send_completion },
	{ "send_performance_alert", "Tell that a value has passed a threshold",
	    alert_params, .run = mcp_send_alert },
	{ "send_approval_request", "Ask for a decision with buttons, without "
	    "waiting for it; process_pending_responses has the answer",
	    approval_params, .run = mcp_send_approval },
	{ "ask", "Ask people a question on Telegram and wait for their answer",
	    ask_params, .waits = true, .run = mcp_ask },
	{ "get_event", "What has become of an event that was sent",
	    get_event_params, .reads_only = true, .run = mcp_get_event },
	{ "get_telegram_responses", "What people have answered on Telegram",
	    limit_params, .reads_only = true, .run = mcp_responses_get },
	{ "process_pending_responses", "Recent decisions on approval requests",
	    process_params, .reads_only = true, .run = mcp_responses_process },
	{ "clear_old_responses", "Remove the files of old answers",
	    clear_params, .run = mcp_responses_clear },
	{ "get_bridge_status", "State, health and figures of the bridge",
	    NULL, .reads_only = true, .run = mcp_bridge_status },
	{ "check_bridge_process", "Is the bridge running?",
	    NULL, .reads_only = true, .run = mcp_bridge_check },
	{ "start_bridge", "Start the bridge if it is not running",
	    NULL, .run = mcp_bridge_start },
	{ "stop_bridge", "Stop the bridge",
	    NULL, .run = mcp_bridge_stop },
	{ "restart_bridge", "Replace all workers of the bridge",
	    NULL, .run = mcp_bridge_restart },
	{ "ensure_bridge_running", "Start the bridge unless it is running",
	    NULL, .run = mcp_bridge_ensure },
	{ "list_event_types", "The types of events, with descriptions",
	    types_params, .reads_only = true, .run = mcp_event_types },
	{ "get_task_status", "Tasks of the session and of TaskMaster",
	    status_params, .reads_only = true, .run = mcp_task_status },
	{ "todo", "The tasks as a list for people",
	    todo_params, .reads_only = true, .run = mcp_todo },
	{ "register_claude_todos", "Tell the bridge the session's to-do list, "
	    "for /todo on Telegram",
	    register_params, .run = mcp_register_todos },
	{ "switch_to_local_mode", "Mode for work at this machine",
	    NULL, .run = mcp_switch_local },
	{ "switch_to_nomad_mode", "Mode for work away from this machine",
	    NULL, .run = mcp_switch_nomad },
	{ "switch_to_mute_mode", "Hold everything but approvals",
	    NULL, .run = mcp_switch_mute },
	{ .name = NULL }
};

const struct mcp_tool *
mcp_tool_find(const char *name)
{
	const struct mcp_tool *t;

	for (t = mcp_tools; t->name != NULL; t++)
		if (strcmp(t->name, name) == 0)
			return (t);
	return (NULL);
}
