/*
 * Changing files of other programs: whole or not at all, with a backup beside
 * them, and through symbolic links, since many keep such files elsewhere.
 */
#ifndef CTL_EDIT_H
#define CTL_EDIT_H

#include <stddef.h>

struct edit {
	char path[4096];
	char *old; /* its content; NULL: there is no such file */
	size_t oldlen;
	char backup[4200]; /* after edit_write(); "" if there was no file */
};

/* Returns 0, or -1 with errno. */
int edit_read(struct edit *, const char *path);
/* Directories on the way are made.  Returns 0, or -1 with errno. */
int edit_write(struct edit *, const char *text, size_t len);
/* Remove it; its backup stays. */
int edit_remove(struct edit *);
void edit_free(struct edit *);

#endif
