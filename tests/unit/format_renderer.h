/*
 * A renderer for the tests of a group, and what it made last.
 */
#ifndef TESTS_FORMAT_RENDERER_H
#define TESTS_FORMAT_RENDERER_H

#include <stdlib.h>

#include "workers/format/render.h"

static struct render *renderer;
static struct render_result result;
static char *shown; /* its texts, if the test keeps them: freed at the end */

static inline int
renderer_setup(void **state)
{
	(void)state;
	render_timezone("Europe/Berlin");
	return ((renderer = render_new()) == NULL ? -1 : 0);
}

static inline int
renderer_teardown(void **state)
{
	(void)state;
	render_trim(renderer);
	render_free(renderer);
	free(shown);
	return (0);
}

#endif
