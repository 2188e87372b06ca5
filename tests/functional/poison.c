/*
 * To be preloaded: cctg-analyze and cctg-format end with SIGSEGV when they
 * parse a JSON text with the word "poison-for-" and their name, such as
 * "poison-for-format"; with "endless-for-" they come to no end.  So a test
 * has an event that kills whoever works on it.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <dlfcn.h>
#include <json-c/json.h>

typedef struct json_object *parse_call(struct json_tokener *, const char *,
    int);

static char	word[64], endless[64];

static int	has(const char *, int, const char *);

static void	poison_init(void) __attribute__((constructor));

/* While /proc may still be opened. */
static void
poison_init(void)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	const char *name;

	if (n <= 0)
		return;
	path[n] = '\0';
	name = strrchr(path, '/');
	if (name != NULL && (strcmp(name, "/cctg-analyze") == 0 ||
	    strcmp(name, "/cctg-format") == 0))
		snprintf(word, sizeof(word), "poison-for-%s", name + 6);
	if (word[0] != '\0')
		snprintf(endless, sizeof(endless), "endless-for-%s", name + 6);
}

static int
has(const char *text, int len, const char *what)
{
	return (what[0] != '\0' && memmem(text, len < 0 ? strlen(text) :
	    (size_t)len, what, strlen(what)) != NULL);
}

struct json_object *
json_tokener_parse_ex(struct json_tokener *tok, const char *text, int len)
{
	static parse_call *next;

	if (next == NULL)
		next = (parse_call *)dlsym(RTLD_NEXT,
		    "json_tokener_parse_ex");
	if (next == NULL)
		abort();
	if (has(text, len, word))
		raise(SIGSEGV);
	while (has(text, len, endless))
		continue;
	return (next(tok, text, len));
}
