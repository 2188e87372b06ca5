/* When people are to be left in peace: mode, mute, unmute. */
#include <json-c/json.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"
#include "ctl/ctl.h"
#include "ctl/verbs.h"

static int
mode_ask(struct ctl *ctl, struct json_object *request)
{
	struct json_object *a;
	const char *mode, *until;
	char text[64];

	a = talk_ask(ctl, SOCKET_SUBMIT, request, TALK_MS);
	mode = json_str(a, "mode", "?");
	until = json_str(a, "until", NULL);
	if (until != NULL)
		print_ok(ctl, a, "%s until %s", mode, print_time(text,
		    sizeof(text), until));
	else
		print_ok(ctl, a, "%s", mode);
	json_object_put(a);
	return (XC_OK);
}

static int
mode_run(struct ctl *ctl)
{
	const char *mode = ctl->noperands > 0 ? ctl->operand[0] : NULL;
	struct json_object *request;

	if (mode != NULL && strcmp(mode, "local") != 0 &&
	    strcmp(mode, "nomad") != 0 && strcmp(mode, "mute") != 0)
		ctl_usage(ctl, "\"%s\" is none of local, nomad, mute", mode);
	request = talk_op("mode");
	talk_add(request, "mode", mode);
	return (mode_ask(ctl, request));
}

const struct verb verb_mode = {
	.name = "mode",
	.operands = "[local|nomad|mute]",
	.words = "local nomad mute",
	.doc = "show or change the mode",
	.max = 1,
	.run = mode_run,
};

static int
mute_run(struct ctl *ctl)
{
	struct json_object *request;

	if (ctl->noperands > 0 && duration_parse_ms(ctl->operand[0]) <= 0)
		ctl_usage(ctl, "\"%s\" is not a duration such as 45m or 2h",
		    ctl->operand[0]);
	request = talk_op("mute");
	if (ctl->noperands > 0)
		talk_add(request, "for", ctl->operand[0]);
	return (mode_ask(ctl, request));
}

const struct verb verb_mute = {
	.name = "mute",
	.operands = "[D]",
	.doc = "hold everything but approvals, for a time",
	.max = 1,
	.run = mute_run,
};

static int
unmute_run(struct ctl *ctl)
{
	return (mode_ask(ctl, talk_op("unmute")));
}

const struct verb verb_unmute = {
	.name = "unmute",
	.operands = "",
	.doc = "end mute; what was held is summarised",
	.run = unmute_run,
};
