/*
 * Tools about tasks: the to-do list of the agent's session, which lies in a
 * file that the daemon's /todo reads, too, and the tasks of TaskMaster in a
 * project.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/nitems.h"
#include "common/uuid.h"
#include "ctl/mcp.h"

#define TODO_FILE "claude_current_session_todos.json"
#define FILE_MAX_BYTES (8U << 20)

/* The states of a task, and what else they are called. */
enum status { PENDING, IN_PROGRESS, COMPLETED, BLOCKED, OTHER };
static const struct {
	const char *name, *also, *icon, *section, *title;
} states[] = {
	[PENDING] = { "pending", "todo", "📋", "upcoming",
	    "📋 Upcoming Tasks" },
	[IN_PROGRESS] = { "in_progress", "in-progress", "🔄", "current",
	    "🔄 Current Work" },
	[COMPLETED] = { "completed", "done", "✅", "completed",
	    "✅ Completed Tasks" },
	[BLOCKED] = { "blocked", "blocked", "🚧", "blocked",
	    "🚧 Blocked Tasks" },
	[OTHER] = { "other", "other", "❓", "", "" },
};

static enum status
status_of(struct json_object *task)
{
	const char *name = json_str(task, "status", "");
	enum status s;

	for (s = PENDING; s < OTHER; s++)
		if (strcmp(states[s].name, name) == 0 ||
		    strcmp(states[s].also, name) == 0)
			break;
	return (s);
}

static void
put(struct json_object *o, const char *key, struct json_object *v)
{
	json_object_object_add(o, key, v);
}

/* NULL if there is no such file, or it is not JSON. */
static struct json_object *
file_read(const char *path)
{
	struct json_object *o = NULL;
	const char *why;
	struct stat st;
	size_t len = 0;
	char *text;
	FILE *f;

	if (stat(path, &st) == -1 || !S_ISREG(st.st_mode) ||
	    st.st_size > FILE_MAX_BYTES || (f = fopen(path, "re")) == NULL)
		return (NULL);
	if ((text = malloc((size_t)st.st_size + 1)) != NULL) {
		len = fread(text, 1, (size_t)st.st_size, f);
		o = json_parse(text, len, &why);
	}
	free(text);
	fclose(f);
	return (o);
}

static struct json_object *
list_or_null(struct json_object *o)
{
	return (json_object_is_type(o, json_type_array) ? o : NULL);
}

static void
todo_path(char *path, size_t size)
{
	const char *dir = getenv("TMPDIR");

	snprintf(path, size, "%s/" TODO_FILE, dir != NULL && *dir != '\0' ?
	    dir : "/tmp");
}

/* The session's list, a reference of its own; NULL if nobody told it. */
static struct json_object *
session_todos(const char *project)
{
	const char *home = getenv("HOME"), *env, *why;
	struct json_object *o = NULL, *list = NULL;
	char path[4][4200];
	size_t i;

	todo_path(path[0], sizeof(path[0]));
	snprintf(path[1], sizeof(path[1]), "%s/.claude/todos.json", project);
	snprintf(path[2], sizeof(path[2]), "%s/.claude/todos.json",
	    home != NULL ? home : "/nonexistent");
	snprintf(path[3], sizeof(path[3]), "%s/.cc_todos.json", project);
	if ((env = getenv("CLAUDE_CURRENT_TODOS")) != NULL)
		o = json_parse(env, strlen(env), &why);
	for (i = 0;; i++) {
		list = list_or_null(o);
		if (list == NULL)
			list = list_or_null(json_path(o, "todos"));
		if (list != NULL || i == nitems(path))
			break;
		json_object_put(o);
		o = file_read(path[i]);
	}
	json_object_get(list);
	json_object_put(o);
	return (list);
}

