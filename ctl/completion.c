/*
 * completion: a script for bash, made from the table of verbs, so that it
 * knows what the parser knows.  etc/completions/cctgctl is what this prints.
 * Names of workers and ids of events come from the daemon.
 */
#include <stdio.h>
#include <string.h>

#include "common/nitems.h"
#include "ctl/ctl.h"
#include "ctl/hook.h"
#include "ctl/mcp.h"
#include "ctl/verbs.h"

static void hooks_print(void);
static void types_print(void);
static void verbs_print(void);

/* Values of options, by what the usage calls them. */
static const struct {
	const char *value;
	const char *action; /* of compgen(1), else */
	const char *words;  /* these, else */
	void (*print)(void);
} values[] = {
	{ "FILE", "-f", NULL, NULL },
	{ "PATH", "-f", NULL, NULL },
	{ "DIR", "-d", NULL, NULL },
	{ "ROLE", NULL, "viewer operator approver admin", NULL },
	{ "STATE", NULL, "received analyzed formatted sending delivered "
	    "uncertain dead suppressed", NULL },
	{ "TYPE", NULL, NULL, types_print },
	{ "HOOK", NULL, NULL, hooks_print },
};

/* Operands that are in the first column of what another verb prints; behind
 * is the operand before it. */
static const struct {
	const char *verb, *behind, *names;
} operands[] = {
	{ "restart", "", "workers" }, { "drain", "", "workers" },
	{ "wait", "ready", "workers" }, { "wait", "restarted", "workers" },
	{ "approvals", "allow", "approvals" },
	{ "approvals", "deny", "approvals" }, { "queue", "show", "queue" },
	{ "queue", "retry", "queue" }, { "queue", "drop", "queue" },
	{ "silence", "expire", "silence" }, { "users", "remove", "users" },
	{ "chats", "resume", "chats" },
};

static void
types_print(void)
{
	size_t i;

	for (i = 0; mcp_type_names[i] != NULL; i++)
		printf("%s%s", i > 0 ? " " : "", mcp_type_names[i]);
}

/* Hooks that have a choice, and kinds of notifications, of all agents. */
static void
hooks_print(void)
{
	static const char *const agents[] = { "claude", "codex", "gemini" };
	const char *seen[64], *name[2];
	const struct hook_event *e;
	size_t i, k, m, n = 0;

	for (i = 0; i < nitems(agents); i++)
		for (e = agent_find(agents[i])->events; e->name != NULL; e++) {
			if ((e->does & (HOOK_ASKS | HOOK_TELLS)) == 0)
				continue;
			name[0] = e->name;
			name[1] = e->kind;
			for (k = 0; k < 2 && name[k] != NULL; k++) {
				for (m = 0; m < n; m++)
					if (strcmp(seen[m], name[k]) == 0)
						break;
				if (m < n || n == nitems(seen))
					continue;
				seen[n++] = name[k];
				printf("%s%s", n > 1 ? " " : "", name[k]);
			}
		}
}

static void
verbs_print(void)
{
	const struct verb *const *v;

	for (v = verbs; *v != NULL; v++)
		printf("%s%s", v == verbs ? "" : " ", (*v)->name);
}

static void
options_print(const struct verb_option *option)
{
	for (; option != NULL && option->name != NULL; option++)
		printf(" --%s%s", option->name,
		    option->kind == OPT_MAYBE ? "=" : "");
}

/* What may stand behind these options of a verb ("*": of all of them). */
static void
values_print(const char *verb, const struct verb_option *option)
{
	size_t i;

	for (; option != NULL && option->name != NULL; option++) {
		if (option->kind == OPT_FLAG)
			continue;
		printf("\t%s:--%s", verb, option->name);
		if (option->letter != 0 && option->kind == OPT_VALUE)
			printf("|%s:-%c", verb, option->letter);
		for (i = 0; i < nitems(values); i++)
			if (strcmp(values[i].value, option->value) == 0)
				break;
		if (i == nitems(values))
			puts(") return ;;");
		else if (values[i].action != NULL)
			printf(") COMPREPLY=($(compgen %s -- \"$cur\")); "
			    "return ;;\n", values[i].action);
		else {
			fputs(") words=\"", stdout);
			if (values[i].words != NULL)
				fputs(values[i].words, stdout);
			else
				values[i].print();
			puts("\" ;;");
		}
	}
}

