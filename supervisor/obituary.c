/*
 * Last words: what a worker's handler of fatal signals wrote into its slot is
 * logged and kept for `cctgctl crashes`, and so is what malloc_info(3) says
 * in a worker that is replaced for its need of memory.  A worker may write
 * anything, so text is taken with bounds and made fit to print.
 */
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "common/clock.h"
#include "common/log.h"
#include "supervisor/supervisor.h"

#define OBITUARIES 32

struct obituary {
	char worker[WORKER_NAME_SIZE];
	pid_t pid;
	int signal, code;
	int64_t at_wall_ms, lived_ms;
	char *text; /* NULL: it said nothing */
};

static struct obituary obituaries[OBITUARIES];
static unsigned int written;

static struct obituary *obituary_new(struct child *, int, int);
static char *obituary_text(const char *, size_t);

/* Note the crash of a child; an end that was no crash is not noted. */
void
obituary_take(struct child *c, int sig, int code)
{
	char raw[OBITUARY_SIZE];
	struct obituary *o;

	if (sig == 0 && code == 0)
		return;
	o = obituary_new(c, sig, code);
	memcpy(raw, c->slot->obituary, sizeof(raw));
	o->text = obituary_text(raw, strnlen(raw, sizeof(raw)));
	if (o->text != NULL)
		log_warnx("last words of worker %s (pid %d): %s", o->worker,
		    (int)o->pid, o->text);
}

/* Note what a child says about its memory, as it is about to be replaced. */
void
obituary_note(struct child *c, const char *text, size_t len)
{
	obituary_new(c, 0, 0)->text = obituary_text(text, len);
}

static struct obituary *
obituary_new(struct child *c, int sig, int code)
{
	struct obituary *o = &obituaries[written++ % OBITUARIES];

	free(o->text);
	memset(o, 0, sizeof(*o));
	strlcpy(o->worker, c->worker->name, sizeof(o->worker));
	o->pid = c->pid;
	o->signal = sig;
	o->code = code;
	o->at_wall_ms = clock_wall_ms();
	o->lived_ms = clock_mono_ms() - c->forked_ms;
	return (o);
}

/* One printable line, to be freed; NULL if there are no words. */
static char *
obituary_text(const char *words, size_t len)
{
	char raw[OBITUARY_SIZE], text[OBITUARY_SIZE];
	size_t i;

	if (len > sizeof(raw))
		len = sizeof(raw);
	while (len > 0 && words[len - 1] == '\n')
		len--;
	if (len == 0)
		return (NULL);
	for (i = 0; i < len; i++)
		raw[i] = words[i] == '\n' ? ';' : words[i];
	return (strdup(log_escape(text, sizeof(text), raw, len)));
}

/* All that are kept, the latest first; NULL when out of memory. */
struct json_object *
obituary_json(void)
{
	struct json_object *all = json_object_new_array(), *one;
	const struct obituary *o;
	char at[RFC3339_SIZE];
	unsigned int i, n = written < OBITUARIES ? written : OBITUARIES;

	for (i = 1; i <= n; i++) {
		o = &obituaries[(written - i) % OBITUARIES];
		one = json_object_new_object();
		clock_rfc3339(at, sizeof(at), o->at_wall_ms);
		status_put(one, "at", json_object_new_string(at));
		status_put(one, "worker", json_object_new_string(o->worker));
		status_put(one, "pid", json_object_new_int(o->pid));
		status_put(one, "signal", o->signal != 0 ?
		    json_object_new_int(o->signal) : NULL);
		status_put(one, "code", o->code != 0 ?
		    json_object_new_int(o->code) : NULL);
		status_put(one, "uptime_s", status_seconds(o->lived_ms));
		status_put(one, "text", o->text != NULL ?
		    json_object_new_string(o->text) : NULL);
		status_append(all, one);
	}
	return (all);
}
