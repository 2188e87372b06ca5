/*
 * params.h - the parameters of one Bot API call, from wherever they came:
 * the query, a JSON object, a form or a multipart body.
 */
#ifndef SIM_PARAMS_H
#define SIM_PARAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;

#define PARAMS_MAX	32

struct param {
	const char		*name;
	const char		*value;		/* NUL behind it */
	size_t			 len;
	struct json_object	*json;		/* came as this; borrowed */
	const char		*file;		/* name of an uploaded file */
	const char		*mime;
};

struct params {
	struct param		 v[PARAMS_MAX];
	size_t			 n;
	char			*mem;		/* decoded text */
	size_t			 used;
	size_t			 cap;
	struct json_object	*root;
};

/*
 * Take the parameters apart.  The query may be NULL; the body stays in use
 * until params_clear.  Returns 0, or -1 and *error, the description of a
 * 400 answer.
 */
int		 params_parse(struct params *, const char *query,
		    const char *type, const char *body, size_t,
		    const char **error);
void		 params_clear(struct params *);

const struct param *params_find(const struct params *, const char *);
/* The value, NULL if there is none. */
const char	*params_str(const struct params *, const char *);
/* 0 and the number, or -1 if absent or no whole number. */
int		 params_int(const struct params *, const char *, int64_t *);
bool		 params_bool(const struct params *, const char *);
/*
 * A parameter that is JSON, either as a string or in a JSON body.  A new
 * reference, or NULL if absent or broken; then *broken tells which.
 */
struct json_object *params_json(const struct params *, const char *,
		    bool *broken);
/* Percent-decoding of a path or a value in place; returns the length. */
size_t		 params_decode(char *, const char *, size_t, bool plus);

#endif /* SIM_PARAMS_H */