static void
operands_print(const struct verb *v)
{
	const char *words = v->words;
	size_t i;

	for (i = 0; i < nitems(operands); i++) {
		if (strcmp(operands[i].verb, v->name) != 0)
			continue;
		printf("\t\t%s:%s) words=\"$(_cctgctl_names %s)", v->name,
		    operands[i].behind, operands[i].names);
		if (*operands[i].behind == '\0') {
			if (words != NULL)
				printf(" %s", words);
			words = NULL;
		}
		puts("\" ;;");
	}
	if (words != NULL)
		printf("\t\t%s:) words=\"%s\" ;;\n", v->name, words);
}

static int
completion_run(struct ctl *ctl)
{
	const struct verb *const *v;

	(void)ctl;
	fputs("# bash completion for cctgctl(1), made by cctgctl completion\n"
	    "_cctgctl_names()\n{\n"
	    "\t\"${COMP_WORDS[0]}\" ${where[@]+\"${where[@]}\"} \"$1\" "
	    "2>/dev/null |\n\t    sed -n '2,${s/ .*//p;}'\n}\n"
	    "_cctgctl()\n{\n"
	    "\tlocal cur=${COMP_WORDS[COMP_CWORD]} verb= sub= words= i\n"
	    "\tlocal prev=${COMP_WORDS[COMP_CWORD-1]} where=()\n"
	    "\tCOMPREPLY=()\n"
	    "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	    "\t\tcase ${COMP_WORDS[i]} in\n"
	    "\t\t--config|-c|--runtime-dir|--socket)\n"
	    "\t\t\twhere+=(\"${COMP_WORDS[i]}\" \"${COMP_WORDS[i+1]}\")\n"
	    "\t\t\t((i++)) ;;\n"
	    "\t\t-*|=) ;;\n"
	    "\t\t*)\tif [[ $verb = '' ]]; then verb=${COMP_WORDS[i]}\n"
	    "\t\t\telif [[ $sub = '' ]]; then sub=${COMP_WORDS[i]}; fi ;;\n"
	    "\t\tesac\n\tdone\n"
	    "\t# --option=value comes as three words.\n"
	    "\tif [[ $cur = '=' ]]; then cur=\n"
	    "\telif [[ $prev = '=' ]]; then "
	    "prev=${COMP_WORDS[COMP_CWORD-2]}; fi\n"
	    "\tcase $verb:$prev in\n", stdout);
	values_print("*", global_options);
	for (v = verbs; *v != NULL; v++)
		values_print((*v)->name, (*v)->options);
	fputs("\tesac\n\tif [[ $words = '' ]]; then\n"
	    "\t\tcase $verb in\n\t\t'') words=\"", stdout);
	verbs_print();
	puts("\" ;;");
	for (v = verbs; *v != NULL; v++)
		if ((*v)->options != NULL) {
			printf("\t\t%s) words=\"", (*v)->name);
			options_print((*v)->options);
			puts("\" ;;");
		}
	fputs("\t\tesac\n\t\twords+=\"", stdout);
	options_print(global_options);
	/* Options only where one is begun: they would hide the operands. */
	fputs("\"\n\t\t[[ $verb = '' || $cur = -* ]] || words=\n\tfi\n"
	    "\tif [[ $verb != '' && $words = '' ]]; then\n"
	    "\t\tcase $verb:$sub in\n", stdout);
	for (v = verbs; *v != NULL; v++)
		operands_print(*v);
	fputs("\t\thelp:) words=\"", stdout);
	verbs_print();
	fputs("\" ;;\n\t\trun:*) COMPREPLY=($(compgen -c -f -- \"$cur\")); "
	    "return ;;\n\t\tesac\n\tfi\n"
	    "\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
	    "}\ncomplete -F _cctgctl cctgctl\n", stdout);
	return (XC_OK);
}

const struct verb verb_completion = {
	.name = "completion",
	.operands = "",
	.doc = "print a completion script for bash",
	.run = completion_run,
};
