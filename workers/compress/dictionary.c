/*
 * The dictionary for small payloads: what events have in common, as the MCP
 * server of co8/cctelegram writes them and as analyze normalises them.  It
 * never changes (payload.h).  The most frequent text stands last, since the
 * last of equal texts is the one that lz4's table finds.
 */
#include "workers/compress/payload.h"

#define K(key) "\"" key "\":"
#define S(key) "\"" key "\":\"\","

const char payload_dictionary[] =
    /* types, and values that come again and again */
    "build_started test_passed test_failed file_created file_modified "
    "file_deleted directory_created directory_deleted git_commit git_push "
    "git_merge git_branch git_tag pull_request_created pull_request_merged "
    "security_alert resource_usage command_executed status_change api_call "
    "webhook_received service_integration custom_event deployment_failed "
    "code_generation code_analysis code_refactoring code_review code_testing "
    "code_deployment lint_check type_check test_suite_run system_health "
    "user_response task_cancelled task_started alert_notification "
    "error_occurred task_failed build_failed build_completed task_progress "
    "progress_update performance_alert approval_request task_completion "
    "info_notification http://localhost https://github.com/ /usr/bin/ "
    "src/main.c tests/ .ts\",\".js\",\".py\",\".rs\",\".go\",\".json\" "
    "error: warning: Error: failed passed tests pass completed successfully "
    "Performance threshold exceeded: which exceeds threshold of "
    /* keys of data */
    S("language") S("function_name") S("class_name") S("module_name")
    S("code_snippet") S("directory") S("file_path") K("line_number")
    S("author") S("branch_name") S("commit_hash") S("commit_message")
    K("files_changed") "[\"" S("build_target") K("arguments") "[\""
    K("exit_code") "0," K("success") "true," K("coverage_percentage")
    K("test_count") K("tests_passed") K("tests_failed") "0,"
    K("memory_usage_mb") K("cpu_usage_percent") K("disk_usage_mb")
    K("network_bytes") S("service_name") S("endpoint") S("request_id")
    K("response_code") "200," S("category") S("priority") S("user_id")
    K("tags") "[\"" S("stack_trace") S("error_code") S("error_message")
    K("metadata") "{\"current\":,\"total\":}" K("actions") "[{"
    S("command") "\"requested_mode\":\"/cct:nomad\"local\"muted\""
    K("current_value") K("threshold") "\"data\":{\"message\":\""
    K("approval_prompt") "\"" K("options")
    "[\"Approve\",\"Deny\"],\"requires_response\":true,"
    "\"response_options\":[\"Approve\",\"Deny\"],\"timeout_minutes\":30},"
    K("files_affected") "[\"" K("duration_ms")
    "\"severity\":\"critical\",\"severity\":\"medium\","
    "\"data\":{\"status\":\"completed\",\"severity\":\"high\"},"
    "\"data\":{\"status\":\"completed\",\"results\":\""
    /* as written, two blanks a level */
    "    \"approval_prompt\": \"\",\n    \"options\": [\n      \"Approve\","
    "\n      \"Deny\"\n    ],\n    \"requires_response\": true,\n"
    "    \"response_options\": [\n      \"Approve\",\n      \"Deny\"\n"
    "    ],\n    \"timeout_minutes\": 30\n  },\n"
    "    \"current_value\": ,\n    \"threshold\": ,\n"
    "    \"severity\": \"critical\",\n    \"error_message\": \"\"\n"
    "    \"status\": \"completed\",\n    \"results\": \"\",\n"
    "    \"files_affected\": [\n      \"src/\n    ],\n"
    "    \"duration_ms\": \n  },\n  \"data\": {\n    \"message\": \"\",\n"
    "    \"severity\": \"low\"\n  },\n  \"data\": {},\n"
    "{\n  \"type\": \"info_notification\",\n  \"source\": \"claude-code\",\n"
    "  \"timestamp\": \"2026-01-01T00:00:00.000Z\",\n  \"task_id\": \"\",\n"
    "  \"title\": \"Claude Code Message\",\n  \"description\": \"Task \\\""
    "\\\" completed successfully\",\n  \"data\": {\n"
    "    \"status\": \"completed\",\n    \"severity\": \"high\"\n  },\n"
    "  \"event_id\": \"\"\n}\n"
    /* as normalised */
    "{\"type\":\"task_completion\",\"source\":\"claude-code\","
    "\"timestamp\":\"2026-01-01T00:00:00.000Z\",\"task_id\":\"\","
    "\"title\":\"Claude Code Message\",\"description\":\"\","
    "\"data\":{\"message\":\"\",\"severity\":\"low\"},\"data\":{},"
    "\"event_id\":\"\",\"severity\":\"high\"}\"severity\":\"normal\"}"
    "\"severity\":\"low\"}";

const size_t payload_dictionary_bytes = sizeof(payload_dictionary) - 1;
