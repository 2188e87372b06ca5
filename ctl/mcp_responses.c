/*
 * Tools about answers: the files that the daemon leaves in responses_dir,
 * for whoever did not wait (CONTRACT of the bridge, section 5).
 */
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/json.h"
#include "ctl/mcp.h"

#define FILE_MAX_BYTES (1U << 20) /* far more than any answer has */
#define MINUTE_MS 60000
#define HOUR_MS 3600000

struct response {
	struct json_object *o;
	int64_t at_ms;
};

struct responses {
	struct response *v;
	size_t n, size;
};

/* A directory that is not there has no answers in it. */
static DIR *
directory(struct ctl *ctl)
{
	const char *path = where_responses_dir(ctl);
	DIR *dir = opendir(path);

	if (dir == NULL && errno != ENOENT)
		ctl_fail(ctl, errno == EACCES ? XC_NOT_ALLOWED : XC_FAILED,
		    "%s: %s", path, strerror(errno));
	return (dir);
}

static int64_t
changed_ms(const struct stat *st)
{
	return ((int64_t)st->st_mtim.tv_sec * 1000 +
	    st->st_mtim.tv_nsec / 1000000);
}

/* NULL: it is no answer, or not a whole one. */
static struct json_object *
file_read(int dirfd, const char *name, struct stat *st)
{
	struct json_object *o = NULL;
	size_t len = 0, size;
	const char *why;
	ssize_t n = 0;
	char *text;
	int fd;

	fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd == -1)
		return (NULL);
	if (fstat(fd, st) == 0 && S_ISREG(st->st_mode) &&
	    st->st_size > 0 && st->st_size <= FILE_MAX_BYTES) {
		size = (size_t)st->st_size;
		text = malloc(size);
		while (text != NULL && len < size && (n = read(fd, text + len,
		    size - len)) > 0)
			len += (size_t)n;
		o = text != NULL ? json_parse(text, len, &why) : NULL;
		free(text);
	}
	close(fd);
	if (json_object_is_type(o, json_type_object))
		return (o);
	json_object_put(o);
	return (NULL);
}

static int
newer(const void *a, const void *b)
{
	const struct response *x = a, *y = b;

	return (x->at_ms < y->at_ms ? 1 : x->at_ms > y->at_ms ? -1 : 0);
}

static void
add(struct ctl *ctl, struct responses *list, struct json_object *o,
    int64_t changed)
{
	const char *at = json_str(o, "timestamp", "");
	int64_t at_ms = clock_parse_rfc3339(at);

	if (list->n == list->size) {
		list->size = list->size * 2 + 64;
		list->v = reallocarray(list->v, list->size, sizeof(*list->v));
		if (list->v == NULL)
			ctl_fail(ctl, XC_FAILED, "out of memory");
	}
	list->v[list->n].o = o;
	list->v[list->n++].at_ms = at_ms != -1 ? at_ms : changed;
}

/* The newest first; only those whose files changed since then. */
static void
read_all(struct ctl *ctl, struct responses *list, int64_t since_ms)
{
	DIR *dir = directory(ctl);
	struct json_object *o;
	struct dirent *e;
	struct stat st;
	size_t len;

	while (dir != NULL && (e = readdir(dir)) != NULL) {
		len = strlen(e->d_name);
		if (len < 5 || *e->d_name == '.' ||
		    strcmp(e->d_name + len - 5, ".json") != 0)
			continue;
		/* Most are old; that is seen without opening them. */
		if (fstatat(dirfd(dir), e->d_name, &st, 0) == -1 ||
		    changed_ms(&st) < since_ms)
			continue;
		if ((o = file_read(dirfd(dir), e->d_name, &st)) != NULL)
			add(ctl, list, o, changed_ms(&st));
	}
	if (dir != NULL)
		closedir(dir);
	if (list->n > 0)
		qsort(list->v, list->n, sizeof(*list->v), newer);
}

static void
free_all(struct responses *list)
{
	size_t i;

	for (i = 0; i < list->n; i++)
		json_object_put(list->v[i].o);
	free(list->v);
}

static void
count(struct json_object *o, const char *key, size_t n)
{
	json_object_object_add(o, key, json_object_new_int64((int64_t)n));
}

