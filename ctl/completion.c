/*
 * completion: a script for bash, made from the table of verbs, so that it
 * knows what the parser knows.  etc/completions/cctgctl is what this prints.
 */
#include <stdio.h>

#include "ctl/ctl.h"
#include "ctl/verbs.h"

static void
options_print(const struct verb_option *option)
{
	for (; option != NULL && option->name != NULL; option++)
		printf(" --%s%s", option->name,
		    option->kind == OPT_VALUE ? "" :
		    option->kind == OPT_MAYBE ? "=" : "");
}

static int
completion_run(struct ctl *ctl)
{
	const struct verb *const *v;

	(void)ctl;
	fputs("# bash completion for cctgctl(1), made by cctgctl completion\n"
	    "_cctgctl()\n{\n"
	    "\tlocal cur=${COMP_WORDS[COMP_CWORD]} verb= words= i\n"
	    "\tlocal prev=${COMP_WORDS[COMP_CWORD-1]}\n"
	    "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	    "\t\tcase ${COMP_WORDS[i]} in\n"
	    "\t\t--config|-c|--runtime-dir|--socket) ((i++)) ;;\n"
	    "\t\t-*) ;;\n"
	    "\t\t*) verb=${COMP_WORDS[i]}; break ;;\n"
	    "\t\tesac\n\tdone\n"
	    "\tcase $prev in\n"
	    "\t--config|-c|--file|-f|--event|-e|--socket)\n"
	    "\t\tCOMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n"
	    "\t--runtime-dir)\n"
	    "\t\tCOMPREPLY=($(compgen -d -- \"$cur\")); return ;;\n"
	    "\tesac\n"
	    "\tcase $verb in\n"
	    "\t'') words=\"", stdout);
	for (v = verbs; *v != NULL; v++)
		printf("%s%s", v == verbs ? "" : " ", (*v)->name);
	puts("\" ;;");
	for (v = verbs; *v != NULL; v++) {
		if ((*v)->words == NULL && (*v)->options == NULL)
			continue;
		printf("\t%s) words=\"%s", (*v)->name,
		    (*v)->words != NULL ? (*v)->words : "");
		options_print((*v)->options);
		puts("\" ;;");
	}
	fputs("\tesac\n\twords+=\"", stdout);
	options_print(global_options);
	fputs("\"\n\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
	    "}\ncomplete -F _cctgctl cctgctl\n", stdout);
	return (XC_OK);
}

const struct verb verb_completion = {
	.name = "completion",
	.operands = "",
	.doc = "print a completion script for bash",
	.run = completion_run,
};
