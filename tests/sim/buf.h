/*
 * buf.h - a growing byte buffer and the JSON text that is written into it.
 * Used for every answer of the simulator.  Out of memory ends the program:
 * it is a test tool and has nothing to save.
 */
#ifndef SIM_BUF_H
#define SIM_BUF_H

#include <stddef.h>
#include <stdint.h>

#ifndef nitems
#define nitems(a)	(sizeof(a) / sizeof((a)[0]))
#endif

struct buf {
	char	*p;
	size_t	 len;
	size_t	 cap;
};

/* Make room for n more bytes and return where they go; len is unchanged. */
char	*buf_reserve(struct buf *, size_t);
void	 buf_add(struct buf *, const void *, size_t);
void	 buf_puts(struct buf *, const char *);
void	 buf_putc(struct buf *, char);
void	 buf_int(struct buf *, int64_t);
void	 buf_printf(struct buf *, const char *, ...)
	    __attribute__((__format__(printf, 2, 3)));
/* A JSON string with its quotes; the bytes are valid UTF-8. */
void	 buf_json(struct buf *, const char *, size_t);
void	 buf_json_str(struct buf *, const char *);
/* "name": with a comma before it unless it is the first of its object. */
void	 buf_key(struct buf *, const char *);
/* Drop the contents, keep the memory. */
void	 buf_clear(struct buf *);
void	 buf_free(struct buf *);

/* Allocation that cannot fail, for the whole simulator. */
void	*xcalloc(size_t, size_t);
void	*xreallocarray(void *, size_t, size_t);
char	*xstrndup(const char *, size_t);
char	*xstrdup(const char *);

#endif /* SIM_BUF_H */
