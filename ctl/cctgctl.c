/*
 * main() of cctgctl: options, help and the call of the verb.
 *
 * Options of every verb may stand before or behind it.
 */
#include <fcntl.h>
#include <getopt.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "config.h"
#include "ctl/ctl.h"
#include "ctl/verbs.h"

#define OPTIONS_MAX 32

const struct verb_option global_options[] = {
	{ "config", 'c', OPT_VALUE, "FILE", "the daemon's configuration" },
	{ "runtime-dir", 0, OPT_VALUE, "DIR", "where the sockets are" },
	{ "socket", 0, OPT_VALUE, "PATH", "this socket" },
	{ "json", 0, OPT_FLAG, NULL, "print one JSON document" },
	{ "quiet", 'q', OPT_FLAG, NULL, "print only what was asked for" },
	{ "help", 'h', OPT_FLAG, NULL, "show how it is used" },
	{ "version", 'V', OPT_FLAG, NULL, "show the version" },
	{ NULL, 0, OPT_FLAG, NULL, NULL }
};

static void options_read(struct ctl *, int *, char ***,
    const struct verb_option *);
static void option_take(struct ctl *, const struct verb_option *,
    const char *value);
static void failure_print(const char *, enum ctl_exit);
static void help_all(FILE *);
static void help_verb(FILE *, const struct verb *);

int
main(int argc, char **argv)
{
	static struct ctl ctl;
	const struct verb *verb;
	int rc, fd;

	/* A socket must not take the number of a closed standard stream. */
	while ((fd = open("/dev/null", O_RDWR)) != -1 && fd <= STDERR_FILENO)
		continue;
	if (fd != -1)
		close(fd);
	options_read(&ctl, &argc, &argv, NULL);
	if (ctl_option(&ctl, "version") != NULL) {
		puts("cctgctl " PACKAGE_VERSION);
		return (XC_OK);
	}
	if (argc == 0 && ctl_option(&ctl, "help") != NULL) {
		help_all(stdout);
		return (XC_OK);
	}
	if (argc == 0) {
		help_all(stderr);
		return (XC_USAGE);
	}
	if ((verb = verb_find(argv[0])) == NULL)
		ctl_usage(&ctl, "there is no verb \"%s\"", argv[0]);
	ctl.verb = verb;
	options_read(&ctl, &argc, &argv, verb->options);
	if (ctl_option(&ctl, "help") != NULL) {
		help_verb(stdout, verb);
		return (XC_OK);
	}
	ctl.operand = argv;
	ctl.noperands = argc;
	if (argc < verb->min || (verb->max != -1 && argc > verb->max))
		ctl_usage(&ctl, argc < verb->min ? "too few operands" :
		    "too many operands");
	rc = verb->run(&ctl);
	/* A full disk behind a redirection is a failure, too. */
	if (fflush(stdout) == EOF && rc == XC_OK)
		rc = XC_FAILED;
	return (rc);
}

/*
 * Read options up to the verb (own is NULL), or those around a verb's
 * operands; what is left is argc, argv.
 */
static void
options_read(struct ctl *ctl, int *argc, char ***argv,
    const struct verb_option *own)
{
	static const struct verb_option none[] = {
		{ NULL, 0, OPT_FLAG, NULL, NULL }
	};
	const struct verb_option *lists[] = { global_options,
		own != NULL ? own : none }, *option;
	struct option longs[OPTIONS_MAX + 1] = { { NULL, 0, NULL, 0 } };
	const struct verb_option *of[OPTIONS_MAX];
	char letters[3 * OPTIONS_MAX + 4] = ":";
	size_t n = 0, i, l = 1;
	int c, at = 0;

	/* POSIX's order up to the verb, whatever order behind it. */
	if (ctl->verb == NULL || ctl->verb->command)
		l = strlcpy(letters, "+:", sizeof(letters));
	for (i = 0; i < 2; i++)
		for (option = lists[i]; option->name != NULL; option++) {
			of[n] = option;
			longs[n].name = option->name;
			longs[n].has_arg = option->kind == OPT_FLAG ?
			    no_argument : option->kind == OPT_VALUE ?
			    required_argument : optional_argument;
			longs[n].val = 256 + (int)n;
			if (option->letter != 0) {
				letters[l++] = option->letter;
				if (option->kind != OPT_FLAG)
					letters[l++] = ':';
				if (option->kind == OPT_MAYBE)
					letters[l++] = ':';
				letters[l] = '\0';
			}
			n++;
		}
	optind = 0; /* glibc: begin anew */
	opterr = 0;
	while ((c = getopt_long(*argc, *argv, letters, longs, &at)) != -1) {
		if (c == ':')
			ctl_usage(ctl, "%s needs a value",
			    (*argv)[optind - 1]);
		if (c == '?' && optopt >= '0' && optopt <= '9')
			ctl_usage(ctl, "-- must stand before a negative "
			    "number");
		if (c == '?')
			ctl_usage(ctl, "there is no option %s",
			    (*argv)[optind - 1]);
		for (i = 0; c < 256 && of[i]->letter != c; i++)
			continue;
		option_take(ctl, of[c < 256 ? (int)i : c - 256], optarg);
	}
	*argc -= optind;
	*argv += optind;
}

