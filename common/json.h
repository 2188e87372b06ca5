/*
 * Small readers on json-c objects.  Paths are dotted ("telegram.api_url").
 * A missing key or one of another type gives the default.
 */
#ifndef COMMON_JSON_H
#define COMMON_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;

struct json_object *json_path(struct json_object *, const char *path);
const char *json_str(struct json_object *, const char *path, const char *def);
int64_t json_i64(struct json_object *, const char *path, int64_t def);
double json_num(struct json_object *, const char *path, double def);
bool json_flag(struct json_object *, const char *path, bool def);

/*
 * Parse exactly one JSON value of len bytes, at most 32 levels deep and with
 * at most 40000 objects and arrays, with nothing but white space behind it.
 * The tokener is kept for the next call.
 * Numbers are written again as they came; an integer that 64 bits do not hold
 * becomes a string.  Invalid UTF-8 within strings passes.  Returns an object
 * to be put, or NULL and, through error, a static text; a bare null is an
 * error, too.
 */
struct json_object *json_parse(const char *, size_t len, const char **error);

#endif
