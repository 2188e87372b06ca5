/*
 * What is told to whoever sent something that cannot be taken: an exit code
 * of sysexits(3), the key at fault and a sentence.
 */
#ifndef COMMON_ERROR_H
#define COMMON_ERROR_H

struct error {
	int code;	/* EX_DATAERR 65, EX_TEMPFAIL 75, EX_NOPERM 77 */
	char field[32]; /* the key that is wrong, or "" */
	char text[200];
};

/* Fill and return -1, so that a check can `return (error_set(…));`. */
int error_set(struct error *, int code, const char *field, const char *, ...)
    __attribute__((format(printf, 4, 5)));

#endif
