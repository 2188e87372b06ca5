/*
 * The operations of submit.sock about people: decisions, approvals, pairing
 * and users; see cctg-protocol(7).
 */
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <event2/event.h>

#include "common/clock.h"
#include "common/event.h"
#include "common/json.h"
#include "common/log.h"
#include "workers/queue/person.h"
#include "workers/queue/prompt.h"
#include "workers/queue/query.h"

#define ACCOUNTS "/etc/passwd"

/* Somebody waits for the decision of a prompt. */
struct asker {
	struct peer *from;
	uint64_t id;
	int64_t seq;
	char *event_id;
	struct event *timeout;
	LIST_ENTRY(asker) entry;
};

static LIST_HEAD(, asker) askers = LIST_HEAD_INITIALIZER(askers);

static void
asker_free(struct asker *a)
{
	LIST_REMOVE(a, entry);
	if (a->timeout != NULL)
		event_free(a->timeout);
	free(a->event_id);
	free(a);
}

static void
asker_timeout(evutil_socket_t fd, short what, void *arg)
{
	struct asker *a = arg;
	struct json_object *o = query_new_answer(false);
	char *event_id = a->event_id;

	(void)fd, (void)what;
	a->event_id = NULL;
	query_add_str(o, "id", event_id);
	query_add_str(o, "error", "timed out");
	query_add_i64(o, "code", EX_TEMPFAIL);
	json_object_object_add(o, "timed_out", json_object_new_boolean(true));
	query_answer(a->from, a->id, o, false);
	asker_free(a);
	if (!query_is_attended(event_id))
		prompt_time_over(event_id);
	free(event_id);
}

static bool
is_question(int64_t seq)
{
	struct store_event ev;

	return (store_get_event(queue.store, seq, false, &ev) != 1 ||
	    event_type_find(ev.type) == ET_APPROVAL_REQUEST);
}

void
query_decision(struct query *q)
{
	const char *id = json_str(q->request, "id", "");
	int64_t ms = json_i64(q->request, "timeout_ms", 0);
	struct json_object *o = prompt_outcome(id);
	int64_t seq = store_find_id(queue.store, id, strlen(id));
	const char *why;
	struct timeval tv;
	struct asker *a;

	if (o != NULL) {
		query_answer(q->from, q->id, o, false);
		return;
	}
	if (seq <= 0) {
		query_error(q, EX_NOINPUT, "no such event", "id");
		return;
	}
	if ((why = prompt_hopeless(seq)) == NULL && !is_question(seq))
		why = "not a question";
	if (why != NULL) {
		query_error(q, EX_DATAERR, why, "id");
		return;
	}
	if ((a = calloc(1, sizeof(*a))) == NULL ||
	    (a->event_id = strdup(id)) == NULL)
		fatal("asker");
	a->from = q->from;
	a->id = q->id;
	a->seq = seq;
	LIST_INSERT_HEAD(&askers, a, entry);
	prompt_attend(id);
	if (ms <= 0)
		return;
	a->timeout = event_new(worker_base(), -1, 0, asker_timeout, a);
	if (a->timeout == NULL)
		fatalx("asker");
	tv.tv_sec = ms / 1000;
	tv.tv_usec = ms % 1000 * 1000;
	event_add(a->timeout, &tv);
}

/* Begun or settled: those who wait for this prompt hear of it. */
void
query_prompt_settled(const char *event_id)
{
	struct asker *a, *next;
	struct json_object *o;

	LIST_FOREACH_SAFE(a, &askers, entry, next) {
		if (strcmp(a->event_id, event_id) != 0 ||
		    (o = prompt_outcome(event_id)) == NULL)
			continue;
		query_answer(a->from, a->id, o, false);
		asker_free(a);
	}
}

/* It ended without ever being asked. */
void
query_prompt_failed(int64_t seq, const char *why)
{
	struct asker *a, *next;
	struct json_object *o;

	LIST_FOREACH_SAFE(a, &askers, entry, next) {
		if (a->seq != seq)
			continue;
		o = query_new_answer(false);
		query_add_str(o, "id", a->event_id);
		query_add_str(o, "error", why);
		query_add_i64(o, "code", EX_DATAERR);
		query_answer(a->from, a->id, o, false);
		asker_free(a);
	}
}

bool
query_is_attended(const char *event_id)
{
	struct asker *a;

	LIST_FOREACH(a, &askers, entry)
		if (strcmp(a->event_id, event_id) == 0)
			return (true);
	return (false);
}

bool
query_decision_cancel(struct peer *p, uint64_t id)
{
	struct asker *a;
	char *event_id;

	LIST_FOREACH(a, &askers, entry)
		if (a->from == p && a->id == id)
			break;
	if (a == NULL)
		return (false);
	event_id = a->event_id;
	a->event_id = NULL;
	asker_free(a);
	if (!query_is_attended(event_id))
		prompt_abandon(event_id, true);
	free(event_id);
	return (true);
}

