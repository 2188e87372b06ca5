/*
 * The keys of an event's data that the layout knows, in the order in which
 * they are shown.  F(NAME, "key", "Label", show, GROUP): show is the function
 * of show.c that renders it when its value suits; otherwise, and for every
 * key that is not here, show_any() does.  In the concise style short facts of
 * one group share a line.
 */
#ifndef FORMAT_FIELDS_H
#define FORMAT_FIELDS_H

#define FIELDS(F)                                                            \
	/* what an approval asks; laid out before everything else */         \
	F(APPROVAL_PROMPT, "approval_prompt", "Question", any, ASK)          \
	F(OPTIONS, "options", "Options", list, ASK)                          \
	F(RESPONSE_OPTIONS, "response_options", "Response options", list,    \
	    ASK)                                                             \
	F(REQUIRES_RESPONSE, "requires_response", "Requires response", any,  \
	    ASK)                                                             \
	/* texts of their own */                                             \
	F(MESSAGE, "message", "Message", body, BODY)                         \
	F(RESULTS, "results", "Results", body, BODY)                         \
	/* what progress.c makes a bar of, shown here if it could not */     \
	F(PROGRESS, "progress", "Progress", percent, PROGRESS)               \
	F(PERCENT, "percent", "Percent", percent, PROGRESS)                  \
	F(PERCENTAGE, "percentage", "Percentage", percent, PROGRESS)         \
	F(PROGRESS_PERCENTAGE, "progress_percentage", "Progress", percent,   \
	    PROGRESS)                                                        \
	F(CURRENT, "current", "Current", any, PROGRESS)                      \
	F(TOTAL, "total", "Total", any, PROGRESS)                            \
	F(STEP, "step", "Step", any, PROGRESS)                               \
	F(TOTAL_STEPS, "total_steps", "Total steps", any, PROGRESS)          \
	/* errors */                                                         \
	F(ERROR_MESSAGE, "error_message", "Error", any, ERROR)               \
	F(ERROR_CODE, "error_code", "Error code", code, ERROR)               \
	/* the outcome */                                                    \
	F(STATUS, "status", "Status", any, STATE)                            \
	F(SUCCESS, "success", "Success", any, STATE)                         \
	F(EXIT_CODE, "exit_code", "Exit code", any, STATE)                   \
	F(PRIORITY, "priority", "Priority", any, STATE)                      \
	F(SEVERITY, "severity", "Severity", any, STATE)                      \
	F(REQUESTED_MODE, "requested_mode", "Mode", mode, STATE)             \
	F(DURATION_MS, "duration_ms", "Duration", duration, STATE)           \
	/* measurements */                                                   \
	F(CURRENT_VALUE, "current_value", "Value", current, MEASURE)         \
	F(THRESHOLD, "threshold", "Threshold", any, MEASURE)                 \
	F(MEMORY_USAGE_MB, "memory_usage_mb", "Memory", megabytes, MEASURE)  \
	F(CPU_USAGE_PERCENT, "cpu_usage_percent", "CPU", percent, MEASURE)   \
	F(DISK_USAGE_MB, "disk_usage_mb", "Disk", megabytes, MEASURE)        \
	F(NETWORK_BYTES, "network_bytes", "Network", bytes, MEASURE)         \
	/* tests */                                                          \
	F(TEST_COUNT, "test_count", "Tests", any, TESTS)                     \
	F(TESTS_PASSED, "tests_passed", "Passed", any, TESTS)                \
	F(TESTS_FAILED, "tests_failed", "Failed", any, TESTS)                \
	F(COVERAGE_PERCENTAGE, "coverage_percentage", "Coverage", percent,   \
	    TESTS)                                                           \
	/* what was run */                                                   \
	F(COMMAND, "command", "Command", code, COMMAND)                      \
	F(ARGUMENTS, "arguments", "Arguments", list, COMMAND)                \
	F(BUILD_TARGET, "build_target", "Target", code, COMMAND)             \
	F(SERVICE_NAME, "service_name", "Service", any, COMMAND)             \
	F(CATEGORY, "category", "Category", any, COMMAND)                    \
	/* requests */                                                       \
	F(URL, "url", "URL", url, REQUEST)                                   \
	F(ENDPOINT, "endpoint", "Endpoint", code, REQUEST)                   \
	F(RESPONSE_CODE, "response_code", "Response", any, REQUEST)          \
	F(REQUEST_ID, "request_id", "Request", code, REQUEST)                \
	F(USER_ID, "user_id", "User", any, REQUEST)                          \
	/* places in the code */                                             \
	F(FILE_PATH, "file_path", "File", place, PLACE)                      \
	F(LINE_NUMBER, "line_number", "Line", any, PLACE)                    \
	F(DIRECTORY, "directory", "Directory", code, PLACE)                  \
	F(FUNCTION_NAME, "function_name", "Function", code, PLACE)           \
	F(CLASS_NAME, "class_name", "Class", code, PLACE)                    \
	F(MODULE_NAME, "module_name", "Module", code, PLACE)                 \
	F(LANGUAGE, "language", "Language", any, PLACE)                      \
	/* version control */                                                \
	F(BRANCH_NAME, "branch_name", "Branch", code, GIT)                   \
	F(COMMIT_HASH, "commit_hash", "Commit", code, GIT)                   \
	F(AUTHOR, "author", "Author", any, GIT)                              \
	F(COMMIT_MESSAGE, "commit_message", "Commit message", any, GIT)      \
	/* files and lists */                                                \
	F(FILES_AFFECTED, "files_affected", "Files", files, FILES)           \
	F(FILES_CHANGED, "files_changed", "Files changed", files, FILES)     \
	F(TAGS, "tags", "Tags", list, TAGS)                                  \
	F(ACTIONS, "actions", "Actions", actions, ACTIONS)                   \
	F(METADATA, "metadata", "Metadata", metadata, OTHER)                 \
	F(TIMEOUT_MINUTES, "timeout_minutes", "Timeout minutes", expiry,     \
	    EXPIRY)                                                          \
	F(TIMEOUT_MS, "timeout_ms", "Timeout ms", expiry, EXPIRY)            \
	/* long blocks, behind the keys that are not in this table */        \
	F(CODE_SNIPPET, "code_snippet", "Code", snippet, BLOCK)              \
	F(STACK_TRACE, "stack_trace", "Stack trace", block, BLOCK)           \
	F(OUTPUT, "output", "Output", block, BLOCK)

enum field_group {
	G_NONE,
	G_ASK,
	G_BODY,
	G_PROGRESS,
	G_ERROR,
	G_STATE,
	G_MEASURE,
	G_TESTS,
	G_COMMAND,
	G_REQUEST,
	G_PLACE,
	G_GIT,
	G_FILES,
	G_TAGS,
	G_ACTIONS,
	G_OTHER,
	G_EXPIRY,
	G_BLOCK,
	G_RECORD /* ids and times of the event itself, style detailed */
};

enum field_name {
#define FIELD_ENUM(name, key, label, show, group) FD_##name,
	FIELDS(FIELD_ENUM)
#undef FIELD_ENUM
	NFIELDS
};

#endif
