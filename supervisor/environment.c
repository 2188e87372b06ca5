/*
 * Which variables a worker gets: a list of what is known to be of use, so
 * that a secret that nobody thought of stays out.  A name that ends in *
 * stands for all that begin so.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/nitems.h"
#include "supervisor/environment.h"

#define F_ALL F_WORKER

static const struct {
	const char *name;
	uint32_t classes;
} allowed[] = {
	{"HOME", F_ALL},
	{"PATH", F_ALL},
	{"LANG", F_ALL},
	{"LC_*", F_ALL},
	{"TZ", F_ALL},
	{"TZDIR", F_ALL},
	{"TMPDIR", F_ALL},
	{"CCTG_SANDBOX", F_ALL},
	{"CCTG_SYSLOG", F_ALL},
	{"CCTG_FAULT*", F_ALL}, /* tests: fault injection */
	{"CCTG_DUMMY*", F_ALL}, /* tests: the worker that misbehaves */
	{"LD_LIBRARY_PATH", F_ALL},
	{"LD_PRELOAD", F_ALL},
	{"ASAN_OPTIONS", F_ALL},
	{"LSAN_OPTIONS", F_ALL},
	{"UBSAN_OPTIONS", F_ALL},
	{"GCOV_*", F_ALL},
	{"MALLOC_*", F_ALL},
	{"SQLITE_TMPDIR", F_QUEUE},
	/* libcurl's own settings; a proxy's password may be among them. */
	{"http_proxy", F_TELEGRAM},
	{"https_proxy", F_TELEGRAM},
	{"HTTPS_PROXY", F_TELEGRAM},
	{"all_proxy", F_TELEGRAM},
	{"ALL_PROXY", F_TELEGRAM},
	{"no_proxy", F_TELEGRAM},
	{"NO_PROXY", F_TELEGRAM},
	{"SSL_CERT_FILE", F_TELEGRAM},
	{"SSL_CERT_DIR", F_TELEGRAM},
	{"CURL_*", F_TELEGRAM},
	{"RES_OPTIONS", F_TELEGRAM},
	{"LOCALDOMAIN", F_TELEGRAM},
};

bool
environment_allows(enum process_class class, const char *assignment)
{
	size_t i, len;

	for (i = 0; i < nitems(allowed); i++) {
		if ((allowed[i].classes & 1U << class) == 0)
			continue;
		len = strlen(allowed[i].name);
		if (allowed[i].name[len - 1] == '*') {
			if (strncmp(assignment, allowed[i].name, len - 1) == 0)
				return (true);
		} else if (strncmp(assignment, allowed[i].name, len) == 0 &&
		    assignment[len] == '=')
			return (true);
	}
	return (false);
}

char **
environment_for(enum process_class class)
{
	size_t i, n = 0, total = 0;
	char **env;

	while (environ[total] != NULL)
		total++;
	if ((env = calloc(total + 1, sizeof(*env))) == NULL)
		return (NULL);
	for (i = 0; i < total; i++)
		if (environment_allows(class, environ[i]))
			env[n++] = environ[i];
	return (env);
}
