/*
 * The bot token: its shape, and keeping it out of every text that leaves
 * this process.  Pure.
 */
#include <ctype.h>
#include <string.h>

#include "workers/telegram/telegram.h"

/* Shorter secrets would blot out innocent words. */
#define SECRET_MIN 8

static void blot(char *, const char *, size_t);

bool
token_is_valid(const char *token)
{
	size_t digits = strspn(token, "0123456789"), i;

	if (digits == 0 || token[digits] != ':' || token[digits + 1] == '\0')
		return (false);
	for (i = digits + 1; token[i] != '\0'; i++)
		if (!isalnum((unsigned char)token[i]) && token[i] != '_' &&
		    token[i] != '-')
			return (false);
	return (true);
}

void
token_scrub(char *text, const char *token)
{
	const char *secret;

	if (token == NULL || *token == '\0')
		return;
	blot(text, token, strlen(token));
	secret = strchr(token, ':');
	if (secret != NULL && strlen(secret + 1) >= SECRET_MIN)
		blot(text, secret + 1, strlen(secret + 1));
}

static void
blot(char *text, const char *what, size_t len)
{
	char *p = text;

	while ((p = strstr(p, what)) != NULL) {
		memset(p, '*', len);
		p += len;
	}
}
