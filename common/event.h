/*
 * The rules of an event: its types and severities, when one is accepted, and
 * what every process reads from it in the same way.  Pure; used by intake
 * before acceptance and by analyze afterwards.
 */
#ifndef COMMON_EVENT_H
#define COMMON_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/event_types.h"
#include "common/uuid.h"

struct json_object;

#define EVENT_ID_MAX 1024 /* bytes; a longer id is replaced by its hash */

/* ET_UNKNOWN if it is none of the table. */
enum event_type event_type_find(const char *name);
/* Of ET_UNKNOWN: "unknown", EVENT_UNKNOWN_EMOJI, "Other". */
const char *event_type_name(enum event_type);
const char *event_type_emoji(enum event_type);
const char *event_type_category(enum event_type);

/* "low", "normal", "high", "critical". */
const char *severity_name(enum severity);
/* SEV_… or -1. */
int severity_find(const char *name);
/*
 * The severity of an event by its type and its data (may be NULL):
 * data.severity low, medium, high or critical overrides that of the type; an
 * approval_request stays critical.
 */
enum severity event_severity(const char *type, struct json_object *data);

/*
 * May this object, which came as text of so many bytes, be accepted?
 * Returns 0, or -1 with a struct error of code 65 for the sender.
 */
int event_check(struct json_object *, size_t bytes, struct error *);
/* json_parse() and event_check().  The caller puts the object. */
struct json_object *event_parse(const char *, size_t bytes, struct error *);
/*
 * The same for an event that was accepted: event_seal() may have made it
 * larger than a sender may.
 */
#define EVENT_SEALED_MAX_BYTES (EVENT_MAX_BYTES + EVENT_ID_MAX)
struct json_object *event_parse_sealed(const char *, size_t bytes,
    struct error *);

/*
 * What intake hands to the queue beside the text.  The strings are clean
 * UTF-8 and belong to the struct or to the event: keep the event until
 * event_fields_free(), and do not copy the struct.
 */
struct event_fields {
	enum event_type kind;
	enum severity severity;
	const char *id;	  /* a new UUIDv7 if the event has none */
	bool id_new;	  /* … and then it is not in the text: event_seal() */
	const char *type;
	const char *source;  /* default "unknown" */
	const char *task_id; /* default: id */
	bool has_task;	     /* task_id is given and is not the id */
	const char *title;   /* default: made from the type */
	const char *to;	     /* name or id of a chat, or "" */
	bool silent;
	uint64_t ttl_ms;     /* 0: none given.  Of "ttl_ms", or "ttl", a
				duration ("90s") or a number of seconds */
	/* where the strings are that are not the event's own */
	char id_buf[UUID_SIZE];
	char *owned[8];
	size_t nowned;
};

/* Read the fields of an event that passed event_check(); -1 without memory. */
int event_fields_read(struct event_fields *, struct json_object *);
void event_fields_free(struct event_fields *);

/*
 * The title that an event without one gets: "task_completion" becomes "Task
 * completion".  malloc'd; NULL when out of memory.
 */
char *event_title_make(const char *type);

/*
 * What an option of an approval says, for its button and for the answer: a
 * text, or the label, text, title, name or value of an object; all else as it
 * is in JSON.  NULL is the option null.  The text belongs to the option.
 */
const char *event_option(struct json_object *);

/*
 * The text of an event with its id added as the last key, for an event that
 * came without one (the text passed event_parse()): malloc'd, *outlen bytes;
 * NULL when out of memory.  The store and all later steps see the same id.
 */
char *event_seal(const char *, size_t len, const char *id, size_t *outlen);

#endif
