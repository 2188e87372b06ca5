/*
 * The event types: one table for analysis, rendering, metrics and the
 * manual.  T(NAME, "name", emoji, SEVERITY, "category").
 *
 * Names, emoji and categories: the 47 types that the bridge of
 * co8/cctelegram understands.  Severities: critical, high, normal and low
 * decide who overtakes whom and what may be merged into a digest.
 * The emoji of task_completion is that of success; its layout chooses
 * another by data.status.
 */
#ifndef COMMON_EVENT_TYPES_H
#define COMMON_EVENT_TYPES_H

#define EVENT_TYPES(T)                                                         \
	T(TASK_COMPLETION, "task_completion", "✅", NORMAL, "Task")            \
	T(TASK_STARTED, "task_started", "🚀", NORMAL, "Task")                  \
	T(TASK_FAILED, "task_failed", "❌", HIGH, "Task")                      \
	T(TASK_PROGRESS, "task_progress", "📊", LOW, "Task")                   \
	T(TASK_CANCELLED, "task_cancelled", "🚫", LOW, "Task")                 \
	T(CODE_GENERATION, "code_generation", "🔨", LOW, "Code")               \
	T(CODE_ANALYSIS, "code_analysis", "🔍", LOW, "Code")                   \
	T(CODE_REFACTORING, "code_refactoring", "🔧", LOW, "Code")             \
	T(CODE_REVIEW, "code_review", "👁️", LOW, "Code")                       \
	T(CODE_TESTING, "code_testing", "🧪", LOW, "Code")                     \
	T(CODE_DEPLOYMENT, "code_deployment", "🚀", NORMAL, "Code")            \
	T(FILE_CREATED, "file_created", "📄", LOW, "Files")                    \
	T(FILE_MODIFIED, "file_modified", "📝", LOW, "Files")                  \
	T(FILE_DELETED, "file_deleted", "🗑️", LOW, "Files")                    \
	T(DIRECTORY_CREATED, "directory_created", "📁", LOW, "Files")          \
	T(DIRECTORY_DELETED, "directory_deleted", "🗑️", LOW, "Files")          \
	T(BUILD_STARTED, "build_started", "🔨", LOW, "Build")                  \
	T(BUILD_COMPLETED, "build_completed", "✅", NORMAL, "Build")           \
	T(BUILD_FAILED, "build_failed", "❌", HIGH, "Build")                   \
	T(TEST_SUITE_RUN, "test_suite_run", "🧪", LOW, "Build")                \
	T(TEST_PASSED, "test_passed", "✅", LOW, "Build")                      \
	T(TEST_FAILED, "test_failed", "❌", HIGH, "Build")                     \
	T(LINT_CHECK, "lint_check", "📏", LOW, "Build")                        \
	T(TYPE_CHECK, "type_check", "🔍", LOW, "Build")                        \
	T(GIT_COMMIT, "git_commit", "📝", LOW, "Git")                          \
	T(GIT_PUSH, "git_push", "⬆️", LOW, "Git")                              \
	T(GIT_MERGE, "git_merge", "🔀", LOW, "Git")                            \
	T(GIT_BRANCH, "git_branch", "🌿", LOW, "Git")                          \
	T(GIT_TAG, "git_tag", "🏷️", LOW, "Git")                                \
	T(PULL_REQUEST_CREATED, "pull_request_created", "📋", LOW, "Git")      \
	T(PULL_REQUEST_MERGED, "pull_request_merged", "✅", LOW, "Git")        \
	T(PERFORMANCE_ALERT, "performance_alert", "⚡", NORMAL, "System")      \
	T(ERROR_OCCURRED, "error_occurred", "❌", HIGH, "System")              \
	T(SYSTEM_HEALTH, "system_health", "💚", LOW, "System")                 \
	T(SECURITY_ALERT, "security_alert", "🔒", HIGH, "System")              \
	T(RESOURCE_USAGE, "resource_usage", "📊", LOW, "System")               \
	T(APPROVAL_REQUEST, "approval_request", "🔐", CRITICAL, "User")        \
	T(USER_RESPONSE, "user_response", "💬", NORMAL, "User")                \
	T(COMMAND_EXECUTED, "command_executed", "⚡", LOW, "User")             \
	T(INFO_NOTIFICATION, "info_notification", "ℹ️", LOW, "Notice")         \
	T(ALERT_NOTIFICATION, "alert_notification", "🚨", HIGH, "Notice")      \
	T(PROGRESS_UPDATE, "progress_update", "🔄", LOW, "Notice")             \
	T(STATUS_CHANGE, "status_change", "🔄", LOW, "Notice")                 \
	T(API_CALL, "api_call", "🌐", LOW, "Integration")                      \
	T(WEBHOOK_RECEIVED, "webhook_received", "📡", LOW, "Integration")      \
	T(SERVICE_INTEGRATION, "service_integration", "🔗", LOW, "Integration") \
	T(CUSTOM_EVENT, "custom_event", "🎯", LOW, "Custom")

/*
 * Types that are not among the 47 of the table but have a severity of their
 * own.  They are rendered as unknown types.  X("name", SEVERITY).
 */
#define EVENT_EXTRA_SEVERITIES(X) \
	X("deployment_failed", HIGH)

#define EVENT_UNKNOWN_EMOJI "❓"

enum severity { SEV_LOW, SEV_NORMAL, SEV_HIGH, SEV_CRITICAL };
#define NSEVERITIES 4

enum event_type {
#define EVENT_TYPE_ENUM(name, text, emoji, severity, category) ET_##name,
	EVENT_TYPES(EVENT_TYPE_ENUM)
#undef EVENT_TYPE_ENUM
	ET_UNKNOWN
};
#define NEVENTTYPES (ET_UNKNOWN + 1)

#endif
