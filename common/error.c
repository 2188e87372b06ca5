/*
 * Errors for the sender of an event or request.  Texts are cut to fit.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/error.h"

int
error_set(struct error *e, int code, const char *field, const char *fmt, ...)
{
	va_list ap;

	e->code = code;
	strlcpy(e->field, field, sizeof(e->field));
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	return (-1);
}
