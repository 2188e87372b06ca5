/*
 * Presses; see press.h.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "workers/queue/press.h"

static const struct {
	const char *reason, *toast;
} verdicts[NPRESSVERDICTS] = {
#define PRESS_ROW(name, reason, toast) [PV_##name] = { reason, toast },
	PRESS_VERDICTS(PRESS_ROW)
#undef PRESS_ROW
};

enum press_verdict
press_late(enum prompt_state state)
{
	static const enum press_verdict late[NPROMPTSTATES] = {
		[PS_OPEN] = PV_DECIDES,
		[PS_ANSWERED] = PV_ANSWERED,
		[PS_EXPIRED] = PV_EXPIRED,
		[PS_WITHDRAWN] = PV_WITHDRAWN,
	};

	return (late[state]);
}

enum press_verdict
press_judge(const struct press *p)
{
	if (!p->known)
		return (PV_UNKNOWN);
	if (!role_may(p->role, p->option == PRESS_DETAILS ? RIGHT_LOOK :
	    RIGHT_ANSWER))
		return (PV_NOT_ALLOWED);
	if (p->was == WS_NO)
		return (PV_FOREIGN);
	if (p->option == PRESS_DETAILS)
		return (PV_SHOWS);
	if (p->state != PS_OPEN)
		return (press_late(p->state));
	if (p->option < 0 || (size_t)p->option >= p->noptions)
		return (PV_NO_OPTION);
	return (PV_DECIDES);
}

const char *
press_reason(enum press_verdict v)
{
	return (verdicts[v].reason);
}

const char *
press_toast(enum press_verdict v)
{
	return (verdicts[v].toast);
}

void
press_write(char data[PRESS_DATA_SIZE], const char *token, int option)
{
	/* There are ten options at most. */
	snprintf(data, PRESS_DATA_SIZE, "p%.*s%c", TOKEN_CHARS, token,
	    option == PRESS_DETAILS ? 'd' : '0' + option);
}

bool
press_read(const char *data, char token[TOKEN_CHARS + 1], int *option)
{
	const char *what;

	if (data[0] != 'p' || strlen(data) < TOKEN_CHARS + 2)
		return (false);
	memcpy(token, data + 1, TOKEN_CHARS);
	token[TOKEN_CHARS] = '\0';
	what = data + 1 + TOKEN_CHARS;
	*option = what[1] != '\0' ? PRESS_NOTHING :
	    what[0] == 'd' ? PRESS_DETAILS :
	    isdigit((unsigned char)what[0]) ? what[0] - '0' : PRESS_NOTHING;
	return (true);
}
