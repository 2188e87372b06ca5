/*
 * Roles; see role.h.
 */
#include <string.h>

#include "workers/queue/role.h"

static const char *const names[NROLES] = {
#define ROLE_NAME(name, text) [ROLE_##name] = text,
	ROLES(ROLE_NAME)
#undef ROLE_NAME
};

static const enum role rights[NRIGHTS] = {
#define RIGHT_ROLE(name, role) [RIGHT_##name] = ROLE_##role,
	RIGHTS(RIGHT_ROLE)
#undef RIGHT_ROLE
};

const char *
role_name(enum role r)
{
	return (r < NROLES ? names[r] : "?");
}

int
role_by_name(const char *name)
{
	for (int i = ROLE_VIEWER; i < NROLES; i++)
		if (strcmp(names[i], name) == 0)
			return (i);
	return (-1);
}

bool
role_may(enum role role, enum right right)
{
	return (role >= rights[right]);
}