/* Its file has had several forms. */
static struct json_object *
taskmaster_tasks(const char *project)
{
	static const char *const paths[] = { "tags.master.tasks",
		"master.tasks", "data.tasks", "tasks" };
	struct json_object *o, *list;
	char path[4200];
	size_t i;

	snprintf(path, sizeof(path), "%s/.taskmaster/tasks/tasks.json",
	    project);
	o = file_read(path);
	list = list_or_null(o);
	for (i = 0; list == NULL && i < nitems(paths); i++)
		list = list_or_null(json_path(o, paths[i]));
	json_object_get(list);
	json_object_put(o);
	return (list);
}

struct tally {
	size_t n[OTHER + 1];
	size_t total, parts;
};

static bool
wanted(struct json_object *task, const char *filter)
{
	return (filter == NULL ||
	    strcmp(states[status_of(task)].name, filter) == 0);
}

/* Count a task and its parts; those that are wanted go to out. */
static void
tally(struct tally *t, struct json_object *task, const char *filter,
    struct json_object *out)
{
	struct json_object *parts = list_or_null(json_path(task, "subtasks"));
	struct json_object *part, *copy;
	size_t i;
	char id[128];

	t->n[status_of(task)]++;
	t->total++;
	if (wanted(task, filter))
		json_object_array_add(out, json_object_get(task));
	for (i = 0; parts != NULL && i < json_object_array_length(parts);
	    i++) {
		part = json_object_array_get_idx(parts, i);
		if (!json_object_is_type(part, json_type_object))
			continue;
		t->n[status_of(part)]++;
		t->total++;
		t->parts++;
		if (!wanted(part, filter))
			continue;
		copy = NULL;
		json_object_deep_copy(part, &copy, NULL);
		snprintf(id, sizeof(id), "%.60s.%.60s",
		    json_object_get_string(json_path(task, "id")),
		    json_object_get_string(json_path(part, "id")));
		talk_add(copy, "id", id);
		put(copy, "parent_id", json_object_get(json_path(task, "id")));
		put(copy, "is_subtask", json_object_new_boolean(true));
		json_object_array_add(out, copy);
	}
}

/* The numbers of a list, and its tasks unless only numbers are wanted. */
static struct json_object *
list_status(struct json_object *list, const char *source, const char *filter,
    bool brief, struct tally *t)
{
	struct json_object *o = json_object_new_object(), *task;
	struct json_object *out = json_object_new_array();
	struct json_object *summary = json_object_new_object();
	enum status s;
	size_t i;

	for (i = 0; i < json_object_array_length(list); i++) {
		task = json_object_array_get_idx(list, i);
		if (json_object_is_type(task, json_type_object))
			tally(t, task, filter, out);
	}
	for (s = PENDING; s < OTHER; s++)
		put(summary, states[s].name,
		    json_object_new_int64((int64_t)t->n[s]));
	put(o, "available", json_object_new_boolean(true));
	talk_add(o, "source", source);
	put(o, "total_count", json_object_new_int64((int64_t)t->total));
	put(o, "filtered_count", json_object_new_int64(
	    (int64_t)json_object_array_length(out)));
	put(o, "main_tasks_count", json_object_new_int64(
	    (int64_t)(t->total - t->parts)));
	put(o, "subtasks_count", json_object_new_int64((int64_t)t->parts));
	put(o, "summary", summary);
	if (brief)
		json_object_put(out);
	else
		put(o, "tasks", out);
	return (o);
}

static struct json_object *
nothing(const char *message)
{
	struct json_object *o = json_object_new_object();

	put(o, "available", json_object_new_boolean(false));
	talk_add(o, "message", message);
	return (o);
}

static struct json_object *
combined(const struct tally *a, const struct tally *b)
{
	struct json_object *o = json_object_new_object();
	char key[64];
	enum status s;

	for (s = PENDING; s < OTHER; s++) {
		snprintf(key, sizeof(key), "total_%s", states[s].name);
		put(o, key, json_object_new_int64(
		    (int64_t)(a->n[s] + b->n[s])));
	}
	put(o, "grand_total", json_object_new_int64(
	    (int64_t)(a->total + b->total)));
	return (o);
}

