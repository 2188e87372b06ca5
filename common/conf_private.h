/* What the files conf*.c share. */
#ifndef COMMON_CONF_PRIVATE_H
#define COMMON_CONF_PRIVATE_H

#include "common/conf.h"

struct json_object;

/* What a load is about; lives as long as conf_load() runs. */
struct conf_load {
	const struct conf_source *source;
	struct conf *conf;
	struct conf_problems *problems;
	const char *home;
	char **dotenv; /* "NAME=VALUE" of the .env files, NULL at the end */
	size_t ndotenv;
	/* By row of conf_keys: the line, 0 where it was not in the file. */
	int *lines;
	/* By row: the variable or flag that set it last, or NULL. */
	const char **origins;
};

#define CONF_MAX_BYTES (1U << 20)
#define CONF_WHY_SIZE 200

/* conf.c */
/* path NULL: text is all of it. */
void conf_problem(struct conf_problems *, bool error, const char *path,
    int line, const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* A problem of the key: with the line or variable it came from. */
void conf_problem_key(struct conf_load *, bool error, const char *path,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* Set a key from outside of the file; who: variable or flag. */
void conf_set_from(struct conf_load *, const char *path, const char *value,
    const char *who);
/* A whole small file, NUL at its end; NULL with errno. */
char *conf_slurp(const char *path, size_t max, size_t *len, mode_t *);

/* conf_value.c */
/*
 * Set a key from text.  A list gets one more member; first empties it
 * before.  base is the structure that the row's offset is in.  Returns 0, or
 * -1 with the reason in why.
 */
int conf_value_set(const struct conf_key *, void *base, const char *text,
    bool first, char *why, size_t size);
/* Set it to its default; free what it holds. */
void conf_value_default(const struct conf_key *, void *base);
void conf_value_free(const struct conf_key *, void *base);
/* A new value, as the workers are told; NULL for JSON's null. */
struct json_object *conf_value_json(const struct conf_key *, const void *base);
/* Bytes of a member of that type. */
size_t conf_value_size(enum conf_type);
bool conf_type_is_list(enum conf_type);
/* Append a copy.  0, or -1 without memory. */
int conf_list_add(struct conf_list *, const char *);

/* conf_file.c: parse text, the content of path; comments get lost. */
void conf_file_parse(struct conf_load *, const char *path, char *text);

/* conf_text.c */
/*
 * Blank the comments.  Returns NULL, or what is wrong with the text as a
 * whole, and in line where.
 */
const char *conf_text_clean(char *text, int *line);

/* conf_env.c */
/* Append the assignments of a .env file, if it is there. */
void conf_dotenv_read(struct conf_load *, const char *path);
/* A variable of the environment or, after it, of .env; NULL: not set. */
const char *conf_env(const struct conf_load *, const char *name);
/* Set the keys for which there is a variable. */
void conf_env_apply(struct conf_load *);

/* conf_token.c */
void conf_tokens_read(struct conf_load *);

/* conf_check.c */
void conf_check(struct conf_load *);

#endif
