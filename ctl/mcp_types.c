/*
 * list_event_types, and the resources: what is known without asking anybody,
 * and the two that tools have, too.
 */
#include <json-c/json.h>
#include <stddef.h>
#include <string.h>

#include "common/event_types.h"
#include "common/json.h"
#include "common/nitems.h"
#include "ctl/mcp.h"

#define RECENT 20 /* answers in the resource */

const char *const mcp_type_names[] = {
#define TYPE_NAME(name, text, emoji, severity, category) text,
	EVENT_TYPES(TYPE_NAME)
#undef TYPE_NAME
	NULL
};

static const char *const categories[] = {
#define TYPE_CATEGORY(name, text, emoji, severity, category) category,
	EVENT_TYPES(TYPE_CATEGORY)
#undef TYPE_CATEGORY
};

/* The categories as agents know them. */
static const struct {
	const char *ours;
	const char *theirs;
} names[] = {
	{ "Task", "Task Management" },
	{ "Code", "Code Operations" },
	{ "Files", "File System" },
	{ "Build", "Build & Development" },
	{ "Git", "Git" },
	{ "System", "System Monitoring" },
	{ "User", "User Interaction" },
	{ "Notice", "Notifications" },
	{ "Integration", "Integration" },
	{ "Custom", "Custom" },
};

static const char *const docs[] = {
	[ET_TASK_COMPLETION] = "A task is done",
	[ET_TASK_STARTED] = "A task has begun",
	[ET_TASK_FAILED] = "A task has failed",
	[ET_TASK_PROGRESS] = "How far a task is",
	[ET_TASK_CANCELLED] = "A task was given up",
	[ET_CODE_GENERATION] = "Code was written",
	[ET_CODE_ANALYSIS] = "Code was analysed",
	[ET_CODE_REFACTORING] = "Code was put in order",
	[ET_CODE_REVIEW] = "Code was reviewed",
	[ET_CODE_TESTING] = "Code was tested",
	[ET_CODE_DEPLOYMENT] = "Code was deployed",
	[ET_FILE_CREATED] = "A file is new",
	[ET_FILE_MODIFIED] = "A file was changed",
	[ET_FILE_DELETED] = "A file is gone",
	[ET_DIRECTORY_CREATED] = "A directory is new",
	[ET_DIRECTORY_DELETED] = "A directory is gone",
	[ET_BUILD_STARTED] = "A build has begun",
	[ET_BUILD_COMPLETED] = "A build is done",
	[ET_BUILD_FAILED] = "A build has failed",
	[ET_TEST_SUITE_RUN] = "Tests were run",
	[ET_TEST_PASSED] = "A test has passed",
	[ET_TEST_FAILED] = "A test has failed",
	[ET_LINT_CHECK] = "Results of a linter",
	[ET_TYPE_CHECK] = "Results of a type checker",
	[ET_GIT_COMMIT] = "A commit was made",
	[ET_GIT_PUSH] = "Commits were pushed",
	[ET_GIT_MERGE] = "Branches were merged",
	[ET_GIT_BRANCH] = "A branch was made or removed",
	[ET_GIT_TAG] = "A tag was made",
	[ET_PULL_REQUEST_CREATED] = "A pull request was opened",
	[ET_PULL_REQUEST_MERGED] = "A pull request was merged",
	[ET_PERFORMANCE_ALERT] = "A value has passed a threshold",
	[ET_ERROR_OCCURRED] = "An error has happened",
	[ET_SYSTEM_HEALTH] = "The health of a system",
	[ET_SECURITY_ALERT] = "Something that concerns security",
	[ET_RESOURCE_USAGE] = "What a system uses of its resources",
	[ET_APPROVAL_REQUEST] = "A decision is wanted",
	[ET_USER_RESPONSE] = "A person has answered",
	[ET_COMMAND_EXECUTED] = "A command was run",
	[ET_INFO_NOTIFICATION] = "Something to know",
	[ET_ALERT_NOTIFICATION] = "Something to know at once",
	[ET_PROGRESS_UPDATE] = "How far something is",
	[ET_STATUS_CHANGE] = "A state has changed",
	[ET_API_CALL] = "An interface was called",
	[ET_WEBHOOK_RECEIVED] = "A webhook has come",
	[ET_SERVICE_INTEGRATION] = "News from another service",
	[ET_CUSTOM_EVENT] = "Anything else",
};
_Static_assert(nitems(docs) == ET_UNKNOWN, "one text a type");

