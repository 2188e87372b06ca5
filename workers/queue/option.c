/*
 * Options; see option.h.
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include <json-c/json.h>

#include "common/event.h"
#include "common/json.h"
#include "common/nitems.h"
#include "ipc/messages.h"
#include "workers/queue/option.h"

struct json_object *
option_list(struct json_object *event)
{
	static const char *const paths[] = { "data.options",
		"data.response_options" };
	struct json_object *list = json_object_new_array(), *o;
	size_t n;

	for (size_t i = 0; i < nitems(paths); i++) {
		o = json_path(event, paths[i]);
		if (!json_object_is_type(o, json_type_array) ||
		    (n = json_object_array_length(o)) == 0)
			continue;
		for (size_t k = 0; k < n && k < OPTIONS_MAX; k++)
			json_object_array_add(list, json_object_new_string(
			    event_option(json_object_array_get_idx(o, k))));
		return (list);
	}
	json_object_array_add(list, json_object_new_string("Approve"));
	json_object_array_add(list, json_object_new_string("Deny"));
	return (list);
}

bool
option_is_negative(const char *option)
{
	static const char *const words[] = { "deny", "no", "nein", "reject",
		"cancel", "abort", "stop", "decline" };
	size_t len;

	while (*option != '\0' && !isalpha((unsigned char)*option))
		option++; /* an emoji or a number may stand first */
	for (len = 0; isalpha((unsigned char)option[len]) ||
	    (unsigned char)option[len] >= 0x80; len++)
		continue;
	for (size_t i = 0; i < nitems(words); i++)
		if (strlen(words[i]) == len &&
		    strncasecmp(words[i], option, len) == 0)
			return (true);
	return (false);
}

const char *
option_at(struct json_object *list, size_t i)
{
	return (json_object_get_string(json_object_array_get_idx(list, i)));
}

int
option_find(struct json_object *list, bool deny)
{
	for (size_t i = 0; i < json_object_array_length(list); i++)
		if (option_is_negative(option_at(list, i)) == deny)
			return ((int)i);
	return (-1);
}
