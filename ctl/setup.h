/*
 * Setting up other programs: setup.c is the verb and does the I/O,
 * settings.c changes Claude Code's documents and is pure.
 */
#ifndef CTL_SETUP_H
#define CTL_SETUP_H

#include <stdbool.h>

struct conf_list;
struct json_object;

struct setup {
	const char *command; /* of this program, quoted for a shell */
	const char *program; /* its path */
	struct json_object *args; /* of the program before the verb, strings */
	int ask_s; /* how long a hook may take that asks people */
	const struct conf_list *on; /* hooks that are quiet by default */
	bool remove;
	struct json_object *changes; /* what was changed, texts */
	char error[256];	     /* when it fails */
};

/*
 * Put our hooks into a document of settings.json, or take them out, and leave
 * all else as it is.  Returns 0 with the texts of what was changed added, or
 * -1 and error for a document of a shape that is not understood, which may
 * then be half changed.
 */
int settings_hooks(struct setup *, struct json_object *doc);
/* The same with the MCP server and a document of .claude.json. */
int settings_mcp(struct setup *, struct json_object *doc);

#endif