struct json_object *
mcp_task_status(struct ctl *ctl, struct json_object *args, bool *failed)
{
	const char *project = json_str(args, "project_root", ".");
	const char *system = json_str(args, "task_system", "both");
	const char *filter = json_str(args, "status_filter", NULL);
	bool brief = json_flag(args, "summary_only", false);
	struct json_object *o = json_object_new_object(), *list;
	struct tally session = { 0 }, master = { 0 };
	char at[RFC3339_SIZE];

	(void)ctl;
	(void)failed;
	talk_add(o, "timestamp", clock_rfc3339(at, sizeof(at),
	    clock_wall_ms()));
	talk_add(o, "task_system", system);
	talk_add(o, "status_filter", filter != NULL ? filter : "all");
	put(o, "summary_only", json_object_new_boolean(brief));
	if (strcmp(system, "taskmaster") != 0) {
		list = session_todos(project);
		put(o, "claude_code_tasks", list != NULL ? list_status(list,
		    "session_todos", filter, brief, &session) :
		    nothing("No list of this session is known; "
		    "register_claude_todos makes it known."));
		json_object_put(list);
	}
	if (strcmp(system, "claude-code") != 0) {
		list = taskmaster_tasks(project);
		put(o, "taskmaster_tasks", list != NULL ? list_status(list,
		    "taskmaster", filter, brief, &master) :
		    nothing("The project has no tasks of TaskMaster."));
		json_object_put(list);
	}
	if (strcmp(system, "both") == 0)
		put(o, "combined_summary", combined(&session, &master));
	return (o);
}

/* -- the list for people ------------------------------------------------ */

static void
task_line(FILE *f, struct json_object *task, const char *indent)
{
	const char *priority = json_str(task, "priority", NULL);

	fprintf(f, "%s%s **%s**", indent, states[status_of(task)].icon,
	    json_str(task, "title", json_str(task, "content", "?")));
	if (priority != NULL)
		fprintf(f, " [%s]", priority);
	fputc('\n', f);
}

/* Tasks of one state; of the completed ones the last. */
static void
section_write(FILE *f, struct json_object *list, enum status status,
    size_t limit, bool parts)
{
	struct json_object *task, *subs;
	size_t i, k, n = 0, skip;

	for (i = 0; i < json_object_array_length(list); i++)
		n += status_of(json_object_array_get_idx(list, i)) == status;
	if (n == 0)
		return;
	skip = status == COMPLETED && n > limit ? n - limit : 0;
	fprintf(f, "## %s (%zu)\n\n", states[status].title, n - skip);
	for (i = 0; i < json_object_array_length(list); i++) {
		task = json_object_array_get_idx(list, i);
		if (status_of(task) != status || (skip > 0 && skip--))
			continue;
		task_line(f, task, "");
		subs = parts ? list_or_null(json_path(task, "subtasks")) :
		    NULL;
		for (k = 0; subs != NULL &&
		    k < json_object_array_length(subs); k++)
			task_line(f, json_object_array_get_idx(subs, k),
			    "  → ");
		fputc('\n', f);
	}
}

static void
todo_write(FILE *f, struct json_object *list, struct json_object *args)
{
	static const struct {
		enum status status;
		const char *name;
	} rows[] = { { COMPLETED, "Completed" }, { IN_PROGRESS,
		"In Progress" }, { PENDING, "Pending" }, { BLOCKED,
		"Blocked" } };
	struct json_object *sections = json_path(args, "sections"), *o;
	struct tally t = { 0 };
	const char *name;
	enum status s;
	size_t i;

	for (i = 0; i < json_object_array_length(sections); i++) {
		name = json_object_get_string(
		    json_object_array_get_idx(sections, i));
		for (s = PENDING; s < OTHER; s++)
			if (strcmp(states[s].section, name) == 0)
				section_write(f, list, s, (size_t)json_num(
				    args, "limit_completed", 5), json_flag(
				    args, "show_subtasks", true));
	}
	o = list_status(list, "", NULL, true, &t);
	fputs("---\n## 📊 Summary\n", f);
	for (i = 0; i < nitems(rows); i++)
		fprintf(f, "• **%s:** %zu\n", rows[i].name,
		    t.n[rows[i].status]);
	fprintf(f, "• **Total:** %zu", t.total);
	json_object_put(o);
}

