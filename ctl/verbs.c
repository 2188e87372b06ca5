/* The table of the verbs. */
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/verbs.h"

const struct verb *const verbs[] = {
#define VERB_ROW(name) &verb_##name,
	VERBS(VERB_ROW)
#undef VERB_ROW
	NULL
};

const struct verb *
verb_find(const char *name)
{
	const struct verb *const *v;

	for (v = verbs; *v != NULL; v++)
		if (strcmp((*v)->name, name) == 0)
			return (*v);
	return (NULL);
}