static void
option_take(struct ctl *ctl, const struct verb_option *option,
    const char *value)
{
	if (ctl->ngiven == GIVEN_MAX)
		ctl_usage(ctl, "too many options");
	ctl->given[ctl->ngiven].option = option;
	ctl->given[ctl->ngiven++].value = value;
	if (strcmp(option->name, "json") == 0)
		ctl->json = true;
	else if (strcmp(option->name, "quiet") == 0)
		ctl->quiet = true;
	else if (strcmp(option->name, "config") == 0)
		ctl->config = value;
	else if (strcmp(option->name, "runtime-dir") == 0)
		ctl->runtime_dir = value;
	else if (strcmp(option->name, "socket") == 0)
		ctl->socket = value;
}

const char *
ctl_option(const struct ctl *ctl, const char *name)
{
	size_t i;

	for (i = ctl->ngiven; i-- > 0;)
		if (strcmp(ctl->given[i].option->name, name) == 0)
			return (ctl->given[i].value != NULL ?
			    ctl->given[i].value : "");
	return (NULL);
}

const char *
ctl_option_nth(const struct ctl *ctl, const char *name, size_t n)
{
	size_t i;

	for (i = 0; i < ctl->ngiven; i++)
		if (strcmp(ctl->given[i].option->name, name) == 0 && n-- == 0)
			return (ctl->given[i].value);
	return (NULL);
}

int64_t
ctl_option_ms(struct ctl *ctl, const char *name, int64_t def_ms)
{
	const char *value = ctl_option(ctl, name);
	int64_t ms;

	if (value == NULL || *value == '\0')
		return (def_ms);
	if ((ms = duration_parse_ms(value)) == -1)
		ctl_usage(ctl, "--%s: \"%s\" is not a duration such as 30, "
		    "90s or 6h", name, value);
	return (ms);
}

int64_t
ctl_option_count(struct ctl *ctl, const char *name, int64_t def)
{
	const char *value = ctl_option(ctl, name), *error;
	int64_t n;

	if (value == NULL)
		return (def);
	n = strtonum(value, 1, 1000000, &error);
	if (error != NULL)
		ctl_usage(ctl, "--%s: \"%s\" is not a number from 1 to "
		    "1000000", name, value);
	return (n);
}

/* What --json prints of a verb that failed. */
static void
failure_print(const char *text, enum ctl_exit code)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "ok", json_object_new_boolean(false));
	json_object_object_add(o, "error", json_object_new_string(text));
	json_object_object_add(o, "exit", json_object_new_int(code));
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN |
	    JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
}

void
ctl_fail(const struct ctl *ctl, enum ctl_exit code, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	/* An agent would take a failure for a decision. */
	if (ctl->verb != NULL && ctl->verb->hook)
		exit(XC_OK);
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (ctl->json)
		failure_print(text, code);
	fflush(stdout);
	if (!ctl->json || code == XC_USAGE)
		fprintf(stderr, "cctgctl: %s\n", text);
	exit(code);
}

void
ctl_usage(const struct ctl *ctl, const char *fmt, ...)
{
	bool hook = ctl->verb != NULL && ctl->verb->hook;
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (ctl->json && !hook)
		failure_print(text, XC_USAGE);
	fputs("cctgctl: ", stderr);
	if (ctl->verb != NULL)
		fprintf(stderr, "%s: ", ctl->verb->name);
	fprintf(stderr, "%s\n", text);
	if (ctl->verb != NULL)
		fprintf(stderr, "usage: cctgctl %s %s\n", ctl->verb->name,
		    ctl->verb->operands);
	fputs("See cctgctl help.\n", stderr);
	/* For an agent, 2 would be a decision: the call is blocked. */
	exit(hook ? XC_FAILED : XC_USAGE);
}

static void
help_options(FILE *f, const struct verb_option *option)
{
	char text[80];

	for (; option->name != NULL; option++) {
		snprintf(text, sizeof(text), option->kind == OPT_FLAG ?
		    "--%s" : option->kind == OPT_VALUE ? "--%s %s" :
		    "--%s[=%s]", option->name, option->value);
		if (option->letter != 0)
			fprintf(f, "  -%c, %-22s  %s\n", option->letter, text,
			    option->doc);
		else
			fprintf(f, "  %-26s  %s\n", text, option->doc);
	}
}

static void
help_all(FILE *f)
{
	const struct verb *const *v;

	fputs("usage: cctgctl [OPTION]... VERB [OPERAND]...\n\n", f);
	for (v = verbs; *v != NULL; v++)
		fprintf(f, "  %-11s %s\n", (*v)->name, (*v)->doc);
	fputs("\nOptions of every verb:\n", f);
	help_options(f, global_options);
	fputs("\nSee cctgctl help VERB, and cctgctl(1).\n", f);
}

static void
help_verb(FILE *f, const struct verb *verb)
{
	fprintf(f, "usage: cctgctl %s %s\n\n  %s\n", verb->name,
	    verb->operands, verb->doc);
	if (verb->options != NULL) {
		fputs("\nOptions:\n", f);
		help_options(f, verb->options);
	}
}

static int
help_run(struct ctl *ctl)
{
	const struct verb *verb;

	if (ctl->noperands == 0) {
		help_all(stdout);
		return (XC_OK);
	}
	if ((verb = verb_find(ctl->operand[0])) == NULL)
		ctl_fail(ctl, XC_NOT_FOUND, "there is no verb \"%s\"",
		    ctl->operand[0]);
	help_verb(stdout, verb);
	return (XC_OK);
}

const struct verb verb_help = {
	.name = "help",
	.operands = "[VERB]",
	.doc = "show how a verb is used",
	.max = 1,
	.run = help_run,
};