static void
append(struct json_object *to, struct json_object *list)
{
	size_t i;

	for (i = 0; list != NULL && i < json_object_array_length(list); i++)
		json_object_array_add(to, json_object_get(
		    json_object_array_get_idx(list, i)));
	json_object_put(list);
}

struct json_object *
mcp_todo(struct ctl *ctl, struct json_object *args, bool *failed)
{
	const char *project = json_str(args, "project_root", ".");
	const char *system = json_str(args, "task_system", "taskmaster");
	struct json_object *list = json_object_new_array(), *o;
	char at[RFC3339_SIZE], *text = NULL;
	size_t size;
	FILE *f;

	(void)failed;
	if ((f = open_memstream(&text, &size)) == NULL)
		ctl_fail(ctl, XC_FAILED, "out of memory");
	if (strcmp(system, "taskmaster") != 0)
		append(list, session_todos(project));
	if (strcmp(system, "claude-code") != 0)
		append(list, taskmaster_tasks(project));
	fprintf(f, "# 📋 Todo List\n*Generated: %s*\n\n", clock_rfc3339(at,
	    sizeof(at), clock_wall_ms()));
	todo_write(f, list, args);
	if (fclose(f) == EOF)
		ctl_fail(ctl, XC_FAILED, "out of memory");
	o = json_object_new_string(text);
	free(text);
	json_object_put(list);
	return (o);
}

/* -- register_claude_todos ---------------------------------------------- */

/* Whole or not at all, and never through a link that somebody laid there. */
static void
todos_write(struct ctl *ctl, struct json_object *o)
{
	char path[4200], temporary[4300], id[UUID_SIZE];
	FILE *f;
	int fd;

	todo_path(path, sizeof(path));
	uuid_v7(id);
	snprintf(temporary, sizeof(temporary), "%s.%s", path, id);
	fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	f = fd != -1 ? fdopen(fd, "w") : NULL;
	if (f == NULL)
		ctl_fail(ctl, XC_FAILED, "%s: %s", path, strerror(errno));
	fputs(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY |
	    JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE), f);
	if (fclose(f) == EOF || rename(temporary, path) == -1) {
		fd = errno;
		unlink(temporary);
		ctl_fail(ctl, XC_FAILED, "%s: %s", path, strerror(fd));
	}
}

struct json_object *
mcp_register_todos(struct ctl *ctl, struct json_object *args, bool *failed)
{
	struct json_object *o = json_object_new_object(), *result;
	struct json_object *todos = json_path(args, "todos");
	const char *session = json_str(args, "session_id", "current");
	size_t n = json_object_array_length(todos);
	char at[RFC3339_SIZE], text[64];

	(void)failed;
	talk_add(o, "session_id", session);
	put(o, "todos", json_object_get(todos));
	talk_add(o, "timestamp", clock_rfc3339(at, sizeof(at),
	    clock_wall_ms()));
	todos_write(ctl, o);
	json_object_put(o);
	result = json_object_new_object();
	put(result, "success", json_object_new_boolean(true));
	snprintf(text, sizeof(text), "Registered %zu todos", n);
	talk_add(result, "message", text);
	talk_add(result, "session_id", session);
	put(result, "todo_count", json_object_new_int64((int64_t)n));
	return (result);
}