struct json_object *
mcp_responses_get(struct ctl *ctl, struct json_object *args, bool *failed)
{
	struct json_object *o = json_object_new_object();
	struct json_object *out = json_object_new_array();
	size_t i, limit = (size_t)json_num(args, "limit", 10);
	struct responses list = { 0 };

	(void)failed;
	read_all(ctl, &list, 0);
	for (i = 0; i < list.n && i < limit; i++)
		json_object_array_add(out, json_object_get(list.v[i].o));
	count(o, "count", i);
	count(o, "total", list.n);
	json_object_object_add(o, "responses", out);
	free_all(&list);
	return (o);
}

/* What an answer decides, or NULL. */
static struct json_object *
decision(struct json_object *r, bool *approved)
{
	static const char *const keys[] = { "user_id", "username",
		"timestamp", "event_id", "option" };
	const char *data = json_str(r, "callback_data", "");
	struct json_object *o, *v;
	size_t i;

	if (strcmp(json_str(r, "response_type", ""), "callback_query") != 0)
		return (NULL);
	*approved = strncmp(data, "approve_", 8) == 0;
	if (!*approved && strncmp(data, "deny_", 5) != 0)
		return (NULL);
	o = json_object_new_object();
	talk_add(o, "action", *approved ? "approve" : "deny");
	talk_add(o, "task_id", strchr(data, '_') + 1);
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if ((v = json_path(r, keys[i])) != NULL)
			json_object_object_add(o, keys[i],
			    json_object_get(v));
	json_object_object_add(o, "response_data", json_object_get(r));
	return (o);
}

static struct json_object *
advice(size_t n)
{
	struct json_object *list = json_object_new_array();
	char text[80];

	snprintf(text, sizeof(text), "Found %zu pending approval responses",
	    n);
	json_object_array_add(list, json_object_new_string(n > 0 ? text :
	    "No decision has come in this time"));
	return (list);
}

struct json_object *
mcp_responses_process(struct ctl *ctl, struct json_object *args, bool *failed)
{
	struct json_object *o = json_object_new_object(), *d;
	struct json_object *summary = json_object_new_object();
	struct json_object *out = json_object_new_array();
	double minutes = json_num(args, "since_minutes", 10);
	struct responses list = { 0 };
	size_t i, n, approvals = 0;
	bool approved;

	(void)failed;
	read_all(ctl, &list, clock_wall_ms() - (int64_t)(minutes * MINUTE_MS));
	for (i = 0; i < list.n; i++)
		if ((d = decision(list.v[i].o, &approved)) != NULL) {
			json_object_array_add(out, d);
			approvals += approved;
		}
	n = json_object_array_length(out);
	count(summary, "total_recent_responses", list.n);
	count(summary, "actionable_responses", n);
	count(summary, "pending_approvals", approvals);
	count(summary, "pending_denials", n - approvals);
	json_object_object_add(summary, "time_window_minutes",
	    json_object_get(json_path(args, "since_minutes")));
	json_object_object_add(o, "summary", summary);
	json_object_object_add(o, "actionable_responses", out);
	json_object_object_add(o, "recommendations", advice(n));
	free_all(&list);
	return (o);
}

/* Only files: nothing here ever makes a directory, so it is a person's. */
struct json_object *
mcp_responses_clear(struct ctl *ctl, struct json_object *args, bool *failed)
{
	struct json_object *o = json_object_new_object();
	int64_t before_ms = clock_wall_ms() -
	    (int64_t)(json_num(args, "older_than_hours", 24) * HOUR_MS);
	DIR *dir = directory(ctl);
	struct dirent *e;
	struct stat st;
	char text[80];
	size_t n = 0;

	(void)failed;
	while (dir != NULL && (e = readdir(dir)) != NULL)
		if (fstatat(dirfd(dir), e->d_name, &st,
		    AT_SYMLINK_NOFOLLOW) == 0 && !S_ISDIR(st.st_mode) &&
		    changed_ms(&st) < before_ms &&
		    unlinkat(dirfd(dir), e->d_name, 0) == 0)
			n++;
	if (dir != NULL)
		closedir(dir);
	count(o, "deleted_count", n);
	snprintf(text, sizeof(text), "Cleared %zu old response files", n);
	talk_add(o, "message", text);
	return (o);
}
