/*
 * The options of a question, as its asker wrote them.  Pure but for memory.
 */
#ifndef QUEUE_OPTION_H
#define QUEUE_OPTION_H

#include <stdbool.h>
#include <stddef.h>

struct json_object;

/*
 * A new array of strings, at most OPTIONS_MAX: what data.options of this
 * event offers, or data.response_options, or Approve and Deny.  Of an option
 * that is an object, the text that its button shows.
 */
struct json_object *option_list(struct json_object *event);
/* Is this option a no?  By its first word (DESIGN section 13). */
bool option_is_negative(const char *);
/* The first of the list that allows, or denies; -1 if there is none. */
int option_find(struct json_object *list, bool deny);
/* The i-th of the list. */
const char *option_at(struct json_object *list, size_t i);

#endif
