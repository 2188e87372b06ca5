/*
 * The text of cctgd.conf made ready for libConfuse 3.3, which counts a "#"
 * comment as three lines, refuses one within a list, and takes the end of
 * the file for the end of a section: comments become blanks, and what is
 * left open is found here, with the line where it was opened.
 * Pure; called by conf_file.c.
 */
#include <string.h>

#include "common/conf_private.h"

#define DEPTH_MAX 32

static char *string_end(char *, int *line);
static char *comment_blank(char *, int *line);

/* From the quote that opens to the one that closes; NULL: none does. */
static char *
string_end(char *s, int *line)
{
	char quote = *s++;

	for (; *s != '\0' && *s != quote; s++) {
		if (*s == '\\' && s[1] != '\0')
			s++;
		if (*s == '\n')
			++*line;
	}
	return (*s == '\0' ? NULL : s);
}

/* Returns the last character of the comment; NULL: it does not end. */
static char *
comment_blank(char *s, int *line)
{
	bool block = *s == '/' && s[1] == '*';
	char *end = block ? strstr(s + 2, "*/") : s + strcspn(s, "\n") - 1;

	if (end == NULL)
		return (NULL);
	end += block;
	for (; s <= end; s++)
		if (*s == '\n')
			++*line;
		else
			*s = ' ';
	return (end);
}

const char *
conf_text_clean(char *text, int *line)
{
	char *s, *end, before = '\n';
	int opened[DEPTH_MAX], at = 1, depth = 0;

	for (s = text; *s != '\0'; before = *s++) {
		*line = at;
		end = s;
		if (*s == '\n')
			at++;
		else if (*s == '"' || *s == '\'') {
			if ((end = string_end(s, &at)) == NULL)
				return ("this text has no closing quote");
		} else if (*s == '#' || (*s == '/' && s[1] == '*') ||
		    /* within a word, as in a URL, it is no comment */
		    (*s == '/' && s[1] == '/' &&
		    strchr(" \t\r\n{}=,+()", before) != NULL)) {
			if ((end = comment_blank(s, &at)) == NULL)
				return ("this comment has no end");
		} else if (*s == '{') {
			if (depth == DEPTH_MAX)
				return ("too many braces within each other");
			opened[depth++] = at;
		} else if (*s == '}' && depth > 0)
			depth--;
		s = end;
	}
	if (depth == 0)
		return (NULL);
	*line = opened[depth - 1];
	return ("this brace is never closed");
}