void
query_decision_lost(struct peer *p)
{
	struct asker *a, *next;

	LIST_FOREACH_SAFE(a, &askers, entry, next) {
		if (a->from != p)
			continue;
		prompt_abandon(a->event_id, false);
		asker_free(a);
	}
}

void
query_withdraw(struct query *q)
{
	if (prompt_withdraw(json_str(q->request, "id", ""),
	    json_str(q->request, "reason", "not needed any more")) == -1)
		query_error(q, EX_NOINPUT, "no such open prompt", "id");
	else
		query_ok(q);
}

/*
 * "root (cctgctl)": who decides at this machine.  Only local accounts have
 * names here: the sandbox lets no name service be asked.
 */
static void
account_name(uid_t uid, char *name, size_t size)
{
	FILE *f = fopen(ACCOUNTS, "re");
	struct passwd *pw = NULL;

	while (f != NULL && (pw = fgetpwent(f)) != NULL)
		if (pw->pw_uid == uid)
			break;
	if (pw != NULL)
		snprintf(name, size, "%s (cctgctl)", pw->pw_name);
	else
		snprintf(name, size, "uid %u (cctgctl)", (unsigned int)uid);
	if (f != NULL)
		fclose(f);
}

void
query_approvals(struct query *q)
{
	const char *cmd = json_str(q->request, "cmd", "list"), *error;
	const char *id = json_str(q->request, "id", "");
	struct answerer a = { .role = ROLE_ADMIN };
	struct json_object *o;
	char name[128];

	if (strcmp(cmd, "list") == 0) {
		o = query_new_answer(true);
		json_object_object_add(o, "approvals", prompt_list());
		query_answer(q->from, q->id, o, false);
		return;
	}
	if (strcmp(cmd, "allow") != 0 && strcmp(cmd, "deny") != 0) {
		query_error(q, EX_DATAERR, "list, allow or deny", "cmd");
		return;
	}
	account_name(q->uid, name, sizeof(name));
	a.first_name = name;
	if (prompt_decide(id, strcmp(cmd, "deny") == 0, &a, &error) == -1) {
		query_error(q, strcmp(error, "no such prompt") == 0 ?
		    EX_NOINPUT : EX_DATAERR, error, "id");
		return;
	}
	log_notice("prompt %s: %s by %s", id, cmd, name);
	query_done(q, prompt_outcome(id));
}

void
query_pair(struct query *q)
{
	struct json_object *o = query_new_answer(true);
	char code[PAIR_CODE_SIZE];
	int64_t expires_ms;

	person_pair(code, &expires_ms);
	query_add_str(o, "code", code);
	query_add_time(o, "expires", expires_ms);
	query_done(q, o);
}

static void
add_user(int64_t id, enum role role, const char *name, bool configured,
    void *arg)
{
	struct json_object *o = json_object_new_object();

	query_add_i64(o, "id", id);
	query_add_str(o, "role", role_name(role));
	query_add_str(o, "name", name);
	json_object_object_add(o, "configured",
	    json_object_new_boolean(configured));
	json_object_array_add(arg, o);
}

void
query_users(struct query *q)
{
	const char *cmd = json_str(q->request, "cmd", "list");
	int role = role_by_name(json_str(q->request, "role", "approver"));
	int64_t id = json_i64(q->request, "user", 0);
	struct json_object *o, *list;

	if (strcmp(cmd, "add") == 0) {
		if (role == -1)
			query_error(q, EX_DATAERR,
			    "viewer, operator, approver or admin", "role");
		else if (id <= 0)
			query_error(q, EX_DATAERR, "not a user id", "user");
		else if (!person_add(id, (enum role)role, ""))
			query_error(q, EX_DATAERR,
			    "telegram.allowed_users has this user", "user");
		else
			goto list;
		return;
	}
	if (strcmp(cmd, "remove") == 0) {
		if (!person_remove(id)) {
			query_error(q, person_role(id) == ROLE_NONE ?
			    EX_NOINPUT : EX_DATAERR, person_role(id) ==
			    ROLE_NONE ? "no such user" :
			    "telegram.allowed_users has this user", "user");
			return;
		}
	} else if (strcmp(cmd, "list") != 0) {
		query_error(q, EX_DATAERR, "list, add or remove", "cmd");
		return;
	}
list:
	list = json_object_new_array();
	person_list(add_user, list);
	o = query_new_answer(true);
	json_object_object_add(o, "users", list);
	if (strcmp(cmd, "list") == 0)
		query_answer(q->from, q->id, o, false);
	else
		query_done(q, o);
}
