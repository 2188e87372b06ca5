/*
 * Fault injection, see fault.h.  The environment is read once, by the first
 * point that is passed; what is not understood there ends the program, so
 * that no test succeeds for want of its fault.
 */
#include "config.h"

#ifdef CCTG_FAULTS
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/fault.h"
#include "common/log.h"
#include "common/nitems.h"

#define FAULTS_MAX 16

static struct fault {
	const char *name;
	int error;
	unsigned int after; /* passes that are left */
	unsigned int count; /* failures that are left */
} faults[FAULTS_MAX];
static size_t nfaults;

static void fault_read(char *);
static int fault_error(const char *);
static unsigned int fault_number(const char *, unsigned int);

int
fault_point(const char *name)
{
	static bool read;
	const char *env;
	size_t i;

	if (!read) {
		read = true;
		if ((env = getenv("CCTG_FAULT")) != NULL)
			fault_read(strdup(env));
	}
	for (i = 0; i < nfaults; i++) {
		if (strcmp(faults[i].name, name) != 0)
			continue;
		if (faults[i].after > 0) {
			faults[i].after--;
			return (0);
		}
		if (faults[i].count == 0)
			continue;
		faults[i].count--;
		errno = faults[i].error;
		return (faults[i].error);
	}
	return (0);
}

/* The text is kept: the names point into it. */
static void
fault_read(char *text)
{
	struct fault *f;
	char *one;

	while ((one = strsep(&text, ",")) != NULL) {
		if (*one == '\0')
			continue;
		if (nfaults == nitems(faults))
			fatalx("CCTG_FAULT: more than %d", FAULTS_MAX);
		f = &faults[nfaults++];
		f->name = strsep(&one, ":");
		f->error = fault_error(strsep(&one, ":"));
		f->after = fault_number(strsep(&one, ":"), 0);
		f->count = fault_number(strsep(&one, ":"), UINT_MAX);
	}
}

static int
fault_error(const char *word)
{
	static const struct {
		const char *name;
		int error;
	} errors[] = {{"EACCES", EACCES}, {"EAGAIN", EAGAIN},
	    {"EDQUOT", EDQUOT}, {"EINTR", EINTR}, {"EIO", EIO},
	    {"EMFILE", EMFILE}, {"ENOENT", ENOENT}, {"ENOMEM", ENOMEM},
	    {"ENOSPC", ENOSPC}, {"EPERM", EPERM}, {"EPIPE", EPIPE},
	    {"EROFS", EROFS}};
	size_t i;

	for (i = 0; word != NULL && i < nitems(errors); i++)
		if (strcmp(errors[i].name, word) == 0)
			return (errors[i].error);
	return ((int)fault_number(word == NULL ? "" : word, 0));
}

static unsigned int
fault_number(const char *word, unsigned int absent)
{
	const char *errstr;
	unsigned int n;

	if (word == NULL)
		return (absent);
	n = (unsigned int)strtonum(word, 0, INT_MAX, &errstr);
	if (errstr != NULL)
		fatalx("CCTG_FAULT: \"%s\" is %s", word, errstr);
	return (n);
}
#else
/* ISO C wants a translation unit to declare something. */
extern int fault_none;
#endif
