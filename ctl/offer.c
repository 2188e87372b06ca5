/* Events of commands and hooks; see offer.h. */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "common/json.h"
#include "ctl/offer.h"
#include "ctl/send.h"

static bool offer_socket(struct ctl *, struct json_object *event,
    const char *to, int64_t deadline_ms, struct json_object **answer);
static enum offer offer_file(struct ctl *, struct json_object *event,
    const char *to, char *error, size_t size);

/* False without an answer. */
static bool
offer_socket(struct ctl *ctl, struct json_object *event, const char *to,
    int64_t deadline_ms, struct json_object **answer)
{
	struct json_object *request = talk_op("send");
	const char *text, *why;
	struct talk t;
	size_t len;
	char *line;

	*answer = NULL;
	json_object_object_add(request, "event", json_object_get(event));
	talk_add(request, "to", to);
	text = json_object_to_json_string_length(request,
	    JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);
	if (text != NULL && talk_open(&t, where_socket(ctl, SOCKET_SUBMIT),
	    deadline_ms) == 0) {
		if (talk_write(&t, text, len, deadline_ms) == 0 &&
		    talk_write(&t, "\n", 1, deadline_ms) == 0 &&
		    (line = talk_line(&t, deadline_ms)) != NULL)
			*answer = json_parse(line, strlen(line), &why);
		talk_close(&t);
	}
	json_object_put(request);
	return (*answer != NULL);
}

static enum offer
offer_file(struct ctl *ctl, struct json_object *event, const char *to,
    char *error, size_t size)
{
	const char *text;
	char path[4200];
	size_t len;

	/* In a file, what goes beside the event stands in it. */
	talk_add(event, "to", to);
	text = json_object_to_json_string_length(event,
	    JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);
	if (text != NULL && spool_event(where_events_dir(ctl), text, len, path,
	    sizeof(path)) == 0)
		return (OFFER_SPOOLED);
	snprintf(error, size, "%s: %s", text != NULL ? path : "the event",
	    strerror(errno));
	return (OFFER_REFUSED);
}

enum offer
offer_event(struct ctl *ctl, struct json_object *event, const char *to,
    int64_t deadline_ms, char *error, size_t size)
{
	enum offer result = OFFER_TAKEN;
	struct json_object *answer;

	if (!offer_socket(ctl, event, to, deadline_ms, &answer))
		return (offer_file(ctl, event, to, error, size));
	switch (talk_code(answer)) {
	case XC_OK:
		break;
	case XC_BUSY:
	case XC_TIMED_OUT:
		result = offer_file(ctl, event, to, error, size);
		break;
	default:
		snprintf(error, size, "%s", json_str(answer, "error",
		    "it was refused"));
		result = OFFER_REFUSED;
	}
	json_object_put(answer);
	return (result);
}
