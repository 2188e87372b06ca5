/*
 * Lists of message ids; see idlist.h.
 */
#include <stdlib.h>

#include "workers/queue/idlist.h"

static const char *idlist_next(const char *, int64_t *);

/* Behind the first id of the list; NULL at its end. */
static const char *
idlist_next(const char *s, int64_t *id)
{
	char *end;

	if (s == NULL || *s == '\0')
		return (NULL);
	*id = strtoll(s, &end, 10);
	if (end == s)
		return (NULL);
	return (*end == ',' ? end + 1 : end);
}

size_t
idlist_read(const char *s, int64_t *id, size_t max)
{
	size_t n = 0;

	while (n < max && (s = idlist_next(s, &id[n])) != NULL)
		n++;
	return (n);
}

bool
idlist_has(const char *s, int64_t id)
{
	int64_t one;

	while ((s = idlist_next(s, &one)) != NULL)
		if (one == id)
			return (true);
	return (false);
}