static struct json_object *
type_list(const char *category)
{
	struct json_object *list = json_object_new_array(), *o;
	const char *name;
	size_t i, n;

	for (i = 0; i < nitems(docs); i++) {
		name = categories[i];
		for (n = 0; n < nitems(names); n++)
			if (strcmp(names[n].ours, name) == 0)
				break;
		if (n < nitems(names))
			name = names[n].theirs;
		if (category != NULL && strcasestr(name, category) == NULL)
			continue;
		o = json_object_new_object();
		talk_add(o, "type", mcp_type_names[i]);
		talk_add(o, "category", name);
		talk_add(o, "description", docs[i]);
		json_object_array_add(list, o);
	}
	return (list);
}

struct json_object *
mcp_event_types(struct ctl *ctl, struct json_object *args, bool *failed)
{
	struct json_object *o = json_object_new_object(), *list;

	(void)ctl;
	(void)failed;
	list = type_list(json_str(args, "category", NULL));
	json_object_object_add(o, "count", json_object_new_int64(
	    (int64_t)json_object_array_length(list)));
	json_object_object_add(o, "event_types", list);
	return (o);
}

static struct json_object *
read_types(struct ctl *ctl, struct json_object *args, bool *failed)
{
	(void)ctl;
	(void)args;
	(void)failed;
	return (type_list(NULL));
}

static struct json_object *
read_responses(struct ctl *ctl, struct json_object *args, bool *failed)
{
	struct json_object *o, *list;

	json_object_object_add(args, "limit", json_object_new_int(RECENT));
	o = mcp_responses_get(ctl, args, failed);
	list = json_object_get(json_path(o, "responses"));
	json_object_put(o);
	return (list);
}

/* Events to begin with. */
static struct json_object *
read_templates(struct ctl *ctl, struct json_object *args, bool *failed)
{
	static const char text[] = "["
	    "{\"id\":\"claude-task-complete\",\"name\":\"Task completion\","
	    "\"description\":\"A task is done\","
	    "\"event_type\":\"task_completion\",\"template\":{"
	    "\"type\":\"task_completion\",\"source\":\"claude-code\","
	    "\"data\":{\"status\":\"completed\"}}},"
	    "{\"id\":\"build-success\",\"name\":\"Build success\","
	    "\"description\":\"A build is done\","
	    "\"event_type\":\"build_completed\",\"template\":{"
	    "\"type\":\"build_completed\",\"source\":\"build-system\","
	    "\"data\":{\"status\":\"completed\","
	    "\"build_target\":\"release\"}}},"
	    "{\"id\":\"performance-warning\",\"name\":\"Performance warning\","
	    "\"description\":\"A value has passed a threshold\","
	    "\"event_type\":\"performance_alert\",\"template\":{"
	    "\"type\":\"performance_alert\",\"source\":\"monitoring\","
	    "\"data\":{\"severity\":\"medium\"}}},"
	    "{\"id\":\"approval-needed\",\"name\":\"Approval request\","
	    "\"description\":\"A decision is wanted\","
	    "\"event_type\":\"approval_request\",\"template\":{"
	    "\"type\":\"approval_request\",\"source\":\"claude-code\","
	    "\"data\":{\"options\":[\"Approve\",\"Deny\"],"
	    "\"timeout_minutes\":30}}}]";
	const char *why;

	(void)ctl;
	(void)args;
	(void)failed;
	return (json_parse(text, sizeof(text) - 1, &why));
}

const struct mcp_resource mcp_resources[] = {
	{ "cctelegram://event-types", "Event types",
	    "The types of events, with descriptions", read_types },
	{ "cctelegram://bridge-status", "Bridge status",
	    "State, health and figures of the bridge", mcp_bridge_status },
	{ "cctelegram://responses", "Recent responses",
	    "What people have answered on Telegram", read_responses },
	{ "cctelegram://event-templates", "Event templates",
	    "Events to begin with", read_templates },
	{ .uri = NULL }
};
