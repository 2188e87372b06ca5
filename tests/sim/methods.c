/*
 * methods.c - the table of the methods.
 */
#include "config.h"

#include <strings.h>

#include "tests/sim/buf.h"
#include "tests/sim/methods.h"

const struct method methods[] = {
#define X(name, run) { name, run },
	METHODS(X)
#undef X
};
const size_t		 nmethods = nitems(methods);
struct method_stats	 method_stats[nitems(methods)];

const struct method *
method_find(const char *name, size_t len)
{
	size_t	i;

	for (i = 0; i < nmethods; i++)
		if (strncasecmp(methods[i].name, name, len) == 0 &&
		    methods[i].name[len] == '\0')
			return (&methods[i]);
	return (NULL);
}
