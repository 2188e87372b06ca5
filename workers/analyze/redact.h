/*
 * Masking of secrets in text.
 */
#ifndef ANALYZE_REDACT_H
#define ANALYZE_REDACT_H

#include <stdbool.h>
#include <stddef.h>

struct redactor {
	unsigned int masked; /* secrets found so far */
	/* A private key that was begun in one string of an array goes on in
	 * the next; which array tells its label. */
	const char *pem_label;
	bool pem_open;
};

/*
 * Replace every secret in a text by a note such as "[github token masked]".
 * label is the key under which the text stands, or NULL.  Returns 1 with a
 * malloc'd, NUL-terminated *out of *outlen bytes, 0 if there was none, -1
 * when out of memory.  Linear in len.
 */
int redact_text(struct redactor *, const char *, size_t len,
    const char *label, char **out, size_t *outlen);

/* Is a number under this key a password? */
bool redact_number(const char *label);

#endif
